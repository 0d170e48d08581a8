"""Clustered token vectors for tests: topics, words within them, and noise, as encoders give them."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from xtr_assets.core.types import Floats, Ints


@dataclass(frozen=True)
class TokenCorpus:
    """tokens float32 [T, d], unit length; offsets int64 [n + 1]; queries, each float32 [t, d]."""

    tokens: Floats
    offsets: Ints
    queries: list[Floats]

    def document(self, row: int) -> Floats:
        return self.tokens[self.offsets[row] : self.offsets[row + 1]]


def unit(vectors: npt.NDArray[np.floating]) -> Floats:
    """float32, whatever the floats given."""
    scaled: Floats = (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)
    return scaled


def make_corpus(
    documents: int, *, dim: int = 32, length: int = 30, words: int = 400, queries: int = 20, seed: int = 0
) -> TokenCorpus:
    """Documents of up to 2 * length tokens from a vocabulary of directions; queries near some document's tokens."""
    rng = np.random.default_rng(seed)
    common = rng.normal(size=dim)
    vocabulary = rng.normal(size=(words, dim)) + 0.5 * common
    lengths = rng.integers(1, 2 * length, documents)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    topic = np.repeat(rng.normal(size=(documents, dim)), lengths, axis=0)
    drawn = vocabulary[rng.integers(0, words, offsets[-1])]
    tokens = unit(drawn + 0.5 * topic + 0.3 * rng.normal(size=drawn.shape))
    asked = []
    for row in rng.integers(0, documents, queries):
        own = tokens[offsets[row] : offsets[row + 1]]
        picked = own[rng.integers(0, len(own), rng.integers(1, 12))]
        asked.append(unit(picked + 0.1 * rng.normal(size=picked.shape)))
    return TokenCorpus(tokens, offsets, asked)
