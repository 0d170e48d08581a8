"""A generation that a server has open, who uses it, and whether it is what the folder has under its number still."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from xtr_assets.search.loaders import Place, identity
from xtr_assets.search.searcher import Searcher
from xtr_assets.storage.generation import Generation
from xtr_assets.storage.parts.joined_generation import JoinedGeneration
from xtr_assets.storage.parts.part_set import PartSet

log = logging.getLogger(__name__)


@dataclass(eq=False, slots=True)
class Held:
    """`users` : requests that are answered from it now; leased_until : by the clock of the process."""

    searcher: Searcher
    users: int = 0
    leased_until: float = 0.0
    # Device, inode and time of the file in the folder that names it, where it was found to be of this one.
    _stamp: tuple[int, int, int] | None = None
    # The histories that do not withdraw it, as they were.
    _told_by: tuple[tuple[int, int, int], ...] | None = None

    def replaced(self, place: Place) -> bool:
        """Whether the folder was removed and filled anew, so that it has another generation of this number. One `stat`,
        as long as the file that names it is the one that was looked at. Raises StorageError."""
        number = self.searcher.generation
        path = place.layout.move(number) if isinstance(place, PartSet) else place.layout.manifest(number)
        try:
            state = path.stat()
        except OSError:
            return False
        stamp = state.st_dev, state.st_ino, state.st_ctime_ns
        if stamp == self._stamp:
            return False
        other = identity(self.searcher.manifest) != identity(place.generation(number).manifest)
        self._stamp = None if other else stamp
        return other

    def has_to_go(self, place: Place) -> bool:
        """Whether it must answer nobody any more: it was withdrawn since it was opened, or the folder has another one
        of its number. What cannot be told is no reason to let it go."""
        try:
            if self.replaced(place):
                return True
            with self.searcher.opened(arriving=True) as opened:
                generation = opened.generation
            # Not inside: a history that is damaged is no search that failed.
            return self._withdrawn(generation)
        except Exception:
            return False

    def _withdrawn(self, generation: Generation) -> bool:
        """Whether a history says so. To go through one of 3,000 entries takes 40 CPU ms: once, while it stays as it
        is."""
        states = [one.layout.history.stat() for one in _warehouses_of(generation)]
        told_by = tuple((one.st_ino, one.st_size, one.st_mtime_ns) for one in states)
        if told_by == self._told_by:
            return False
        withdrawn = generation.state == "withdrawn"
        self._told_by = None if withdrawn else told_by
        return withdrawn


def _warehouses_of(generation: Generation) -> Sequence[Generation]:
    """Those that have a history: of a set the generations of its parts."""
    return [one.generation for one in generation.parts] if isinstance(generation, JoinedGeneration) else [generation]


def close_all(index: str, gone: Iterable[tuple[int, Held]]) -> None:
    """Close generations, by their numbers. Never raises."""
    for number, held in gone:
        try:
            held.searcher.close()
        except Exception:
            # No reason not to follow the pointer any more, nor to keep the others open.
            log.exception("index %s: generation %d is not wholly let go", index, number)
