"""Which queries are one query: those that an encoder makes the same vectors of say of an index what one of them says.

Texts differ more often than their vectors do: to an encoder without a word for them three emoji are any other three,
and a text in an unknown script is so many unknown words. 200 such headings once tuned an index on a single query.
"""

from collections.abc import Sequence

import numpy as np

from xtr_assets.core.types import Floats, Mask

# A query of which the vector is this near to another's is that query: batches round a little differently.
SAME_QUERY = 0.9999


def unlike(queries: Sequence[Floats]) -> Mask:
    """bool [n]: which of these queries (each an embedding, or tokens float32 [t, dim]) are like none before them.

    >>> unlike([np.array([0.6, 0.8]), np.array([1.0, 0.0]), np.array([0.6, 0.8000001])]).tolist()
    [True, True, False]
    """
    likeness = np.tril(_likeness(queries, queries), -1)
    different: Mask = likeness.max(axis=1, initial=0.0) < SAME_QUERY
    return different


def unlike_all(queries: Sequence[Floats], others: Sequence[Floats]) -> Mask:
    """bool [n]: which queries are like none of the others."""
    different: Mask = _likeness(queries, others).max(axis=1, initial=0.0) < SAME_QUERY
    return different


def _likeness(some: Sequence[Floats], others: Sequence[Floats]) -> Floats:
    """Cosines float32 [n, m]; tokens by their mean, since MaxSim does not ask for their order. Nothing is like nothing
    else, and like itself."""
    if not len(some) or not len(others):
        return np.zeros((len(some), len(others)), np.float32)
    cosines: Floats = _signs(some) @ _signs(others).T
    return cosines


def _signs(queries: Sequence[Floats]) -> Floats:
    """Unit rows; the last place is 1 where there is nothing else."""
    means = [one if one.ndim == 1 else one.sum(axis=0) / max(1, len(one)) for one in queries]
    rows = np.stack(means).astype(np.float32)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    nothing = lengths < 1e-12
    signs: Floats = np.hstack([np.where(nothing, 0.0, rows / np.maximum(lengths, 1e-12)), nothing]).astype(np.float32)
    return signs
