"""From candidates to a ranking: union of the lists, exact scores in every space, one order.

One rule serves every mode. A mode names its spaces; `exact` and small or strongly filtered corpora skip the indexes and
take every allowed row, so that the same rows come out as long as the lists missed none.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from xtr_assets.core.fusion import Doubles, Moments, rrf, z_sum
from xtr_assets.core.search_options import Fusion, SearchOptions
from xtr_assets.core.top_k import best_positions
from xtr_assets.core.types import Floats, Ints
from xtr_assets.search.phase_times import Timing
from xtr_assets.search.retrievers import Listed, QueryVectors, Space
from xtr_assets.telemetry.tracing import span

Mode = Literal["hybrid", "dense", "xtr", "lexical", "exact"]

# Candidates that each list gives to the fusion. Known-item search in the standard library: the z-score sum over the
# dense top 100 has the MRR@10 of the sum over all documents (0.399), so that more of them only cost time.
CANDIDATES = 100


@dataclass(frozen=True, slots=True, eq=False)
class Ranking:
    """The best rows of one query, best first.

    rows : int64 [n]; scores : float64 [n], what ordered them; by_space : exact scores float32 [n] per space
    """

    rows: Ints
    scores: Doubles
    by_space: Mapping[str, Floats]
    candidates: "Candidates"

    def numbers(self) -> Iterator[tuple[float, dict[str, float]]]:
        """Per row its score and its exact score in each space, as Python numbers."""
        names = tuple(self.by_space)
        columns = zip(*(values.tolist() for values in self.by_space.values()), strict=True)
        for score, values in zip(self.scores.tolist(), columns, strict=True):
            yield score, dict(zip(names, values, strict=True))


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """What a ranking was made from, kept for `explain`.

    rows : int64 [m]; scores : per space float32 [m]; lists : per space the rows its index retrieved, best first (none
    where all rows were scanned); moments : per space what z-scores were made with (none where nothing was summed)
    """

    rows: Ints
    scores: Mapping[str, Floats]
    lists: Mapping[str, Ints]
    moments: Mapping[str, Moments]


@dataclass(frozen=True, slots=True)
class Ranker:
    """Ranks over the spaces of a mode. chunk_ids : int64 [end_row], they decide ties."""

    spaces: tuple[Space, ...]
    chunk_ids: Ints
    fusion: Fusion = "zsum"
    depth: int = CANDIDATES

    def retrieve(self, queries: Sequence[QueryVectors], options: SearchOptions) -> list[dict[str, Listed]]:
        """Per query the list of each space: rows int64, best first."""
        wanted = replace(options, k=self._listed(options.k))
        lists = {space.name: space.retrieve(queries, wanted) for space in self.spaces}
        return [{name: found[i] for name, found in lists.items()} for i in range(len(queries))]

    def rank(self, query: QueryVectors, k: int, lists: Mapping[str, Listed], timing: Timing) -> Ranking:
        """The k best of the union of the lists."""
        rows = np.unique(np.concatenate([found.rows for found in lists.values()]))
        return self._rank(query, k, rows, lists, timing)

    def rank_all(self, query: QueryVectors, k: int, rows: Ints, timing: Timing) -> Ranking:
        """The k best of all given rows int64 [m], ascending: the reference."""
        return self._rank(query, k, rows, {}, timing)

    def scans(self, k: int, allowed_rows: int) -> bool:
        """Whether the lists would hold every allowed row anyway: scoring them all costs no more, and is exact."""
        return allowed_rows <= max(self._listed(k), CANDIDATES)

    def _listed(self, k: int) -> int:
        # One space: the list is the answer. Several: each list is cut where the fusion does not see further.
        return k if len(self.spaces) == 1 else max(k, self.depth)

    def _rank(self, query: QueryVectors, k: int, rows: Ints, lists: Mapping[str, Listed], timing: Timing) -> Ranking:
        with timing.phase("rescore"), span("rescore", rows=len(rows), spaces=len(self.spaces)):
            scores = {space.name: _scored(space, query, rows, lists.get(space.name)) for space in self.spaces}
        with timing.phase("fuse"):
            ids = self.chunk_ids[rows]
            fused, moments = self._fuse(scores, ids, k)
            best = best_positions(fused, ids, k)
        candidates = Candidates(rows, scores, {name: found.rows for name, found in lists.items()}, moments)
        return Ranking(rows[best], fused[best], {name: found[best] for name, found in scores.items()}, candidates)

    def _fuse(self, scores: Mapping[str, Floats], ids: Ints, k: int) -> tuple[Doubles, Mapping[str, Moments]]:
        if len(scores) == 1:
            (only,) = scores.values()
            return only.astype(np.float64), {}
        if self.fusion == "rrf":
            fused_ids, fused = rrf([ids[best_positions(values, ids)] for values in scores.values()])
            return fused[np.searchsorted(fused_ids, ids)], {}
        # Mean and spread come from the best of each space, also where all rows were scored: the weights of the spaces
        # are then those of the approximate search, and do not move with how many rows are far away.
        n = self._listed(k)
        top = np.unique(np.concatenate([best_positions(values, ids, n) for values in scores.values()]))
        moments = {name: Moments.of(values[top]) for name, values in scores.items()}
        return z_sum(scores, moments), moments


def _scored(space: Space, query: QueryVectors, rows: Ints, listed: Listed | None) -> Floats:
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
