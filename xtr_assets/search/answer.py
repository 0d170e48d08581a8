"""One call over one opened generation: encode the queries, rank, then read what the hits show."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from xtr_assets.core.query_syntax import Query, parse_query
from xtr_assets.core.types import Mask
from xtr_assets.search.explain import explain_hits
from xtr_assets.search.hits import Hit
from xtr_assets.search.phase_times import Timing
from xtr_assets.search.query_encoder import QueryEncoder
from xtr_assets.search.ranker import Ranker, Ranking
from xtr_assets.search.reader import OpenGeneration
from xtr_assets.search.request import Ask
from xtr_assets.search.retrievers import QueryVectors
from xtr_assets.telemetry import metrics
from xtr_assets.telemetry.tracing import span


def answer(
    opened: OpenGeneration, encoder: QueryEncoder, queries: Sequence[str], ask: Ask, explain: bool
) -> list[list[Hit]]:
    """The hits of each query; none for an empty one."""
    timing = Timing()
    # An unknown column, and a space that is not there, are errors also where nothing would be found.
    with timing.phase("filter"):
        opened.allowed(ask.where)
    for name in ask.spaces:
        opened.space(name)
    parsed = [parse_query(query, ask.syntax) for query in queries]
    hits: list[list[Hit]] = [[] for _ in queries]
    asked = [i for i, query in enumerate(parsed) if query.text.strip()]
    if asked and opened.generation.live_rows:
        with timing.phase("encode"):
            vectors = encoder.encode(opened.generation, [parsed[i].text for i in asked], ask.spaces)
        rankings = ranked(opened, vectors, [parsed[i] for i in asked], ask, timing)
        found = hydrated(opened, rankings, timing)
        if explain:
            with timing.phase("explain"):
                found = explain_hits(opened, encoder, vectors, rankings, found)
        for i, own in zip(asked, found, strict=True):
            hits[i] = own
    timing.observe(ask.mode, len(queries))
    return hits


def ranked(
    opened: OpenGeneration, queries: Sequence[QueryVectors], texts: Sequence[Query], ask: Ask, timing: Timing
) -> list[Ranking]:
    """`rank`, each query over the rows that hold what its text demands; those that demand nothing in one call."""
    with timing.phase("filter"):
        demanded = [opened.required.mask(text) for text in texts]
    free = [i for i, mask in enumerate(demanded) if mask is None]
    found = dict(zip(free, rank(opened, [queries[i] for i in free], ask, timing), strict=True)) if free else {}
    for i, mask in enumerate(demanded):
        if mask is not None:
            (found[i],) = rank(opened, [queries[i]], ask, timing, mask)
    return [found[i] for i in range(len(queries))]


def rank(
    opened: OpenGeneration, queries: Sequence[QueryVectors], ask: Ask, timing: Timing, only: Mask | None = None
) -> list[Ranking]:
    """The k best rows of each query, in the mode and over the rows that were asked for; `only` bool [end_row]."""
    with timing.phase("filter"):
        allowed = opened.allowed(ask.where) if only is None else opened.allowed(ask.where) & only
        count = int(np.count_nonzero(allowed))
    spaces = tuple(opened.space(name) for name in ask.spaces)
    ranker = Ranker(spaces, opened.chunk_ids, ask.options.fusion, opened.depth)
    # The lexical index lists every row that it scores above 0, exactly: what shares no word is no answer.
    if ask.mode == "exact" or (ask.mode != "lexical" and ranker.scans(ask.k, count)):
        rows = np.flatnonzero(allowed)
        rankings = [ranker.rank_all(query, ask.k, rows, timing) for query in queries]
    else:
        with timing.phase("retrieve"), span("retrieve", mode=ask.mode, allowed=count):
            options = replace(ask.options, allowed=None if ask.where is None and only is None else allowed)
            lists = ranker.retrieve(queries, options)
        rankings = [ranker.rank(query, ask.k, own, timing) for query, own in zip(queries, lists, strict=True)]
    candidates = metrics.CANDIDATES.labels(ask.mode)
    for ranking in rankings:
        candidates.observe(len(ranking.candidates.rows))
    for name in ask.spaces:
        metrics.RESCORED.labels(name).inc(sum(len(ranking.candidates.rows) for ranking in rankings))
    return rankings


def hydrated(opened: OpenGeneration, rankings: Sequence[Ranking], timing: Timing) -> list[list[Hit]]:
    """The hits of each ranking, read from the memory-mapped chunks."""
    rows = [row for ranking in rankings for row in ranking.rows.tolist()]
    with timing.phase("hydrate"), span("hydrate", rows=len(rows)):
        columns = iter(opened.hydrator.rows(rows))
        return [[Hit.of(next(columns), *numbers) for numbers in ranking.numbers()] for ranking in rankings]
