"""Places among the rows of several parts: each part counts the rows of its own that stand before, and counts add up.

So mode exact says ranks among all rows, and joins legs by their ranks (RRF), without anybody having all scores.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from xtr_assets.core.fusion import RRF_CONSTANT, Doubles
from xtr_assets.core.query_syntax import Query
from xtr_assets.core.top_k import best_positions, distinct
from xtr_assets.core.types import Floats, Ints
from xtr_assets.index.lexical.collection import Collection
from xtr_assets.search.blend import NAME, Blend
from xtr_assets.search.collapse import Place
from xtr_assets.search.hits import SpaceExplanation
from xtr_assets.search.part_legs import PartCandidates, part_rows
from xtr_assets.search.part_merge import Merged, MergedHit, ToldLegs, first_folded, fold_keys
from xtr_assets.search.ranker import ranked
from xtr_assets.search.reader import OpenGeneration
from xtr_assets.search.request import Ask
from xtr_assets.search.retrievers import QueryVectors

# By space, or by leg: scores and the chunk ids of who has them. A score counts with its id: equal scores go by id.
Asked = Mapping[str, Sequence[tuple[float, int]]]
Counts = Mapping[str, Sequence[int]]
# Lists end at a place behind which no row can be among the k best; one more is for rounding.
SPARE = 1


def part_ranks(
    opened: OpenGeneration,
    ask: Ask,
    query: QueryVectors,
    text: Query,
    collection: Collection | None,
    scores: Asked,
    legs: Asked,
) -> tuple[Counts, Counts]:
    """How many allowed rows of this part stand before each of these: by the scores of spaces as they are, and by those
    of legs as they are joined."""
    rows, own, joined = part_rows(opened, ask, query, text, collection)
    ids = opened.chunk_ids[rows]
    return before(own, ids, scores), before(joined, ids, legs)


def before(values: Mapping[str, Floats | Doubles], ids: Ints, asked: Asked) -> dict[str, list[int]]:
    """By name how many of the rows stand before each of the pairs (score, chunk id); NaN stands nowhere.

    >>> before({"a": np.array([0.5, 0.7, 0.5])}, np.array([4, 9, 2]), {"a": [(0.5, 4), (0.6, 1)], "b": [(1.0, 1)]})
    {'a': [2, 1], 'b': [0]}
    """
    counts = {}
    for name, pairs in asked.items():
        own = values.get(name, np.empty(0))
        there = np.flatnonzero(~np.isnan(own))
        there = there[np.lexsort((ids[there], -own[there]))]
        falling, ordered = -own[there].astype(np.float64), ids[there]
        counts[name] = [
            start + int(np.searchsorted(ordered[start : int(np.searchsorted(falling, -score, "right"))], identity))
            for score, identity in pairs
            for start in (int(np.searchsorted(falling, -score, "left")),)
        ]
    return counts


@dataclass(frozen=True, slots=True, eq=False)
class RankedParts:
    """The best of each leg in the whole, on the way to a ranking by their ranks.

    keys : of all that was told, where hits are collapsed; kept : int64 [m], the places of these among it; ids : int64
    [m]; owner : of each the part's number; scores : by space, and of names, float32 [m]; legs : as they are joined, by
    space, float64 [m]; length : what length takes off MaxSim; allowed : rows of all parts
    """

    names: Sequence[str]
    keys: Sequence[Place | str | None]
    kept: Ints
    ids: Ints
    owner: Ints
    scores: Mapping[str, Floats]
    legs: Mapping[str, Doubles]
    length: Doubles
    most: int
    allowed: int

    @classmethod
    def of(cls, parts: Mapping[str, PartCandidates], blend: Blend, most: int) -> "RankedParts":
        """Of what `part_scan` told of each part for lists of `most`."""
        told = list(parts.values())
        ids = np.concatenate([one.ids for one in told])
        owner = np.repeat(np.arange(len(told)), [len(one.ids) for one in told])
        length = np.concatenate([one.length for one in told])
        spaces = [name for name in told[0].scores if name in ("dense", "xtr", "lexical")]
        scores = {name: np.concatenate([one.scores[name] for one in told]) for name in spaces}
        if any(NAME in one.scores for one in told):
            absent = [np.full(len(one.ids), np.nan, np.float32) for one in told]
            scores[NAME] = np.concatenate([one.scores.get(NAME, none) for one, none in zip(told, absent, strict=True)])
        joined = ToldLegs(blend, length=length).of(np.arange(len(ids)), scores)
        legs = {name: joined[name] for name in spaces}
        kept = distinct(np.concatenate([ranked(name, values, ids, most) for name, values in legs.items()]))
        return cls(
            list(parts),
            fold_keys(told),
            kept,
            ids[kept],
            owner[kept],
            {name: values[kept] for name, values in scores.items()},
            {name: values[kept] for name, values in legs.items()},
            length[kept],
            most,
            sum(one.allowed for one in told),
        )

    def asked(self) -> dict[str, list[tuple[float, int]]]:
        """What every part has to count for, by leg; of words those alone that share one with the query."""
        ids = self.ids.tolist()
        return {
            name: [(values[at], ids[at]) for at in self._ranks_in(name).tolist()]
            for name, values in ((name, own.tolist()) for name, own in self.legs.items())
        }

    def merged(self, counts: Counts, ask: Ask) -> Merged:
        """The k best by their ranks; `wider` where longer lists are needed before they are known. Ranks in explanations
        are left to `placed`."""
        fused = np.zeros(len(self.ids))
        for name in self.legs:
            fused[self._ranks_in(name)] += 1.0 / (RRF_CONSTANT + 1.0 + np.array(counts[name], np.float64))
        order = best_positions(fused, self.ids, ask.k if ask.options.collapse is None else None)
        if ask.options.collapse is not None:
            order = order[first_folded(self.keys, self.kept[order], ask.k)]
        # A row of none of the lists has a rank behind `most` in each leg.
        bound = len(self.legs) / (RRF_CONSTANT + self.most + 1.0)
        known = len(self.ids) >= self.allowed or (len(order) == ask.k and fused[order[-1]] > bound)
        hits = [self._hit(at, float(fused[at])) for at in order.tolist()]
        return Merged(hits, self.allowed, wider=None if known else 4 * self.most)

    def _ranks_in(self, name: str) -> Ints:
        values = self.legs[name]
        return np.flatnonzero(values > 0) if name == "lexical" else np.arange(len(values))

    def _hit(self, at: int, score: float) -> MergedHit:
        own = {name: float(values[at]) for name, values in self.scores.items() if values[at] == values[at]}
        spaces = {
            name: SpaceExplanation(value, None, 0, None, length=float(self.length[at]) if name == "xtr" else None)
            for name, value in own.items()
        }
        key = self.keys[int(self.kept[at])]
        return MergedHit(self.names[int(self.owner[at])], int(self.ids[at]), score, own, None, spaces, key)


def first_most(k: int, legs: int) -> int:
    """Lists so long that no row of none of them is among the k best by ranks, unless equal scores or hits that are
    collapsed want more: the k first of one leg have 1 / (60 + k) at least, and what is behind place n in each of the
    legs has less than legs / (60 + n).

    >>> first_most(10, 3)
    151
    """
    return legs * (RRF_CONSTANT + k) - RRF_CONSTANT + SPARE


def wanted_ranks(hits: Sequence[MergedHit]) -> dict[str, list[tuple[float, int]]]:
    """What every part has to count for the ranks of these hits, by space."""
    wanted: dict[str, list[tuple[float, int]]] = {}
    for hit in hits:
        for name, space in hit.spaces.items():
            wanted.setdefault(name, []).append((space.score, hit.chunk_id))
    return wanted


def placed(merged: Merged, counts: Counts) -> Merged:
    """The same with the ranks of the hits among all rows. counts : in the order of `wanted_ranks`, of all parts."""
    told = {name: iter(own) for name, own in counts.items()}
    hits = [
        replace(hit, spaces={name: replace(one, rank=1 + next(told[name])) for name, one in hit.spaces.items()})
        for hit in merged.hits
    ]
    return replace(merged, hits=hits)


def added(counts: Sequence[Counts]) -> dict[str, list[int]]:
    """The counts of all parts.

    >>> added([{"a": [1, 2]}, {"a": [3, 0]}])
    {'a': [4, 2]}
    """
    return {name: [sum(own) for own in zip(*(one[name] for one in counts), strict=True)] for name in counts[0]}
