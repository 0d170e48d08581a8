"""Inner products with stored rows where they lie, and the best of them: compiled, without a copy of any vector.

Fetching 100 random rows of 45,000 x 384 float16 and widening them in NumPy takes 100 us; in a compiled loop 25 us, most
of it waiting for memory, and 15 us when the rows to come are fetched ahead (16 against 38 of 400,000 rows).
`exact_scan.py` and `core/top_k.py` hold the maths in NumPy that these loops are tested against.
"""

from typing import Any

import numba
import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from xtr_assets.core.row_store import RowVectors
from xtr_assets.core.types import Floats, Ints
from xtr_assets.index.memory_places import places_of

# Rows whose cache lines are asked for while one is scored: 2 to 8 measure alike, 16 and more crowd each other out.
AHEAD = 4
CACHE_LINE = 64


def _bits_to_float(typing: Any, bits: Any) -> Any:
    """float32 of its 32 bits."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.FloatType())

    return types.float32(types.uint32), build


def _address_to_pointer(typing: Any, address: Any) -> Any:
    """A pointer from an address."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], ir.PointerType(ir.IntType(8)))

    return types.voidptr(types.int64), build


def _fetch_ahead(typing: Any, address: Any) -> Any:
    """Ask for the cache line of an address; the address need not be valid."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer, number = ir.PointerType(ir.IntType(8)), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [pointer, number, number, number])
        make: Any = cgutils.get_or_insert_function
        fetch = make(builder.module, kind, "llvm.prefetch.p0i8")
        # To read (0), often (3), data (1).
        builder.call(fetch, [builder.inttoptr(arguments[0], pointer), number(0), number(3), number(1)])
        return context.get_dummy_value()

    return types.void(types.int64), build


_float_of: Any = intrinsic(_bits_to_float)
_pointer: Any = intrinsic(_address_to_pointer)
_prefetch: Any = intrinsic(_fetch_ahead)


@numba.njit(cache=True, nogil=True, fastmath=True)
def _dot_half(address: int, query: Any) -> Any:
    stored = numba.carray(_pointer(address), query.shape, np.uint16)  # type: ignore[attr-defined]
    total = np.float32(0)
    scale = np.float32(2.0**112)
    for i in range(query.shape[0]):
        bits = np.uint32(stored[i])
        # Exponent and fraction move into place, the exponent's offset is corrected by the product, as in
        # exact_scan.widen.
        moved = np.uint32(np.uint32(bits & np.uint32(0x7FFF)) << np.uint32(13))
        sign = np.uint32(np.uint32(bits & np.uint32(0x8000)) << np.uint32(16))
        total += _float_of(np.uint32(moved | sign)) * scale * query[i]
    return total


@numba.njit(cache=True, nogil=True, fastmath=True)
def _dot_float(address: int, query: Any) -> Any:
    stored = numba.carray(_pointer(address), query.shape, np.float32)  # type: ignore[attr-defined]
    total = np.float32(0)
    for i in range(query.shape[0]):
        total += stored[i] * query[i]
    return total


@numba.njit(cache=True, nogil=True)
def _address(table: Any, dim: int, row: int) -> Any:
    """Where a row lies; 0 where it is a pad or not stored."""
    part = np.searchsorted(table[:, 0], row, side="right") - 1
    if part < 0 or row >= table[part, 1]:
        return 0
    return table[part, 2] + (row - table[part, 0]) * dim * table[part, 3]


@numba.njit(cache=True, nogil=True)
def _score(table: Any, queries: Any, rows: Any, scores: Any) -> None:
    dim, count = queries.shape[1], rows.shape[1]
    addresses = np.zeros(count, np.int64)
    for q in range(rows.shape[0]):
        for m in range(count + AHEAD):
            if m < count:
                addresses[m] = _address(table, dim, rows[q, m])
                # Half precision's lines: of a part in float32, which no warehouse has, half is fetched ahead.
                for line in range(0, 2 * dim, CACHE_LINE):
                    _prefetch(addresses[m] + line)
            if m < AHEAD:
                continue
            address = addresses[m - AHEAD]
            if address == 0:
                scores[q, m - AHEAD] = -np.inf
            elif _halves(table, rows[q, m - AHEAD]):
                scores[q, m - AHEAD] = _dot_half(address, queries[q])
            else:
                scores[q, m - AHEAD] = _dot_float(address, queries[q])


@numba.njit(cache=True, nogil=True)
def _halves(table: Any, row: int) -> Any:
    return table[np.searchsorted(table[:, 0], row, side="right") - 1, 3] == 2


@numba.njit(cache=True, nogil=True)
def _select(scores: Any, rows: Any, best: Any, at: Any) -> None:
    k = best.shape[1]
    for q in range(rows.shape[0]):
        held = 0
        for m in range(rows.shape[1]):
            score, row = scores[q, m], rows[q, m]
            if k == 0 or score == -np.inf:
                continue
            if held == k and (score < best[q, k - 1] or (score == best[q, k - 1] and row > at[q, k - 1])):
                continue
            place = held if held < k else k - 1
            while place > 0 and (
                best[q, place - 1] < score or (best[q, place - 1] == score and at[q, place - 1] > row)
            ):
                best[q, place], at[q, place] = best[q, place - 1], at[q, place - 1]
                place -= 1
            best[q, place], at[q, place] = score, row
            held = min(k, held + 1)
        best[q, held:] = -np.inf
        at[q, held:] = -1


@numba.njit(cache=True, nogil=True)
def _score_and_select(table: Any, queries: Any, rows: Any, best: Any, at: Any) -> None:
    scores = np.empty(rows.shape, np.float32)
    _score(table, queries, rows, scores)
    _select(scores, rows, best, at)


def stored_scores(vectors: RowVectors, queries: Floats, rows: Ints) -> Floats:
    """float32 [q, m] for rows int64 [q, m]; -inf where a row is -1 or not stored. See `exact_scan.true_scores`."""
    scores = np.empty(rows.shape, np.float32)
    _score(places_of(vectors, queries, rows), queries, rows, scores)
    return scores


def best_stored(vectors: RowVectors, queries: Floats, rows: Ints, k: int) -> tuple[Floats, Ints]:
    """The best k of `stored_scores` in one call, which a single query feels: float32 and int64 [q, k].

    Sorted by insertion: for k up to a few hundred.
    """
    best, at = np.empty((len(rows), k), np.float32), np.empty((len(rows), k), np.int64)
    _score_and_select(places_of(vectors, queries, rows), queries, rows, best, at)
    return best, at
