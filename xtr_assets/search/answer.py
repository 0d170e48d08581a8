"""One call over one opened generation: encode the queries, rank, then read what the hits show."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from xtr_assets.core.search_options import SearchOptions
from xtr_assets.core.types import Mask
from xtr_assets.search.explain import explain_hits
from xtr_assets.search.hits import Hit
from xtr_assets.search.phase_times import Timing
from xtr_assets.search.query_encoder import QueryEncoder
from xtr_assets.search.ranker import Ranker, Ranking
from xtr_assets.search.reader import OpenGeneration
from xtr_assets.search.request import SUMMED, Ask
from xtr_assets.search.retrievers import Listed, QueryVectors
from xtr_assets.telemetry import metrics
from xtr_assets.telemetry.tracing import span

# Of each call of an index for hits of different symbols, how many more candidates than the one before it asks for.
COLLAPSE_GROWTH = 4
# What the first such call asks for, in hits: in code every fifth chunk is a further part of its symbol.
COLLAPSE_SPARE = 2


def answer(
    opened: OpenGeneration, encoder: QueryEncoder, queries: Sequence[str], ask: Ask, explain: bool
) -> list[list[Hit]]:
    """The hits of each query; none for an empty one."""
    timing = Timing()
    # An unknown column is an error also where nothing would be found.
    with timing.phase("filter"):
        opened.allowed(ask.where)
    hits: list[list[Hit]] = [[] for _ in queries]
    asked = [i for i, query in enumerate(queries) if query.strip()]
    if asked and opened.generation.live_rows:
        spaces = [space.name for space in opened.spaces(ask.mode)]
        with timing.phase("encode"):
            vectors = encoder.encode(opened.generation, [queries[i] for i in asked], spaces)
        rankings = rank(opened, vectors, ask, timing)
        found = hydrated(opened, rankings, timing)
        if explain:
            with timing.phase("explain"):
                found = explain_hits(opened, encoder, vectors, rankings, found)
        for i, own in zip(asked, found, strict=True):
            hits[i] = own
    timing.observe(ask.mode, len(queries))
    return hits


def rank(opened: OpenGeneration, queries: Sequence[QueryVectors], ask: Ask, timing: Timing) -> list[Ranking]:
    """The k best rows of each query, in the mode and over the rows that were asked for."""
    with timing.phase("filter"):
        allowed = opened.allowed(ask.where)
    asked = _Asked(opened, ask, allowed, timing)
    rankings = asked.of_all(queries) if ask.mode == "exact" or asked.few else asked.of_lists(queries)
    candidates = metrics.CANDIDATES.labels(ask.mode)
    for ranking in rankings:
        candidates.observe(len(ranking.candidates.rows))
    for space in asked.ranker.spaces:
        metrics.RESCORED.labels(space.name).inc(sum(len(ranking.candidates.rows) for ranking in rankings))
    return rankings


class _Asked:
    """The queries of one call on their way from candidates to their k best."""

    def __init__(self, opened: OpenGeneration, ask: Ask, allowed: Mask, timing: Timing) -> None:
        self.opened, self.ask, self.allowed, self.timing = opened, ask, allowed, timing
        self.count = int(np.count_nonzero(allowed))
        legs = opened.legs if ask.mode in SUMMED else None
        self.ranker = Ranker(opened.spaces(ask.mode), opened.chunk_ids, legs, ask.options.fusion)
        self.options: SearchOptions = replace(ask.options, allowed=None if ask.where is None else allowed)
        # Collapsing reads on behind the k best: all candidates are put in order.
        self.kept = None if ask.options.collapse is None else max(1, self.count)

    @property
    def few(self) -> bool:
        """Whether the lists would hold every allowed row."""
        return self.ranker.scans(self.ranker.listed(self.ask.k), self.count)

    def of_all(self, queries: Sequence[QueryVectors]) -> list[Ranking]:
        """By scoring every allowed row."""
        rows = np.flatnonzero(self.allowed)
        ranked = [self.ranker.rank_all(query, self.ask.k, rows, self.timing, self.kept) for query in queries]
        return [self._collapsed(ranking) for ranking in ranked]

    def of_lists(self, queries: Sequence[QueryVectors]) -> list[Ranking]:
        """By the candidates of the indexes; as many more as it takes for k symbols where hits are collapsed."""
        most = self.ranker.listed(self.ask.k)
        if self.kept is not None:
            most = max(most, COLLAPSE_SPARE * self.ask.k)
        return [
            self._widened(query, lists, most) for query, lists in zip(queries, self._lists(queries, most), strict=True)
        ]

    def _lists(self, queries: Sequence[QueryVectors], most: int) -> list[dict[str, Listed]]:
        with self.timing.phase("retrieve"), span("retrieve", mode=self.ask.mode, allowed=self.count):
            return self.ranker.retrieve(queries, self.options, most)

    def _widened(self, query: QueryVectors, lists: Mapping[str, Listed], most: int) -> Ranking:
        while True:
            ranking = self._collapsed(self.ranker.rank(query, self.ask.k, lists, self.timing, self.kept))
            if self.kept is None or len(ranking.rows) == self.ask.k:
                return ranking
            most *= COLLAPSE_GROWTH
            if self.ranker.scans(most, self.count):
                return self.of_all([query])[0]
            (lists,) = self._lists([query], most)

    def _collapsed(self, ranking: Ranking) -> Ranking:
        if self.kept is None:
            return ranking
        with self.timing.phase("fuse"):
            return ranking.of(self.opened.symbols.first(ranking.rows, self.ask.k))


def hydrated(opened: OpenGeneration, rankings: Sequence[Ranking], timing: Timing) -> list[list[Hit]]:
    """The hits of each ranking, read from the memory-mapped chunks."""
    rows = [row for ranking in rankings for row in ranking.rows.tolist()]
    with timing.phase("hydrate"), span("hydrate", rows=len(rows)):
        columns = iter(opened.hydrator.rows(rows))
        return [[Hit.of(next(columns), *numbers) for numbers in ranking.numbers()] for ranking in rankings]
