"""PUBLISHED and history.jsonl: which generation serves, and who changed that, when and why."""

import getpass
import logging
import os
import socket
from collections.abc import Sequence

from xtr_assets.core.errors import CorruptFile
from xtr_assets.core.files import fsync_dir, write_atomic
from xtr_assets.storage.layout import Layout
from xtr_assets.storage.lock import now
from xtr_assets.storage.manifest import AcceptedShrink, HistoryEntry

log = logging.getLogger(__name__)


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
        }
    ).signed()
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


def withdrawn_numbers(entries: Sequence[HistoryEntry]) -> set[int]:
    """Generations that may never serve again."""
    return {entry.generation for entry in entries if entry.action == "withdrawn"}


def moves(entries: Sequence[HistoryEntry]) -> list[HistoryEntry]:
    """The entries that moved the pointer."""
    return [entry for entry in entries if entry.action in ("published", "rolled_back", "recovered")]


def accepted_shrinks(entries: Sequence[HistoryEntry], serving: int | None) -> dict[str, HistoryEntry]:
    """By source, what was last accepted of it beside the generation that serves: a word holds for no other."""
    accepted = [entry for entry in entries if entry.shrink is not None and entry.generation == (serving or 0)]
    return {entry.shrink.source: entry for entry in accepted if entry.shrink is not None}


def published_stack(entries: Sequence[HistoryEntry], published: int | None) -> list[int]:
    """Generations in the order in which a rollback leaves them, the serving one last.

    Publishing puts a generation on top, rolling back takes off what lies above its target. PUBLISHED is the truth:
    where a crash kept the last move out of the history, it is applied here.
    """
    stack: list[int] = []
    for entry in moves(entries):
        _move(stack, entry.generation, back=entry.action == "rolled_back")
    if published is not None and (not stack or stack[-1] != published):
        _move(stack, published, back=published in stack)
    return stack


def _move(stack: list[int], number: int, *, back: bool) -> None:
    if back and number in stack:
        del stack[stack.index(number) + 1 :]
        return
    if number in stack:
        stack.remove(number)
    stack.append(number)
