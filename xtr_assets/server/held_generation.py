"""A generation that a server holds open: who uses it, how long it is kept, whether it still lies under its number."""

from dataclasses import dataclass

from xtr_assets.core.errors import XtrAssetsError
from xtr_assets.search.loaders import Place
from xtr_assets.search.searcher import Searcher
from xtr_assets.storage.digests import Stamp, stamp_of
from xtr_assets.storage.parts.part_set import PartSet


@dataclass(eq=False, slots=True)
class Held:
    """users : requests that use it now; leased_until : by the clock of this process; seen : the file that says what it
    is, when that was last compared."""

    searcher: Searcher
    users: int = 0
    leased_until: float = 0.0
    seen: Stamp | None = None

    def replaced(self, place: Place) -> bool:
        """Whether another generation lies under its number: a warehouse that was removed and made anew counts from 1
        again. One look at a file, unless that is another one."""
        number = self.searcher.generation
        layout = place.layout
        try:
            seen = stamp_of(layout.move(number) if isinstance(place, PartSet) else layout.manifest(number))
        except FileNotFoundError:
            # Of a generation that still comes from a store.
            return False
        if seen == self.seen:
            return False
        another = place.generation(number).manifest != self.searcher.manifest
        # What is another one is asked for again until it is open.
        self.seen = None if another else seen
        return another


def still_coming(searcher: Searcher) -> str:
    """What is still to come of the generation that a searcher answers from; empty where nothing is."""
    try:
        with searcher.opened(arriving=True) as opened:
            return opened.lack(None)
    except XtrAssetsError:
        return ""
