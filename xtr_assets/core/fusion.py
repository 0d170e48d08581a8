"""Making one ranking of several scores: weighted z-scores or reciprocal ranks, with ties that no layout can move."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from xtr_assets.core.errors import InvalidInput
from xtr_assets.core.top_k import best_positions
from xtr_assets.core.types import Floats, Ints, Mask

Doubles = npt.NDArray[np.float64]

# The constant of Cormack, Clarke and Buettcher (SIGIR 2009): how fast the weight of a rank falls. Their optimum on
# TREC data, and what every search engine that offers RRF uses, so that scores can be compared with theirs.
RRF_CONSTANT = 60

# Scores that spread less than this are the same score with rounding errors on top (float32 sums of unit vectors):
# dividing by such a spread would rank by noise.
LEAST_SPREAD = 1e-6


@dataclass(frozen=True, slots=True)
class Moments:
    """Mean and population standard deviation of one space's scores over the candidates of one query."""

    mean: float
    spread: float

    @classmethod
    def of(cls, scores: Floats | Doubles) -> "Moments":
        """Of scores float [n]; of nothing: mean 0, spread 0."""
        if not len(scores):
            return cls(0.0, 0.0)
        # In one order, whatever order the rows have: a sum's last bits, and so an answer, depend on no layout.
        values = np.sort(np.asarray(scores, np.float64))
        return cls(float(values.mean()), float(values.std()))

    def standardize(self, scores: Floats | Doubles) -> Doubles:
        """float64 [n]: (score - mean) / spread.

        Where the candidates do not spread, those that are equal to them but for rounding get 0: the space says nothing
        about them. What is worse than all of them stays worse.
        """
        deviation = np.asarray(scores, np.float64) - self.mean
        if self.spread < LEAST_SPREAD:
            deviation[np.abs(deviation) < LEAST_SPREAD] = 0.0
        standardized: Doubles = deviation / max(self.spread, LEAST_SPREAD)
        return standardized


def beside(sums: Doubles, named: Mask, ids: Ints, most: float) -> tuple[int, float] | None:
    """(position, score) of what comes beside the first row: the best of the other kind gains up to `most`, as far as
    just behind the first; None where no other row stands between them, or the first row's kind is all there is.

    sums : float64 [n]; named : bool [n], the kind of each row; ids : int64 [n], which decide ties

    >>> beside(np.array([5.0, 4.0, 3.5]), np.array([True, True, False]), np.arange(3), 1.0)
    (2, 4.5)
    >>> beside(np.array([5.0, 4.0]), np.array([True, False]), np.arange(2), 1.0)
    """
    if not most or named.all() or not named.any():
        return None
    first, second = best_positions(sums, ids, 2).tolist()
    others = np.flatnonzero(named != named[first])
    best = int(others[best_positions(sums[others], ids[others], 1)[0]])
    reached = min(float(sums[best]) + most, float(np.nextafter(sums[first], -np.inf)))
    return (best, reached) if best != second and reached > sums[best] else None


def z_sum(
    scores: Mapping[str, Floats | Doubles],
    moments: Mapping[str, Moments] | None = None,
    weights: Mapping[str, float] | None = None,
) -> Doubles:
    """Weighted sum of the standard scores over spaces: of two equal weights each counts as much as it separates the
    candidates.

    Parameters
    ----------
    scores : per space float [n], the same n candidates in the same order
    moments : per space the mean and spread to standardize with; by default those of `scores` themselves
    weights : per space the factor of its standard score; by default 1

    Returns
    -------
    float64 [n]
        Comparable within one query only: 0 is an average candidate, not a zero similarity.

    >>> z_sum({"dense": np.array([0.9, 0.5, 0.1]), "xtr": np.array([0.1, 0.6, 0.4])}).round(3).tolist()
    [-0.073, 1.136, -1.063]
    """
    lengths = {name: len(values) for name, values in scores.items()}
    if len(set(lengths.values())) > 1:
        raise InvalidInput(f"every space must score the same candidates, found {lengths}; score the union in each")
    total = np.zeros(next(iter(lengths.values()), 0), np.float64)
    for name, values in scores.items():
        standardized = (Moments.of(values) if moments is None else moments[name]).standardize(values)
        total += standardized if weights is None else weights[name] * standardized
    return total


def rrf(rankings: Sequence[Ints], constant: float = RRF_CONSTANT) -> tuple[Ints, Doubles]:
    """Reciprocal rank fusion: the sum over rankings of 1 / (constant + rank), ranks from 1.

    Parameters
    ----------
    rankings : each int64 [n], ids best first; an id missing from a ranking gets nothing from it

    Returns
    -------
    ids int64 [m] ascending, scores float64 [m]

    >>> ids, scores = rrf([np.array([7, 3]), np.array([3])])
    >>> ids.tolist(), scores.round(4).tolist()
    ([3, 7], [0.0325, 0.0164])
    """
    if not rankings:
        return np.empty(0, np.int64), np.empty(0, np.float64)
    ids, place = np.unique(np.concatenate(rankings), return_inverse=True)
    reciprocal = np.concatenate([1.0 / (constant + 1.0 + np.arange(len(ranking))) for ranking in rankings])
    fused = np.zeros(len(ids), np.float64)
    np.add.at(fused, place, reciprocal)
    return ids.astype(np.int64), fused
