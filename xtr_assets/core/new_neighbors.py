"""New exact neighbours: new rows that every right answer to a query holds. Recall of new rows counts over them."""

import math

import numpy as np

from xtr_assets.core.recall import NO_SPREAD, TIE_TOLERANCE, Doubles, student_quantile
from xtr_assets.core.types import Floats, Ints


def certain_new(
    exact_scores: Floats,
    exact_rows: Ints,
    new_scores: Floats,
    new_rows: Ints,
    k: int,
    tolerance: float = TIE_TOLERANCE,
    live: int | None = None,
) -> list[Ints]:
    """The new rows that belong to the k best of each query whichever way ties are broken: int64 [m] each, m <= k.

    Parameters
    ----------
    exact_scores float32 [q, d], exact_rows int64 [q, d]
        The best of all rows, best first, -1 pads; d > k, or a list that ends before its width.
    new_scores float32 [q, n], new_rows int64 [q, n]
        The best of the new rows alone, found without the other lists: a new row that those lack is missed by them, and
        still counts here.
    live
        How many rows there are. A list of fewer says nothing of what lies below its end: one that was carried over from
        the parent ends where rows died. None: a list that ends before its width holds all there are.

    Row 7 is new and second; rows 8 and 9 tie for the third place of three, so that neither has to be found:

    >>> scores, rows = np.array([[0.9, 0.8, 0.5, 0.5]], np.float32), np.array([[1, 7, 8, 9]])
    >>> [found.tolist() for found in certain_new(scores, rows, scores[:, 1:3], rows[:, 1:3], 3)]
    [[7]]
    """
    certain = []
    for query in range(len(exact_rows)):
        listed, new = exact_rows[query] >= 0, new_rows[query] >= 0
        rows = np.concatenate([exact_rows[query][listed], new_rows[query][new]])
        scores = np.concatenate([exact_scores[query][listed], new_scores[query][new]])
        rows, first = np.unique(rows, return_index=True)
        scores = scores[first]
        # Below its last entry a list that does not hold all rows says nothing about who else is there.
        count = int(listed.sum())
        whole = count < len(listed) if live is None else len(rows) >= live
        last = float(exact_scores[query][listed][-1]) if count else np.inf
        floor = -np.inf if whole else last + tolerance
        candidates = np.isin(rows, new_rows[query][new]) & (scores > floor)
        rivals = (scores[None, :] >= scores[candidates][:, None] - tolerance).sum(axis=1)
        certain.append(rows[candidates][rivals <= k])
    return certain


def shares_found(certain: list[Ints], found: Ints) -> Doubles:
    """Share of each query's certain rows that were found (int64 [q, k]): float64 [q], NaN where there is none.

    >>> shares_found([np.array([7, 8]), np.array([], np.int64)], np.array([[7, 1], [2, 3]])).tolist()
    [0.5, nan]
    """
    return np.array(
        [float(np.isin(rows, found[i]).mean()) if len(rows) else np.nan for i, rows in enumerate(certain)], np.float64
    )


def shares_by_row(certain: list[Ints], found: Ints) -> Doubles:
    """For each row that is certain for some query, ascending, the share of those queries that found it: float64 [rows].

    Queries about one row are not independent: what they find is of one row.

    >>> shares_by_row([np.array([7]), np.array([7, 8])], np.array([[7, 1], [2, 8]])).tolist()
    [0.5, 1.0]
    """
    rows = np.concatenate([np.empty(0, np.int64), *certain])
    hits = np.concatenate([np.empty(0, np.bool_), *(np.isin(one, found[i]) for i, one in enumerate(certain))])
    unique, inverse = np.unique(rows, return_inverse=True)
    shares: Doubles = np.bincount(inverse, hits, len(unique)) / np.maximum(np.bincount(inverse, None, len(unique)), 1)
    return shares


def surely_at_most(per_query: Doubles, confidence: float) -> float:
    """The smaller of two upper bounds of the mean of values in [0, 1]: Clopper and Pearson's, which holds for any
    number of values that are 0 or 1, and Student's, which is closer where values lie close together.

    Values that are 0 or 1 vary most, and more the lower their mean: there Student's is the larger. A sum that is no
    whole number counts as the next one.

    >>> round(surely_at_most(np.zeros(4), 0.999), 3), round(surely_at_most(np.array([0.8, 0.9] * 25), 0.999), 3)
    (0.822, 0.873)
    """
    count, mean = len(per_query), float(np.mean(per_query))
    spread = float(np.std(per_query, ddof=1)) if count > 1 else 0.0
    binomial = _clopper_pearson(math.ceil(float(np.sum(per_query)) - 1e-9), count, confidence)
    if spread <= NO_SPREAD:
        return binomial
    return min(binomial, mean + student_quantile(confidence, count - 1) * spread / math.sqrt(count))


def _clopper_pearson(successes: int, count: int, confidence: float) -> float:
    """The p with which so few successes or fewer have a probability of 1 - confidence, by bisection."""
    if successes >= count:
        return 1.0
    low, high = 0.0, 1.0
    for _ in range(50):
        p = (low + high) / 2
        tail = sum(math.comb(count, i) * p**i * (1 - p) ** (count - i) for i in range(successes + 1))
        low, high = (p, high) if tail > 1.0 - confidence else (low, p)
    return high
