"""From source files to a snapshot: scan a shard, chunk only what was touched, write what changed."""

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import groupby

from xtr_assets.config import IndexConfig
from xtr_assets.core.errors import InvalidInput, NothingMatches, SourceError
from xtr_assets.core.file_diff import FileChanges, diff_files
from xtr_assets.core.types import Chunk, FileState, Quarantined
from xtr_assets.sources import Source, open_source
from xtr_assets.sources.base import NOT_TAKEN, FileSource
from xtr_assets.sources.file_scan import unread_state
from xtr_assets.storage.shard_writer import ShardChange
from xtr_assets.storage.snapshot import Snapshot
from xtr_assets.storage.warehouse import Warehouse

Progress = Callable[[int], None]
# Of a source with so few files, and so small a share of all rows, all may be deleted.
STRAY_FILES, STRAY_ROWS = 3, 0.01


@dataclass(frozen=True)
class ShardScan:
    """A shard of a source as its files are now, beside the snapshot that was made of it. `looked_ns`: when the look
    began."""

    shard: str
    source: Source
    files: Mapping[str, FileState]
    changes: FileChanges
    snapshot: Snapshot | None
    reason: str
    looked_ns: int = 0

    @property
    def changed(self) -> bool:
        """Whether chunking has anything to do."""
        return bool(self.reason)

    @property
    def content(self) -> str:
        """32 hex digits over the files as they are now and all that decides their chunks."""
        files = sorted((path, state.sha256, bool(state.unread)) for path, state in self.files.items())
        held = [self.source.fingerprint(), files]
        return hashlib.sha256(json.dumps(held).encode()).hexdigest()[:32]

    @property
    def readable(self) -> tuple[str, ...]:
        """Paths of all files but stale ones."""
        return tuple(path for path, state in sorted(self.files.items()) if not state.unread)

    @property
    def touched(self) -> tuple[str, ...]:
        """Paths to chunk: all that can be read where the source's own settings changed."""
        if self.snapshot is None or self.snapshot.source_fingerprint != self.source.fingerprint():
            return self.readable
        return self.changes.touched


def shard_sources(config: IndexConfig) -> dict[str, Source]:
    """Every shard of the config and the source it belongs to."""
    return {
        shard: source for source in map(open_source, config.sources) for shard in source.shards() if config.keeps(shard)
    }


def scan_shard(
    warehouse: Warehouse, shard: str, source: Source, listed_ns: int | None = None, *, again: bool = False
) -> ShardScan:
    """Look at the files of a shard. Size and mtime save reading what has not been written to; sha256 decides.

    listed_ns : when its source was listed, where that was before: what came since may be missing. again : try what was
    read before and not taken once more, as where the source's settings changed since: another field may be the id now.
    """
    looked_ns = time.time_ns() if listed_ns is None else listed_ns
    snapshot, known = warehouse.snapshot(shard), warehouse.known_files(shard)
    if again or (snapshot is not None and snapshot.source_fingerprint != source.fingerprint()):
        known = {path: replace(state, refused="") for path, state in known.items()}
    files = files_of(warehouse, shard, source, known)
    changes = diff_files(known, files)
    return ShardScan(shard, source, files, changes, snapshot, _reason(snapshot, source, changes), looked_ns)


def files_of(
    warehouse: Warehouse, shard: str, source: Source, known: Mapping[str, FileState]
) -> Mapping[str, FileState]:
    """The files of a shard as they are now, in order of path. SourceError where its source is gone.

    A source whose few files were deleted holds nothing any more, where other files show that its place is there: who
    deletes the only style sheet of a project need not change the configuration. `nothing_vanished` looks at it again.
    """
    try:
        return source.scan(shard, known)
    except NothingMatches as gone:
        if not gone.may_be_deleted or not _stray(warehouse, shard, source):
            raise
        return {}


def _stray(warehouse: Warehouse, shard: str, source: Source) -> bool:
    """Whether what was ingested of a source is so little that a person may have deleted it."""
    snapshots = {name: one for name in source.shards() if (one := warehouse.snapshot(name)) is not None}
    mine = snapshots.values()
    if shard not in snapshots or source.config.holds == "records":
        return False
    if not any(one.files for one in mine):
        return True  # It was let pass before.
    if any(one.source_fingerprint != source.fingerprint() for one in mine):
        return False  # It is another setting that leaves them out.
    if sum(len(one.files) for one in mine) > STRAY_FILES:
        return False
    every = [one for name in warehouse.shards() if (one := warehouse.snapshot(name)) is not None]
    return sum(one.live_rows for one in mine) <= STRAY_ROWS * sum(one.live_rows for one in every)


def note_unchanged(warehouse: Warehouse, scans: Sequence[ShardScan]) -> None:
    """Keep when shards were looked at that did not change: `source_agrees` holds what lies there against it."""
    for one in scans:
        if not one.changed:
            warehouse.note_look(one.shard, one.looked_ns)


def scan(warehouse: Warehouse, config: IndexConfig) -> Iterator[ShardScan]:
    """Every shard of the config in turn. SourceError where a source is gone."""
    for _, shards in groupby(shard_sources(config).items(), lambda one: id(one[1])):
        (shard, source), *others = shards
        listed_ns = time.time_ns() if isinstance(source, FileSource) else None
        with source.one_listing() if isinstance(source, FileSource) else nullcontext():
            for name in (shard, *(other for other, _ in others)):
                yield scan_shard(warehouse, name, source, listed_ns)


def source_of(config: IndexConfig, shard: str) -> Source:
    """The source that a shard belongs to. InvalidInput where the config has no such shard."""
    sources = shard_sources(config)
    if shard not in sources:
        raise InvalidInput(
            f"shard {shard!r} is in no source of index {config.name!r}, which has {', '.join(sources)}; "
            "reload the definitions where the configuration changed"
        )
    return sources[shard]


def write_chunks(
    warehouse: Warehouse, scan: ShardScan, touched: Sequence[str], progress: Progress | None = None
) -> ShardChange:
    """Chunk `touched` (at least the scan's) and write the shard's next snapshot; `progress` is told of each file.

    A file that cannot be read after all, or is cut off or emptied of its records, keeps the rows it has and is listed
    as stale: nothing was committed by then, and the change is written again without it. Raises SourceError where a
    source of records that has no rows yet gives none.
    """
    files, waiting = dict(scan.files), list(touched)
    while True:
        reading = _Reading(warehouse, scan, waiting, progress)
        try:
            return warehouse.write_snapshot(
                scan.shard,
                source_fingerprint=scan.source.fingerprint(),
                files=files,
                touched=waiting,
                chunks=reading.items(),
                looked_ns=scan.looked_ns,
            )
        except _NotTaken as found:
            known = warehouse.known_files(scan.shard)
            for path, (why, refused) in found.files.items():
                files[path] = replace(unread_state(path, why, known.get(path)), refused=refused)
            waiting = [path for path in waiting if path not in found.files]
            progress = None  # What was read once need not be told of again.


class _NotTaken(Exception):
    """Files whose rows stay as they are: why, and the sha256 of what was refused ("" where nothing could be read)."""

    def __init__(self, files: dict[str, tuple[str, str]]) -> None:
        self.files = files
        super().__init__(", ".join(files))


class _Reading:
    """One pass over touched files."""

    def __init__(self, warehouse: Warehouse, scan: ShardScan, paths: Sequence[str], progress: Progress | None) -> None:
        self.warehouse, self.scan, self.paths, self.progress = warehouse, scan, paths, progress

    @cached_property
    def _served(self) -> set[str]:
        return self.warehouse.live_paths(self.scan.shard)

    def items(self) -> Iterator[Chunk | Quarantined | FileState]:
        """Chunks, and after those of a file that was written to meanwhile the state to keep of it. Raises _NotTaken at
        the end, naming every file that was not taken."""
        kept: dict[str, tuple[str, str]] = {}
        chunks = 0
        problem: Quarantined | None = None
        for path in self.paths:
            for item in self.scan.source.read(path):
                if isinstance(item, Chunk):
                    chunks += 1
                elif item.reason in NOT_TAKEN:
                    problem = problem or item
                    if item.reason == "unreadable" or path in self._served:
                        refused = "" if item.reason == "unreadable" else self.scan.files[path].sha256
                        kept[path] = (item.detail, refused)
                        break
                yield item
            else:
                state = self.scan.files[path]
                # Own sources say what they have read by scanning again.
                if isinstance(self.scan.source, FileSource) and (
                    (now := self.scan.source.state_read(path, state)) != state
                ):
                    yield now
            if self.progress is not None:
                self.progress(1)
        if kept:
            raise _NotTaken(kept)
        config = self.scan.source.config
        if problem is not None and config.holds == "records" and config.shards == 1 and not chunks and not self._served:
            raise SourceError(
                f"source {config.name} holds no record that can be used: {problem.path}: {problem.detail}; write the "
                "file again, correct `path`, `id` (null where there is none) and `text`, or remove the source from the "
                "configuration"
            )


def _reason(snapshot: Snapshot | None, source: Source, changes: FileChanges) -> str:
    """Why the shard has to be chunked, in words; empty where it has not."""
    if snapshot is None:
        return "never chunked"
    if snapshot.source_fingerprint != source.fingerprint():
        return "the settings of its source changed, or how this release reads it"
    counts = {
        "added": len(changes.added),
        "changed": len(changes.changed),
        "moved": len(changes.moved),
        "deleted": len(changes.deleted),
        "not readable now": len(changes.stale),
    }
    return ", ".join(f"{count} {what}" for what, count in counts.items() if count)
