"""Exact inner products over stored vectors: the reference of every recall figure, the re-rank and the filtered scan."""

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt

from xtr_assets.core.arguments import query_vectors, row_mask, whole
from xtr_assets.core.blas_threads import one_blas_thread
from xtr_assets.core.row_store import RowVectors
from xtr_assets.core.top_k import best_of_lines, best_rows, kth_best
from xtr_assets.core.types import Floats, Ints, Mask
from xtr_assets.index.half_precision import gather, widen
from xtr_assets.index.row_scorer import scorer_of

# Rows of one block: 4,096 x 384 float32 are 6 MB, small beside the matrix it is multiplied with and large enough
# for the BLAS to run at full speed.
BLOCK_ROWS = 4_096
# Queries that share one pass over the vectors: their scores against a block take 16 MB.
QUERY_BLOCK = 256
# A block's product and the final sum differ by rounding. Candidates within this share of the largest possible
# score below the k-th are summed again, so that equal vectors tie exactly and are ordered by row.
ROUNDING = 4e-6
# Copies beyond this many within the rounding of the k-th score are cut in block order (a corpus of one repeated text).
MAX_TIES = 1024
# Up to so many queries the compiled loop beats widening whole blocks for a matrix product: 0.2 ns a dim, row and query
# against 0.75 / queries + 0.05.
FEW_QUERIES = 6
# Rows int64 [n], and their vectors as they are stored, or float32: [n, dim].
Block = tuple[Ints, npt.NDArray[Any]]
BlockSource = Callable[[], Iterator[Block]]


def true_scores(vectors: RowVectors, queries: Floats, rows: Ints) -> Floats:
    """Inner products of each query with its own rows: float32 [q, m] for rows int64 [q, m]; -inf where a row is -1.

    Each sum runs over the dims in the same order wherever the row stands: equal vectors get equal scores. See
    row_scorer.py for what computes; `slow_scores` states it in NumPy.
    """
    return scorer_of(vectors).scores(vectors, queries, rows)


def slow_scores(vectors: RowVectors, queries: Floats, rows: Ints) -> Floats:
    """The same in NumPy: the reference that the compiled loop is tested against."""
    scores = np.full(rows.shape, -np.inf, np.float32)
    for number, line in enumerate(rows):
        known = line >= 0
        scores[number, known] = gather(vectors, line[known]) @ queries[number]
    return scores


def exact_dense(vectors: RowVectors, live: Mask, queries: Floats, k: int) -> tuple[Floats, Ints]:
    """The k largest inner products over all live rows, by scanning them.

    Parameters
    ----------
    vectors : the stored vectors. live : bool [end_row]. queries : float32 [q, dim], finite.

    Returns
    -------
    scores : float32 [q, k], descending, -inf pads. rows : int64 [q, k], ties ascending, -1 pads.
    """
    queries, k = query_vectors(queries, vectors.dim), whole(k, "k", 0)
    row_mask(live, vectors.end_row, "live")
    if len(queries) <= FEW_QUERIES:
        stored_rows = vectors.rows()
        return _scan_few(vectors, stored_rows[live[stored_rows]], queries, k)

    def blocks() -> "Iterator[Block]":
        for part in vectors.parts:
            for start in range(0, len(part.vectors), BLOCK_ROWS):
                stored: npt.NDArray[Any] = np.asarray(part.vectors[start : start + BLOCK_ROWS])
                first = part.base_row + start
                alive = live[first : first + len(stored)]
                if alive.all():
                    yield np.arange(first, first + len(stored)), stored
                elif alive.any():
                    positions = np.flatnonzero(alive)
                    yield positions + first, stored[positions]

    return _scan(blocks, vectors, queries, k)


def exact_rows(vectors: RowVectors, rows: Ints, queries: Floats, k: int) -> tuple[Floats, Ints]:
    """The same over the given rows only (int64 [m], ascending): what a selective filter costs is its own size."""

    queries, k = query_vectors(queries, vectors.dim), whole(k, "k", 0)
    if len(queries) <= FEW_QUERIES:
        return _scan_few(vectors, rows, queries, k)

    def blocks() -> "Iterator[Block]":
        for start in range(0, len(rows), BLOCK_ROWS):
            chunk = rows[start : start + BLOCK_ROWS]
            yield chunk, gather(vectors, chunk)

    return _scan(blocks, vectors, queries, k)


class _Best:
    """The candidates of a group of queries so far: query, row and block score of each, and the score to beat."""

    def __init__(self, queries: Floats, k: int) -> None:
        self.k = k
        self.owners: list[Ints] = []
        self.rows: list[Ints] = []
        self.scores: list[Floats] = []
        self.held = 0
        self.floor = np.full(len(queries), -np.inf, np.float32)
        self.norms = np.linalg.norm(queries, axis=1).astype(np.float32)
        self.slack = np.zeros(len(queries), np.float32)

    def offer(self, rows: Ints, scores: Floats, largest: float) -> None:
        """Take what may belong to the best k of its query: scores float32 [q, len(rows)], `largest` norm of a row."""
        self.slack = np.maximum(self.slack, np.float32(ROUNDING * largest) * self.norms)
        if np.isneginf(self.floor).any() and scores.shape[1] > 4 * self.k:
            self.floor = np.maximum(self.floor, kth_best(scores, self.k))
        # Flat: numpy finds what is true along one axis five times as fast as along two.
        owner, position = np.divmod(np.flatnonzero(scores >= (self.floor - self.slack)[:, None]), scores.shape[1])
        self.owners.append(owner)
        self.rows.append(rows[position])
        self.scores.append(scores[owner, position])
        self.held += len(owner)
        if self.held > 8 * (self.k + 64) * len(self.floor):
            self.compact()

    def compact(self) -> None:
        """Drop what the k-th best so far rules out."""
        owner, rows, scores = (np.concatenate(each) for each in (self.owners, self.rows, self.scores))
        order = np.lexsort((rows, np.negative(scores), owner))
        owner, rows, scores = owner[order], rows[order], scores[order]
        firsts = np.searchsorted(owner, np.arange(len(self.floor)))
        rank = np.arange(len(owner)) - firsts[owner]
        kth = rank == self.k - 1
        self.floor[owner[kth]] = np.maximum(self.floor[owner[kth]], scores[kth])
        keep = (scores >= (self.floor - self.slack)[owner]) & (rank < self.k + MAX_TIES)
        self.owners, self.rows, self.scores = [owner[keep]], [rows[keep]], [scores[keep]]
        self.held = int(keep.sum())

    def lines(self) -> Ints:
        """int64 [q, widest]: the candidates of each query, -1 pads."""
        self.compact()
        owner, rows = self.owners[0], self.rows[0]
        counts = np.bincount(owner, minlength=len(self.floor))
        firsts = np.concatenate([[0], np.cumsum(counts)[:-1]])
        lines = np.full((len(self.floor), int(counts.max(initial=0))), -1, np.int64)
        lines[owner, np.arange(len(owner)) - firsts[owner]] = rows
        return lines


def _scan_few(vectors: RowVectors, rows: Ints, queries: Floats, k: int) -> tuple[Floats, Ints]:
    """Score every row where it lies, then sort those that reach the k-th best."""
    best, at = np.full((len(queries), k), -np.inf, np.float32), np.full((len(queries), k), -1, np.int64)
    if not len(rows) or not k:
        return best, at
    for number in range(len(queries)):
        scores = true_scores(vectors, queries[number : number + 1], rows[None])[0]
        best[number], at[number] = best_rows(scores, rows, k)
    at[np.isneginf(best)] = -1
    return best, at


def _multiplied(
    blocks: "Iterator[Block]", queries: Floats, starts: range, pool: ThreadPoolExecutor
) -> Iterator[tuple[Ints, list[Floats], float]]:
    """Of each block in order: its rows, the scores of each group of queries, and the largest norm of a row."""

    def multiply(stored: npt.NDArray[Any]) -> tuple[list[Floats], float]:
        block = widen(stored)
        largest = float(np.sqrt(np.einsum("nd,nd->n", block, block).max()))
        return [queries[start : start + QUERY_BLOCK] @ block.T for start in starts], largest

    waiting: deque[tuple[Ints, Future[tuple[list[Floats], float]]]] = deque()
    for rows, stored in blocks:
        waiting.append((rows, pool.submit(multiply, stored)))
        # As many blocks are in memory as keep the threads busy.
        if len(waiting) > 2 * (os.cpu_count() or 1):
            first, product = waiting.popleft()
            yield first, *product.result()
    for first, product in waiting:
        yield first, *product.result()


def _scan(blocks: BlockSource, vectors: RowVectors, queries: Floats, k: int) -> tuple[Floats, Ints]:
    empty = np.full((len(queries), k), -np.inf, np.float32), np.full((len(queries), k), -1, np.int64)
    if not len(queries) or not k:
        return empty
    groups: list[_Best] | None = None
    starts = range(0, len(queries), QUERY_BLOCK)
    # A thread of BLAS' own waits for the others in a loop: 50 queries over a million rows of 64 dims took 1.0 CPU s
    # with two on busy processors, 0.3 with one. Threads of ours wait asleep.
    with one_blas_thread(), ThreadPoolExecutor(os.cpu_count() or 1, "exact") as pool:
        for rows, products, largest in _multiplied(blocks(), queries, starts, pool):
            if groups is None:
                groups = [_Best(queries[start : start + QUERY_BLOCK], k) for start in starts]
            for product, best in zip(products, groups, strict=True):
                best.offer(rows, product, largest)
    if groups is None:
        return empty
    results = []
    for start, best in zip(starts, groups, strict=True):
        lines = best.lines()
        results.append(best_of_lines(true_scores(vectors, queries[start : start + QUERY_BLOCK], lines), lines, k))
    return np.concatenate([scores for scores, _ in results]), np.concatenate([rows for _, rows in results])
