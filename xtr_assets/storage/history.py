"""PUBLISHED and history.jsonl: which generation serves, and who changed that, when and why.

Each line of the history digests all that stands before it, and warehouse.json names its end: whoever reads it finds a
tail that was cut, a line that was left out, and a file that is gone.
"""

import getpass
import hashlib
import logging
import os
import socket
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from time import time_ns

from xtr_assets.core.errors import CorruptFile
from xtr_assets.core.files import FileRecord, fsync_dir, read_regular, write_atomic
from xtr_assets.storage.digests import SETTLED_NS
from xtr_assets.storage.history_entry import AcceptedShrink, HistoryEntry, check_reason
from xtr_assets.storage.layout import Layout
from xtr_assets.storage.links import open_own
from xtr_assets.storage.lock import confirm, now
from xtr_assets.storage.pointer import pointed_number, pointer_text
from xtr_assets.storage.stored_json import sha256_bytes
from xtr_assets.storage.warehouse_info import (
    CHAINED_VERSION,
    CHECKED_POINTER_VERSION,
    WITHDRAWN_FILES_VERSION,
    WarehouseInfo,
    read_info,
)

log = logging.getLogger(__name__)

_Stamp = tuple[tuple[int, int, int, int] | None, ...]


@dataclass(frozen=True, slots=True)
class _Read:
    """A history as it was read, and the files that it was read from as they were."""

    stamp: _Stamp
    entries: tuple[HistoryEntry, ...]


# A build asks for the history hundreds of times; it is parsed again when one of its two files changed.
_read: dict[Path, _Read] = {}


def whoami() -> str:
    """user@host, for the history."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container may run under a number without a name
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


def read_published(layout: Layout) -> int | None:
    """The number that PUBLISHED holds; None before the first publish."""
    name = layout.relative(layout.published)
    try:
        text = read_regular(layout.published, name)
    except FileNotFoundError:
        return None
    return pointed_number(text, name)


def move_pointer(layout: Layout, number: int) -> None:
    """The commit step of publish and rollback: replace PUBLISHED by rename after fsync of file, then of folder."""
    confirm(layout.writer_lock)
    if layout.warehouse_json.is_file():
        # Before PUBLISHED has a check: a release that knows none would call the pointer damaged.
        info = read_info(layout)
        _write_end(layout, info, info.history or whole_lines(layout), CHECKED_POINTER_VERSION)
    write_atomic(layout.published, pointer_text(number))


def read_history(layout: Layout) -> list[HistoryEntry]:
    """Every entry, oldest first. A torn last line (a crash while appending) is not an entry.

    CorruptFile where a line was changed or left out, and where the file ends before the end that warehouse.json names.
    """
    stamp = _stamp(layout)
    known = _read.get(layout.history)
    if known is not None and known.stamp == stamp:
        return list(known.entries)
    # First where it must end: a writer that appends meanwhile makes it longer, never shorter.
    end = _end(layout)
    entries = _chained(layout, _lines(layout), end)
    if all(one is None or time_ns() - one[3] > SETTLED_NS for one in stamp):
        _read[layout.history] = _Read(stamp, tuple(entries))
    return entries


def _stamp(layout: Layout) -> _Stamp:
    found: list[tuple[int, int, int, int] | None] = []
    for path in (layout.warehouse_json, layout.history):
        try:
            state = path.stat()
        except FileNotFoundError:
            found.append(None)
        else:
            found.append((state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns))
    return tuple(found)


def _end(layout: Layout) -> FileRecord | None:
    """Where the history must reach; None in a folder that is being made, and before version 3."""
    if not layout.warehouse_json.is_file():
        return None
    return read_info(layout).history


def _lines(layout: Layout) -> list[bytes]:
    *lines, torn = _read_lines(layout)
    if torn:
        # Half of a line that crosses a page is seen while it is appended; what a crash left is seen again.
        *lines, torn = _read_lines(layout)
    if torn:
        log.warning("the last line of %s is torn (%d bytes) and ignored", layout.history.name, len(torn))
    return lines


def _read_lines(layout: Layout) -> list[bytes]:
    """What stands between newlines; nothing in a folder that is being made."""
    try:
        return read_regular(layout.history, layout.relative(layout.history)).split(b"\n")
    except FileNotFoundError:
        return [b""]


def _chained(layout: Layout, lines: Sequence[bytes], end: FileRecord | None) -> list[HistoryEntry]:
    name, digest, length = layout.history.name, hashlib.sha256(), 0
    entries: list[HistoryEntry] = []
    broken: CorruptFile | None = None
    begun = False
    reached = end is None or not end.bytes
    for index, line in enumerate(lines, start=1):
        entry = HistoryEntry.from_bytes(line, f"{name} line {index}")
        if not entry.intact():
            raise CorruptFile(f"{name} line {index}", f"check {entry.check}", "other contents")
        before = digest.hexdigest()
        if entry.after == before and entry.action == "accepted_history":
            broken = None
        elif entry.after != before and (entry.after or begun):
            broken = broken or CorruptFile(
                f"{name} line {index}", f"lines before it of sha256 {entry.after}", f"sha256 {before}"
            )
        begun = begun or entry.after is not None
        entries.append(entry)
        digest.update(line + b"\n")
        length += len(line) + 1
        reached = reached or (end is not None and end == FileRecord(length, digest.hexdigest()))
    if broken is None and not reached:
        assert end is not None
        what = f"{length} bytes of other contents" if length else "no line"
        broken = CorruptFile(name, f"{end.bytes} bytes of sha256 {end.sha256}, by {layout.warehouse_json.name}", what)
    if broken is not None:
        raise broken
    return entries


def append_history(
    layout: Layout,
    action: str,
    generation: int,
    *,
    previous: int | None,
    who: str | None,
    reason: str | None = None,
    forced: bool = False,
    manifest_sha256: str | None = None,
    shrink: AcceptedShrink | None = None,
    content: str | None = None,
    files: str | None = None,
    also: Sequence[int] = (),
) -> HistoryEntry:
    """Append an entry durably, and name the new end in warehouse.json. A torn last line is cut off first.

    CorruptFile where lines are missing: what is left of them is never taken for the whole.
    """
    check_reason(reason or None, action)
    confirm(layout.writer_lock)
    lines = _lines(layout)
    if action != "accepted_history":
        _chained(layout, lines, _end(layout))
    data = b"".join(line + b"\n" for line in lines)
    entry = HistoryEntry.model_validate(
        {
            "at": now(),
            "action": action,
            "generation": generation,
            "previous": previous,
            "who": who or whoami(),
            "reason": reason,
            "forced": forced,
            "manifest_sha256": manifest_sha256,
            "shrink": shrink,
            "content": content,
            "files": files,
            "also": also,
            "after": sha256_bytes(data),
        }
    ).signed()
    version = CHAINED_VERSION if files is None else WITHDRAWN_FILES_VERSION
    if action != "accepted_history":
        # Before a line needs it: a release that reads no chain must not read one.
        _name_end(layout, data, version)
    line = entry.model_dump_json().encode("utf-8") + b"\n"
    _append(layout, data, line)
    _name_end(layout, data + line, version)
    return entry


def _append(layout: Layout, data: bytes, line: bytes) -> None:
    """Put a line after `data`, the whole lines that the file has."""
    with open_own(layout.history, os.O_RDWR | os.O_CREAT) as file:
        if os.fstat(file.fileno()).st_nlink > 1:
            # A copy by hard links (`cp -al`) has the same file, and keeps what it held.
            write_atomic(layout.history, data + line)
            return
        file.truncate(len(data))
        file.seek(0, os.SEEK_END)
        file.write(line)
        file.flush()
        os.fsync(file.fileno())
    fsync_dir(layout.root)


def accept_history(layout: Layout, reason: str, *, who: str | None = None) -> HistoryEntry:
    """Begin a chain over the lines that are left. Each must be whole: a line that was changed is taken out by hand."""
    check_reason(reason, "accepting a history that lost lines", "it")
    serving = read_published(layout)
    return append_history(layout, "accepted_history", serving or 0, previous=serving, who=who, reason=reason)


def _name_end(layout: Layout, data: bytes, version: int) -> None:
    """warehouse.json names the end of the history; a folder that is being made gets one later."""
    if not layout.warehouse_json.is_file():
        return
    _write_end(layout, read_info(layout), FileRecord(len(data), sha256_bytes(data)), version)


def whole_history(layout: Layout) -> bytes:
    """The whole lines of the history, as they are; none where there is no file."""
    return b"".join(line + b"\n" for line in _lines(layout))


def whole_lines(layout: Layout) -> FileRecord:
    """Where the history ends, by its whole lines."""
    data = whole_history(layout)
    return FileRecord(len(data), sha256_bytes(data))


def _write_end(layout: Layout, info: WarehouseInfo, end: FileRecord, version: int) -> None:
    """The version never falls: PUBLISHED may have a check from 4 on."""
    update = {"format_version": max(info.format_version, version), "history": end}
    following = info.model_copy(update=update)
    if following != info:
        write_atomic(layout.warehouse_json, following.to_bytes())


def pointer_moved_to(layout: Layout, number: int) -> bool:
    """Whether the history has a move of the pointer to a generation."""
    return any(entry.moves and entry.generation == number for entry in read_history(layout))


def accepted_shrinks(entries: Sequence[HistoryEntry], serving: int | None) -> dict[str, HistoryEntry]:
    """By source, what was last accepted of it beside the generation that serves: a word holds for no other, and not for
    that one when it serves again after a rollback, which took back what the word had let pass."""
    since = list(takewhile(lambda entry: not entry.moves, reversed(entries)))[::-1]
    accepted = [entry for entry in since if entry.shrink is not None and entry.generation == (serving or 0)]
    return {entry.shrink.source: entry for entry in accepted if entry.shrink is not None}


def published_stack(entries: Sequence[HistoryEntry], published: int | None) -> list[int]:
    """Generations in the order in which a rollback leaves them, the serving one last.

    Publishing puts a generation on top, rolling back takes off what lies above its target.
    """
    stack: list[int] = []
    deque(_moves(stack, entries, published), maxlen=0)
    return stack


def stack_moves(
    entries: Sequence[HistoryEntry], published: int | None
) -> Iterator[tuple[HistoryEntry, tuple[int, ...]]]:
    """Every entry with the generations that it takes back: what served, and what lay above the target of a rollback."""
    return _moves([], entries, published)


def _moves(
    stack: list[int], entries: Sequence[HistoryEntry], published: int | None
) -> Iterator[tuple[HistoryEntry, tuple[int, ...]]]:
    for entry in (*entries, *_unnoted(entries, published)):
        if not entry.moves:
            yield entry, ()
            continue
        number = entry.generation
        back = entry.action == "rolled_back" or (entry.action == "recovered" and number in stack)
        left = stack[-1:] if back else []
        if back and number in stack:
            left = stack[stack.index(number) + 1 :]
            del stack[stack.index(number) + 1 :]
        else:
            if number in stack:
                stack.remove(number)
            stack.append(number)
        yield entry, tuple(one for one in left if one != number)


def _unnoted(entries: Sequence[HistoryEntry], published: int | None) -> list[HistoryEntry]:
    """The move that a crash kept out of the history: PUBLISHED is the truth."""
    last = next((entry.generation for entry in reversed(entries) if entry.moves), None)
    if published is None or published == last:
        return []
    return [HistoryEntry(at="", action="recovered", generation=published, previous=last, who="a writer that died")]
