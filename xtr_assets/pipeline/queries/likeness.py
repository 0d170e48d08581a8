"""Which queries are one query: those that an encoder makes the same vectors of say of an index what one of them says.

Texts differ more often than their vectors do: to an encoder without a word for them three emoji are any other three,
and a text in an unknown script is so many unknown words. 200 such headings once tuned an index on a single query.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from xtr_assets.core.types import Floats, Mask

# A query of which the vector is this near to another's is that query: batches round a little differently.
SAME_QUERY = 0.9999


class Asked(Protocol):
    """Queries as the indexes are asked them: embeddings float32 [n, dim], one float32 [t, token_dim] a query."""

    @property
    def embeddings(self) -> Floats: ...

    @property
    def tokens(self) -> Sequence[Floats]: ...


def different(asked: Asked, *before: Asked) -> Mask:
    """bool [n]: which queries are like none before them, nor one of `before`, to each index that their encoder has
    vectors for: what is two questions to one index and one to the other proves nothing of the other."""
    told: Mask = np.ones(len(asked.embeddings), np.bool_)
    for mine, *theirs in zip(_legs(asked), *map(_legs, before), strict=True):
        together = [one for leg in (*theirs, mine) for one in leg]
        if len(mine):
            told &= unlike(together)[len(together) - len(mine) :]
    return told


def unlike(queries: Sequence[Floats]) -> Mask:
    """bool [n]: which of these queries (each an embedding, or tokens float32 [t, dim]) are like none before them.

    Tokens are told apart by their mean, since MaxSim does not ask for their order. Nothing is like nothing else, and
    like itself.

    >>> unlike([np.array([0.6, 0.8]), np.array([1.0, 0.0]), np.array([0.6, 0.8000001])]).tolist()
    [True, True, False]
    """
    if not len(queries):
        return np.ones(0, np.bool_)
    signs = _signs(queries)
    told: Mask = np.tril(signs @ signs.T, -1).max(axis=1) < SAME_QUERY
    return told


def _legs(asked: Asked) -> tuple[Sequence[Floats], Sequence[Floats]]:
    """(embeddings, tokens), none of what the encoder does not give."""
    with_tokens = any(one.shape[1] for one in asked.tokens)
    return list(asked.embeddings) if asked.embeddings.shape[1] else [], asked.tokens if with_tokens else []


def _signs(queries: Sequence[Floats]) -> Floats:
    """Unit rows; the last place is 1 where there is nothing else."""
    means = [one if one.ndim == 1 else one.sum(axis=0) / max(1, len(one)) for one in queries]
    rows = np.stack(means).astype(np.float32)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    nothing = lengths < 1e-12
    signs: Floats = np.hstack([np.where(nothing, 0.0, rows / np.maximum(lengths, 1e-12)), nothing]).astype(np.float32)
    return signs
