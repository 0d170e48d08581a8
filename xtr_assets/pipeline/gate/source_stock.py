"""Stock of a generation by source: rows and text of each file, and what of it cannot be used."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from xtr_assets.core.file_diff import UNREAD_SHA256
from xtr_assets.core.types import Ints, Mask
from xtr_assets.storage.chunk_files import rows_at
from xtr_assets.storage.generation import Generation
from xtr_assets.storage.segment import Segment
from xtr_assets.storage.snapshot import Snapshot
from xtr_assets.storage.warehouse import Warehouse

_NONE = np.empty(0, np.int64)
_NO_HASH = np.empty(0, np.uint64)
Hashes = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True, eq=False)
class Texts:
    """How much each live row of a source says: its text and, but for a section, its title, in bytes of UTF-8. Arrow
    keeps where each string ends, so no text is read for it.

    paths : the files. file : int64 [n], the place in `paths`. ids : int64 [n], chunk_ids. sizes : int64 [n]. bare :
    int64 [n], bytes of the text alone. parts : int64 [n], the number of the part. hashes : uint64 [n], the first half
    of the hash of title and text: what a row says, whatever its source is called. places : int64 [n], where each row
    lies in `stored` (columns `text` and `metadata` of a segment each), one table after the other; empty where texts
    were joined. segments : their ids.
    """

    paths: tuple[str, ...] = ()
    file: Ints = field(default_factory=lambda: _NONE)
    ids: Ints = field(default_factory=lambda: _NONE)
    sizes: Ints = field(default_factory=lambda: _NONE)
    bare: Ints = field(default_factory=lambda: _NONE)
    parts: Ints = field(default_factory=lambda: _NONE)
    hashes: Hashes = field(default_factory=lambda: _NO_HASH)
    places: Ints = field(default_factory=lambda: _NONE)
    stored: tuple[pa.Table, ...] = ()
    segments: tuple[str, ...] = ()

    @property
    def total(self) -> int:
        return int(self.sizes.sum())

    def rows(self) -> dict[str, int]:
        """Rows by path."""
        return dict(zip(self.paths, np.bincount(self.file, minlength=len(self.paths)).tolist(), strict=True))

    def records(self) -> dict[str, int]:
        """Records by path: each begins with part 0."""
        count = np.bincount(self.file[self.parts == 0], minlength=len(self.paths))
        return dict(zip(self.paths, count.tolist(), strict=True))

    def by_path(self, sizes: Ints | None = None) -> dict[str, int]:
        """Bytes by path; of `sizes` where other ones are given for the same rows."""
        held = np.bincount(self.file, self.sizes if sizes is None else sizes, len(self.paths)).astype(np.int64)
        return dict(zip(self.paths, held.tolist(), strict=True))

    def at(self, places: Ints) -> "Texts":
        """Those of some rows."""
        file, ids, sizes, bare, parts = (
            one[places] for one in (self.file, self.ids, self.sizes, self.bare, self.parts)
        )
        own = (self.hashes[places], self.places[places], self.stored, self.segments)
        return Texts(self.paths, file, ids, sizes, bare, parts, *own)

    def read(self, rows: Ints, column: str = "text") -> list[str]:
        """The texts, or the metadata, of some rows, in their order. Not of texts that were joined."""
        order = np.argsort(self.places[rows], kind="stable")
        places, first = self.places[rows][order], 0
        found, read = [""] * len(rows), list[str]()
        for table in self.stored:
            inside = places[(places >= first) & (places < first + len(table))] - first
            read += rows_at(table.select([column]), inside)[column].to_pylist()
            first += len(table)
        for at, value in zip(order.tolist(), read, strict=True):
            found[at] = value
        return found

    def written_since(self, before: "Texts") -> Mask:
        """bool [n]: the rows that lie in segments of which `before` has no row."""
        known = np.array([one in before.segments for one in self.segments], bool)
        ends = np.cumsum([len(table) for table in self.stored])
        return ~known[np.searchsorted(ends, self.places, side="right")]


@dataclass(slots=True)
class Most:
    """The most files (or records) that a source held in what led here, how many came since, and which exports a person
    deleted since with how many records (slow_loss.py); 0 where nobody knows."""

    count: int = 0
    came: int = 0
    exports: int = 0
    records: int = 0


@dataclass(slots=True)
class Holding:
    """What a generation holds of one source.

    rows : live rows by path. unusable : places in quarantine (files, or records of a source of records) and files that
    were never read. files : how many its shards list, with rows or without. refused : files in quarantine, for whatever
    reason, that have no row. settings : fingerprints of the source's settings that its shards were made with. mounted :
    folders that are disks of their own. most : the most that it held.
    """

    rows: dict[str, int] = field(default_factory=dict)
    unusable: int = 0
    files: int = 0
    refused: set[str] = field(default_factory=set)
    settings: set[str] = field(default_factory=set)
    mounted: set[str] = field(default_factory=set)
    most: Most = field(default_factory=Most)
    texts: Texts = field(default_factory=Texts)

    @property
    def total(self) -> int:
        return sum(self.rows.values())


def held(generation: Generation) -> dict[str, Holding]:
    """What a generation holds, by source."""
    stored = _Stored()
    tables = [
        stored.sized(placed.segment, generation.live[placed.base_row : placed.end_row])
        for placed in generation.segments
    ]
    return _holdings(tables, stored, generation.snapshots())


def held_by_shards(warehouse: Warehouse, snapshots: Mapping[str, Snapshot]) -> dict[str, Holding]:
    """The same of shards as they stand, before there is a draft of them."""
    stored = _Stored()
    tables = [
        stored.sized(warehouse.segment(one.segment_id), ~snapshot.dead_mask(one.segment_id))
        for snapshot in snapshots.values()
        for one in snapshot.segments
    ]
    return _holdings(tables, stored, snapshots)


def source_name(shard: str) -> str:
    """The source that a shard is of.

    >>> source_name("docs-03of08"), source_name("docs"), source_name("orders-2026-01-31")
    ('docs', 'docs', 'orders')
    """
    # No name of a source has a hyphen.
    return shard.partition("-")[0]


@dataclass(slots=True)
class _Stored:
    """Tables that rows are read from, and the ids of their segments."""

    tables: list[pa.Table] = field(default_factory=list)
    segments: list[str] = field(default_factory=list)

    def sized(self, segment: Segment, live: Mask) -> pa.Table:
        """(source, path, chunk_id, part, hash, bytes, bare, place) of live rows; bare are the bytes of the text alone.
        The segment joins those that a place counts through."""
        table, first = segment.chunks(), sum(map(len, self.tables))
        self.tables.append(table.select(["text", "metadata"]))
        self.segments.append(segment.segment_id)
        title, text = (pc.cast(pc.binary_length(table[name]), pa.int64()) for name in ("title", "text"))
        # What its headings say stands in a document once, and in the titles of many rows.
        title = pc.if_else(pc.equal(table["kind"], "section"), 0, title)
        rows = table.select(["source", "path", "chunk_id", "part", "text_hash"])
        rows = rows.append_column("bytes", pc.add(title, text)).append_column("bare", text)
        rows = rows.append_column("place", pa.array(np.arange(first, first + len(table))))
        return rows.filter(pa.array(live))


def held_in_place(
    served: Sequence[tuple[Generation, Collection[str]]], here: Callable[[str, str], bool]
) -> dict[str, Holding]:
    """The same of some shards of several generations, each shard in one of them: of rows whose place is `here`, by
    shard and path."""
    tables: list[pa.Table] = []
    stored = _Stored()
    snapshots: dict[str, Snapshot] = {}
    for generation, shards in served:
        for one, placed in zip(generation.manifest.segments, generation.segments, strict=True):
            if one.shard in shards:
                table = stored.sized(placed.segment, generation.live[placed.base_row : placed.end_row])
                paths = _encoded(table["path"])
                chosen = np.array([here(one.shard, path) for path in paths.dictionary.to_pylist()], bool)
                tables.append(table.filter(pa.array(chosen[paths.indices.to_numpy()])))
        for shard, snapshot in generation.snapshots().items():
            if shard in shards:
                told = {
                    name: tuple(one for one in getattr(snapshot, name) if here(shard, one.path))
                    for name in ("quarantine", "stale")
                }
                snapshots[shard] = snapshot.model_copy(update=told)
    return _holdings(tables, stored, snapshots)


def _holdings(tables: Sequence[pa.Table], stored: _Stored, snapshots: Mapping[str, Snapshot]) -> dict[str, Holding]:
    found: dict[str, Holding] = {}
    if tables:
        table = pa.concat_tables(tables)
        sources = pc.unique(table["source"]).to_pylist()
        for source in sources:
            # All of a million rows are not copied for the only source.
            own = table if len(sources) == 1 else table.filter(pc.equal(table["source"], source))
            texts = _texts(own, stored)
            found[source] = Holding(texts.rows(), texts=texts)
    for shard, snapshot in snapshots.items():
        holding = found.setdefault(source_name(shard), Holding())
        holding.settings.add(snapshot.source_fingerprint)
        holding.files += len(snapshot.files)
        unread = {one.path for one in snapshot.stale if snapshot.files[one.path].sha256 == UNREAD_SHA256}
        # A file that gave nothing has an entry of its own besides those of its records. What waits for a library that
        # is not installed is as it should be, unless the source has nothing else.
        waits = {"no-records", "not-installed"} if holding.rows else {"no-records"}
        places = {(entry.path, entry.line) for entry in snapshot.quarantine if entry.reason not in waits}
        holding.unusable += len(unread) + len(places)
        holding.refused.update(entry.path for entry in snapshot.quarantine if entry.path not in holding.rows)
    return found


def _encoded(column: pa.ChunkedArray) -> pa.DictionaryArray:
    """Texts by the different ones: all of them in one piece could be more than the 2 GiB that Arrow counts."""
    return column.dictionary_encode().unify_dictionaries().combine_chunks()


def _texts(table: pa.Table, stored: _Stored) -> Texts:
    paths = _encoded(table["path"])
    return Texts(
        tuple(paths.dictionary.to_pylist()),
        paths.indices.to_numpy().astype(np.int64),
        table["chunk_id"].to_numpy(),
        table["bytes"].to_numpy(),
        table["bare"].to_numpy(),
        table["part"].to_numpy().astype(np.int64),
        _hashes(table["text_hash"]),
        table["place"].to_numpy(),
        tuple(stored.tables),
        tuple(stored.segments),
    )


def _hashes(column: pa.ChunkedArray) -> Hashes:
    """The first eight bytes of each of 16."""
    held = [
        np.frombuffer(one.buffers()[1], np.uint64)[2 * one.offset :][: 2 * len(one) : 2] for one in column.chunks if one
    ]
    return np.concatenate([_NO_HASH, *held])
