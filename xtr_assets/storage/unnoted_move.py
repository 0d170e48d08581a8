"""PUBLISHED held against the last move of the history: whether somebody moved it who did not say so.

A writer replaces PUBLISHED and then notes the move: between the two, and for good where it died there, the history does
not know of it. Nor does it of a PUBLISHED of yesterday that was copied back, or of a flipped bit in a number alone.
"""

import logging
from dataclasses import dataclass
from pathlib import Path
from time import sleep, time

from xtr_assets.core.errors import CorruptFile, StorageError
from xtr_assets.storage.content import TakenBack, withdrawn_among
from xtr_assets.storage.history import read_history, read_published
from xtr_assets.storage.layout import Layout

log = logging.getLogger(__name__)

# A move is noted some fsyncs after it: a PUBLISHED that is younger than this may belong to a writer that is at work.
NOTED_WITHIN_SECONDS = 1.0
# A reader asks at each look; what it said once of a pointer is not said again.
_said: set[tuple[Path, int, int | None]] = set()


@dataclass(frozen=True, slots=True)
class UnnotedMove:
    """PUBLISHED names `generation`, the last move of the history is to `last` (None: there was none).

    again : `generation` served before, so that it may be a file of then. Else only a publish that died names it.
    withdrawn : the line that took back what `generation` holds; a writer that lets it serve again notes so first.
    fresh : PUBLISHED is so young that its writer may be about to note the move.
    """

    generation: int
    last: int | None
    again: bool
    withdrawn: TakenBack | None
    fresh: bool

    def __str__(self) -> str:
        where = "the history has no move" if self.last is None else f"the last move in the history is to {self.last}"
        died = "a writer died before it noted its move: the next build notes it"
        if not self.again:
            return f"PUBLISHED names generation {self.generation}, {where}; {died}"
        return (
            f"PUBLISHED names generation {self.generation}, which served before, and {where}: either {died}, or "
            f"PUBLISHED is a copy of then, or damaged: `echo {self.last} > PUBLISHED` in the warehouse lets "
            f"generation {self.last} serve again"
        )

    def problem(self) -> CorruptFile | None:
        """What `verify` reports: a generation of before. A publish that died is put right by the next writer."""
        if not self.again and self.withdrawn is None:
            return None
        return CorruptFile("PUBLISHED", f"generation {self.last}, which the history moved to last", str(self))

    def refusal(self) -> CorruptFile | None:
        """Why it is not followed; None where it is."""
        if self.withdrawn is None:
            return None
        wanted = "a generation that may serve" if self.last is None else f"generation {self.last}, of the last move"
        found = (
            f"generation {self.generation}, {self.withdrawn}: a copy of before the withdrawal, or damage (write the "
            "number alone that the last move in history.jsonl names)"
        )
        return CorruptFile("PUBLISHED", wanted, found)


def unnoted_move(layout: Layout) -> UnnotedMove | None:
    """What PUBLISHED names and the history did not move to last; None where the two agree, or nothing is published.

    Both are of one time: where either moved while the other was read, they are read again.
    """
    while True:
        number = read_published(layout)
        entries = read_history(layout)
        moves = [entry.generation for entry in entries if entry.moves]
        last = moves[-1] if moves else None
        if number is None or number == last:
            return None
        age = _age(layout)
        if read_published(layout) == number and read_history(layout) == entries:
            back = withdrawn_among(entries, last, [number]).get(number)
            return UnnotedMove(number, last, number in moves, back, abs(age) < NOTED_WITHIN_SECONDS)


def settled_move(layout: Layout) -> UnnotedMove | None:
    """The same, once a writer at work had time to note its move."""
    while (found := unnoted_move(layout)) is not None and found.fresh:
        sleep(NOTED_WITHIN_SECONDS / 20)
    return found


def followed(layout: Layout) -> int | None:
    """The number that serves; None before the first publish. CorruptFile where PUBLISHED names a generation that was
    withdrawn and that nobody brought back; any other move that was not noted is followed, and warned of once."""
    number = read_published(layout)
    try:
        found = unnoted_move(layout)
    except StorageError as error:
        # What serves goes on: `verify` and every writer refuse such a history.
        log.warning("PUBLISHED is not held against the history: %s", error)
        return number
    if found is None:
        return read_published(layout)
    if (refusal := found.refusal()) is not None:
        raise refusal
    place = layout.root, found.generation, found.last
    if not found.fresh and place not in _said:
        _said.add(place)
        log.warning("%s", found)
    return found.generation


def refuse_withdrawn_pointer(layout: Layout) -> None:
    """CorruptFile where PUBLISHED names what was withdrawn: no writer takes that for a move."""
    found = unnoted_move(layout)
    if found is not None and (refusal := found.refusal()) is not None:
        raise refusal


def _age(layout: Layout) -> float:
    try:
        return time() - layout.published.stat().st_mtime
    except FileNotFoundError:
        return 0.0
