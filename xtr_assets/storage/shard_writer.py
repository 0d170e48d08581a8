"""One change of one shard: rows that are the same stay, wherever their lines went; the new become one segment."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from xtr_assets.core.errors import InvalidInput, StorageError
from xtr_assets.core.file_diff import UNREAD_SHA256
from xtr_assets.core.files import commit_folder, record
from xtr_assets.core.line_shifts import shifts_of
from xtr_assets.core.row_placement import ranges_of
from xtr_assets.core.types import Chunk, FileState, Quarantined
from xtr_assets.storage.chunk_files import (
    ARROW_NAME,
    BATCH_ROWS,
    PARQUET_NAME,
    ChunkWriter,
    hash_chunk,
    ids_of,
    row_digest,
)
from xtr_assets.storage.layout import Layout
from xtr_assets.storage.lock import committing, now
from xtr_assets.storage.manifest import QuarantineEntry, SegmentInfo, SnapshotFile, SnapshotSegment, StaleEntry
from xtr_assets.storage.row_match import StandingRows
from xtr_assets.storage.segment import SEGMENT_NAME, Segment
from xtr_assets.storage.snapshot import Snapshot, commit_snapshot, content_digest, snapshot_version
from xtr_assets.storage.temporary_files import scratch
from xtr_assets.storage.unencoded_rows import move_unencoded

log = logging.getLogger(__name__)

ID_LENGTH = 16

# Where a chunk comes from, for messages: path, line, symbol, part.
_Place = tuple[str, int, str, int]


@dataclass(frozen=True)
class ShardChange:
    """What `write_snapshot` did. Counts are chunks: `kept` are all live rows that stayed as they were; those of a
    segment that nobody encoded may stand in `new_segment` now."""

    snapshot: Snapshot
    added: int
    changed: int
    deleted: int
    kept: int
    new_segment: Segment | None


def write_change(
    layout: Layout,
    previous: Snapshot | None,
    shard: str,
    *,
    source_fingerprint: str,
    files: Mapping[str, FileState],
    touched: Iterable[str],
    chunks: Iterable[Chunk | Quarantined | FileState],
    looked_ns: int = 0,
) -> ShardChange:
    """The next snapshot of a shard, committed. Work is linear in the touched rows, plus a scan of the path column.

    A FileState among the chunks takes the place of the one in `files`: while it was read something came to light.
    """
    named = set(touched)
    files = dict(files)
    _check_touched(previous, source_fingerprint, files, named)
    stale = _stale_entries(previous, source_fingerprint, files)
    gone = (set(previous.files) if previous else set()) - set(files)
    same = previous is not None and previous.source_fingerprint == source_fingerprint and previous.stale == stale
    if previous is not None and same and not named and not gone:
        for item in chunks:
            raise InvalidInput(f"a chunk of {item.path!r}, but no file of shard {shard} was touched")
        with committing(layout, f"snapshot of {shard}"):
            commit_snapshot(layout, previous, files, looked_ns)
        return ShardChange(previous, 0, 0, 0, previous.live_rows, None)
    old = StandingRows(layout, previous, named | gone)
    # Releases before version 3 put what could not be read into the quarantine.
    unread = {path for path, state in files.items() if state.unread}
    quarantine = [
        entry
        for entry in (previous.quarantine if previous else ())
        if entry.path in files and entry.path not in named
        if not (entry.reason == "unreadable" and entry.path in unread)
    ]
    with scratch(layout) as folder, ChunkWriter(folder, shard) as writer:
        counts = _write_rows(shard, writer, old, chunks, named, quarantine, files)
        moved = move_unencoded(layout, old, writer)
        stored = {path: SnapshotFile(size=state.size, sha256=state.sha256) for path, state in files.items()}
        made = finished(folder, shard, writer) if writer.rows else None
        segments = _kept_segments(old)
        if made is not None:
            segments.append(SnapshotSegment(segment_id=made.segment_id, rows=made.rows))
        snapshot = Snapshot(
            format_version=snapshot_version(segments, stale),
            shard=shard,
            source_fingerprint=source_fingerprint,
            content=content_digest(source_fingerprint, stored, stale),
            segments=tuple(segments),
            files=stored,
            quarantine=tuple(sorted(quarantine, key=lambda q: (q.path, q.line, q.reason, q.detail))),
            stale=stale,
        )
        # In one: between the two a collection would take the segment for one that nothing names.
        with committing(layout, f"snapshot of {shard}"):
            segment = None if made is None else commit_segment(layout, folder, made)
            commit_snapshot(layout, snapshot, files, looked_ns)
    kept = snapshot.live_rows - (segment.rows - moved if segment else 0)
    return ShardChange(snapshot, counts["added"], counts["changed"], counts["deleted"], kept, segment)


def _check_touched(
    previous: Snapshot | None, source_fingerprint: str, files: Mapping[str, FileState], touched: set[str]
) -> None:
    # A file whose bytes changed but whose chunks were not given would keep old rows: refuse rather than serve them.
    # Where it is said to be stale that is meant; then it is told of with the bytes that its rows come from.
    known = previous.files if previous else {}
    same = previous is not None and previous.source_fingerprint == source_fingerprint
    missing = []
    for path, state in files.items():
        if state.unread and path in touched:
            raise InvalidInput(f"{path!r} cannot be read ({state.unread}), so it is not among the touched files")
        held = known.get(path)
        if state.unread:
            keeps = state.sha256 == (UNREAD_SHA256 if held is None else held.sha256)
        else:
            keeps = same and held == SnapshotFile(state.size, state.sha256)
        if path not in touched and not keeps:
            missing.append(path)
    if missing:
        raise InvalidInput(
            f"{len(missing)} files are new or changed but not among the touched ones, first {sorted(missing)[0]!r}; "
            "read the chunks of every file whose sha256, or whose source's fingerprint, changed"
        )


def _stale_entries(
    previous: Snapshot | None, source_fingerprint: str, files: Mapping[str, FileState]
) -> tuple[StaleEntry, ...]:
    before = {one.path: one for one in previous.stale} if previous else {}
    settings = previous.source_fingerprint if previous else source_fingerprint
    found = []
    for path, state in sorted(files.items()):
        if state.unread:
            known = before.get(path)
            found.append(
                StaleEntry(
                    path=path,
                    reason=state.unread,
                    since=known.since if known else now(),
                    refused=state.refused,
                    settings=known.settings if known else settings,
                )
            )
    return tuple(found)


def _write_rows(
    shard: str,
    writer: ChunkWriter,
    old: StandingRows,
    chunks: Iterable[Chunk | Quarantined | FileState],
    touched: set[str],
    quarantine: list[QuarantineEntry],
    files: dict[str, FileState],
) -> dict[str, int]:
    seen: dict[int, _Place] = {}
    changed = 0
    for item in chunks:
        if isinstance(item, Quarantined):
            quarantine.append(QuarantineEntry(**asdict(item)))
            continue
        if item.path not in touched:
            raise InvalidInput(f"a chunk of {item.path!r}, which is not among the touched files of shard {shard}")
        if isinstance(item, FileState):
            files[item.path] = item
            continue
        _check_id(item, seen)
        seen[item.chunk_id] = (item.path, item.start_line, item.symbol, item.part)
        if old.keep(item):
            continue
        changed += item.chunk_id in old
        hashed = hash_chunk(item)
        writer.append(item, hashed, row_digest(item, hashed))
    _check_others(seen, old)
    return {
        "added": writer.rows - changed,
        "changed": changed,
        "deleted": sum(chunk_id not in seen for chunk_id in old.ids()),
    }


def _check_id(chunk: Chunk, seen: Mapping[int, _Place]) -> None:
    if not 0 <= chunk.chunk_id < 2**63:
        raise InvalidInput(f"chunk_id {chunk.chunk_id} of {_where(chunk)} is not an int64 from 0 on")
    if chunk.chunk_id in seen:
        raise _doubled(chunk.chunk_id, _where(chunk), _place(*seen[chunk.chunk_id]))


def _check_others(seen: Mapping[int, _Place], old: StandingRows) -> None:
    # Compared at the end and at once: nothing is committed yet, and a look-up per chunk would cost seconds a million.
    new = np.sort(np.fromiter(seen, np.int64, len(seen)))
    if not len(new):
        return
    # A binary search of the many in the few: np.isin hashes both, ten times slower where a shard has a million rows.
    place = np.minimum(np.searchsorted(new, old.other_ids), len(new) - 1)
    doubled = old.other_ids[new[place] == old.other_ids]
    if len(doubled):
        chunk_id = int(doubled[0])
        for table in old.tables:
            hit = np.flatnonzero(ids_of(table) == chunk_id)
            if len(hit):
                row = table.slice(int(hit[0]), 1).to_pylist()[0]
                there = _place(row["path"], row["start_line"], row["symbol"], row["part"])
                raise _doubled(chunk_id, _place(*seen[chunk_id]), there)


def _doubled(chunk_id: int, one: str, other: str) -> InvalidInput:
    return InvalidInput(
        f"chunk_id {chunk_id} belongs to {one} and to {other}; two records have one id, or one file is read twice"
    )


def _where(chunk: Chunk) -> str:
    return _place(chunk.path, chunk.start_line, chunk.symbol, chunk.part)


def _place(path: str, line: int, symbol: str, part: int) -> str:
    return f"{path}:{line} ({symbol!r}, part {part})"


def _kept_segments(old: StandingRows) -> list[SnapshotSegment]:
    return [
        SnapshotSegment(
            segment_id=segment_id, rows=len(dead), dead=ranges_of(dead), shifts=shifts_of(old.shifts[segment_id])
        )
        for segment_id, dead in old.dead.items()
        if not dead.all()
    ]


def finished(folder: Path, shard: str, writer: ChunkWriter) -> SegmentInfo:
    """Finish the files of a segment in `folder`, with the record of them."""
    content = writer.close()
    info = SegmentInfo(
        segment_id=content[:ID_LENGTH],
        shard=shard,
        content=content,
        rows=writer.rows,
        batch_rows=BATCH_ROWS,
        files={name: record(folder / name) for name in (ARROW_NAME, PARQUET_NAME)},
    )
    (folder / SEGMENT_NAME).write_bytes(info.to_bytes())
    return info


def commit_segment(layout: Layout, folder: Path, info: SegmentInfo) -> Segment:
    """Rename a finished folder to its segment; the one that is there where the rows are the same."""
    target = layout.segment(info.segment_id)
    if (target / SEGMENT_NAME).is_file():
        there = Segment.open(layout, info.segment_id)
        if there.info.content != info.content:
            raise StorageError(
                f"segment {info.segment_id} holds content {there.info.content}, the new one {info.content}"
            )
        return there
    if not commit_folder(folder, target):
        raise StorageError(f"{target} holds files and no {SEGMENT_NAME}, so that it is no segment; remove the folder")
    return Segment(layout, info)
