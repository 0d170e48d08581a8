"""The rows of a shard as they stand before a change: those of touched files are compared with what comes now."""

from collections.abc import Collection
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import numpy as np
import pyarrow as pa

from xtr_assets.core.line_shifts import shift_array
from xtr_assets.core.types import Chunk, Int32s, Ints, Mask
from xtr_assets.storage.chunk_files import BATCH_ROWS, LINE_COLUMNS, ids_of, rows_at
from xtr_assets.storage.layout import Layout
from xtr_assets.storage.segment import Segment
from xtr_assets.storage.snapshot import Snapshot

# Every column but the chunk_id, by which a row is found, the text hash, which title and text determine, and the lines,
# which move with what stands above.
COMPARED = ("source", "path", "symbol", "kind", "part", "title", "text", "metadata")
_fields = attrgetter(*COMPARED)

_Row = tuple[Any, ...]


@dataclass
class _Block:
    """BATCH_ROWS rows of touched files of a segment, from `first` on among them."""

    first: int
    rows: list[_Row]
    lines: list[tuple[int, int]]


class StandingRows:
    """The live rows of the touched files, and the ids of all others.

    `dead` holds a mask bool [rows] by segment: every row of a touched file is dead in it until an equal one turned up.
    `shifts` holds int32 [rows] by segment: how many lines further down than it says each live row stands.
    Rows are compared as they are, a block of a segment in memory at a time: files are read in the order in which their
    rows were written, so that each block is fetched about once.
    """

    def __init__(self, layout: Layout, previous: Snapshot | None, paths: Collection[str]) -> None:
        # 30 CPU ms of import, which whoever reads a warehouse need not pay.
        import pyarrow.compute as pc

        self.dead: dict[str, Mask] = {}
        self.shifts: dict[str, Int32s] = {}
        self.tables: list[pa.Table] = []
        self._names: list[str] = []
        self._positions: list[Ints] = []
        self._blocks: dict[int, _Block] = {}
        # chunk_id -> (number of the segment, place among its touched rows)
        self._place: dict[int, tuple[int, int]] = {}
        others: list[Ints] = []
        wanted = pa.array(sorted(paths), pa.string())
        for number, one in enumerate(previous.segments if previous else ()):
            table = Segment.open(layout, one.segment_id).chunks()
            mask = previous.dead_mask(one.segment_id) if previous else np.zeros(one.rows, np.bool_)
            ids = ids_of(table)
            hit = pc.is_in(table.column("path"), value_set=wanted).to_numpy() & ~mask
            others.append(ids[~hit & ~mask])
            positions = np.flatnonzero(hit)
            self._place.update((chunk_id, (number, at)) for at, chunk_id in enumerate(ids[positions].tolist()))
            self._names.append(one.segment_id)
            self._positions.append(positions)
            self.tables.append(table)
            # Everything of the touched files dies unless an identical row turns up again.
            self.dead[one.segment_id] = mask | hit
            self.shifts[one.segment_id] = np.where(mask | hit, 0, shift_array(one.shifts, one.rows)).astype(np.int32)
        self.other_ids: Ints = np.concatenate([*others, np.empty(0, np.int64)])

    def __contains__(self, chunk_id: int) -> bool:
        """Whether a touched file had this chunk."""
        return chunk_id in self._place

    def ids(self) -> Collection[int]:
        """The chunk_ids of the touched files."""
        return self._place.keys()

    def keep(self, chunk: Chunk) -> bool:
        """Whether an equal row is there; it stays alive then, and is noted to stand where the chunk does."""
        place = self._place.get(chunk.chunk_id)
        if place is None:
            return False
        fields, (start, end) = self._row(*place)
        by = chunk.start_line - start
        if fields != _fields(chunk) or chunk.end_line - end != by:
            return False
        number, at = place
        name, position = self._names[number], self._positions[number][at]
        self.dead[name][position], self.shifts[name][position] = False, by
        return True

    def _row(self, number: int, at: int) -> tuple[_Row, tuple[int, int]]:
        block = self._blocks.get(number)
        if block is None or not 0 <= at - block.first < len(block.rows):
            first = at - at % BATCH_ROWS
            chosen = self._positions[number][first:][:BATCH_ROWS]
            taken = rows_at(self.tables[number].select((*COMPARED, *LINE_COLUMNS)), chosen)
            columns = [taken.column(name).to_pylist() for name in COMPARED]
            lines = [taken.column(name).to_pylist() for name in LINE_COLUMNS]
            block = _Block(first, list(zip(*columns, strict=True)), list(zip(*lines, strict=True)))
            self._blocks[number] = block
        return block.rows[at - block.first], block.lines[at - block.first]


def live_paths(layout: Layout, snapshot: Snapshot | None) -> set[str]:
    """The paths that have a live row in a snapshot."""
    import pyarrow.compute as pc

    found: set[str] = set()
    if snapshot is None:
        return found
    for one in snapshot.segments:
        paths = Segment.open(layout, one.segment_id).chunks().column("path")
        found.update(pc.unique(paths.filter(pa.array(~snapshot.dead_mask(one.segment_id)))).to_pylist())
    return found
