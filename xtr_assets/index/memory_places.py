"""Addresses of stored vectors, for compiled code that scores them without a copy."""

from weakref import WeakKeyDictionary

import numpy as np

from xtr_assets.core.row_store import RowVectors
from xtr_assets.core.types import Ints


class _Table:
    """Where the parts of a RowVectors lie in memory: int64 [parts, 4] of first row, end row, address and bytes of an
    element. Keeps them alive."""

    def __init__(self, vectors: RowVectors) -> None:
        self.kept = [np.ascontiguousarray(part.vectors) for part in vectors.parts]
        places = [
            (part.base_row, part.end_row, kept.ctypes.data, kept.itemsize)
            for part, kept in zip(vectors.parts, self.kept, strict=True)
        ]
        self.places = np.array(places, np.int64).reshape(-1, 4)


_TABLES: WeakKeyDictionary[RowVectors, _Table] = WeakKeyDictionary()


def places_of(vectors: RowVectors) -> Ints:
    """int64 [parts, 4]: first row, end row, address and bytes of an element of each part. Compiled code reads it."""
    table = _TABLES.get(vectors)
    if table is None:
        table = _TABLES[vectors] = _Table(vectors)
    return table.places
