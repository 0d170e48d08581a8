"""How far two vectors of one text agree."""

import numpy as np

from xtr_assets.core.types import Floats, Halves


def agreement(found: Floats | Halves, right: Floats | Halves) -> Floats:
    """float32 [n]: 1 less half the squared distance of each row of `found` from its row of `right`, both [n, dim].

    The cosine where both are of unit length, and less where one is not: a vector of twice the length points the right
    way and still counts twice in every sum. -inf where a component is no number.

    >>> agreement(np.array([[0.6, 0.8], [2.0, 0.0]], "f4"), np.array([[0.6, 0.8], [1.0, 0.0]], "f4")).tolist()
    [1.0, 0.5]
    """
    apart = np.asarray(found, np.float32) - np.asarray(right, np.float32)
    agreed: Floats = (1.0 - 0.5 * np.einsum("nd,nd->n", apart, apart)).astype(np.float32)
    return np.where(np.isfinite(agreed), agreed, np.float32(-np.inf))
