"""Whether a difference over queries is more than chance: bootstrap intervals, the paired randomization test, Holm."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from xtr_assets.core.errors import InvalidInput

Doubles = npt.NDArray[np.float64]
Key = TypeVar("Key")

# Resamples of a bootstrap and of a randomization test. The ends of a 95 % interval then move by about a fiftieth of
# its width from seed to seed, and a p of .05 by .002.
DRAWS = 10_000
# Resamples drawn at once, and values of them together: 8 MB, of however many queries. How many at once changes no draw.
BLOCK, BLOCK_VALUES = 512, 1 << 20
# Up to so many differences all assignments of signs are tried: 2 ** 12 are fewer than DRAWS.
EXACT_DIFFERENCES = 12
# Sums that differ by less are the same sum in another order.
ROUNDING = 1e-12


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean and the interval that its resamples fill."""

    mean: float
    low: float
    high: float

    @property
    def half_width(self) -> float:
        return (self.high - self.low) / 2

    def as_json(self) -> dict[str, float]:
        return {"mean": self.mean, "low": self.low, "high": self.high}


def bootstrap_interval(values: Doubles, confidence: float = 0.95, seed: int = 0) -> Interval:
    """The percentile bootstrap (Efron 1979) of the mean of float64 [n], one value a query. The same for the same seed.

    Raises InvalidInput for no value. A single value, or values that do not vary, give an interval of width zero: it
    says that these queries agree, not that others would.
    """
    values = _checked(values)
    if not 0.0 < confidence < 1.0:
        raise InvalidInput(f"confidence is {confidence}; it lies between 0 and 1")
    chance = np.random.default_rng(seed)
    means = np.concatenate(
        [values[chance.integers(0, len(values), (count, len(values)))].mean(axis=1) for count in _blocks(len(values))]
    )
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(float(values.mean()), float(low), float(high))


def randomization_p(differences: Doubles, seed: int = 0) -> float:
    """Two-sided p of Fisher's paired randomization test: how often random signs give a mean as far from 0.

    differences : float64 [n], one a query, of two systems that were asked the same. All signs are tried for up to
    EXACT_DIFFERENCES that are not 0; else DRAWS random ones, the observed among them, so that p is never 0.

    >>> randomization_p(np.array([1.0, 1.0, 1.0]))
    0.25
    """
    differences = _checked(differences)
    moved = differences[differences != 0]
    if not len(moved):
        return 1.0
    observed = abs(moved.sum()) - ROUNDING
    if len(moved) <= EXACT_DIFFERENCES:
        signs = 1 - 2 * ((np.arange(2 ** len(moved))[:, None] >> np.arange(len(moved))) & 1)
        return float((np.abs(signs @ moved) >= observed).mean())
    chance, beyond = np.random.default_rng(seed), 0
    for count in _blocks(len(moved)):
        signs = 1 - 2 * chance.integers(0, 2, (count, len(moved)))
        beyond += int((np.abs(signs @ moved) >= observed).sum())
    return (beyond + 1) / (DRAWS + 1)


def holm(p_values: Mapping[Key, float]) -> dict[Key, float]:
    """Holm's step-down adjustment (1979): each p such that those below .05 are right together with probability .95.

    >>> holm({"a": 0.01, "b": 0.04, "c": 0.03})
    {'a': 0.03, 'b': 0.06, 'c': 0.06}
    """
    adjusted: dict[Key, float] = {}
    largest = 0.0
    for place, (key, p) in enumerate(sorted(p_values.items(), key=lambda one: one[1])):
        largest = min(1.0, max(largest, (len(p_values) - place) * p))
        adjusted[key] = largest
    return {key: adjusted[key] for key in p_values}


def _blocks(queries: int) -> Iterator[int]:
    """How many resamples of so many queries are drawn at once, until all are."""
    most = max(1, min(BLOCK, BLOCK_VALUES // queries))
    yield from (min(most, DRAWS - start) for start in range(0, DRAWS, most))


def _checked(values: Doubles) -> Doubles:
    checked = np.asarray(values, np.float64)
    if checked.ndim != 1 or not len(checked) or not np.isfinite(checked).all():
        raise InvalidInput(f"finite values of at least 1 query are needed, found an array of shape {checked.shape}")
    return checked
