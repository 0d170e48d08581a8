"""Inner products with stored rows where they lie, and the best of them: compiled, without a copy of any vector.

Fetching 100 rows of 384 float16 and widening them in NumPy takes 35 us of a 60 us search; here they take 5 us.
`exact.py` holds the maths in NumPy that these loops are tested against.
"""

from typing import Any
from weakref import WeakKeyDictionary

import numba
import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.extending import intrinsic

from xtr_assets.core.rows import RowVectors
from xtr_assets.core.types import Floats, Ints


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


_float_of: Any = intrinsic(_bits_to_float)
_pointer: Any = intrinsic(_address_to_pointer)


@numba.njit(cache=True, nogil=True, fastmath=True)
def _dot_half(address: int, query: Any) -> Any:
    stored = numba.carray(_pointer(address), query.shape, np.uint16)  # type: ignore[attr-defined]
    total = np.float32(0)
    scale = np.float32(2.0**112)
    for i in range(query.shape[0]):
        bits = np.uint32(stored[i])
        # Exponent and fraction move into place, the exponent's offset is corrected by the product (see exact.widen).
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
def _score(bases: Any, ends: Any, addresses: Any, widths: Any, queries: Any, rows: Any, scores: Any) -> None:
    dim = queries.shape[1]
    for q in range(rows.shape[0]):
        for m in range(rows.shape[1]):
            row = rows[q, m]
            part = np.searchsorted(bases, row, side="right") - 1
            if part < 0 or row >= ends[part]:
                scores[q, m] = -np.inf
                continue
            address = addresses[part] + (row - bases[part]) * dim * widths[part]
            if widths[part] == 2:
                scores[q, m] = _dot_half(address, queries[q])
            else:
                scores[q, m] = _dot_float(address, queries[q])


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


class _Table:
    """Where the parts of a RowVectors lie in memory; keeps them alive."""

    def __init__(self, vectors: RowVectors) -> None:
        self.kept = [np.ascontiguousarray(part.vectors) for part in vectors.parts]
        self.bases = np.array([part.base_row for part in vectors.parts], np.int64)
        self.ends = np.array([part.end_row for part in vectors.parts], np.int64)
        self.addresses = np.array([kept.ctypes.data for kept in self.kept], np.int64)
        self.widths = np.array([kept.itemsize for kept in self.kept], np.int64)


_TABLES: WeakKeyDictionary[RowVectors, _Table] = WeakKeyDictionary()


def stored_scores(vectors: RowVectors, queries: Floats, rows: Ints) -> Floats:
    """float32 [q, m] for rows int64 [q, m]; -inf where a row is -1 or not stored. See `exact.true_scores`."""
    table = _TABLES.get(vectors)
    if table is None:
        table = _TABLES[vectors] = _Table(vectors)
    scores = np.empty(rows.shape, np.float32)
    _score(table.bases, table.ends, table.addresses, table.widths, queries, rows, scores)
    return scores


def best_of(scores: Floats, rows: Ints, k: int) -> tuple[Floats, Ints]:
    """The best k of each line by score and then row, sorted by insertion: for k up to a few hundred."""
    best, at = np.empty((len(rows), k), np.float32), np.empty((len(rows), k), np.int64)
    _select(scores, rows, best, at)
    return best, at
