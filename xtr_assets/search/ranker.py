"""From candidates to a ranking: union of the lists, exact scores in every space, one order.

One rule serves every mode. A mode names its spaces; `exact` and small or strongly filtered corpora skip the indexes and
take every allowed row, so that the same rows come out as long as the lists missed none.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from xtr_assets.core.fusion import Doubles, Moments, beside, rrf, z_sum
from xtr_assets.core.search_options import Fusion, SearchOptions
from xtr_assets.core.top_k import best_positions, distinct
from xtr_assets.core.types import Floats, Ints
from xtr_assets.search.blend import AS_IT_IS, BESIDE, CANDIDATES, NAME, PLACE, VERBATIM
from xtr_assets.search.equal_texts import Copies
from xtr_assets.search.legs import Legs, moments_of
from xtr_assets.search.lexical_space import rarity_among
from xtr_assets.search.phase_times import Timing
from xtr_assets.search.retrievers import Listed, QueryVectors, Space
from xtr_assets.telemetry.tracing import span

Mode = Literal["hybrid", "dense", "xtr", "lexical", "exact"]


@dataclass(frozen=True, slots=True, eq=False)
class Ranking:
    """The best rows of one query, best first.

    rows : int64 [n]; scores : float64 [n], what ordered them; sums : float64 [n], the same without what the best of the
    other kind gained; by_space : exact scores float32 [n] per space, NaN where a row has none there; leaders : the two
    best sums of all candidates, 0 where there are not so many; confidence : float64 [n], None where the generation has
    no calibration or the mode sums nothing; asked : what the indexes were asked with, k being the length of their
    lists, None where all rows were scanned; copies : of each row where else its text stands, None where hits are not
    one a text
    """

    rows: Ints
    scores: Doubles
    sums: Doubles
    by_space: Mapping[str, Floats]
    candidates: "Candidates"
    leaders: tuple[float, float]
    confidence: Doubles | None = None
    asked: SearchOptions | None = None
    copies: Sequence[Copies] | None = None

    def numbers(self) -> Iterator[tuple[float, dict[str, float], float | None]]:
        """Per row its score, its exact score in each space that it has one in, its confidence, as Python numbers."""
        names = tuple(self.by_space)
        columns = zip(*(values.tolist() for values in self.by_space.values()), strict=True)
        sure = [None] * len(self.rows) if self.confidence is None else self.confidence.tolist()
        for score, values, confidence in zip(self.scores.tolist(), columns, sure, strict=True):
            known = {name: value for name, value in zip(names, values, strict=True) if value == value}
            yield score, known, confidence

    def of(self, chosen: Ints) -> "Ranking":
        """Some of the rows: positions int64 [m], ascending."""
        by_space = {name: values[chosen] for name, values in self.by_space.items()}
        rows, scores, sums = self.rows[chosen], self.scores[chosen], self.sums[chosen]
        return replace(self, rows=rows, scores=scores, sums=sums, by_space=by_space)


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """What a ranking was made from, kept for `explain`.

    rows : int64 [m]; scores : per space float32 [m]; lists : per space the rows its index retrieved, best first (none
    where all rows were scanned); legs : what was standardized, per leg float64 [m], and moments : what with (none
    where nothing was summed)
    """

    rows: Ints
    scores: Mapping[str, Floats]
    lists: Mapping[str, Ints]
    legs: Mapping[str, Doubles]
    moments: Mapping[str, Moments]


@dataclass(frozen=True, slots=True)
class Pooled:
    """What the scores of another space add, by weight, to those of the one that ranks alone; it brings no rows."""

    space: Space
    weight: float


@dataclass(frozen=True, slots=True)
class Ranker:
    """Ranks over the spaces of a mode. chunk_ids : int64 [end_row], they decide ties. legs : how the spaces make one
    score; None in a mode of one space, whose score it is, less what `shortened` gives for each of the rows, and more by
    what `pooled` says."""

    spaces: tuple[Space, ...]
    chunk_ids: Ints
    legs: Legs | None = None
    fusion: Fusion = "zsum"
    shortened: Callable[[Ints], Doubles] | None = None
    pooled: Pooled | None = None

    def retrieve(
        self, queries: Sequence[QueryVectors], options: SearchOptions, most: int | None = None
    ) -> list[dict[str, Listed]]:
        """Per query the list of each space: rows int64, best first; `most` of them in place of what k asks for."""
        wanted = replace(options, k=most or self.listed(options.k))
        lists = {space.name: space.retrieve(queries, wanted) for space in self.spaces}
        return [{name: found[i] for name, found in lists.items()} for i in range(len(queries))]

    def rank(
        self, query: QueryVectors, k: int, lists: Mapping[str, Listed], timing: Timing, kept: int | None = None
    ) -> Ranking:
        """The k best of the union of the lists; `kept` of them, with the scores that the k best have."""
        rows = distinct(np.concatenate([found.rows for found in lists.values()]))
        return self._rank(query, k, rows, lists, timing, kept or k)

    def rank_all(self, query: QueryVectors, k: int, rows: Ints, timing: Timing, kept: int | None = None) -> Ranking:
        """The k best of all given rows int64 [m], ascending: the reference."""
        return self._rank(query, k, rows, {}, timing, kept or k)

    def listed_of(self, query: QueryVectors, rows: Ints, most: int) -> dict[str, Listed]:
        """What indexes that miss nothing of these rows int64 [m], ascending, would list."""
        lists = {}
        for space in self.spaces:
            scores = space.score(query, rows)
            best = ranked(space.name, scores, self.chunk_ids[rows], most)
            lists[space.name] = Listed(rows[best], scores[best])
        return lists

    def scans(self, most: int, allowed_rows: int) -> bool:
        """Whether lists of `most` would hold every allowed row anyway: scoring them all costs no more, and is exact."""
        return allowed_rows <= max(most, CANDIDATES)

    def listed(self, k: int) -> int:
        """The length of the lists. One space: the list is the answer, unless something changes its order. Legs: each is
        cut where the fusion does not see further."""
        if self.legs is None:
            return k if self.in_order else max(k, CANDIDATES)
        return max(k, self.legs.blend.candidates)

    @property
    def in_order(self) -> bool:
        """Whether the list of the one space is the answer."""
        return self.legs is None and self.shortened is None and self.pooled is None

    def beside(self, query: QueryVectors, rows: Ints) -> dict[str, Floats]:
        """What else a score that ranks alone is made of: exact scores float32 [len(rows)] by space."""
        if self.pooled is None:
            return {}
        space = self.pooled.space
        # A part of which nothing passes may have no index to be asked.
        return {space.name: space.score(query, rows) if len(rows) else np.empty(0, np.float32)}

    def _rank(
        self, query: QueryVectors, k: int, rows: Ints, lists: Mapping[str, Listed], timing: Timing, kept: int
    ) -> Ranking:
        with timing.phase("rescore"), span("rescore", rows=len(rows), spaces=len(self.spaces)):
            scores = {space.name: scored(space, query, rows, lists.get(space.name)) for space in self.spaces}
            scores |= self.beside(query, rows)
            if self.legs is not None:
                scores |= self.legs.names_of(query, rows)
                if self.fusion == "zsum":
                    scores |= self.legs.borne_by(query, rows, scores)
                    scores |= self.legs.called_by(query, rarity_among(self.spaces, query), rows, scores)
                    scores |= self.legs.placed_by(query, rows)
                    scores |= self.legs.digits_by(query, rows, self.spaces)
        with timing.phase("fuse"):
            ids = self.chunk_ids[rows]
            legs: dict[str, Doubles] = {} if self.legs is None else self.legs.of(rows, scores)
            fused, moments = self._fuse(scores, legs, rows, k, _of_spaces(rows, lists))
            leaders = [*fused[best_positions(fused, ids, 2)].tolist(), 0.0, 0.0]
            sums = fused
            if more := self._verbatim(query, rows, scores, ids):
                scores, legs[VERBATIM] = {**scores, **more}, np.nan_to_num(more[VERBATIM].astype(np.float64))
                fused, moments = fused + self._factor * legs[VERBATIM], {**moments, VERBATIM: AS_IT_IS}
            if (found := self._beside(fused, scores, ids)) is not None:
                fused, gained = found
                scores[BESIDE], legs[BESIDE], moments = gained, np.nan_to_num(gained), {**moments, BESIDE: AS_IT_IS}
            best = best_positions(fused, ids, kept)
        candidates = Candidates(rows, scores, {name: found.rows for name, found in lists.items()}, legs, moments)
        by_space = {name: found[best] for name, found in scores.items()}
        return Ranking(rows[best], fused[best], sums[best], by_space, candidates, (leaders[0], leaders[1]))

    def _verbatim(self, query: QueryVectors, rows: Ints, scores: Mapping[str, Floats], ids: Ints) -> dict[str, Floats]:
        return {} if self.legs is None or self.fusion != "zsum" else self.legs.verbatim_by(query, rows, scores, ids)

    @property
    def _factor(self) -> float:
        return 0.0 if self.legs is None else self.legs.blend.verbatim

    def _fuse(
        self, scores: Mapping[str, Floats], legs: dict[str, Doubles], rows: Ints, k: int, listed: Ints
    ) -> tuple[Doubles, Mapping[str, Moments]]:
        """listed : positions int64 [m] of the candidates that the spaces brought."""
        if self.legs is None:
            return self._alone(scores, rows), {}
        ids = self.chunk_ids[rows]
        if self.fusion == "rrf":
            fused_ids, fused = rrf([ids[ranked(space.name, legs[space.name], ids)] for space in self.spaces])
            # A row that no leg ranks has no part of any rank.
            at = np.minimum(np.searchsorted(fused_ids, ids), max(len(fused_ids) - 1, 0))
            return np.where(fused_ids[at] == ids, fused[at], 0.0) if len(fused_ids) else np.zeros(len(ids)), {}
        # Mean and spread come from the best of each space, also where all rows were scored: the weights of the legs are
        # then those of the approximate search, and do not move with how many rows are far away. What a place brings
        # does not move them either.
        n = self.listed(k)
        best = [ranked(space.name, scores[space.name][listed], ids[listed], n) for space in self.spaces]
        moments = moments_of(legs, listed[distinct(np.concatenate(best))])
        return z_sum(legs, moments, self.legs.blend.factors), moments

    def _beside(self, fused: Doubles, scores: Mapping[str, Floats], ids: Ints) -> tuple[Doubles, Floats] | None:
        """(the sums with it, the share that is gained): of the best row of the other kind than the first; the share of
        all others is NaN. None where none gains."""
        if self.legs is None or self.fusion != "zsum" or NAME not in scores:
            return None
        found = beside(fused, ~np.isnan(scores[NAME]), ids, self.legs.blend.beside)
        if found is None:
            return None
        position, reached = found
        gained = np.full(len(fused), np.nan, np.float32)
        gained[position] = (reached - fused[position]) / self.legs.blend.beside
        lifted = fused.copy()
        lifted[position] = reached
        return lifted, gained

    def _alone(self, scores: Mapping[str, Floats], rows: Ints) -> Doubles:
        (space,) = self.spaces
        alone = scores[space.name].astype(np.float64)
        if self.shortened is not None:
            alone = alone - self.shortened(rows)
        return alone if self.pooled is None else alone + self.pooled.weight * scores[self.pooled.space.name]


def _of_spaces(rows: Ints, lists: Mapping[str, Listed]) -> Ints:
    """Positions int64 [m] of the rows that more than a place brought; all where that brought none, or all."""
    if PLACE not in lists:
        return np.arange(len(rows))
    brought = np.concatenate([found.rows for name, found in lists.items() if name != PLACE])
    return np.flatnonzero(np.isin(rows, brought)) if len(brought) else np.arange(len(rows))


def ranked(leg: str, values: Floats | Doubles, ids: Ints, n: int | None = None) -> Ints:
    """Positions of the n best rows of a leg, best first; of the lexical one those that share a word with the query."""
    best = best_positions(values, ids, n)
    return best[values[best] > 0] if leg == "lexical" else best


def scored(space: Space, query: QueryVectors, rows: Ints, listed: Listed | None) -> Floats:
    """Exact scores float32 [len(rows)] of ascending rows; those that the space's own index retrieved come with it."""
    if listed is None or not len(listed.rows):
        return space.score(query, rows)
    scores = np.empty(len(rows), np.float32)
    missing = np.ones(len(rows), np.bool_)
    known = np.searchsorted(rows, listed.rows)
    scores[known], missing[known] = listed.scores, False
    if missing.any():
        scores[missing] = space.score(query, rows[missing])
    return scores
