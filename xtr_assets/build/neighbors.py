"""Exact MaxSim neighbours of many queries at once: what the gate measures the token index against."""

import os
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from xtr_assets.core.maxsim import best_rows
from xtr_assets.core.rows import RowTokens
from xtr_assets.core.types import Floats, Ints, Mask

# Document tokens per matrix product: with 2,000 query tokens (200 gate queries) the similarities of one block take
# 16 MB, which the next step reads back while they are still warm; larger blocks were not faster.
BLOCK_TOKENS = 2048

# Documents whose scores are kept before they are merged into the running top k: 200 queries take 26 MB.
MERGE_DOCUMENTS = 32_768


def exact_tokens(
    tokens: RowTokens, live: Mask, queries: Sequence[Floats], k: int, *, rows_from: int = 0
) -> tuple[Floats, Ints]:
    """The k rows of highest MaxSim for each query, over live rows; MaxSim is divided by the query's tokens.

    Parameters
    ----------
    tokens : the rows of a generation
    live : bool [end_row]
    queries : float32 [t_i, d] each; a query of no tokens has no neighbours
    rows_from : rows before this one are left out

    Returns
    -------
    (scores float32 [q, k], rows int64 [q, k])
        Best first, equal scores by ascending row, padded with (-inf, -1). All documents of a block are scored by one
        matrix product: 200 queries over 758,000 tokens of dim 128 are 390 GFLOP, not 200 passes over the store.
    """
    counts = np.array([len(query) for query in queries], np.int64)
    asked = np.flatnonzero(counts)
    best = TopK(len(queries), k)
    if not len(asked):
        return best.scores, best.rows
    stacked = np.concatenate([np.asarray(queries[i], np.float32) for i in asked.tolist()])
    starts = np.concatenate([[0], np.cumsum(counts[asked])[:-1]])
    scoring = _Scoring(stacked, starts, (1.0 / counts[asked])[:, None].astype(np.float32))

    pending: list[tuple[Ints, Floats]] = []
    held = 0
    for rows, scores in _scored(_blocks(tokens, live, rows_from), scoring):
        pending.append((rows, scores))
        held += len(rows)
        if held >= MERGE_DOCUMENTS:
            best.merge(asked, pending)
            pending, held = [], 0
    best.merge(asked, pending)
    return best.scores, best.rows


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


def _scored(blocks: "Iterator[_Block]", scoring: _Scoring) -> Iterator[tuple[Ints, Floats]]:
    """(rows, scores) of each block in order, a thread a processor.

    The products are too small to be shared among BLAS' own threads: those spent five times the processor time, waiting
    for each other in a loop.
    """
    threads = os.cpu_count() or 1
    waiting: deque[tuple[Ints, Future[Floats]]] = deque()
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(threads, "exact") as pool:
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

    def merge(self, queries: Ints, blocks: Sequence[tuple[Ints, Floats]]) -> None:
        """Take in blocks (rows int64 [n], scores float32 [len(queries), n]) of rows not seen before."""
        if not blocks:
            return
        rows = np.concatenate([r for r, _ in blocks])
        scores = np.concatenate([s for _, s in blocks], axis=1)
        k = self.scores.shape[1]
        for i, query in enumerate(queries):
            kept = self.rows[query] >= 0
            merged = np.concatenate([self.scores[query][kept], scores[i]])
            self.scores[query], self.rows[query] = best_rows(merged, np.concatenate([self.rows[query][kept], rows]), k)


@dataclass(frozen=True, slots=True, eq=False)
class _Block:
    """Whole documents of one part, not decoded yet: rows int64 [n] that are wanted, tokens [T, d] and scales [T] as
    stored, and where each wanted document starts once `kept`, bool [T] or None for all, has left the others out."""

    rows: Ints
    tokens: Any
    scales: Any
    starts: Ints
    kept: Mask | None

    def decoded(self) -> Floats:
        """float32 [T, d] of the wanted documents."""
        tokens, scales = self.tokens, self.scales
        if self.kept is not None:
            tokens, scales = tokens[self.kept], None if scales is None else scales[self.kept]
        block = np.asarray(tokens, np.float32)
        return block if scales is None else block * np.asarray(scales, np.float32)[:, None]


def _blocks(tokens: RowTokens, live: Mask, rows_from: int) -> Iterator[_Block]:
    """Live rows, whole documents, in row order."""
    for part in tokens.parts:
        offsets = np.asarray(part.offsets)
        first = max(rows_from - part.base_row, 0)
        while first < part.rows:
            limit = np.searchsorted(offsets, offsets[first] + BLOCK_TOKENS, side="right") - 1
            last = int(min(max(limit, first + 1), part.rows))
            positions = np.arange(first, last)
            rows, lengths = part.base_row + positions, offsets[positions + 1] - offsets[positions]
            wanted = live[rows] & (lengths > 0)
            if wanted.any():
                span = slice(int(offsets[first]), int(offsets[last]))
                starts = np.concatenate([[0], np.cumsum(lengths[wanted])[:-1]])
                kept = None if wanted.all() else np.repeat(wanted, lengths)
                scales = None if part.scales is None else part.scales[span]
                yield _Block(rows[wanted], part.tokens[span], scales, starts, kept)
            first = last
