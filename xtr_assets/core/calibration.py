"""From evidence to a probability: a logistic curve that never falls where evidence rises, and how good it is."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from xtr_assets.core.errors import InvalidInput
from xtr_assets.core.types import Mask

Doubles = npt.NDArray[np.float64]

# Pulls every weight towards 0, as one example of each kind at one spread would: with 100 examples that a feature parts
# without an error its weight stays finite.
RIDGE = 1.0
STEPS, LEAST_STEP = 2_000, 1e-7
BINS = 10


@dataclass(frozen=True, slots=True)
class Curve:
    """p = 1 / (1 + exp(-(bias + sum of weights * features))), weights float64 [d] >= 0."""

    weights: tuple[float, ...]
    bias: float

    def __call__(self, features: Doubles) -> Doubles:
        """float64 [n] of features float64 [n, d]."""
        return _logistic(features @ np.array(self.weights) + self.bias)


def fit_curve(features: Doubles, right: Mask) -> Curve:
    """The likeliest curve (with a small ridge) whose weights are all at least 0.

    Parameters
    ----------
    features : float64 [n, d], each of which says "right" the more the larger it is
    right : bool [n]

    Raises InvalidInput where all examples are right, or none is.

    >>> curve = fit_curve(np.array([[0.1], [0.2], [0.8], [0.9]] * 25), np.array([False, False, True, True] * 25))
    >>> bool(curve(np.array([[0.9]]))[0] > 0.9 > 0.1 > curve(np.array([[0.1]]))[0])
    True
    """
    if len(features) != len(right) or not 0 < int(right.sum()) < len(right):
        raise InvalidInput(f"{int(right.sum())} of {len(right)} examples are right; a curve needs some of both kinds")
    center, spread = features.mean(axis=0), features.std(axis=0)
    # A feature that never changes differs from its mean by what sums are rounded by: that is no spread.
    spread = np.where(spread > 1e-12 * np.abs(center), spread, 1.0)
    inputs, target = (features - center) / spread, right.astype(np.float64)
    # Projected gradient descent with the step that the curvature allows: few weights, and no library needed.
    weights, bias = np.zeros(features.shape[1]), 0.0
    step = 1.0 / (0.25 * float(np.linalg.eigvalsh(_augmented(inputs)).max()) + RIDGE)
    for _ in range(STEPS):
        error = _logistic(inputs @ weights + bias) - target
        moved = np.maximum(weights - step * (inputs.T @ error + RIDGE * weights), 0.0)
        shifted = bias - step * float(error.sum())
        furthest = max(float(np.abs(moved - weights).max(initial=0.0)), abs(shifted - bias))
        weights, bias = moved, shifted
        if furthest < LEAST_STEP:
            break
    plain = weights / spread
    return Curve(tuple(float(one) for one in plain), float(bias - plain @ center))


def auc(scores: Doubles, right: Mask) -> float:
    """How often a right one scores above a wrong one, ties for half: the area under the ROC curve.

    >>> auc(np.array([0.9, 0.4, 0.4, 0.1]), np.array([True, True, False, False]))
    0.875
    """
    good, bad = scores[right], scores[~right]
    if not len(good) or not len(bad):
        raise InvalidInput(f"{len(good)} are right and {len(bad)} wrong; the area needs some of both kinds")
    order = np.sort(bad)
    below, upto = np.searchsorted(order, good, "left"), np.searchsorted(order, good, "right")
    return float((below + upto).mean() / 2 / len(bad))


def calibration_error(probabilities: Doubles, right: Mask, bins: int = BINS) -> float:
    """Expected calibration error (Naeini et al. 2015): |mean probability - share that is right| over bins of equal
    size, by rank, so that every bin has something to say. Of equal probabilities each stands for all: their order
    says nothing, and would part the right ones from the wrong.

    >>> calibration_error(np.array([0.0, 0.0, 1.0, 1.0]), np.array([False, False, True, True]), 2)
    0.0
    """
    order = np.argsort(probabilities, kind="stable")
    _, alike = np.unique(probabilities, return_inverse=True)
    share = (np.bincount(alike, right) / np.maximum(1, np.bincount(alike)))[alike]
    parts = [part for part in np.array_split(order, bins) if len(part)]
    gaps = [abs(float(probabilities[part].mean()) - float(share[part].mean())) * len(part) for part in parts]
    return sum(gaps) / max(1, len(order))


def _augmented(inputs: Doubles) -> Doubles:
    whole = np.column_stack([inputs, np.ones(len(inputs))])
    product: Doubles = whole.T @ whole
    return product


def _logistic(values: Doubles) -> Doubles:
    made: Doubles = 1.0 / (1.0 + np.exp(-np.clip(values, -700.0, 700.0)))
    return made
