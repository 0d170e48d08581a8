"""A generation that a server has open, who uses it, and whether it is what the folder has under its number still."""

import logging
from collections.abc import Hashable, Iterable
from dataclasses import dataclass

from xtr_assets.search.loaders import Place, identity
from xtr_assets.search.searcher import Searcher
from xtr_assets.storage.parts.part_set import PartSet

log = logging.getLogger(__name__)


@dataclass(eq=False, slots=True)
class Held:
    """`users` : requests that are answered from it now; leased_until : by the clock of the process."""

    searcher: Searcher
    users: int = 0
    leased_until: float = 0.0

    @property
    def made(self) -> Hashable:
        """What tells it from another generation of its number."""
        return identity(self.searcher.manifest)

    def withdrawn(self) -> bool:
        """Whether somebody withdrew it since it was opened. What cannot be told is no reason to let it go."""
        try:
            with self.searcher.opened(arriving=True) as opened:
                generation = opened.generation
            # Not inside: a history that is damaged is no search that failed.
            return generation.state == "withdrawn"
        except Exception:
            return False


class Namesake:
    """Whether the folder was removed and filled anew, so that it has another generation of the number that serves."""

    def __init__(self) -> None:
        # Device, inode and time of the file that names what serves, where that is what is answered from.
        self._stamp: tuple[int, int, int] | None = None

    def came(self, place: Place, number: int, serving: Held) -> bool:
        """One `stat`, as long as the file is the one that was looked at. Raises StorageError."""
        path = place.layout.move(number) if isinstance(place, PartSet) else place.layout.manifest(number)
        try:
            state = path.stat()
        except OSError:
            return False
        stamp = state.st_dev, state.st_ino, state.st_ctime_ns
        if stamp == self._stamp:
            return False
        other = serving.made != identity(place.generation(number).manifest)
        self._stamp = None if other else stamp
        return other


def close_all(index: str, gone: Iterable[tuple[int, Held]]) -> None:
    """Close generations, by their numbers. Never raises."""
    for number, held in gone:
        try:
            held.searcher.close()
        except Exception:
            # No reason not to follow the pointer any more, nor to keep the others open.
            log.exception("index %s: generation %d is not wholly let go", index, number)
