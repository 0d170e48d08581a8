"""The rows of a shard as they stand before a change: those of touched files are compared with what comes now."""

from collections.abc import Collection
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from xtr_assets.core.types import Chunk, Ints, Mask
from xtr_assets.storage.chunk_files import BATCH_ROWS, ids_of
from xtr_assets.storage.layout import Layout
from xtr_assets.storage.segments import Segment
from xtr_assets.storage.snapshots import Snapshot

# Every column but the chunk_id, by which a row is found, and the text hash, which title and text determine.
COMPARED = ("source", "path", "symbol", "kind", "part", "start_line", "end_line", "title", "text", "metadata")
_fields = attrgetter(*COMPARED)

_Row = tuple[Any, ...]


@dataclass
class _Block:
    """BATCH_ROWS rows of touched files of a segment, from `first` on among them."""

    first: int
    rows: list[_Row]


class StandingRows:
    """The live rows of the touched files, and the ids of all others.

    `dead` holds a mask bool [rows] by segment: every row of a touched file is dead in it until an equal one turned up.
    Rows are compared as they are, a block of a segment in memory at a time: files are read in the order in which their
    rows were written, so that each block is fetched about once.
    """

    def __init__(self, layout: Layout, previous: Snapshot | None, paths: Collection[str]) -> None:
        self.dead: dict[str, Mask] = {}
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
        self.other_ids: Ints = np.concatenate([*others, np.empty(0, np.int64)])

    def __contains__(self, chunk_id: int) -> bool:
        """Whether a touched file had this chunk."""
        return chunk_id in self._place

    def ids(self) -> Collection[int]:
        """The chunk_ids of the touched files."""
        return self._place.keys()

    def keep(self, chunk: Chunk) -> bool:
        """Whether an equal row is there; it stays alive then."""
        place = self._place.get(chunk.chunk_id)
        if place is None or self._row(*place) != _fields(chunk):
            return False
        number, at = place
        self.dead[self._names[number]][self._positions[number][at]] = False
        return True

    def _row(self, number: int, at: int) -> _Row:
        block = self._blocks.get(number)
        if block is None or not 0 <= at - block.first < len(block.rows):
            first = at - at % BATCH_ROWS
            taken = self.tables[number].select(COMPARED).take(pa.array(self._positions[number][first:][:BATCH_ROWS]))
            columns = [taken.column(name).to_pylist() for name in COMPARED]
            block = self._blocks[number] = _Block(first, list(zip(*columns, strict=True)))
        return block.rows[at - block.first]
