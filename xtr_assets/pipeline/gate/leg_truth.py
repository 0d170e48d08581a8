"""What a hybrid search sums, worked out again: the manifest's weights, and every leg from the segments' own files.

Written from docs/searching.md, "Modes", without the code of search: a factor of the wrong leg, a length that is added
instead of taken off, the name of another row or a leg that only search forgot shows against this.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from xtr_assets.core.types import Floats, Ints
from xtr_assets.pipeline.gate.answer_truth import Doubles
from xtr_assets.storage.generation import Generation

# As docs/searching.md says: where the profile does not say how many.
DEPTH = 100
LEGS = ("dense", "xtr", "lexical")
LEAST_SPREAD = 1e-6


@dataclass(frozen=True)
class Told:
    """What a manifest says of hybrid. weights : by leg; length : a unit of log tokens; named : whether names count."""

    depth: int
    weights: Mapping[str, float]
    length: float
    named: bool

    @classmethod
    def read(cls, generation: Generation) -> "Told":
        """Without weights: both vector spaces weigh 1, and nothing else counts."""
        said = generation.manifest.profile.get("hybrid") or {}
        depth = int(said.get("candidates") or DEPTH)
        if "weights" not in said:
            return cls(depth, {"dense": 1.0, "xtr": 1.0}, 0.0, False)
        return cls(depth, {leg: float(weight) for leg, weight in said["weights"].items()}, float(said["length"]), True)


@dataclass(frozen=True)
class Summed:
    """total : float64 [n]; reach : by leg, what one more in its score adds to the total."""

    total: Doubles
    reach: Mapping[str, float]


def summed(scores: Mapping[str, Floats], names: Floats | None, tokens: Ints, told: Told, k: int) -> Summed:
    """The weighted sum of standard scores over rows.

    scores : by leg float32 [n], exact; names : float32 [n], 0 where a row has none; tokens : int64 [n], how many each
    row keeps. Mean and spread come from the best `told.depth` of each leg by its own score, k where that is more; of
    the lexical one only from rows that share a word with the question.
    """
    pool: set[int] = set()
    for leg, values in scores.items():
        best = np.argsort(-values, kind="stable")[: max(k, told.depth)]
        pool.update(int(at) for at in best if leg != "lexical" or values[at] > 0)
    chosen = sorted(pool)
    total, reach = np.zeros(len(tokens)), {}
    for leg, values in scores.items():
        own = [float(value) for value in values]
        if leg == "dense" and names is not None:
            own = [max(one, float(name)) if name != 0 else one for one, name in zip(own, names, strict=True)]
        if leg == "xtr":
            own = [one - told.length * float(np.log(count)) for one, count in zip(own, tokens.tolist(), strict=True)]
        line = np.array(own, np.float64)
        top = line[chosen] if chosen else np.zeros(1)
        reach[leg] = told.weights[leg] / max(float(top.std()), LEAST_SPREAD)
        total += reach[leg] * (line - top.mean())
        if leg == "dense" and names is not None and told.weights.get("name"):
            # Names spread as the dense leg; a row without one neither gains nor loses.
            known = [float(names[at]) for at in chosen if names[at] != 0]
            mean = sum(known) / len(known) if known else float(top.mean())
            reach["name"] = told.weights["name"] / max(float(top.std()), LEAST_SPREAD)
            total += reach["name"] * np.array([float(one) - mean if one != 0 else 0.0 for one in names])
    return Summed(total, reach)
