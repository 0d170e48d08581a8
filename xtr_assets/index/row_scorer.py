"""Row scorers: what scores stored dense rows. Chosen once, when an index is opened, which says which it is.

The C++ extension scores them where they lie. Without it numba does, where vectors are so many that half a CPU second of
importing it is worth while, and NumPy else. All give equal scores to equal vectors.
"""

from typing import Protocol
from weakref import WeakKeyDictionary

import numpy as np

from xtr_assets.core.row_store import Coming, RowVectors, VectorPart
from xtr_assets.core.top_k import best_of_lines
from xtr_assets.core.types import Floats, Ints
from xtr_assets.index import native, native_scores
from xtr_assets.index.half_precision import gather
from xtr_assets.index.memory_places import check_fit

# Without the extension, stored rows from which numba is imported when they are opened (.5 CPU s, once a process). NumPy
# takes 1.4 us for a pair of 384 dims: 6 ms for all of fewer rows, and .5 ms for the 320 that a search of lists scores.
COMPILED_ROWS = 4096
# Up to this k the compiled insertion beats a sort in NumPy: 3 us against 25 us for one query.
INSERTION_K = 256
# Rows gathered at once: 16,384 x 384 float32 are 25 MB.
BLOCK_ROWS = 16_384


class RowScorer(Protocol):
    """One way of scoring stored rows."""

    @property
    def name(self) -> str:
        """ "native, avx512" with its instruction set, "numba" or "numpy"."""

    def scores(self, vectors: RowVectors, queries: Floats, rows: Ints) -> Floats:
        """Inner products float32 [q, m] of each query with its own rows int64 [q, m]; -inf where a row is -1."""

    def best(self, vectors: RowVectors, queries: Floats, rows: Ints, k: int) -> tuple[Floats, Ints]:
        """The k best of each line by score and then row: float32 and int64 [q, k], -inf and -1 pads."""


class NativeScorer:
    """The C++ extension, with the instruction set that is the fastest here: asked for once, 0.5 us of each search."""

    def __init__(self) -> None:
        self._instructions = native.fastest()

    @property
    def name(self) -> str:
        return f"native, {self._instructions}"

    def scores(self, vectors: RowVectors, queries: Floats, rows: Ints) -> Floats:
        return native_scores.stored_scores(vectors, queries, np.ascontiguousarray(rows), self._instructions)

    def best(self, vectors: RowVectors, queries: Floats, rows: Ints, k: int) -> tuple[Floats, Ints]:
        return native_scores.best_stored(vectors, queries, np.ascontiguousarray(rows), k, self._instructions)


class NumbaScorer:
    """Loops that numba compiled."""

    name = "numba"

    def __init__(self) -> None:
        # Here and not above: whoever has the extension does not import numba.
        from xtr_assets.index import numba_scores

        self._loops = numba_scores

    def scores(self, vectors: RowVectors, queries: Floats, rows: Ints) -> Floats:
        return self._loops.stored_scores(vectors, queries, np.ascontiguousarray(rows))

    def best(self, vectors: RowVectors, queries: Floats, rows: Ints, k: int) -> tuple[Floats, Ints]:
        if k <= INSERTION_K:
            return self._loops.best_stored(vectors, queries, np.ascontiguousarray(rows), k)
        return best_of_lines(self.scores(vectors, queries, rows), rows, k)


class NumpyScorer:
    """Rows gathered and summed one by one."""

    name = "numpy"

    def scores(self, vectors: RowVectors, queries: Floats, rows: Ints) -> Floats:
        check_fit(vectors, queries, rows)
        scores = np.full(rows.shape, -np.inf, np.float32)
        ends = np.array([*(part.end_row for part in vectors.parts), 0])
        starts = [part.base_row for part in vectors.parts]
        for number, line in enumerate(rows):
            part = np.searchsorted(starts, line, side="right") - 1
            known = np.flatnonzero((part >= 0) & (line < ends[part]))
            for first in range(0, len(known), BLOCK_ROWS):
                some = known[first : first + BLOCK_ROWS]
                # Not a matrix product: a row's sum would depend on where in the block it stands.
                scores[number, some] = np.einsum("nd,d->n", gather(vectors, line[some]), queries[number])
        return scores

    def best(self, vectors: RowVectors, queries: Floats, rows: Ints, k: int) -> tuple[Floats, Ints]:
        return best_of_lines(self.scores(vectors, queries, rows), rows, k)


class ComingScorer:
    """Rows that lie elsewhere, in whole or in part: those that are scored are brought, and scored as all others are.
    The same vectors give the same bits wherever they lie, so that a score is the one it would be here."""

    def __init__(self, inner: RowScorer) -> None:
        self._inner = inner

    @property
    def name(self) -> str:
        return self._inner.name

    def scores(self, vectors: RowVectors, queries: Floats, rows: Ints) -> Floats:
        found = np.full(rows.shape, -np.inf, np.float32)
        for first in range(0, rows.shape[1], BLOCK_ROWS):
            some = slice(first, first + BLOCK_ROWS)
            brought, places, _ = _brought(vectors, rows[:, some])
            found[:, some] = self._inner.scores(brought, queries, places)
        return found

    def best(self, vectors: RowVectors, queries: Floats, rows: Ints, k: int) -> tuple[Floats, Ints]:
        if rows.shape[1] > BLOCK_ROWS:
            return best_of_lines(self.scores(vectors, queries, rows), rows, k)
        brought, places, wanted = _brought(vectors, rows)
        scores, at = self._inner.best(brought, queries, places, k)
        found = np.full(at.shape, -1, np.int64)
        found[at >= 0] = wanted[at[at >= 0]]
        return scores, found


def _brought(vectors: RowVectors, rows: Ints) -> tuple[RowVectors, Ints, Ints]:
    """The stored ones among rows int64 [q, m] as vectors of their own; the place of each there, -1 where it is not
    stored; and the rows int64 [n] of these places, ascending."""
    wanted = np.unique(rows[rows >= 0])
    parts = [
        (part, wanted[(wanted >= part.base_row) & (wanted < part.end_row)] - part.base_row) for part in vectors.parts
    ]
    parts = [(part, positions) for part, positions in parts if len(positions)]
    for part, positions in parts:
        if isinstance(part.vectors, Coming):
            part.vectors.need(positions)
    stored = np.concatenate([part.base_row + positions for part, positions in parts] or [np.empty(0, np.int64)])
    blocks = [np.asarray(part.vectors[positions], np.float16) for part, positions in parts]
    brought = np.concatenate(blocks) if blocks else np.empty((0, vectors.dim), np.float16)
    places = np.full(rows.shape, -1, np.int64)
    if len(stored):
        at = np.minimum(np.searchsorted(stored, rows), len(stored) - 1)
        places = np.where(stored[at] == rows, at, -1)
    return RowVectors([VectorPart(0, brought)], vectors.dim), places, stored


def choose(rows: int) -> RowScorer:
    """What scores vectors of so many rows here."""
    if native.available():
        return NativeScorer()
    return NumbaScorer() if rows >= COMPILED_ROWS else NumpyScorer()


_CHOSEN: WeakKeyDictionary[RowVectors, RowScorer] = WeakKeyDictionary()


def extended(vectors: RowVectors, part: VectorPart) -> RowVectors:
    """The vectors with one part more, scored by what scored them before: an index keeps its choice."""
    longer = RowVectors([*vectors.parts, part], vectors.dim)
    _CHOSEN[longer] = scorer_of(vectors)
    return longer


def scorer_of(vectors: RowVectors) -> RowScorer:
    """What scores these vectors: chosen at the first call, which opening an index makes, and kept with them."""
    chosen = _CHOSEN.get(vectors)
    if chosen is None:
        chosen = choose(len(vectors))
        if any(isinstance(part.vectors, Coming) for part in vectors.parts):
            chosen = ComingScorer(chosen)
        _CHOSEN[vectors] = chosen
    return chosen
