"""A generation, read only: segments at their rows, which rows are live, and files that are verified before use."""

import fcntl
import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import pyarrow as pa

from xtr_assets.core.errors import GenerationError
from xtr_assets.core.line_shifts import Shift
from xtr_assets.core.raw_arrays import open_array
from xtr_assets.core.row_placement import Placed, Placement, unpack_tombstones
from xtr_assets.core.row_store import RowTokens, RowVectors, TokenPart, VectorPart
from xtr_assets.core.types import MADE_OF, Leg, Legs, Mask, VectorKind
from xtr_assets.storage.chunk_files import CHUNK_COLUMNS, CHUNK_SCHEMA, shifted
from xtr_assets.storage.content import withdrawn_generations
from xtr_assets.storage.digests import check_digest, check_size
from xtr_assets.storage.history import read_history, read_published
from xtr_assets.storage.layout import Layout
from xtr_assets.storage.manifest import CheckRecord, Manifest
from xtr_assets.storage.seal import is_sealed, read_manifest
from xtr_assets.storage.segment import Segment
from xtr_assets.storage.snapshot import Snapshot, read_snapshot
from xtr_assets.storage.vector_files import listed_names

log = logging.getLogger(__name__)

State = Literal["draft", "published", "retired", "withdrawn"]
TOMBSTONES_NAME = "tombstones.npy"


@dataclass(frozen=True, slots=True)
class PlacedSegment:
    """A segment of a generation: its position p is row `base_row + p`; `shifts` say which rows stand at other lines
    than the segment says."""

    segment: Segment
    base_row: int
    shifts: tuple[Shift, ...] = ()

    @property
    def end_row(self) -> int:
        return self.base_row + self.segment.rows


class Generation:
    """Read-only view of generations/<number>. Opening compares a sealed manifest with its sha256."""

    # Whether files of it are still to come from an object store.
    arriving: ClassVar[bool] = False

    def __init__(self, layout: Layout, number: int, manifest: Manifest) -> None:
        self.layout, self.number, self.manifest = layout, number, manifest
        self.directory = layout.generation(number)
        # Asked for some thousand times in a small build.
        self._prefix = f"{layout.relative(self.directory)}/"

    @classmethod
    def open(cls, layout: Layout, number: int) -> "Generation":
        """Raises GenerationError for an unknown number, CorruptFile where the manifest is damaged."""
        return cls(layout, number, read_manifest(layout, number))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.number}, {self.state}, rows={self.end_row}, live={self.live_rows})"

    @property
    def sealed(self) -> bool:
        """Nothing in the folder changes any more."""
        return is_sealed(self.layout, self.number)

    @property
    def state(self) -> State:
        """Derived at each call from PUBLISHED and the history. What was withdrawn under another number, or with its
        files, is withdrawn."""
        if not self.sealed:
            return "draft"
        if withdrawn_generations(self.layout, [self.number]):
            return "withdrawn"
        return "published" if read_published(self.layout) == self.number else "retired"

    @property
    def forced(self) -> str | None:
        """Why it was published past its checks: here, or where it was made; None where it was not."""
        here = [e.reason for e in read_history(self.layout) if e.generation == self.number and e.moves and e.forced]
        return here[-1] if here and here[-1] else self.manifest.forced

    @property
    def parent(self) -> int | None:
        """The generation whose rows this one keeps."""
        return self.manifest.parent

    @property
    def fingerprint(self) -> str:
        """The encoder's fingerprint."""
        return self.manifest.fingerprint

    @property
    def legs(self) -> Legs:
        """What its encoder gives of each text: embeddings ("dense"), token embeddings ("tokens"), or both."""
        return self.manifest.legs

    @property
    def vector_kind(self) -> VectorKind:
        """Fingerprint and legs of its vectors."""
        return VectorKind(self.fingerprint, self.legs)

    @property
    def end_row(self) -> int:
        """One past the last row ever given out: the length of a row mask."""
        return self.manifest.end_row

    @property
    def live_rows(self) -> int:
        """How many rows a search may return: chunks that are neither holes nor tombstones."""
        return self.manifest.live_rows

    @property
    def holes(self) -> int:
        """Rows that no segment fills."""
        return self.end_row - sum(one.rows for one in self.manifest.segments)

    # -- rows ---------------------------------------------------------------------------------------------------------

    @cached_property
    def segments(self) -> tuple[PlacedSegment, ...]:
        """In row order; their files are held against this manifest."""
        files = self.manifest.files
        names = listed_names(files)
        return tuple(
            PlacedSegment(
                Segment.open(self.layout, one.segment_id, files, names.get(one.segment_id, "")),
                one.base_row,
                one.shifts,
            )
            for one in self.manifest.segments
        )

    @cached_property
    def live(self) -> Mask:
        """bool [end_row], False in holes and at tombstones."""
        path = self.path(TOMBSTONES_NAME, full=True)
        packed = open_array(path, self._name(TOMBSTONES_NAME), np.uint8, ((self.end_row + 7) // 8,))
        live = unpack_tombstones(packed, self.end_row)
        live.setflags(write=False)
        return live

    @property
    def placement(self) -> Placement:
        """Where the segments lie, as a child generation needs it."""
        placed = tuple(Placed(one.segment_id, one.base_row, one.rows) for one in self.manifest.segments)
        return Placement(placed, self.end_row, self.live)

    def vectors(self) -> RowVectors:
        """Embeddings over all rows: float16 [end_row, dim] in parts, unit length, memory-mapped. GenerationError where
        it has none."""
        self._need("dense")
        dim = self.manifest.encoder.dim
        parts = [VectorPart(one.base_row, one.segment.embeddings(self.fingerprint)) for one in self.segments]
        if self._last_row() < self.end_row:
            # Rows at the end whose segment is gone: an empty part, so that masks and vectors agree on the length.
            parts.append(VectorPart(self.end_row, np.empty((0, dim), np.float16)))
        return RowVectors(parts, dim)

    def names(self) -> RowVectors | None:
        """Name vectors over all rows, as `vectors`; all zero where a row has no name. None where no source has them."""
        named = [one.segment.has_names(self.fingerprint) for one in self.segments]
        if "dense" not in self.legs or not any(named):
            return None
        dim = self.manifest.encoder.dim
        parts = []
        for one, there in zip(self.segments, named, strict=True):
            # Zeros that nobody wrote to take no memory: the system maps them to one page.
            nothing = np.zeros((0 if there else one.segment.rows, dim), np.float16)
            parts.append(VectorPart(one.base_row, one.segment.names(self.fingerprint) if there else nothing))
        if self._last_row() < self.end_row:
            parts.append(VectorPart(self.end_row, np.empty((0, dim), np.float16)))
        return RowVectors(parts, dim)

    def tokens(self) -> RowTokens:
        """Token embeddings over all rows: int8 [T, token_dim] with a float16 scale [T], in parts, memory-mapped.
        GenerationError where it has none."""
        self._need("tokens")
        dim = self.manifest.encoder.token_dim
        parts = []
        for one in self.segments:
            arrays = one.segment.tokens(self.fingerprint)
            parts.append(TokenPart(one.base_row, arrays.tokens, arrays.scales, arrays.offsets))
        if self._last_row() < self.end_row:
            nothing = np.empty((0, dim), np.int8)
            parts.append(TokenPart(self.end_row, nothing, np.empty(0, np.float16), np.zeros(1, np.int64)))
        return RowTokens(parts, dim)

    def chunk_table(self, columns: Sequence[str] | None = None, *, live: bool = True) -> pa.Table:
        """Chunk columns with their `row` (int64) first, in row order; with `live=False` dead rows too, uncopied."""
        names = list(CHUNK_COLUMNS if columns is None else columns)
        schema = pa.schema([pa.field("row", pa.int64(), nullable=False), *(CHUNK_SCHEMA.field(n) for n in names)])
        tables = [schema.empty_table()]
        for one in self.segments:
            rows = pa.array(np.arange(one.base_row, one.end_row))
            table = shifted(one.segment.chunks().select(names), one.shifts).add_column(0, schema.field("row"), rows)
            tables.append(table.filter(pa.array(self.live[one.base_row : one.end_row])) if live else table)
        return pa.concat_tables(tables)

    def snapshots(self) -> dict[str, Snapshot]:
        """The snapshot of each shard that this generation serves."""
        return {shard: read_snapshot(self.layout, shard, v) for shard, v in sorted(self.manifest.snapshots.items())}

    def _need(self, leg: Leg) -> None:
        if leg not in self.legs:
            raise GenerationError(leg_lack(self, leg))

    def _last_row(self) -> int:
        return max((one.base_row + one.rows for one in self.manifest.segments), default=0)

    # -- files --------------------------------------------------------------------------------------------------------

    def path(self, name: str, *, full: bool | None = None) -> Path:
        """The path of a file of this generation after comparing it with its record.

        `name` is relative to the generation ("dense.faiss"), or to the warehouse for shared files ("models/...").
        Whatever a parser reads is compared by sha256; .npy files by size, unless `full`.
        """
        key = self.file_name(name)
        path = self.layout.resolve(key)
        if full is None:
            full = path.suffix != ".npy"
        if full:
            check_digest(path, self.manifest.files[key], key)
        else:
            check_size(path, self.manifest.files[key], key)
        return path

    def file_name(self, name: str) -> str:
        """The manifest's name of a file; GenerationError where it has none."""
        for key in (self._name(name), name):
            if key in self.manifest.files:
                return key
        raise GenerationError(
            f"generation {self.number} has no file {name!r}; materialize the step that writes it for this generation"
        )

    def has_file(self, name: str) -> bool:
        """Whether the manifest lists the file, by a name as `path` takes it."""
        return self._name(name) in self.manifest.files or name in self.manifest.files

    def bytes(self) -> int:
        """Bytes of everything it needs, shared files included."""
        return sum(one.bytes for one in self.manifest.files.values())

    def check_results(self) -> tuple[CheckRecord, ...]:
        """The recorded verdicts, by name."""
        return tuple(record for _, record in sorted(self.manifest.checks.items()))

    @contextmanager
    def pin(self) -> Iterator["Generation"]:
        """Keep collection from deleting this generation while the block runs, in any process on any host.

        A shared flock on manifest.json: nothing is written, and a reader that dies lets go.
        """
        path = self.layout.manifest(self.number)
        gone = GenerationError(f"generation {self.number} was collected; open the one that is published now")
        try:
            descriptor = os.open(path, os.O_RDONLY)
        except FileNotFoundError:
            raise gone from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH)
            if not path.exists() or (path.stat().st_ino != os.fstat(descriptor).st_ino and self.sealed):
                raise gone
            yield self
        finally:
            os.close(descriptor)

    def _name(self, name: str) -> str:
        return f"{self._prefix}{name}"


def leg_lack(generation: Generation, leg: Leg) -> str:
    """Why a generation has no such leg, in words."""
    return (
        f"generation {generation.number} has no {MADE_OF[leg]}: its encoder, {generation.manifest.encoder.name}, gives "
        f"{' and '.join(MADE_OF[one] for one in sorted(generation.legs))} alone (`encoder` in xtr.yaml)"
    )
