"""How two histories stand to each other: whether one is the beginning of the other, and where they part."""

from dataclasses import dataclass
from itertools import takewhile
from typing import Literal

from xtr_assets.storage.history_entry import HistoryEntry

Relation = Literal["same", "ahead", "behind", "apart"]


@dataclass(frozen=True, slots=True)
class Ancestry:
    """How the history here (`own`) stands to that of the store (`theirs`): lines each has beyond what both have.

    `behind` too where all that is own are notes of a crash (`recovered`) of moves that the store has: a pull that was
    killed between the pointer and its history leaves them.
    """

    relation: Relation
    own: tuple[bytes, ...]
    theirs: tuple[bytes, ...]

    @property
    def own_word(self) -> str:
        """The first line that only this side has, in words."""
        return _words(self.own)

    @property
    def their_word(self) -> str:
        """The first line that only the store has."""
        return _words(self.theirs)


def ancestry(own: bytes, theirs: bytes) -> Ancestry:
    """Compare two histories, whole lines each."""
    common = len(common_lines(own, theirs))
    left, right = tuple(own[common:].splitlines(keepends=True)), tuple(theirs[common:].splitlines(keepends=True))
    if not left:
        return Ancestry("behind" if right else "same", left, right)
    if not right:
        return Ancestry("ahead", left, right)
    return Ancestry("behind" if _only_recovered(left, right) else "apart", left, right)


def common_lines(own: bytes, theirs: bytes) -> bytes:
    """The whole lines that two histories begin with."""
    pairs = zip(own.splitlines(keepends=True), theirs.splitlines(keepends=True), strict=False)
    return b"".join(mine for mine, _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def till_served(history: bytes, number: int) -> bytes:
    """Whole lines of a history up to the last one by which a generation serves; none where it never served."""
    lines = history.splitlines(keepends=True)
    moved = [at for at, line in enumerate(lines) if (one := _entry(line)).moves and one.generation == number]
    return b"".join(lines[: moved[-1] + 1]) if moved else b""


def _only_recovered(own: tuple[bytes, ...], theirs: tuple[bytes, ...]) -> bool:
    known = {(entry.generation, entry.manifest_sha256) for entry in map(_entry, theirs) if entry.moves}
    return all(
        entry.action == "recovered" and (entry.generation, entry.manifest_sha256) in known for entry in map(_entry, own)
    )


def _entry(line: bytes) -> HistoryEntry:
    return HistoryEntry.from_bytes(line.rstrip(b"\n"), "a line of history.jsonl")


def _words(lines: tuple[bytes, ...]) -> str:
    if not lines:
        return "nothing"
    entry = _entry(lines[0])
    more = f" and {len(lines) - 1} more" if len(lines) > 1 else ""
    what = entry.action.replace("_", " ")
    return f"generation {entry.generation} was {what} on {entry.at} by {entry.who}{more}"
