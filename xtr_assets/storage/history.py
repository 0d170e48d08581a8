"""PUBLISHED and history.jsonl: which generation serves, and who changed that, when and why."""

import getpass
import logging
import os
import socket
from collections import deque
from collections.abc import Iterator, Sequence

from xtr_assets.core.errors import CorruptFile
from xtr_assets.core.files import fsync_dir, write_atomic
from xtr_assets.storage.history_entry import AcceptedShrink, HistoryEntry
from xtr_assets.storage.layout import Layout
from xtr_assets.storage.lock import now
from xtr_assets.storage.manifest import WarehouseInfo, read_stored

log = logging.getLogger(__name__)

# The format_version of warehouse.json from which on lines of the history name contents.
HISTORY_VERSION = 2


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
        text = layout.published.read_bytes()
    except FileNotFoundError:
        return None
    digits = text.removesuffix(b"\n")
    if not digits.isdigit() or int(digits) < 1 or text != f"{int(digits)}\n".encode():
        raise CorruptFile(name, "a generation number", repr(text[:40]))
    return int(digits)


def move_pointer(layout: Layout, number: int) -> None:
    """The commit step of publish and rollback: replace PUBLISHED by rename after fsync of file, then of folder."""
    write_atomic(layout.published, f"{number}\n".encode("ascii"))


def read_history(layout: Layout) -> list[HistoryEntry]:
    """Every entry, oldest first. A torn last line (a crash while appending) is not an entry."""
    try:
        data = layout.history.read_bytes()
    except FileNotFoundError:
        return []
    *lines, torn = data.split(b"\n")
    if torn:
        log.warning("the last line of %s is torn (%d bytes) and ignored", layout.history.name, len(torn))
    entries = []
    for index, line in enumerate(lines, start=1):
        name = f"{layout.history.name} line {index}"
        entry = HistoryEntry.from_bytes(line, name)
        if not entry.intact():
            raise CorruptFile(name, f"check {entry.check}", "other contents")
        entries.append(entry)
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
) -> HistoryEntry:
    """Append an entry durably. A torn last line is cut off first."""
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
        }
    ).signed()
    if content is not None or shrink is not None:
        _name_the_version(layout)
    with layout.history.open("a+b") as file:
        file.seek(0)
        data = file.read()
        if data and not data.endswith(b"\n"):
            file.truncate(data.rfind(b"\n") + 1)
        file.seek(0, os.SEEK_END)
        file.write(entry.model_dump_json().encode("utf-8") + b"\n")
        file.flush()
        os.fsync(file.fileno())
    fsync_dir(layout.root)
    return entry


def _name_the_version(layout: Layout) -> None:
    """warehouse.json says version 2 before the history needs it; a folder that is being made gets one later."""
    if layout.warehouse_json.is_file():
        info = read_stored(WarehouseInfo, layout.warehouse_json, layout.warehouse_json.name)
        if info.format_version < HISTORY_VERSION:
            write_atomic(layout.warehouse_json, info.model_copy(update={"format_version": HISTORY_VERSION}).to_bytes())


def accepted_shrinks(entries: Sequence[HistoryEntry], serving: int | None) -> dict[str, HistoryEntry]:
    """By source, what was last accepted of it beside the generation that serves: a word holds for no other."""
    accepted = [entry for entry in entries if entry.shrink is not None and entry.generation == (serving or 0)]
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
