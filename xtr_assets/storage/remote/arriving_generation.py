"""A generation of a store before all of it is here: what is asked for comes then, and is compared before it is read.

Rows of embeddings and of chunks come by blocks; any other file comes whole.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any, ClassVar, Protocol, cast

import numpy as np

from xtr_assets.core.errors import CorruptFile, InvalidInput
from xtr_assets.core.files import FileRecord
from xtr_assets.core.line_shifts import shift_at
from xtr_assets.core.types import Halves, Ints
from xtr_assets.storage.arrow_rows import ArrowRows, together
from xtr_assets.storage.chunk_files import ARROW_NAME, LINE_COLUMNS
from xtr_assets.storage.generation import Generation, PlacedSegment, State
from xtr_assets.storage.manifest import Listing, Manifest, SegmentInfo
from xtr_assets.storage.remote.arriving_array import ArrivingArray, FileRanges
from xtr_assets.storage.remote.arriving_files import ArrivingFiles
from xtr_assets.storage.remote.block_reader import BlockReader
from xtr_assets.storage.segment import SEGMENT_NAME, Segment
from xtr_assets.storage.snapshot import Snapshot
from xtr_assets.storage.vector_files import embeddings_file, embeddings_listing, listed_names

DENSE_FILE = "dense.faiss"
ID_MAP_FILE = "id_map.parquet"


class Holder(Protocol):
    """Who brings the rest while a generation is in use."""

    @property
    def arrived(self) -> bool: ...
    def told(self) -> str: ...
    def wait(self) -> None: ...
    def use(self) -> None: ...
    def let_go(self) -> None: ...


class ArrivingSegment(Segment):
    """A segment of which files come as they are asked for."""

    def __init__(self, files: ArrivingFiles, reader: BlockReader, info: SegmentInfo, names: str) -> None:
        super().__init__(files.layout, info, files.files, names)
        self._files, self._reader_of_blocks = files, reader

    @classmethod
    def of(cls, files: ArrivingFiles, reader: BlockReader, segment_id: str, names: str) -> "ArrivingSegment":
        files.bring([f"segments/{segment_id}/{SEGMENT_NAME}"])
        return cls(files, reader, Segment.open(files.layout, segment_id, files.files).info, names)

    def listing(self, name: str) -> Listing | None:
        self._files.bring([self._name(name)])
        return super().listing(name)

    def verified(self, name: str) -> Path:
        self._files.bring([self._name(name)])
        return super().verified(name)

    def _check_size(self, name: str) -> None:
        self._files.bring([self._name(name)])
        super()._check_size(name)

    def embeddings(self, fingerprint: str) -> Halves:
        name = self._name(embeddings_file(fingerprint))
        if not self._reader_of_blocks.has(name):
            return super().embeddings(fingerprint)
        self._need(self.has_embeddings(fingerprint), "embeddings", fingerprint)
        # It is read as an array is, by slices and positions; what needs its memory asks for rows first.
        return cast("Halves", ArrivingArray(self._ranges(name), name, self.rows))

    @cached_property
    def rows_by_range(self) -> ArrowRows | None:
        """What reads rows by ranges; None where the file comes whole."""
        name = self._name(ARROW_NAME)
        if not self._reader_of_blocks.has(name):
            return None
        return ArrowRows(self._ranges(name), name, self.rows, self.info.batch_rows)

    def _ranges(self, name: str) -> FileRanges:
        return FileRanges(self._reader_of_blocks, name, self._files.files[name].bytes)


class ArrivingGeneration(Generation):
    """What serves in a store. It is searched by its dense index; `holder` brings the rest."""

    arriving: ClassVar[bool] = True

    def __init__(self, files: ArrivingFiles, reader: BlockReader, manifest: Manifest, holder: Holder) -> None:
        super().__init__(files.layout, manifest.number, manifest)
        self._files, self._blocks, self.holder = files, reader, holder
        self._opening = Lock()

    @property
    def sealed(self) -> bool:
        return True

    @property
    def state(self) -> State:
        return "published"

    @property
    def forced(self) -> str | None:
        return self.manifest.forced

    def prepare(self) -> None:
        """Bring all that an opening reads, at the same time."""
        own = [self._name(name) for name in ("tombstones.npy", DENSE_FILE, ID_MAP_FILE)]
        small = [f"segments/{one.segment_id}/" for one in self.manifest.segments]
        names = (SEGMENT_NAME, embeddings_listing(self.fingerprint))
        arrays = [f"{folder}{embeddings_file(self.fingerprint)}" for folder in small]
        self._blocks.need((name, 0, 1) for name in arrays if self._blocks.has(name))
        self._files.bring([*own, *(folder + name for folder in small for name in names)])

    @cached_property
    def segments(self) -> tuple[PlacedSegment, ...]:
        with self._opening:
            names = listed_names(self.manifest.files)
            return tuple(
                PlacedSegment(
                    ArrivingSegment.of(self._files, self._blocks, one.segment_id, names.get(one.segment_id, "")),
                    one.base_row,
                    one.shifts,
                )
                for one in self.manifest.segments
            )

    def path(self, name: str, *, full: bool | None = None) -> Path:
        self._files.bring([self.file_name(name)])
        return super().path(name, full=full)

    def snapshots(self) -> dict[str, Snapshot]:
        self._files.bring(
            self.layout.relative(self.layout.snapshot(shard, version))
            for shard, version in self.manifest.snapshots.items()
        )
        return super().snapshots()

    @contextmanager
    def pin(self) -> Iterator["Generation"]:
        """A lease in the store keeps it; while somebody uses it the rest comes."""
        self.holder.use()
        try:
            yield self
        finally:
            self.holder.let_go()

    def chunk_ids(self) -> Ints:
        """int64 [end_row], -1 in holes: from the ID map, which is whole long before the chunks are."""
        # 7 ms of a search that needs none of it.
        from pyarrow import parquet

        name = self.file_name(ID_MAP_FILE)
        # Not `read_table`, which imports all that reads data sets: 190 CPU ms.
        with parquet.ParquetFile(self.path(ID_MAP_FILE, full=True)) as file:
            table = file.read(columns=["row", "chunk_id"])
        rows, ids = table.column("row").to_numpy(), table.column("chunk_id").to_numpy()
        stored = sum(one.rows for one in self.manifest.segments)
        if len(rows) != stored or (stored and not 0 <= rows.min() <= rows.max() < self.end_row):
            raise CorruptFile(name, f"{stored} rows below {self.end_row}", f"{len(rows)} rows")
        found = np.full(self.end_row, -1, np.int64)
        found[rows] = ids
        return found

    def chunks_at(self, rows: Sequence[int], columns: Sequence[str]) -> list[dict[str, Any]]:
        """One dict of columns per row, in the order asked for; InvalidInput for a row in a hole."""
        bases = np.array([one.base_row for one in self.segments])
        owners = np.searchsorted(bases, rows, side="right") - 1
        found: list[dict[str, Any]] = [{} for _ in rows]
        wanted: list[tuple[ArrowRows, list[int]]] = []
        places: list[list[int]] = []
        for owner in sorted(set(owners.tolist())):
            mine = np.flatnonzero(owners == owner).tolist()
            placed = self.segments[owner] if owner >= 0 else None
            outside = [rows[at] for at in mine if placed is None or rows[at] >= placed.end_row]
            if placed is None or outside:
                raise InvalidInput(f"row {outside[0]} lies in no segment")
            segment = placed.segment
            positions = [int(rows[at]) - placed.base_row for at in mine]
            by_range = segment.rows_by_range if isinstance(segment, ArrivingSegment) else None
            if by_range is not None:
                wanted.append((by_range, positions))
                places.append(mine)
            else:
                for at, position in zip(mine, positions, strict=True):
                    found[at] = _whole_row(segment, position, columns)
        for mine, own in zip(places, together(wanted, columns), strict=True):
            for at, row in zip(mine, own, strict=True):
                found[at] = row
        for at, owner in enumerate(owners.tolist()):
            placed = self.segments[owner]
            if by := shift_at(placed.shifts, int(rows[at]) - placed.base_row):
                found[at] |= {name: found[at][name] + by for name in LINE_COLUMNS if name in found[at]}
        return found


def _whole_row(segment: Segment, position: int, columns: Sequence[str]) -> dict[str, Any]:
    index, offset = divmod(position, segment.info.batch_rows)
    batch = segment.chunk_batch(index)
    return {name: batch.column(name)[offset].as_py() for name in columns}


def can_arrive(manifest: Manifest) -> bool:
    """Whether a generation can answer before all of it is here: it has a dense index, and a map of its chunks."""
    own = f"generations/{manifest.number}/"
    files: Mapping[str, FileRecord] = manifest.files
    return "dense" in manifest.legs and own + DENSE_FILE in files and own + ID_MAP_FILE in files
