"""Training a head: pairs from a corpus or from packages, the training, what is measured of it, and its card."""
