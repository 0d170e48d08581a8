"""One ranking of what several parts said of a question; moments, ranks and ties are those of one index over all."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from xtr_assets.core.fusion import Doubles, Moments
from xtr_assets.core.search_options import SearchOptions
from xtr_assets.core.top_k import best_positions
from xtr_assets.core.types import Floats, Ints
from xtr_assets.search.answer import DEMANDED, first_most, wider_lists
from xtr_assets.search.blend import ADDED, CALLED, DIGITS, NAME, PLACE, SYMBOL, VERBATIM, Blend
from xtr_assets.search.collapse import Place
from xtr_assets.search.confidence import Confidence, LowestConfidence
from xtr_assets.search.explain import explain_spaces
from xtr_assets.search.hits import SpaceExplanation
from xtr_assets.search.legs import Legs
from xtr_assets.search.part_legs import PartCandidates
from xtr_assets.search.part_spaces import merged
from xtr_assets.search.phase_times import Timing
from xtr_assets.search.ranker import Pooled, Ranker
from xtr_assets.search.request import SUMMED, Ask
from xtr_assets.search.retrievers import Listed, QueryVectors, Space
from xtr_assets.search.row_words import read_of

# A query whose vectors nobody needs any more: every score was told.
NO_QUERY = QueryVectors()


@dataclass(frozen=True, slots=True)
class MergedHit:
    """A chunk of a part, with what the set says of it. spaces : how it stands in each, where that was asked for; key :
    that of its symbol or text, where hits are collapsed."""

    part: str
    chunk_id: int
    score: float
    scores: Mapping[str, float]
    confidence: float | None
    spaces: Mapping[str, SpaceExplanation] = field(default_factory=dict)
    key: Place | str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Merged:
    """The k best of all parts, or what has to be asked before they are known.

    candidates : how many there were; listed : whether MaxSim's own indexes chose some of them, by lists of `most`
    moments : what each leg was standardized with; wider : of collapsed hits how long the lists ought to be, None where
    they were long enough
    """

    hits: list[MergedHit]
    candidates: int = 0
    listed: bool = False
    moments: Mapping[str, Moments] = field(default_factory=dict)
    wider: int | None = None
    most: int = 1


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


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class ToldLegs(Legs):
    """The Legs of candidates that were told: what length takes off each, the score of its name, 1 where it bears the
    name that the question is, how much of the question it is called, and how much it stands at its places."""

    length: Doubles
    told_names: Floats | None = None
    told_borne: Floats | None = None
    told_called: Floats | None = None
    told_placed: Floats | None = None
    told_digits: Floats | None = None
    told_verbatim: Floats | None = None

    def names_of(self, query: QueryVectors, rows: Ints) -> dict[str, Floats]:  # noqa: ARG002 (as Legs has it)
        return {} if self.told_names is None else {NAME: self.told_names[rows]}

    def borne_by(self, query: QueryVectors, rows: Ints, scores: Mapping[str, Floats]) -> dict[str, Floats]:  # noqa: ARG002
        return {} if self.told_borne is None else {SYMBOL: self.told_borne[rows]}

    def called_by(
        self,
        query: QueryVectors,  # noqa: ARG002
        rarity: Mapping[str, float],  # noqa: ARG002
        rows: Ints,
        scores: Mapping[str, Floats],  # noqa: ARG002
    ) -> dict[str, Floats]:
        return {} if self.told_called is None else {CALLED: self.told_called[rows]}

    def placed_by(self, query: QueryVectors, rows: Ints) -> dict[str, Floats]:  # noqa: ARG002
        return {} if self.told_placed is None else {PLACE: self.told_placed[rows]}

    def digits_by(self, query: QueryVectors, rows: Ints, spaces: Sequence[Space]) -> dict[str, Floats]:  # noqa: ARG002
        return {} if self.told_digits is None else {DIGITS: self.told_digits[rows]}

    def verbatim_by(
        self,
        query: QueryVectors,  # noqa: ARG002
        rows: Ints,
        scores: Mapping[str, Floats],
        ids: Ints,
    ) -> dict[str, Floats]:
        """Each part told it of its own best by words: of those that are the best of all it counts."""
        if self.told_verbatim is None:
            return {}
        found, read = np.full(len(rows), np.nan, np.float32), read_of(scores, ids)
        found[read] = self.told_verbatim[rows[read]]
        return {} if np.isnan(found).all() else {VERBATIM: found}

    def shortened(self, rows: Ints) -> Doubles:
        return self.length[rows]

    def shortened_alone(self, rows: Ints) -> Doubles:
        return self.length[rows]


def first_lists(ask: Ask, blend: Blend) -> int:
    """How long the lists of the parts are at first."""
    legs = ToldLegs(blend, length=np.empty(0)) if ask.mode in SUMMED else None
    shortened = (lambda rows: np.zeros(len(rows))) if ask.shortens(blend) else None
    pooled = Pooled(ToldSpace("dense", np.empty(0, np.float32)), blend.pooled) if ask.adds_pooled(blend) else None
    return first_most(Ranker((), np.empty(0, np.int64), legs, ask.options.fusion, shortened, pooled), ask)


def merged_hits(
    parts: Mapping[str, PartCandidates],
    ask: Ask,
    blend: Blend,
    confidence: Confidence | LowestConfidence | None,
    most: int | None = None,
    *,
    explain: bool = False,
) -> Merged:
    """The k best of all parts. blend : the weights of the legs, which all parts share; most : how long the lists were
    that the parts were asked for, by default the first ones. In mode exact: of what `part_scan` told."""
    names = list(parts)
    told = list(parts.values())
    ids = np.concatenate([one.ids for one in told])
    if not len(ids):
        return Merged([])
    owner = np.repeat(np.arange(len(told)), [len(one.ids) for one in told])
    bases = np.cumsum([0, *(len(one.ids) for one in told)])[:-1]
    spaces = [name for name in told[0].scores if name not in (NAME, *ADDED)]
    scores = {name: np.concatenate([one.scores[name] for one in told]) for name in spaces}
    summed = ask.mode in SUMMED
    length = np.concatenate([one.length for one in told])
    legs = ToldLegs(
        blend,
        length=length,
        told_names=_besides(NAME, told),
        told_borne=_besides(SYMBOL, told),
        told_called=_besides(CALLED, told),
        told_placed=_besides(PLACE, told),
        told_digits=_besides(DIGITS, told),
        told_verbatim=_besides(VERBATIM, told),
    )
    shortened = legs.shortened if ask.shortens(blend) else None
    beside = scores.pop("dense") if "dense" in scores and ask.adds_pooled(blend) else None
    pooled = None if beside is None else Pooled(ToldSpace("dense", beside), blend.pooled)
    compared = tuple(ToldSpace(name, values) for name, values in scores.items())
    ranker = Ranker(compared, ids, legs if summed else None, ask.options.fusion, shortened, pooled)
    allowed = sum(one.allowed for one in told)
    first = first_most(ranker, ask)
    most = most or first
    kept = None if ask.options.collapse is None else len(ids)
    keys = fold_keys(told)
    # Lists of k decide at first whether one index would score all rows, also where collapsing asks for longer ones.
    every = ask.mode != "lexical" and ranker.scans(ranker.listed(ask.k) if most == first else most, allowed)
    if ask.mode == "exact" or every:
        # So few that each part told all of them; or all that any place in an order of all depends on.
        ranking = ranker.rank_all(NO_QUERY, ask.k, np.arange(len(ids)), Timing(), kept)
    else:
        ranking = ranker.rank(NO_QUERY, ask.k, _lists(told, bases, scores, most, allowed), Timing(), kept)
    wider = None
    if kept is not None:
        ordered, ranking = ranking, ranking.of(first_folded(keys, ranking.rows, ask.k))
        if ask.mode != "exact" and not every:
            wider = wider_lists(ordered, ranking, ask.k, most, allowed, summed=summed)
    if summed and confidence and ask.options.fusion == "zsum":
        ranking = replace(ranking, confidence=confidence.said(ranking))
    candidates = ranking.candidates
    hits = [
        MergedHit(
            names[int(owner[row])],
            int(ids[row]),
            *numbers,
            explain_spaces(candidates, ids, row, legs) if explain else {},
            keys[row],
        )
        for row, numbers in zip(ranking.rows.tolist(), ranking.numbers(), strict=True)
    ]
    count = allowed if ask.mode == "exact" else len(candidates.rows)
    return Merged(hits, count, "xtr" in candidates.lists, candidates.moments, wider, most)


def _lists(
    told: Sequence[PartCandidates], bases: Ints, scores: Mapping[str, Floats], most: int, allowed: int
) -> dict[str, Listed]:
    listed = {name: _list(name, told, bases, values, most) for name, values in scores.items()}
    demanded = np.concatenate(_placed(DEMANDED, told, bases))
    if len(demanded):
        # As one index lists them: where its list of words has room, the lowest ids.
        room = len(listed["lexical"].rows) < min(most, allowed)
        ids = np.concatenate([one.ids for one in told])
        demanded = np.sort(demanded[np.argsort(ids[demanded])[:most]]) if room else demanded[:0]
    listed[DEMANDED] = Listed(demanded, np.zeros(len(demanded), np.float32))
    placed, shares = np.concatenate(_placed(PLACE, told, bases)), _besides(PLACE, told)
    if len(placed) and shares is not None:
        best = placed[best_positions(shares[placed], np.concatenate([one.ids for one in told])[placed], most)]
        listed[PLACE] = Listed(best, shares[best])
    return listed


def _list(name: str, told: Sequence[PartCandidates], bases: Ints, scores: Floats, most: int) -> Listed:
    return merged([Listed(rows, scores[rows]) for rows in _placed(name, told, bases)], most)


def _placed(name: str, told: Sequence[PartCandidates], bases: Ints) -> list[Ints]:
    return [one.lists.get(name, np.empty(0, np.int64)) + base for one, base in zip(told, bases, strict=True)]


def fold_keys(told: Sequence[PartCandidates]) -> list[Place | str | None]:
    """The keys of the candidates of all parts, one after the other; of none where hits are not collapsed."""
    return [key for one in told for key in (one.keys or [None] * len(one.ids))]


def first_folded(keys: Sequence[Place | str | None], rows: Ints, k: int) -> Ints:
    """Positions int64 [m <= k], ascending, of the first row of each of the first k keys in rows; what has no key stands
    for itself."""
    met: dict[Place | str | int, int] = {}
    for position, row in enumerate(rows.tolist()):
        met.setdefault(keys[row] or row, position)
        if len(met) == k:
            break
    return np.fromiter(met.values(), np.int64, len(met))


def _besides(key: str, told: Sequence[PartCandidates]) -> Floats | None:
    """Scores that are of no space; NaN for the rows of parts that have none, None where no part has."""
    if not any(key in one.scores for one in told):
        return None
    return np.concatenate([one.scores.get(key, np.full(len(one.ids), np.nan, np.float32)) for one in told])
