"""Many searches over one state: shared among threads, and where all rows are scanned one pass for several questions.

A scan of 183,000 tokens of 48 dimensions takes 1.4 CPU ms for a question of nine, and 0.7 for each of sixteen that are
asked together: rows are read once, and the questions' tokens fill the processor's registers without gaps.
"""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np

from xtr_assets.core.arguments import whole
from xtr_assets.core.search_options import SearchOptions
from xtr_assets.core.top_k import best_rows
from xtr_assets.core.types import Floats, Mask
from xtr_assets.index.device import processors
from xtr_assets.index.late.options import SearchProfile
from xtr_assets.index.late.query import make_query
from xtr_assets.index.late.search import TokenResult, nothing, search
from xtr_assets.index.late.state import IndexState

# Questions of one pass: 32 of them take a twentieth less each than 16, and their tokens leave the first-level cache.
SCAN_QUERIES = 16
# Scores of one pass: 8 MB.
SCAN_SCORES = 1 << 21

One = TypeVar("One")
Many = TypeVar("Many")


def search_all(
    state: IndexState,
    profile: SearchProfile,
    queries: Sequence[Floats],
    options: SearchOptions,
    threads: int | None,
) -> list[TokenResult]:
    """See TokenIndex.search_batch."""
    if threads is not None:
        whole(threads, "threads")
    # More threads than processors only take turns.
    workers = min(threads or processors(), processors(), len(queries))
    k, allowed = options.k, options.allowed
    # By lists each question reads other rows. In 8 bits first, where lists met too few, each keeps other rows.
    if profile.scan and len(queries) > 1:
        return _scan_all(state, queries, k, allowed, workers)
    return _shared(lambda query: search(state, profile, query, k, allowed), queries, workers)


def _scan_all(
    state: IndexState, queries: Sequence[Floats], k: int, allowed: Mask | None, workers: int
) -> list[TokenResult]:
    """As `search` by a profile that scans answers each of them, bit for bit."""
    mask, count = state.allowed(allowed)
    results = [nothing(k)] * len(queries)
    asked = [i for i, query in enumerate(queries) if len(query)]
    if not asked or min(k, count) <= 0:
        return results
    rows = state.rows_of(mask)
    size = max(1, min(SCAN_QUERIES, -(-len(asked) // workers), SCAN_SCORES // len(rows)))

    def scan(some: Sequence[int]) -> list[TokenResult]:
        started = time.perf_counter()
        made = [make_query(state.model, queries[i]) for i in some]
        middle = time.perf_counter()
        sums = state.backend.exact_many(made, rows)
        best = [best_rows(scores / np.float32(len(one)), rows, k) for one, scores in zip(made, sums, strict=True)]
        # Each question has its share of what all of them took.
        spent = (middle - started) / len(some), (time.perf_counter() - middle) / len(some)
        seconds = {"retrieve": spent[0], "impute": 0.0, "rescore": spent[1]}
        return [TokenResult(*found, True, 0, len(rows), len(rows), dict(seconds)) for found in best]

    blocks = [asked[first : first + size] for first in range(0, len(asked), size)]
    for some, found in zip(blocks, _shared(scan, blocks, min(workers, len(blocks))), strict=True):
        for i, result in zip(some, found, strict=True):
            results[i] = result
    return results


def _shared(work: Callable[[One], Many], items: Sequence[One], workers: int) -> list[Many]:
    """The work of each item, in their order, by so many threads."""
    if workers < 2:
        return [work(item) for item in items]
    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(work, items))
