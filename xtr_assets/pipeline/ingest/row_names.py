"""The names of stored rows: what is encoded of a row's place beside its text."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from xtr_assets.core.ids import text_hash
from xtr_assets.core.name_text import Naming, name_text
from xtr_assets.core.types import Ints
from xtr_assets.storage.chunk_files import rows_at

_COLUMNS = ("path", "symbol", "text", "kind")
# Rows whose columns are Python strings at once.
_BATCH_ROWS = 4096
_NO_NAME = bytes(16)


def name_hashes(table: pa.Table, naming: Naming) -> npt.NDArray[np.uint64]:
    """uint64 [rows, 2]: the text hash of each row's name, 0 where it has none."""
    hashed: list[bytes] = []
    for start in range(0, len(table), _BATCH_ROWS):
        names = _names(table.slice(start, _BATCH_ROWS), naming)
        hashed += [_NO_NAME if name is None else text_hash(name) for name in names]
    return np.frombuffer(b"".join(hashed), np.uint64).reshape(-1, 2)


def names_at(table: pa.Table, rows: Ints) -> list[str]:
    """The names of rows that have one; rows int64 [n], ascending."""
    return [name or "" for name in _names(rows_at(table.select(_COLUMNS), rows), "all")]


def _names(table: pa.Table, naming: Naming) -> Iterator[str | None]:
    columns = [table.column(name).to_pylist() for name in _COLUMNS]
    rows = zip(*columns, strict=True)
    return (name_text(path, symbol, text, kind, naming) for path, symbol, text, kind in rows)
