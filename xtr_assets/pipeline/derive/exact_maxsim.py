"""Exact MaxSim neighbours of many queries at once: what the gate measures the token index against."""

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from xtr_assets.core.blas_threads import one_blas_thread
from xtr_assets.core.maxsim import maxsim
from xtr_assets.core.row_store import RowTokens, TokenPart
from xtr_assets.core.top_k import best_rows
from xtr_assets.core.types import Floats, Ints, Mask
from xtr_assets.index.late.int8_scan import ScanQueries, scan, scannable

# Document tokens per matrix product: with 2,000 query tokens (200 gate queries) the similarities of one block take
# 16 MB, which the next step reads back while they are still warm; larger blocks were not faster.
BLOCK_TOKENS = 2048

# Document tokens scored in integers at a time, by one thread: 8 MB at dim 128.
SCAN_TOKENS = 65_536

# Documents decoded at a time to be ranked in floats; of a corpus that repeats one text many times, all are.
RANKED_DOCUMENTS = 4096

# Scores near a query's best that are collected before they are merged into its running top k.
MERGE_SCORES = 16_384

# Documents whose scores are kept before they are merged into the running top k: 200 queries take 26 MB.
MERGE_DOCUMENTS = 32_768


def exact_tokens(
    tokens: RowTokens, live: Mask, queries: Sequence[Floats], k: int, *, above: Floats | None = None
) -> tuple[Floats, Ints]:
    """The k rows of highest MaxSim for each query, over live rows; MaxSim is divided by the query's tokens.

    Parameters
    ----------
    tokens : the rows of a generation
    live : bool [end_row]
    queries : float32 [t_i, d] each; a query of no tokens has no neighbours
    above : float32 [q], rows that score no more may be left out of a query's: few of a change's rows come near its best

    Returns
    -------
    (scores float32 [q, k], rows int64 [q, k])
        Best first, equal scores by ascending row, padded with (-inf, -1). Rows that cannot be among them are told by
        integers where the extension is there (`likely_rows`); all others are scored in float32.
    """
    best = TopK(len(queries), k)
    asked = np.flatnonzero([len(query) > 0 for query in queries])
    if len(asked) and k:
        chosen = [np.asarray(queries[i], np.float32) for i in asked.tolist()]
        if scannable(tokens):
            found = by_scan(tokens, live, chosen, k, None if above is None else above[asked])
        else:
            found = by_products(tokens, live, chosen, k)
        best.scores[asked], best.rows[asked] = found
    return best.scores, best.rows


def by_scan(
    tokens: RowTokens, live: Mask, queries: Sequence[Floats], k: int, above: Floats | None = None
) -> tuple[Floats, Ints]:
    """`exact_tokens` of queries that have tokens, by `maxsim` of the rows that may be among the best."""
    likely = likely_rows(tokens, live, queries, k, above)
    # As in `_scored`: a product of some thousand tokens is not worth BLAS' own threads.
    with one_blas_thread():
        found = [
            best_rows(row_scores(tokens, query, rows), rows, k) for query, rows in zip(queries, likely, strict=True)
        ]
    return np.stack([scores for scores, _ in found]), np.stack([rows for _, rows in found])


def likely_rows(
    tokens: RowTokens, live: Mask, queries: Sequence[Floats], k: int, above: Floats | None = None
) -> list[Ints]:
    """For each query int64 [m], ascending: every row that can be among its k best in float32 (of those that score more
    than `above`, float32 [q], where that is given), and few others.

    A row's score in integers differs from that in floats by no more than a bound; so k rows score at least the k-th
    best in integers less the bound in floats, and what lies two bounds below that is not among them.
    """
    asked = ScanQueries.of(queries)
    window = (2 * asked.error_bounds(tokens)).astype(np.float32)
    best = TopK(len(queries), k)
    floor = np.full(len(queries), -np.inf, np.float32) if above is None else above
    kept: list[tuple[Ints, Ints, Floats]] = []
    merged = waiting = 0

    def scored(block: _Block) -> Floats:
        return scan(block.part, block.rows - block.part.base_row, asked)

    for rows, scores in _scored(_blocks(tokens, live, SCAN_TOKENS), scored):
        # What is below the k-th best so far, less the window, is looked at no further: after some blocks nearly all.
        # Flat: numpy finds what is true along one axis five times as fast as along two.
        least = np.maximum(best.scores[:, -1], floor) - window
        query, position = np.divmod(np.flatnonzero(scores >= least[:, None]), scores.shape[1])
        kept.append((query, rows[position], scores[query, position]))
        waiting += len(query)
        if waiting >= MERGE_SCORES:
            best.merge_some(*_joined(kept[merged:]))
            merged, waiting = len(kept), 0
    best.merge_some(*_joined(kept[merged:]))
    query, rows, scores = _joined(kept)
    last = scores >= (np.maximum(best.scores[:, -1], floor) - window)[query]
    return [rows[last & (query == i)] for i in range(len(queries))]


def _joined(kept: Sequence[tuple[Ints, Ints, Floats]]) -> tuple[Ints, Ints, Floats]:
    """(query, row, score) of each entry, one after the other."""
    nothing = np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32)
    query, rows, scores = (np.concatenate(each) for each in zip(nothing, *kept, strict=True))
    return query, rows, scores


def row_scores(tokens: RowTokens, query: Floats, rows: Ints) -> Floats:
    """MaxSim of stored rows by the numpy reference: float32 [len(rows)]."""
    scores = [np.empty(0, np.float32)]
    for first in range(0, len(rows), RANKED_DOCUMENTS):
        documents = [tokens.document(row) for row in rows[first : first + RANKED_DOCUMENTS].tolist()]
        offsets = np.concatenate([[0], np.cumsum([len(one) for one in documents])])
        scores.append(maxsim(query, np.concatenate(documents), offsets))
    return np.concatenate(scores)


def by_products(tokens: RowTokens, live: Mask, queries: Sequence[Floats], k: int) -> tuple[Floats, Ints]:
    """`exact_tokens` of queries that have tokens, by matrix products in float32 alone.

    All documents of a block are scored by one product: 200 queries over 758,000 tokens of dim 128 are 390 GFLOP, not
    200 passes over the store.
    """
    counts = np.array([len(query) for query in queries], np.int64)
    scoring = _Scoring(np.concatenate(queries), np.cumsum(counts) - counts, (1.0 / counts)[:, None].astype(np.float32))
    best = TopK(len(queries), k)
    every = np.arange(len(queries))
    _gather(_scored(_blocks(tokens, live, BLOCK_TOKENS), scoring), lambda blocks: best.merge(every, blocks))
    return best.scores, best.rows


def _gather(scored: Iterable[tuple[Ints, Floats]], take: Callable[[Sequence[tuple[Ints, Floats]]], None]) -> None:
    """Hand over scored blocks, MERGE_DOCUMENTS at a time."""
    pending: list[tuple[Ints, Floats]] = []
    held = 0
    for rows, scores in scored:
        pending.append((rows, scores))
        held += len(rows)
        if held >= MERGE_DOCUMENTS:
            take(pending)
            pending, held = [], 0
    if pending:
        take(pending)


class _Scoring:
    """MaxSim of stacked query tokens (float32 [t, d]) against blocks; each thread has a buffer of its own."""

    def __init__(self, stacked: Floats, starts: Ints, weights: Floats) -> None:
        self._stacked, self._starts, self._weights = stacked, starts, weights
        self._buffers = threading.local()

    def __call__(self, stored: "_Block") -> Floats:
        """float32 [queries, documents of the block]; decoded here, so that every thread decodes its own."""
        block, offsets = stored.decoded(), stored.starts
        # A new array of 5 MB a block would spend eight times as long in page faults as in the product itself.
        buffer: Floats = getattr(self._buffers, "similarities", np.empty(0, np.float32))
        size = len(self._stacked) * len(block)
        if len(buffer) < size:
            buffer = self._buffers.similarities = np.empty(size, np.float32)
        # Document tokens down, query tokens across: the maximum of a document is that of whole rows, which numpy takes
        # twice as fast as one of pieces of rows.
        similarities = buffer[:size].reshape(len(block), len(self._stacked))
        np.matmul(block, self._stacked.T, out=similarities)
        maxima = np.empty((len(offsets), len(self._stacked)), np.float32)
        for document, (start, stop) in enumerate(pairwise([*offsets.tolist(), len(block)])):
            np.maximum.reduce(similarities[start:stop], axis=0, out=maxima[document])
        scores: Floats = np.add.reduceat(maxima, self._starts, axis=1).T * self._weights
        return scores


def _scored(blocks: "Iterator[_Block]", scoring: "Callable[[_Block], Floats]") -> Iterator[tuple[Ints, Floats]]:
    """(rows, scores) of each block in order, a thread a processor.

    The products are too small to be shared among BLAS' own threads: those spent five times the processor time, waiting
    for each other in a loop.
    """
    threads = os.cpu_count() or 1
    waiting: deque[tuple[Ints, Future[Floats]]] = deque()
    with one_blas_thread(), ThreadPoolExecutor(threads, "exact") as pool:
        for block in blocks:
            waiting.append((block.rows, pool.submit(scoring, block)))
            # As many blocks are in memory as keep the threads busy.
            if len(waiting) > 2 * threads:
                first, scores = waiting.popleft()
                yield first, scores.result()
        for first, scores in waiting:
            yield first, scores.result()


class TopK:
    """Running top k of several queries: `scores` float32 [q, k], `rows` int64 [q, k], padded with (-inf, -1)."""

    def __init__(self, queries: int, k: int) -> None:
        self.scores = np.full((queries, k), -np.inf, np.float32)
        self.rows = np.full((queries, k), -1, np.int64)

    def merge_some(self, queries: Ints, rows: Ints, scores: Floats) -> None:
        """Take in entries, each of one query: int64 [n], int64 [n], float32 [n], of rows not seen before."""
        order = np.argsort(queries, kind="stable")
        ends = np.cumsum(np.bincount(queries, minlength=len(self.rows)))
        for query, (start, stop) in enumerate(pairwise([0, *ends.tolist()])):
            if start == stop:
                continue
            own = order[start:stop]
            kept = self.rows[query] >= 0
            both = np.concatenate([self.scores[query][kept], scores[own]])
            places = np.concatenate([self.rows[query][kept], rows[own]])
            self.scores[query], self.rows[query] = best_rows(both, places, self.scores.shape[1])

    def merge(self, queries: Ints, blocks: Sequence[tuple[Ints, Floats]]) -> None:
        """Take in blocks (rows int64 [n], scores float32 [len(queries), n]) of rows not seen before."""
        if not blocks:
            return
        rows = np.concatenate([r for r, _ in blocks])
        scores = np.concatenate([s for _, s in blocks], axis=1)
        k = self.scores.shape[1]
        for i, query in enumerate(queries):
            kept = self.rows[query] >= 0
            # Few of a block come near the k-th best so far, which is -inf as long as there are fewer.
            able = np.flatnonzero(scores[i] >= self.scores[query, -1]) if k else np.empty(0, np.int64)
            merged = np.concatenate([self.scores[query][kept], scores[i][able]])
            places = np.concatenate([self.rows[query][kept], rows[able]])
            self.scores[query], self.rows[query] = best_rows(merged, places, k)


@dataclass(frozen=True, slots=True, eq=False)
class _Block:
    """Whole documents of one part, not decoded: rows int64 [n] that are wanted; the tokens of all from `span` on; where
    each wanted document starts once `kept`, bool [T] or None for all, has left the others out."""

    part: TokenPart
    rows: Ints
    span: slice
    starts: Ints
    kept: Mask | None

    def decoded(self) -> Floats:
        """float32 [T, d] of the wanted documents."""
        tokens: Any = self.part.tokens[self.span]
        scales: Any = None if self.part.scales is None else self.part.scales[self.span]
        if self.kept is not None:
            tokens, scales = tokens[self.kept], None if scales is None else scales[self.kept]
        block = np.asarray(tokens, np.float32)
        return block if scales is None else block * np.asarray(scales, np.float32)[:, None]


def _blocks(tokens: RowTokens, live: Mask, size: int) -> Iterator[_Block]:
    """Live rows, whole documents, in row order, about `size` tokens at a time."""
    for part in tokens.parts:
        offsets = np.asarray(part.offsets)
        first = 0
        while first < part.rows:
            limit = np.searchsorted(offsets, offsets[first] + size, side="right") - 1
            last = int(min(max(limit, first + 1), part.rows))
            positions = np.arange(first, last)
            rows, lengths = part.base_row + positions, offsets[positions + 1] - offsets[positions]
            wanted = live[rows] & (lengths > 0)
            if wanted.any():
                span = slice(int(offsets[first]), int(offsets[last]))
                starts = np.concatenate([[0], np.cumsum(lengths[wanted])[:-1]])
                kept = None if wanted.all() else np.repeat(wanted, lengths)
                yield _Block(part, rows[wanted], span, starts, kept)
            first = last
