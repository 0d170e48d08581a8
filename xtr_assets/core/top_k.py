"""The best k of scores, equal scores by ascending row: the one rule of every ranking, in numpy.

Compiled code selects where it scores (numba_scores, sq_scan and the token kernels in C++, late/gpu/device_top_k on a
device). Each of them is tested against the functions here.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from xtr_assets.core.errors import InvalidInput
from xtr_assets.core.types import Floats, Ints


def kth_best(scores: npt.NDArray[Any], k: int) -> Any:
    """The k-th best along the last axis: a number for [n], one a line for [q, n]. 1 <= k <= n."""
    count = scores.shape[-1]
    return np.partition(scores, count - k, axis=-1)[..., count - k]


def distinct(rows: Ints) -> Ints:
    """The different rows of int64 [n], ascending. np.unique says the same, and imports numpy.ma for it (20 CPU ms).

    >>> distinct(np.array([4, 2, 4])).tolist(), distinct(np.array([], np.int64)).tolist()
    ([2, 4], [])
    """
    ordered = np.sort(rows)
    first = np.ones(len(ordered), np.bool_)
    first[1:] = ordered[1:] != ordered[:-1]
    found: Ints = ordered[first]
    return found


def best_positions(scores: npt.NDArray[Any], rows: Ints, k: int | None = None) -> Ints:
    """Positions int64 [min(k, n)] of the best scores, best first, equal scores by ascending row; all where k is None.

    scores : any number [n]; rows : int64 [n], rows or chunk_ids. The order is the same however the two are shuffled.

    >>> best_positions(np.array([0.5, 0.7, 0.5], "f4"), np.array([9, 4, 3])).tolist()
    [1, 2, 0]
    """
    if k is not None and k < 0:
        raise InvalidInput(f"k is {k}; ask for 0 or more results")
    keep: Ints = np.arange(len(scores))
    if k is not None and 0 < k < len(scores):
        # Sorting a million rows for ten takes 0.2 s. Everything that ties with the k-th stays until rows decide.
        keep = np.flatnonzero(scores >= kth_best(scores, k))
    order: Ints = keep[np.lexsort((rows[keep], -scores[keep]))]
    return order if k is None else order[:k]


def best_rows(scores: Floats, rows: Ints, k: int) -> tuple[Floats, Ints]:
    """The k best of scored rows, best first, equal scores by ascending row; fewer than k are padded (-inf, row -1).

    scores : float32 [n]; rows : int64 [n]. Returns (float32 [k], int64 [k]).

    >>> best_rows(np.array([0.5, 0.7, 0.5], "f4"), np.array([9, 4, 3]), 2)
    (array([0.7, 0.5], dtype=float32), array([4, 3]))
    """
    order = best_positions(scores, rows, k)
    found_scores, found_rows = np.full(k, -np.inf, np.float32), np.full(k, -1, np.int64)
    found_scores[: len(order)], found_rows[: len(order)] = scores[order], rows[order]
    return found_scores, found_rows


def best_of_lines(scores: Floats, rows: Ints, k: int) -> tuple[Floats, Ints]:
    """`best_rows` of each line, where a score of -inf marks an entry that is no row: float32 and int64 [q, k].

    scores : float32 [q, m]; rows : int64 [q, m].
    """
    order = np.lexsort((rows, np.negative(scores)), axis=-1)[:, :k]
    best, at = np.full((len(rows), k), -np.inf, np.float32), np.full((len(rows), k), -1, np.int64)
    width = order.shape[1]
    best[:, :width] = np.take_along_axis(scores, order, 1)
    at[:, :width] = np.take_along_axis(rows, order, 1)
    at[np.isneginf(best)] = -1
    return best, at


def ranked_columns(scores: npt.NDArray[Any], k: int) -> Ints:
    """Columns int64 [q, min(k, n)] of the best scores of each line, best first, equal scores by ascending column.

    scores : any number [q, n].

    >>> ranked_columns(np.array([[0.5, 0.7, 0.5]]), 2).tolist()
    [[1, 0]]
    """
    order: Ints = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return order
