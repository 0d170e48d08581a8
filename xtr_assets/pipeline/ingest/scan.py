"""From source files to a snapshot: scan a shard, chunk only what was touched, write what changed."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from xtr_assets.config import IndexConfig
from xtr_assets.core.errors import InvalidInput
from xtr_assets.core.file_diff import FileChanges, diff_files
from xtr_assets.core.types import Chunk, FileState, Quarantined
from xtr_assets.sources import Source, open_source
from xtr_assets.storage.shard_writer import ShardChange
from xtr_assets.storage.snapshot import Snapshot
from xtr_assets.storage.warehouse import Warehouse

Progress = Callable[[int], None]


@dataclass(frozen=True)
class ShardScan:
    """A shard of a source as its files are now, beside the snapshot that was made of it."""

    shard: str
    source: Source
    files: Mapping[str, FileState]
    changes: FileChanges
    snapshot: Snapshot | None
    reason: str

    @property
    def changed(self) -> bool:
        """Whether chunking has anything to do."""
        return bool(self.reason)

    @property
    def content(self) -> str:
        """32 hex digits over the files as they are now and all that decides their chunks."""
        held = [self.source.fingerprint(), sorted((path, state.sha256) for path, state in self.files.items())]
        return hashlib.sha256(json.dumps(held).encode()).hexdigest()[:32]

    @property
    def touched(self) -> tuple[str, ...]:
        """Paths to chunk: all of them where the source's own settings changed."""
        if self.snapshot is None or self.snapshot.source_fingerprint != self.source.fingerprint():
            return tuple(sorted(self.files))
        return self.changes.touched


def shard_sources(config: IndexConfig) -> dict[str, Source]:
    """Every shard of the config and the source it belongs to."""
    return {shard: source for source in map(open_source, config.sources) for shard in source.shards()}


def scan_shard(warehouse: Warehouse, shard: str, source: Source) -> ShardScan:
    """Look at the files of a shard. Size and mtime save reading what has not been written to; sha256 decides."""
    known = warehouse.known_files(shard)
    files = source.scan(shard, known)
    snapshot = warehouse.snapshot(shard)
    changes = diff_files(known, files)
    return ShardScan(shard, source, files, changes, snapshot, _reason(snapshot, source, changes))


def scan(warehouse: Warehouse, config: IndexConfig) -> Iterator[ShardScan]:
    """Every shard of the config in turn. SourceError where a source is gone."""
    for shard, source in shard_sources(config).items():
        yield scan_shard(warehouse, shard, source)


def source_of(config: IndexConfig, shard: str) -> Source:
    """The source that a shard belongs to. InvalidInput where the config has no such shard."""
    sources = shard_sources(config)
    if shard not in sources:
        raise InvalidInput(
            f"shard {shard!r} is in no source of index {config.name!r}, which has {', '.join(sources)}; "
            "`xtr-assets build` or the sensor `source_changes` registers and retires shards"
        )
    return sources[shard]


def write_chunks(
    warehouse: Warehouse, scan: ShardScan, touched: Sequence[str], progress: Progress | None = None
) -> ShardChange:
    """Chunk `touched` (at least the scan's) and write the shard's next snapshot; `progress` is told of each file."""
    return warehouse.write_snapshot(
        scan.shard,
        source_fingerprint=scan.source.fingerprint(),
        files=scan.files,
        touched=touched,
        chunks=_read(scan.source, touched, progress),
    )


def _read(source: Source, paths: Iterable[str], progress: Progress | None) -> Iterator[Chunk | Quarantined]:
    for path in paths:
        yield from source.read(path)
        if progress is not None:
            progress(1)


def _reason(snapshot: Snapshot | None, source: Source, changes: FileChanges) -> str:
    """Why the shard has to be chunked, in words; empty where it has not."""
    if snapshot is None:
        return "never chunked"
    if snapshot.source_fingerprint != source.fingerprint():
        return "the settings of its source changed"
    counts = {
        "added": len(changes.added),
        "changed": len(changes.changed),
        "moved": len(changes.moved),
        "deleted": len(changes.deleted),
    }
    return ", ".join(f"{count} {what}" for what, count in counts.items() if count)
