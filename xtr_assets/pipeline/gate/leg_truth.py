"""What a hybrid search sums, worked out again: the manifest's weights, and every leg from the segments' own files.

Written from docs/searching.md, "Modes", without the code of search: a factor of the wrong leg, a length that is added
instead of taken off, the name of another row or a leg that only search forgot shows against this.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import numpy as np

from xtr_assets.core.types import Floats, Ints, Mask
from xtr_assets.pipeline.gate.answer_truth import Doubles
from xtr_assets.storage.generation import Generation

# As docs/searching.md says: where the profile does not say how many.
DEPTH = 100
LEGS = ("dense", "xtr", "lexical")
WEIGHTS = {"dense": 1.0, "name": 0.2, "xtr": 0.5, "lexical": 1 / 3}
LENGTH = 0.025
BORNE = 5.0
CALLED = 2.0
ALONE = 0.0125
POOLED = 0.6
STANDS = 10.0
NUMBERED = 4.0
OTHER_KIND = 1.5
IN_A_ROW = 1.0
LEAST_SPREAD = 1e-6


@dataclass(frozen=True)
class Told:
    """What a manifest says of hybrid. weights : by leg; length : a unit of log tokens; named : whether names count;
    symbol : what a row gains that bears the name that the question is; alone : as length, where MaxSim ranks alone;
    called : what a row gains whose path and symbol say all of the question; pooled : what a unit of the embeddings'
    cosine adds where MaxSim ranks alone; place : what a row gains for each unit of its share of the places that the
    question names; digits : what a row gains that holds all rare words of the question with a digit; beside : what
    the best row without a name gains at most where the first has one, and the other way round; verbatim : what a row
    gains for each word, but for two, that it has in a row as the question has them."""

    depth: int
    weights: Mapping[str, float]
    length: float
    named: bool
    symbol: float = 0.0
    alone: float = 0.0
    called: float = 0.0
    pooled: float = 0.0
    place: float = 0.0
    digits: float = 0.0
    beside: float = 0.0
    verbatim: float = 0.0

    @classmethod
    def read(cls, generation: Generation) -> "Told":
        """Without weights: both vector spaces weigh 1, and nothing else counts."""
        said = generation.manifest.profile.get("hybrid") or {}
        depth = int(said.get("candidates") or DEPTH)
        if "weights" not in said:
            return cls(depth, {"dense": 1.0, "xtr": 1.0}, 0.0, False)
        weights = {leg: float(weight) for leg, weight in said["weights"].items()}
        keys = ("symbol", "alone", "called", "pooled", "place", "digits", "beside", "verbatim")
        more = (float(said.get(key, 0.0)) for key in keys)
        return cls(depth, weights, float(said["length"]), True, *more)

    @classmethod
    def documented(cls, legs: Collection[str], tokens_by: str) -> "Told":
        """What a generation begun now is published with, of the legs "dense" and "tokens", the latter made by such
        a kind of encoder."""
        weights, alone = dict(WEIGHTS), ALONE if tokens_by in ("minilm", "static", "hashing") else 0.0
        if "dense" not in legs:
            weights, alone = {"xtr": 1.0, "lexical": WEIGHTS["lexical"]}, 0.0
        elif "tokens" not in legs:
            del weights["xtr"]
        called, pooled = CALLED if "dense" in legs else 0.0, POOLED if alone and "tokens" in legs else 0.0
        more = (alone, called, pooled, STANDS, NUMBERED, OTHER_KIND, IN_A_ROW)
        return cls(DEPTH, weights, LENGTH, True, BORNE, *more)


@dataclass(frozen=True)
class Summed:
    """total : float64 [n]; reach : by leg, what one more in its score adds to the total. listed : bool [n], rows that
    some leg surely lists; doubt : how far the total may be off because legs may list others."""

    total: Doubles
    reach: Mapping[str, float]
    listed: Mask
    doubt: float


@dataclass(frozen=True)
class Listed:
    """The best rows of one leg, as places: those that are surely among them, and those that perhaps are. The cut goes
    through the latter, of which `room` are listed: they score what the last one scores, as far as scores are known."""

    surely: Ints
    perhaps: Ints
    room: int

    @classmethod
    def of(cls, leg: str, values: Floats, count: int, slack: float) -> "Listed":
        """slack : how far a score may be from the one that a search compares."""
        ranked = np.argsort(-values, kind="stable")
        if leg == "lexical":
            # What shares no word with the question is in no list.
            ranked = ranked[values[ranked] > 0]
        if len(ranked) <= count:
            return cls(ranked, ranked[:0], 0)
        last, next_one = float(values[ranked[count - 1]]), float(values[ranked[count]])
        if last - next_one > slack:
            return cls(ranked[:count], ranked[:0], 0)
        near = values[ranked] - last
        surely = ranked[near > slack]
        return cls(surely, ranked[np.abs(near) <= slack], count - len(surely))

    def picked(self, order: Ints) -> Ints:
        """The rows where of those at the cut the first of `order` int64 [n], all rows, are listed."""
        return np.concatenate([self.surely, order[np.isin(order, self.perhaps)][: self.room]])


def summed(
    scores: Mapping[str, Floats],
    names: Floats | None,
    tokens: Ints,
    chunk_ids: Ints,
    told: Told,
    k: int,
    slack: Mapping[str, float],
) -> Summed:
    """The weighted sum of standard scores over rows.

    scores : by leg float32 [n], exact; names : float32 [n], 0 where a row has none; tokens : int64 [n], how many each
    row keeps; chunk_ids : int64 [n]; slack : by leg, how far apart scores may be that are the same. Mean and spread
    come from the best `told.depth` of each leg by its own score, k where that is more; of the lexical one only from
    rows that share a word with the question. Which of the rows at the cut are among them is decided by scores that are
    not known so well: several choices are summed, and what they differ by is doubt.
    """
    lists = {leg: Listed.of(leg, values, max(k, told.depth), slack[leg]) for leg, values in scores.items()}
    listed = np.zeros(len(tokens), np.bool_)
    for one in lists.values():
        listed[one.surely] = True
    legs = _legs_of(scores, names, tokens, told)

    def over(order: Callable[[Floats], tuple[Floats | Ints, ...]]) -> tuple[Doubles, dict[str, float]]:
        pool = np.unique(np.concatenate([one.picked(np.lexsort(order(scores[leg]))) for leg, one in lists.items()]))
        return _sum_over(pool, legs, names, told)

    # As docs/searching.md says: the higher score, then the lower chunk_id.
    total, reach = over(lambda values: (chunk_ids, -values))
    doubt = 0.0
    if any(len(one.perhaps) for one in lists.values()):
        others = [
            over(order)[0] for order in (lambda _: (chunk_ids,), lambda _: (-chunk_ids,), lambda values: (values,))
        ]
        doubt = float(max(np.abs(one - total).max(initial=0.0) for one in others))
    return Summed(total, reach, listed, doubt)


def _legs_of(scores: Mapping[str, Floats], names: Floats | None, tokens: Ints, told: Told) -> dict[str, Doubles]:
    """What is standardized, by leg: the better of both cosines, MaxSim without what length adds, BM25."""
    legs = {leg: values.astype(np.float64) for leg, values in scores.items()}
    if names is not None and "dense" in legs:
        legs["dense"] = np.where(names != 0, np.maximum(legs["dense"], names), legs["dense"])
    if "xtr" in legs:
        legs["xtr"] -= told.length * np.log(tokens)
    return legs


def _sum_over(
    chosen: Ints, legs: Mapping[str, Doubles], names: Floats | None, told: Told
) -> tuple[Doubles, dict[str, float]]:
    """(the sum float64 [n], by leg what one more adds), with mean and spread of the chosen rows."""
    total, reach = np.zeros(len(next(iter(legs.values())))), dict[str, float]()
    for leg, line in legs.items():
        top = line[chosen] if len(chosen) else np.zeros(1)
        reach[leg] = told.weights[leg] / max(float(top.std()), LEAST_SPREAD)
        total += reach[leg] * (line - top.mean())
        if leg == "dense" and names is not None and told.weights.get("name"):
            # Names spread as the dense leg; a row without one neither gains nor loses.
            known = names[chosen][names[chosen] != 0].astype(np.float64)
            mean = float(known.mean()) if len(known) else float(top.mean())
            reach["name"] = told.weights["name"] / max(float(top.std()), LEAST_SPREAD)
            total += reach["name"] * np.where(names != 0, names - mean, 0.0)
    return total, reach
