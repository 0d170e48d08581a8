"""A snapshot: what a shard holds. Content-addressed: the data version is the beginning of its file's sha256."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any, Literal, Self

from pydantic import SerializerFunctionWrapHandler, model_serializer, model_validator

from xtr_assets.core.errors import CorruptFile
from xtr_assets.core.files import FileRecord, read_regular, write_atomic
from xtr_assets.core.json_document import read_json
from xtr_assets.core.row_placement import mask_of
from xtr_assets.core.types import FileState, Mask
from xtr_assets.storage.layout import Layout
from xtr_assets.storage.manifest import (
    QuarantineEntry,
    SnapshotFile,
    SnapshotSegment,
    StaleEntry,
    check_version,
    format_version,
)
from xtr_assets.storage.stored_json import Digest, Stored, canonical_json, sha256_bytes

log = logging.getLogger(__name__)

VERSION_LENGTH = 16


class Snapshot(Stored):
    """shards/<shard>/<data_version>.json.

    `content` digests the source's fingerprint and every (path, sha256): two snapshots with the same content hold the
    same chunks, however their segments lie. `data_version` covers the segments and dead rows too. `stale` lists files
    whose rows are those of an earlier look; `files` then tells of that look.
    """

    format_version: Literal[1, 2, 3] = 1
    shard: str
    source_fingerprint: str
    content: Digest
    segments: tuple[SnapshotSegment, ...]
    files: dict[str, SnapshotFile]
    quarantine: tuple[QuarantineEntry, ...]
    stale: tuple[StaleEntry, ...] = ()

    @model_validator(mode="after")
    def _version_fits(self) -> Self:
        if not self.stale:
            check_version(self.format_version, self.segments)
        elif self.format_version != 3:
            raise ValueError(f"stale files need format_version 3, the file has {self.format_version}")
        return self

    @model_serializer(mode="wrap")
    def _without_nothing(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # Where nothing is stale the bytes are those of versions 1 and 2.
        fields: dict[str, Any] = handler(self)
        if not self.stale:
            del fields["stale"]
        return fields

    @cached_property
    def data_version(self) -> str:
        """16 hex digits of the sha256 of the file's bytes."""
        return sha256_bytes(self.to_bytes())[:VERSION_LENGTH]

    @property
    def live_rows(self) -> int:
        return sum(one.live_rows for one in self.segments)

    @property
    def rows(self) -> int:
        """Stored rows, dead ones included."""
        return sum(one.rows for one in self.segments)

    def dead_mask(self, segment_id: str) -> Mask:
        """bool [rows] of one of its segments, True where a row is dead."""
        for one in self.segments:
            if one.segment_id == segment_id:
                return mask_of(one.dead, one.rows)
        raise KeyError(segment_id)


def snapshot_version(segments: Iterable[SnapshotSegment], stale: Iterable[StaleEntry]) -> Literal[1, 2, 3]:
    """The format_version of a snapshot: 3 where files are stale, which earlier releases know nothing of."""
    return 3 if any(True for _ in stale) else format_version(segments)


def content_digest(source_fingerprint: str, files: Mapping[str, SnapshotFile], stale: Iterable[StaleEntry] = ()) -> str:
    """sha256 over the source's fingerprint and the sorted (path, sha256) of its files.

    Rows of a stale file that were made with other settings than the rest are other rows: they count by these settings.
    """
    older = {one.path: one.settings for one in stale if one.settings != source_fingerprint}
    held = sorted((path, file.sha256, *([older[path]] if path in older else [])) for path, file in files.items())
    return sha256_bytes(canonical_json([source_fingerprint, held]))


def read_snapshot(layout: Layout, shard: str, data_version: str) -> Snapshot:
    """Read a snapshot whose bytes were compared with its name."""
    path = layout.snapshot(shard, data_version)
    name = layout.relative(path)
    try:
        data = read_regular(path, name)
    except FileNotFoundError:
        raise CorruptFile(name, "a snapshot", "no file") from None
    found = sha256_bytes(data)
    if not found.startswith(data_version) or len(data_version) != VERSION_LENGTH:
        raise CorruptFile(name, f"sha256 {data_version}...", f"sha256 {found}")
    snapshot = Snapshot.from_bytes(data, name)
    # What was just verified need not be computed again.
    vars(snapshot)["data_version"] = data_version
    return snapshot


def snapshot_record(layout: Layout, shard: str, data_version: str) -> tuple[str, FileRecord]:
    """(name, record) of a snapshot's file, for a manifest."""
    path = layout.snapshot(shard, data_version)
    data = read_regular(path, layout.relative(path))
    return layout.relative(path), FileRecord(len(data), sha256_bytes(data))


def current_version(layout: Layout, shard: str) -> str | None:
    """The data version that CURRENT names; None for a shard that was never written."""
    path = layout.current(shard)
    try:
        text = read_regular(path, layout.relative(path)).decode("ascii")
    except FileNotFoundError:
        return None
    except UnicodeDecodeError as error:
        raise CorruptFile(layout.relative(path), "a data version", str(error)) from error
    version = text.removesuffix("\n")
    usable = text == f"{version}\n" and version.isalnum() and len(version) == VERSION_LENGTH
    if not usable:
        raise CorruptFile(layout.relative(path), "the data version of a snapshot", repr(text[:40]))
    if not (snapshot := layout.snapshot(shard, version)).is_file():
        # Nobody can tell whether CURRENT was changed, or the snapshot is lost.
        found = f"{version}, and no {layout.relative(snapshot)}"
        raise CorruptFile(layout.relative(path), "the data version of a snapshot", found)
    return version


def ingested_at(layout: Layout, shard: str) -> float | None:
    """When CURRENT was moved last, seconds since the epoch; None for a shard that was never written."""
    try:
        return layout.current(shard).stat().st_mtime
    except FileNotFoundError:
        return None


def commit_snapshot(layout: Layout, snapshot: Snapshot, files: Mapping[str, FileState], looked_ns: int = 0) -> None:
    """Write the snapshot, then move CURRENT to it (the commit), then the hints for the next scan. `looked_ns`: when the
    scan that it comes from began, 0 where nobody says."""
    if "data_version" not in vars(snapshot) or not layout.snapshot(snapshot.shard, snapshot.data_version).is_file():
        data = snapshot.to_bytes()
        vars(snapshot)["data_version"] = sha256_bytes(data)[:VERSION_LENGTH]
        write_atomic(layout.snapshot(snapshot.shard, snapshot.data_version), data)
    version = snapshot.data_version
    if not layout.current(snapshot.shard).is_file() or current_version(layout, snapshot.shard) != version:
        write_atomic(layout.current(snapshot.shard), f"{version}\n".encode("ascii"))
    hints: dict[str, Any] = {"data_version": version, "mtime_ns": {p: state.mtime_ns for p, state in files.items()}}
    hints |= {"looked_ns": looked_ns} if looked_ns else {}
    write_atomic(layout.scan_hints(snapshot.shard), canonical_json(hints))


def looked_at(layout: Layout, shard: str, data_version: str) -> int:
    """When the look at the files began after which the shard was this, in ns since the epoch; 0 where that is not
    known."""
    try:
        loaded = read_json(read_regular(layout.scan_hints(shard), "scan.json"))
        return int(loaded.get("looked_ns", 0)) if loaded["data_version"] == data_version else 0
    except (OSError, CorruptFile, ValueError, KeyError, TypeError, AttributeError):
        return 0


def note_look(layout: Layout, shard: str, looked_ns: int) -> None:
    """A later look found the current snapshot to be what the files are."""
    version = current_version(layout, shard)
    try:
        loaded = read_json(read_regular(layout.scan_hints(shard), "scan.json"))
        if loaded["data_version"] == version and int(loaded.get("looked_ns", 0)) < looked_ns:
            write_atomic(layout.scan_hints(shard), canonical_json({**loaded, "looked_ns": looked_ns}))
    except (OSError, CorruptFile, ValueError, KeyError, TypeError, AttributeError):
        return  # Hints that are lost or damaged are written again by the next change.


def known_files(layout: Layout, shard: str) -> dict[str, FileState]:
    """The files of the current snapshot as last seen. mtime_ns is 0, which matches no file, where no hint holds."""
    version = current_version(layout, shard)
    if version is None:
        return {}
    snapshot = read_snapshot(layout, shard, version)
    hints = _hints(layout, shard, version)
    known = {
        path: FileState(path, file.size, int(hints.get(path, 0)), file.sha256) for path, file in snapshot.files.items()
    }
    for one in snapshot.stale:
        known[one.path] = replace(known[one.path], unread=one.reason, refused=one.refused)
    return known


def _hints(layout: Layout, shard: str, version: str) -> dict[str, Any]:
    # The hints only save reads: lost or damaged ones cost a second look at every file, never a wrong answer.
    path = layout.scan_hints(shard)
    try:
        loaded = read_json(read_regular(path, layout.relative(path)))
        if loaded["data_version"] == version:
            return {str(key): int(value) for key, value in loaded["mtime_ns"].items()}
    except FileNotFoundError:
        pass
    except (CorruptFile, ValueError, KeyError, TypeError, AttributeError) as error:
        log.warning("%s is damaged (%s): every file is read again", layout.relative(path), error)
    return {}
