"""Recall@k against exact search, with its lower bound. Quality against judgments is judged_measures.py: never mix."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

from xtr_assets.core.errors import InvalidInput
from xtr_assets.core.types import Floats, Ints, Mask

Doubles = npt.NDArray[np.float64]

# Scores are float32 sums of float16 products: the same document scored through two code paths differs by less than
# this, two different documents closer than this are one as far as a searcher is concerned.
TIE_TOLERANCE = 1e-6
# A token index multiplies queries in 16 bits: its MaxSim differs from float32 by 0.8e-6 to 2.8e-6 (root mean square)
# and 1.8e-5 at most (one token of 16 dims; 384 dims: 0.7e-5; 30,000 pairs each). Two documents closer than twice that
# are one to it, whatever their order.
MAXSIM_TIE_TOLERANCE = 4e-5
# Values that differ by less do not vary: the mean of 0.9, 0.9, 0.9 is not 0.9 in binary.
NO_SPREAD = 1e-9
# Pairs of rows compared at once: 16 MB.
COMPARISONS = 1 << 24
CURVE_POINTS = (1, 5, 10, 20, 50, 100)


def recall_at_k(
    found: Ints,
    exact: Ints,
    found_scores: Floats | None = None,
    exact_scores: Floats | None = None,
    tolerance: float = TIE_TOLERANCE,
) -> Doubles:
    """Share of the exact neighbours that were found, per query.

    Parameters
    ----------
    found, exact : int64 [q, k]
        Rows, best first; -1 pads. The denominator is the number of exact rows that are not pads.
    found_scores, exact_scores : float32 [q, k], optional
        True scores of the same rows. With both given, an exact neighbour that ties with the k-th (within `tolerance`)
        and is missing counts as found for each found row outside the exact list with the k-th score: either is a right
        answer.

    Returns
    -------
    float64 [q]
        In [0, 1]; 1.0 for a query that has no exact neighbour at all.

    >>> recall_at_k(np.array([[3, 1]]), np.array([[1, 2]])).tolist()
    [0.5]
    """
    if found.shape[0] != exact.shape[0]:
        raise InvalidInput(f"{found.shape[0]} queries were searched, {exact.shape[0]} have exact neighbours")
    wanted = exact >= 0
    counts = wanted.sum(axis=1)
    hit = _contained(exact, found) & wanted
    hits = hit.sum(axis=1)
    if found_scores is not None and exact_scores is not None:
        for query in np.flatnonzero((hits < counts) & (counts > 0)):
            kth = exact_scores[query][wanted[query]].min()
            missing = wanted[query] & ~hit[query] & (np.abs(exact_scores[query] - kth) <= tolerance)
            got, first = np.unique(found[query], return_index=True)
            others = (got >= 0) & ~np.isin(got, exact[query])
            spare = others & (np.abs(found_scores[query][first] - kth) <= tolerance)
            hits[query] += min(int(missing.sum()), int(spare.sum()))
    recalls: Doubles = np.where(counts > 0, hits / np.maximum(counts, 1), 1.0)
    return recalls


def _contained(exact: Ints, found: Ints) -> Mask:
    """bool [q, k]: whether each exact row stands anywhere in the found ones of its query."""
    inside = np.zeros(exact.shape, np.bool_)
    step = max(1, COMPARISONS // max(1, exact.shape[1] * found.shape[1]))
    for start in range(0, len(exact), step):
        block = slice(start, start + step)
        inside[block] = (exact[block, :, None] == found[block, None, :]).any(axis=2)
    return inside


def lower_bound(per_query: Doubles, confidence: float = 0.95) -> float:
    """One-sided lower confidence bound of the mean over queries.

    Student's t over the per-query values; where they do not vary (all found, or a single query) the t interval has
    width zero and would claim certainty, so Wilson's score interval over queries is used: n of n found gives
    n / (n + z^2).

    >>> round(lower_bound(np.ones(200)), 4)
    0.9867
    """
    count = len(per_query)
    if not count:
        raise InvalidInput("0 queries give no bound; at least 1 is needed")
    mean = float(np.mean(per_query))
    spread = float(np.std(per_query, ddof=1)) if count > 1 else 0.0
    if spread > NO_SPREAD:
        return max(0.0, mean - student_quantile(confidence, count - 1) * spread / math.sqrt(count))
    return _wilson(mean, count, confidence)[0]


def upper_bound(mean: float, queries: int, confidence: float = 0.95) -> float:
    """One-sided upper confidence bound of a mean in [0, 1] over queries: Wilson's score interval, for any number.

    >>> round(upper_bound(0.0, 1), 4), round(upper_bound(1.0, 5), 4)
    (0.7301, 1.0)
    """
    if queries < 1:
        raise InvalidInput(f"{queries} queries give no bound; at least 1 is needed")
    return _wilson(mean, queries, confidence)[1]


def _wilson(mean: float, count: int, confidence: float) -> tuple[float, float]:
    z = NormalDist().inv_cdf(confidence)
    centre = mean + z * z / (2 * count)
    margin = z * math.sqrt(mean * (1 - mean) / count + z * z / (4 * count * count))
    return max(0.0, (centre - margin) / (1 + z * z / count)), min(1.0, (centre + margin) / (1 + z * z / count))


@lru_cache(maxsize=256)
def student_quantile(confidence: float, freedom: int) -> float:
    """The t that a Student variable of `freedom` degrees stays below with probability `confidence` (> 0.5).

    Bisection over the exact finite series of the distribution (Abramowitz and Stegun 26.7.3 and 26.7.4): no SciPy.
    """
    if not 0.5 < confidence < 1.0:
        raise InvalidInput(f"confidence {confidence} is not between 0.5 and 1")
    low, high = 0.0, 1.0
    while _student_cdf(high, freedom) < confidence:
        low, high = high, high * 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _student_cdf(middle, freedom) < confidence else (low, middle)
    return high


def _student_cdf(t: float, freedom: int) -> float:
    angle = math.atan(t / math.sqrt(freedom))
    sine, cosine = math.sin(angle), math.cos(angle)
    odd = freedom % 2
    # Terms of the series after its first: cos^2 times (1/2)(3/4)... for even, (2/3)(4/5)... for odd degrees.
    steps = np.arange(1, (freedom - 1) // 2 + (0 if odd else 1), dtype=np.float64)
    ratios = (2 * steps / (2 * steps + 1) if odd else (2 * steps - 1) / (2 * steps)) * cosine * cosine
    series = 1.0 + float(np.cumprod(ratios).sum())
    if odd:
        inside = 2 / math.pi * (angle + (sine * cosine * series if freedom > 1 else 0.0))
    else:
        inside = sine * series
    return 0.5 + inside / 2


@dataclass(frozen=True, slots=True)
class RecallReport:
    """Recall of an index against exact search over the same rows, as plain values.

    curve holds (k, mean recall@k); nprobe_curve holds (nprobe, mean recall@k, milliseconds a query) where the index
    was probed at several settings.
    """

    mean: float
    lower_bound: float
    queries: int
    k: int
    confidence: float
    curve: tuple[tuple[int, float], ...]
    nprobe_curve: tuple[tuple[int, float, float], ...] = field(default=())

    def as_json(self) -> dict[str, Any]:
        """The report as JSON values."""
        return {
            "mean": self.mean,
            "lower_bound": self.lower_bound,
            "queries": self.queries,
            "k": self.k,
            "confidence": self.confidence,
            "curve": [list(point) for point in self.curve],
            "nprobe_curve": [list(point) for point in self.nprobe_curve],
        }


def recall_report(
    found: Ints,
    exact: Ints,
    k: int,
    *,
    found_scores: Floats | None = None,
    exact_scores: Floats | None = None,
    confidence: float = 0.95,
    tolerance: float = TIE_TOLERANCE,
    nprobe_curve: Sequence[tuple[int, float, float]] = (),
) -> RecallReport:
    """Recall@k with its bound, and recall at the customary smaller k from the same lists.

    found, exact : int64 [q, >= k], best first, -1 pads; scores float32 of the same shapes (see `recall_at_k`).
    """
    if k < 1 or exact.shape[1] < k:
        raise InvalidInput(f"recall@{k} needs k >= 1 and k exact neighbours a query, the lists hold {exact.shape[1]}")

    def at(depth: int) -> Doubles:
        cut = None if found_scores is None else found_scores[:, :depth]
        true = None if exact_scores is None else exact_scores[:, :depth]
        return recall_at_k(found[:, :depth], exact[:, :depth], cut, true, tolerance)

    per_query = at(k)
    curve = tuple((depth, float(at(depth).mean())) for depth in sorted({*CURVE_POINTS, k}) if depth <= k)
    return RecallReport(
        mean=float(per_query.mean()),
        lower_bound=lower_bound(per_query, confidence),
        queries=len(per_query),
        k=k,
        confidence=confidence,
        curve=curve,
        nprobe_curve=tuple(nprobe_curve),
    )
