"""One ranking of what several parts said of a question; moments, ranks and ties are those of one index over all."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from xtr_assets.core.fusion import Doubles
from xtr_assets.core.search_options import SearchOptions
from xtr_assets.core.types import Floats, Ints
from xtr_assets.search.answer import DEMANDED
from xtr_assets.search.confidence import Confidence, LowestConfidence
from xtr_assets.search.legs import NAME, SYMBOL, Blend, Legs
from xtr_assets.search.part_legs import PartCandidates
from xtr_assets.search.part_spaces import merged
from xtr_assets.search.phase_times import Timing
from xtr_assets.search.ranker import Ranker, Ranking
from xtr_assets.search.request import SUMMED, Ask
from xtr_assets.search.retrievers import Listed, QueryVectors

# A query whose vectors nobody needs any more: every score was told.
NO_QUERY = QueryVectors()


@dataclass(frozen=True, slots=True)
class MergedHit:
    """A chunk of a part, with what the set says of it."""

    part: str
    chunk_id: int
    score: float
    scores: Mapping[str, float]
    confidence: float | None


@dataclass(frozen=True, slots=True, eq=False)
class ToldSpace:
    """A Space of candidates whose scores were told: float32 [m], by place."""

    name: str
    told: Floats

    def retrieve(self, queries: Sequence[QueryVectors], options: SearchOptions) -> list[Listed]:
        """Nothing is looked for here: the parts did."""
        raise NotImplementedError

    def score(self, query: QueryVectors, rows: Ints) -> Floats:  # noqa: ARG002 (as Space has it)
        """What was told of these."""
        return self.told[rows]


@dataclass(frozen=True, slots=True, eq=False)
class ToldLegs(Legs):
    """The Legs of candidates that were told: what length takes off each, the score of its name, and 1 where it bears
    the name that the question is."""

    length: Doubles
    told_names: Floats | None
    told_borne: Floats | None

    def names_of(self, query: QueryVectors, rows: Ints) -> dict[str, Floats]:  # noqa: ARG002 (as Legs has it)
        return {} if self.told_names is None else {NAME: self.told_names[rows]}

    def borne_by(self, query: QueryVectors, rows: Ints, scores: Mapping[str, Floats]) -> dict[str, Floats]:  # noqa: ARG002
        return {} if self.told_borne is None else {SYMBOL: self.told_borne[rows]}

    def shortened(self, rows: Ints) -> Doubles:
        return self.length[rows]


def merged_hits(
    parts: Mapping[str, PartCandidates],
    ask: Ask,
    blend: Blend,
    confidence: Confidence | LowestConfidence | None,
) -> list[MergedHit]:
    """The k best of all parts. blend : the weights of the legs, which all parts share."""
    names = list(parts)
    told = list(parts.values())
    ids = np.concatenate([one.ids for one in told])
    owner = np.repeat(np.arange(len(told)), [len(one.ids) for one in told])
    bases = np.cumsum([0, *(len(one.ids) for one in told)])[:-1]
    spaces = [name for name in told[0].scores if name not in (NAME, SYMBOL)]
    scores = {name: np.concatenate([one.scores[name] for one in told]) for name in spaces}
    summed = ask.mode in SUMMED
    legs = None
    length = np.concatenate([one.length for one in told])
    if summed:
        legs = ToldLegs(blend, None, None, None, length, _besides(NAME, told), _besides(SYMBOL, told))
    shortened = (lambda rows: length[rows]) if ask.shortens(blend) else None
    ranker = Ranker(tuple(ToldSpace(name, scores[name]) for name in spaces), ids, legs, ask.options.fusion, shortened)
    if not len(ids):
        return []
    allowed = sum(one.allowed for one in told)
    if ask.mode != "lexical" and ranker.scans(ranker.listed(ask.k), allowed):
        # So few that each part told all of them.
        ranking = ranker.rank_all(NO_QUERY, ask.k, np.arange(len(ids)), Timing())
    else:
        ranking = _of_lists(told, bases, scores, ranker, ask)
    sure = confidence.said(ranking).tolist() if summed and confidence and ask.options.fusion == "zsum" else None
    return [
        MergedHit(names[int(owner[row])], int(ids[row]), score, by_space, None if sure is None else sure[place])
        for place, (row, (score, by_space, _)) in enumerate(zip(ranking.rows.tolist(), ranking.numbers(), strict=True))
    ]


def _of_lists(
    told: Sequence[PartCandidates], bases: Ints, scores: Mapping[str, Floats], ranker: Ranker, ask: Ask
) -> Ranking:
    most = ranker.listed(ask.k)
    listed = {name: _list(name, told, bases, values, most) for name, values in scores.items()}
    listed[DEMANDED] = _demanded(told, bases)
    return ranker.rank(NO_QUERY, ask.k, listed, Timing())


def _list(name: str, told: Sequence[PartCandidates], bases: Ints, scores: Floats, most: int) -> Listed:
    own = [one.lists.get(name, np.empty(0, np.int64)) + base for one, base in zip(told, bases, strict=True)]
    return merged([Listed(rows, scores[rows]) for rows in own], most)


def _demanded(told: Sequence[PartCandidates], bases: Ints) -> Listed:
    own = [one.lists.get(DEMANDED, np.empty(0, np.int64)) + base for one, base in zip(told, bases, strict=True)]
    rows = np.concatenate(own)
    return Listed(rows, np.zeros(len(rows), np.float32))


def _besides(key: str, told: Sequence[PartCandidates]) -> Floats | None:
    """Scores that are of no space; NaN for the rows of parts that have none, None where no part has."""
    if not any(key in one.scores for one in told):
        return None
    return np.concatenate([one.scores.get(key, np.full(len(one.ids), np.nan, np.float32)) for one in told])
