"""One index of a server: the searcher that answers, the next one while it is made ready, old ones that are pinned.

Each generation has a searcher of its own. A request takes the one that serves when its turn comes and keeps it to its
end, so that an answer never holds two generations.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Lock
from time import monotonic

from xtr_assets.core.errors import GenerationError, XtrAssetsError
from xtr_assets.search.loaders import Place, open_any
from xtr_assets.search.searcher import Searcher
from xtr_assets.server.held_generation import Held, close_all
from xtr_assets.server.index_place import GONE, check_beside, is_gone, missing, read_here, unpublished
from xtr_assets.server.limits import RETRY_AFTER
from xtr_assets.server.problem import Problem, busy
from xtr_assets.server.worker_leases import WorkerLeases
from xtr_assets.storage.parts.part_set import PartSet
from xtr_assets.storage.remote.store_cache import CacheOptions
from xtr_assets.storage.unnoted_move import followed
from xtr_assets.telemetry import metrics

log = logging.getLogger(__name__)

# What the next generation is asked before it serves: pages come in, kernels and the encoder are ready.
WARM_UP = ("parse a date", "how to open a file and read its lines", "error")
# A step of a pipeline asks more often than that.
LEASE_SECONDS = 600.0
# How long several processes may take to move, one after the other.
MOVING_SECONDS = 60.0
# Generations that are kept for those who pinned them, besides the one that serves.
KEPT = 2
# Seconds between two looks whether the server is being stopped, while large arrays of a generation are verified.
STOP_SECONDS = 0.2
# A generation that cannot be opened is tried again, ever more seldom.
MOST_PATIENCE = 60.0


class HostedIndex:
    """An index by its name. `look` follows the pointer, from one thread at a time; `use` answers, from many.

    problem : why it does not answer from the generation that is published now, None where it does
    answers : whether a generation serves, of which no array was found damaged
    leases : kept with other processes behind the same address, so that a client finds its generation at each of them
    """

    def __init__(
        self,
        name: str,
        folder: Path,
        device: str = "auto",
        lease_seconds: float = LEASE_SECONDS,
        leases: WorkerLeases | None = None,
        cache: CacheOptions | None = None,
    ) -> None:
        """folder : the warehouse, a set of parts, or the address of an object store, read through its `cache`."""
        self._cache = cache
        self.name, self.folder, self._device, self._lease_seconds = name, folder, device, lease_seconds
        self.problem: str | None = "it was not opened yet"
        self.answers = False
        self._leases = leases
        self._looking, self._lock, self._stopping = Lock(), Lock(), Event()
        self._bringing = Lock()
        self._brought_in_vain: dict[int, float] = {}
        self._beside: int | None = None
        self._warehouse: Place | None = None
        self._serving: Held | None = None
        self._held: dict[int, Held] = {}
        # What answers nobody any more, and is closed once those who were asking have their answers.
        self._former: list[tuple[int, Held]] = []
        self._tried: tuple[int | None, float, float] = (None, 0.0, 0.0)

    @property
    def serving(self) -> int | None:
        """Number of the generation that answers; None where nothing does."""
        serving = self._serving
        return None if serving is None else serving.searcher.generation

    @property
    def kept(self) -> list[int]:
        """Numbers of the generations that answer those who ask for them."""
        with self._lock:
            return sorted(self._held)

    def warehouse(self) -> Place:
        """The warehouse, or the set of parts. Raises StorageError."""
        if self._warehouse is None:
            self._warehouse = open_any(self.folder, self._cache, cold=True)
        return self._warehouse

    def at_hand(self) -> Place:
        """The warehouse, for what its files alone say. Raises Problem while they are gone: what serves holds its own
        open, and answers on."""
        place = self.warehouse()
        if is_gone(place):
            raise Problem(503, GenerationError.__name__, f"index {self.name!r} answers, but {GONE}")
        return place

    def published(self) -> int | None:
        """The number of the generation that is to serve now, of a set of parts that of its last move."""
        place = self.warehouse()
        if isinstance(place, PartSet):
            return place.number
        coming = place.published if (number := followed(place.layout)) is None else None
        return number if coming is None else coming.number

    def look(self) -> bool:
        """Open, warm and serve what is published, if that is another generation; whether it is. Never raises: what
        serves goes on, and `problem` says what is wrong."""
        with self._looking:
            moved = False
            try:
                moved = self._follow()
            except (XtrAssetsError, OSError) as error:
                self._failed(f"{type(error).__name__}: the server's log says more", error)
            except Exception as error:
                self._failed("an error nobody expected; the server's log says more", error)
            self.answers = self._sound()
            self._let_go()
            return moved

    @contextmanager
    def use(self, pinned: int | None = None) -> Iterator[Searcher]:
        """The searcher that serves, or that of a pinned generation, whose lease begins anew. Raises Problem."""
        if pinned is not None and self._leases is not None:
            self._bring(pinned, self._leases)
        with self._lock:
            held = self._serving if pinned is None else self._held.get(pinned)
            if held is None:
                raise missing(self.name, self.problem, pinned, sorted(self._held))
            held.users += 1
            if pinned is not None:
                held.leased_until = monotonic() + self._lease_seconds
        try:
            yield held.searcher
        finally:
            with self._lock:
                held.users -= 1

    def open_beside(self, number: int) -> None:
        """Hold another generation beside the one that serves, for who asks for it by its number: one at a time, for as
        long as a lease. Raises Problem: 404 where there is none, 409 for one that must not answer or that another
        release wrote, 503 while another is being opened."""
        if number not in self.kept:
            check_beside(self.at_hand(), number)
            if not self._bringing.acquire(blocking=False):
                raise busy("another generation is being opened; ask again in a moment", RETRY_AFTER)
            try:
                if number not in self.kept:
                    with read_here(number):
                        self._hold(number, self._opened(number), self._lease_seconds)
                with self._lock:
                    before, self._beside = self._beside, number
                    if before in self._held and before != number:
                        self._held[before].leased_until = 0.0
                if self._leases is not None and before is not None and before != number:
                    self._leases.end(before)
            finally:
                self._bringing.release()
        with self.use(number):
            pass

    @contextmanager
    def still(self, number: int) -> Iterator[Searcher | None]:
        """The searcher of a generation where it is held now; None where it is not. No lease begins, nothing waits."""
        with self._lock:
            held = self._held.get(number)
            if held is not None:
                held.users += 1
        try:
            yield None if held is None else held.searcher
        finally:
            if held is not None:
                with self._lock:
                    held.users -= 1

    def close(self) -> None:
        """Let go of everything."""
        self._stopping.set()
        with self._looking, self._lock:
            held = [*self._held.items(), *self._former]
            self._held, self._former, self._serving = {}, [], None
            self.problem, self.answers = "the server is stopping", False
        metrics.FOLLOWERS.forget(self)
        close_all(self.name, held)

    def _bring(self, number: int, leases: WorkerLeases) -> None:
        """Open a generation that another process answers from: it is published, or somebody has a lease of it."""
        if number not in self.kept and monotonic() >= self._brought_in_vain.get(number, 0.0):
            with self._bringing:
                try:
                    if number not in self.kept and self._answered_elsewhere(number, leases):
                        self._hold(number, self._opened(number), self._lease_seconds)
                except (XtrAssetsError, OSError) as error:
                    log.warning("index %s: generation %d cannot be opened", self.name, number, exc_info=error)
                    self._brought_in_vain = {number: monotonic() + MOVING_SECONDS}
        if number in self.kept:
            leases.renew(number)

    def _answered_elsewhere(self, number: int, leases: WorkerLeases) -> bool:
        if self.published() == number:
            return True
        return leases.left(number) > 0 and self.warehouse().generation(number).state == "retired"

    def _hold(self, number: int, searcher: Searcher, seconds: float = 0.0) -> Held:
        """Keep a generation that was opened, whose lease begins; where somebody opened it meanwhile, theirs."""
        with self._lock:
            held = self._held.setdefault(number, Held(searcher))
            held.leased_until = max(held.leased_until, monotonic() + seconds)
        if held.searcher is not searcher:
            searcher.close()
        return held

    def _follow(self) -> bool:
        self.warehouse().follow(self._stopping.is_set)
        number, serving = self.published(), self.serving
        if number is None:
            self.problem = unpublished(self.warehouse())
            return False
        held = self._serving
        if held is not None and number == serving and not held.replaced(self.warehouse()):
            self.problem = None
            self._take_all(held)
            return False
        tried, patience, until = self._tried
        if tried == number and monotonic() < until:
            return False
        patience = min(2 * patience, MOST_PATIENCE) if tried == number else 1.0
        self._tried = number, patience, monotonic() + patience
        known = self._known(number)
        held = self._hold(number, self._opened(number)) if known is None else known
        with self._lock:
            before, self._serving = self._serving, held
            if before is not None and self._leases is not None:
                # Whoever heard of it from a process that did not move yet finds it here.
                before.leased_until = max(before.leased_until, monotonic() + MOVING_SECONDS)
        self._tried = None, 0.0, 0.0
        self.problem = None
        metrics.FOLLOWERS.note(self.warehouse().root.name, self, number)
        metrics.SERVER_SWAPS.labels(self.name, "served").inc()
        log.info("index %s: generation %d serves (before: %s)", self.name, number, serving)
        return True

    def _known(self, number: int) -> Held | None:
        """What is held of a number, where the folder has that; of one that was filled anew it is set aside."""
        with self._lock:
            known = self._held.get(number)
        if known is None or not known.replaced(self.warehouse()):
            return known
        with self._lock:
            self._former.append((number, self._held.pop(number)))
        return None

    def _take_all(self, held: Held) -> None:
        """Answer in all modes, where files of what serves were still to come from a store, and are here now."""
        metrics.FOLLOWERS.note(self.warehouse().root.name, self, held.searcher.generation)
        if held.searcher.arriving:
            held.searcher.refresh()
            if not held.searcher.arriving:
                _warm(held.searcher)
                log.info("index %s: all of generation %d is here", self.name, held.searcher.generation)

    @property
    def arriving(self) -> str:
        """What is still to come of the generation that serves; empty where nothing is."""
        serving = self._serving
        if serving is None:
            return ""
        with suppress(XtrAssetsError), serving.searcher.opened(arriving=True) as opened:
            return opened.lack(None)
        return ""

    def _opened(self, number: int) -> Searcher:
        searcher = Searcher(self.warehouse(), self._device, generation=number, wait=False)
        try:
            _warm(searcher)
            if self._serving is not None:
                self._verify(searcher)
        except BaseException:
            searcher.close()
            raise
        return searcher

    def _verify(self, searcher: Searcher) -> None:
        """Wait until large arrays, which are read behind the first searches, were compared with their records: while
        another generation serves there is time for that. Raises CorruptFile."""
        with searcher.opened(arriving=True) as opened:
            while not opened.scrub.wait(STOP_SECONDS):
                if self._stopping.is_set():
                    raise GenerationError("the server is stopping")
            opened.scrub.check()

    def _sound(self) -> bool:
        serving = self._serving
        if serving is None:
            return False
        try:
            with serving.searcher.opened(arriving=True):
                return True
        except Exception as error:
            self._failed(f"{type(error).__name__} in generation {self.serving}: the server's log says more", error)
            return False

    def _failed(self, problem: str, error: Exception) -> None:
        if self.problem != problem:
            log.error("index %s cannot follow its pointer", self.name, exc_info=error)
        self.problem = problem
        metrics.SERVER_SWAPS.labels(self.name, "failed").inc()

    def _let_go(self) -> None:
        """Close what nobody uses and no lease keeps; of leases the latest few count, and none of what was withdrawn or
        replaced."""
        now, place = monotonic(), self._warehouse
        with self._lock:
            others = [(number, held) for number, held in self._held.items() if held is not self._serving]
        leaving = [number for number, held in others if place is not None and held.has_to_go(place)]
        with self._lock:
            self._former += [(number, self._held.pop(number)) for number in leaving]
            others = [(number, held) for number, held in self._held.items() if held is not self._serving]
            old = [(self._until(number, held), number) for number, held in others]
            kept = {number for until, number in sorted(old)[-KEPT:] if until > now}
            gone = [number for _, number in old if number not in kept and not self._held[number].users]
            idle = [one for one in self._former if not one[1].users and one[1] is not self._serving]
            self._former = [one for one in self._former if one not in idle]
            closed = [*idle, *((number, self._held.pop(number)) for number in gone)]
        close_all(self.name, closed)

    def _until(self, number: int, held: Held) -> float:
        left = 0.0 if self._leases is None else self._leases.left(number)
        return max(held.leased_until, monotonic() + left if left else 0.0)


def _warm(searcher: Searcher) -> None:
    searcher.search_batch(WARM_UP, 10, "dense" if searcher.arriving else "hybrid")
    with searcher.opened(arriving=True) as opened:
        opened.open_explanations()
