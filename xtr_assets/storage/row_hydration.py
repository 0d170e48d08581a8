"""Rows to what a hit shows: read from the memory-mapped chunks.arrow, batch by batch, nothing else in memory."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa

from xtr_assets.core.errors import InvalidInput
from xtr_assets.core.line_shifts import shift_at
from xtr_assets.storage.chunk_files import CHUNK_COLUMNS, CHUNK_SCHEMA, LINE_COLUMNS
from xtr_assets.storage.generation import Generation

# What a hit shows; the text hash is storage's own.
HIT_COLUMNS: tuple[str, ...] = CHUNK_COLUMNS[:-1]


class Hydrator:
    """Looks rows of one generation up. Files are verified when the first row of a segment is asked for."""

    def __init__(self, generation: Generation, columns: Sequence[str] = HIT_COLUMNS) -> None:
        unknown = [name for name in columns if name not in CHUNK_COLUMNS]
        if unknown:
            raise InvalidInput(f"chunks have no column {unknown[0]!r}; there are: {', '.join(CHUNK_COLUMNS)}")
        self.columns = tuple(columns)
        self._indices = [CHUNK_SCHEMA.get_field_index(name) for name in self.columns]
        self._segments = generation.segments
        self._bases = [one.base_row for one in self._segments]
        self._batches: dict[tuple[int, int], list[pa.Array]] = {}

    def rows(self, rows: Iterable[int]) -> list[dict[str, Any]]:
        """One dict of columns per row, in the order asked for; InvalidInput for a row in a hole."""
        return [self._row(int(row)) for row in rows]

    def _row(self, row: int) -> dict[str, Any]:
        owner = bisect_right(self._bases, row) - 1
        if owner < 0 or row >= self._segments[owner].end_row:
            raise InvalidInput(f"row {row} lies in no segment")
        segment = self._segments[owner].segment
        index, offset = divmod(row - self._bases[owner], segment.info.batch_rows)
        batch = self._batches.get((owner, index))
        if batch is None:
            columns = segment.chunk_batch(index).columns
            # Reading a batch twice from two threads gives the same arrays: no lock is needed.
            batch = self._batches[(owner, index)] = [columns[i] for i in self._indices]
        found = {name: column[offset].as_py() for name, column in zip(self.columns, batch, strict=True)}
        if by := shift_at(self._segments[owner].shifts, row - self._bases[owner]):
            found |= {name: found[name] + by for name in LINE_COLUMNS if name in found}
        return found
