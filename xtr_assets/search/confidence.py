"""How likely a hit is right: a calibrated curve over what its scores say, as the gate fitted it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from xtr_assets.core.calibration import Curve, Doubles
from xtr_assets.core.errors import UnknownFormat
from xtr_assets.search.blend import NAME
from xtr_assets.search.ranker import Ranking

# The part of a manifest's profile that keeps the curve.
PROFILE_KEY = "confidence"
# What it is a curve over, both the likelier the larger. cosine : the better of the chunk's and of its name's; lead :
# how far the sum stands above the best other candidate's, neither with what the best of the other kind gains, below 0
# for all hits but the first. Fitted on drawn items and held against people's questions (docs/measurements.md,
# "Confidence") these two are .04 and .07 off on average; with MaxSim and the share of the words that are
# found .11 and .25: drawn items have the words of their chunk.
FEATURES = ("cosine", "lead")
VERSION = 1


@dataclass(frozen=True, slots=True)
class Confidence:
    """The curve of one generation."""

    curve: Curve

    def document(self) -> dict[str, Any]:
        """As a manifest keeps it."""
        weights = dict(zip(FEATURES, self.curve.weights, strict=True))
        return {"version": VERSION, "weights": weights, "bias": self.curve.bias}

    @classmethod
    def of(cls, kept: Any) -> "Confidence | None":
        """What a manifest says; None where it says nothing, or what another release says of other features. Raises
        UnknownFormat for a curve that falls where evidence rises, or is none."""
        if not isinstance(kept, Mapping) or kept.get("version") != VERSION:
            return None
        weights, bias = kept.get("weights"), kept.get("bias")
        if isinstance(weights, Mapping) and set(weights) == set(FEATURES) and _number(bias):
            told = [weights[name] for name in FEATURES]
            if all(_number(one) and one >= 0 for one in told):
                return cls(Curve(tuple(map(float, told)), float(bias or 0.0)))
        raise UnknownFormat(
            f"the manifest's profile sets a confidence of weights {weights!r} and bias {bias!r}; this release "
            f"follows weights from 0 for {', '.join(FEATURES)} and a number; build again"
        )

    def said(self, ranking: Ranking) -> Doubles:
        """The confidence of each row of a ranking: float64 [n]."""
        return self.curve(features(ranking))


@dataclass(frozen=True, slots=True)
class LowestConfidence:
    """The curves of a set of parts, each fitted on the questions of its part: what the most careful one says."""

    curves: tuple[Confidence, ...]

    @classmethod
    def of(cls, kept: Sequence[Any]) -> "Confidence | LowestConfidence | None":
        """What the manifests of the parts say; None where one says nothing. Equal curves are one."""
        curves = [Confidence.of(one) for one in kept]
        known = tuple(dict.fromkeys(one for one in curves if one is not None))
        if not known or None in curves:
            return None
        return known[0] if len(known) == 1 else cls(known)

    def said(self, ranking: Ranking) -> Doubles:
        """The confidence of each row of a ranking: float64 [n]."""
        lowest: Doubles = np.minimum.reduce([curve.said(ranking) for curve in self.curves])
        return lowest


def features(ranking: Ranking) -> Doubles:
    """float64 [n, 2]: the FEATURES of each row of a ranking over legs; a cosine of 0 where there is no dense leg."""
    spaces = ranking.by_space
    cosine = spaces.get("dense", np.zeros(len(ranking.rows), np.float32))
    if NAME in spaces:
        cosine = np.fmax(cosine, spaces[NAME])
    best, second = ranking.leaders
    lead = ranking.sums - np.where(ranking.sums >= best, second, best)
    return np.column_stack([cosine, lead]).astype(np.float64)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
