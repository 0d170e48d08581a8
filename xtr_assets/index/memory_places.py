"""Addresses of stored vectors, for compiled code that scores them without a copy."""

from weakref import WeakKeyDictionary

import numpy as np

from xtr_assets.core.errors import EncoderMismatch, InvalidInput
from xtr_assets.core.row_store import RowVectors
from xtr_assets.core.types import Floats, Ints

# What compiled code reads: these bytes, in this machine's order.
READ = (np.dtype(np.float16), np.dtype(np.float32))


class _Table:
    """Where the parts of a RowVectors lie in memory: int64 [parts, 4] of first row, end row, address and bytes of an
    element. Keeps them alive."""

    def __init__(self, vectors: RowVectors) -> None:
        for part in vectors.parts:
            if part.vectors.dtype not in READ:
                raise InvalidInput(
                    f"the vectors from row {part.base_row} on are {part.vectors.dtype}; rows are scored where they "
                    "lie: store them as float16 or float32"
                )
        self.kept = [np.ascontiguousarray(part.vectors) for part in vectors.parts]
        places = [
            (part.base_row, part.end_row, kept.ctypes.data, kept.itemsize)
            for part, kept in zip(vectors.parts, self.kept, strict=True)
        ]
        self.places = np.array(places, np.int64).reshape(-1, 4)


_TABLES: WeakKeyDictionary[RowVectors, _Table] = WeakKeyDictionary()


def check_fit(vectors: RowVectors, queries: Floats, rows: Ints) -> None:
    """Whether queries [q, dim] and their rows [q, m] go with stored vectors: compiled code reads past what does not.

    Raises EncoderMismatch for another dim, InvalidInput where there are not as many queries as lines of rows.
    """
    if queries.shape[1] != vectors.dim:
        raise EncoderMismatch(
            f"dim {vectors.dim} in the index, {queries.shape[1]} in the queries; use the index's encoder"
        )
    if len(queries) != len(rows):
        raise InvalidInput(f"{len(queries)} queries and {len(rows)} lines of rows; each query needs its own rows")


def places_of(vectors: RowVectors, queries: Floats, rows: Ints) -> Ints:
    """int64 [parts, 4]: first row, end row, address and bytes of an element of each part. Compiled code reads it, for
    queries float32 [q, dim] and rows int64 [q, m]. Raises as `check_fit` does."""
    check_fit(vectors, queries, rows)
    table = _TABLES.get(vectors)
    if table is None:
        # The first one made stays: what a thread reads would go with its table where another thread replaced that.
        table = _TABLES.setdefault(vectors, _Table(vectors))
    return table.places
