"""An empty cache that answers at once: what serves in the store is read by ranges, and comes as a whole behind that."""

import logging
import shutil
from collections.abc import Callable
from contextlib import suppress
from threading import Lock, Thread
from time import monotonic

from xtr_assets.core.errors import StorageError, XtrAssetsError
from xtr_assets.core.files import FileRecord
from xtr_assets.storage.layout import Layout
from xtr_assets.storage.links import refuse_links
from xtr_assets.storage.remote.arrival import Manner
from xtr_assets.storage.remote.arriving_files import ArrivingFiles
from xtr_assets.storage.remote.arriving_generation import ArrivingGeneration, can_arrive
from xtr_assets.storage.remote.block_lists import BlockLists, listed, read_list, read_lists
from xtr_assets.storage.remote.block_reader import BlockReader, Listed
from xtr_assets.storage.remote.download import Arriving
from xtr_assets.storage.remote.lease import hold
from xtr_assets.storage.remote.object_store import THREADS, Head, ObjectStore, side_by_side
from xtr_assets.storage.remote.traffic import PAUSE_SECONDS, QUIET_SECONDS, Traffic

log = logging.getLogger(__name__)

# What is smaller comes whole, as ever: half a second at 1 Gbit/s.
WHOLE_BYTES = 64 * 2**20
# While somebody asks, so many files come behind: 16 MiB are under way when a question begins, 0.13 s at 1 Gbit/s.
FILL_THREADS = 2
# A filling that failed is tried again, ever more seldom.
FIRST_PATIENCE, MOST_PATIENCE = 1.0, 60.0

Fill = Callable[[Manner], None]


class ColdStart:
    """What serves in a store while the cache holds none of it. `fill` brings all of it, and moves the pointer there."""

    def __init__(self, layout: Layout, store: ObjectStore, arriving: Arriving, lists: BlockLists, fill: Fill) -> None:
        self._layout, self._fill = layout, fill
        self._total = sum(one.bytes for one in arriving.manifest.files.values())
        self._name = store.name
        self._traffic = Traffic()
        self._lock = Lock()
        self._users = 0
        self._stopping = self._hurried = False
        self._thread: Thread | None = None
        self._problem: XtrAssetsError | None = None
        self._patience, self._again_at = 0.0, 0.0
        self.arrived = False
        sha256 = arriving.head.move.generations[arriving.number].sha256
        self._early = Layout(layout.early / sha256[:16])
        refuse_links(layout, layout.early)
        with self._traffic.asked():
            self._lease = hold(store, f"reading generation {arriving.number}", sha256, may_fail=True)
            try:
                files = arriving.manifest.files
                self.reader = BlockReader(store, _listed(store, lists, files), self._traffic)
                whole = ArrivingFiles(store, self._early, files, self._traffic, self._lease)
                self.generation = ArrivingGeneration(whole, self.reader, arriving.manifest, self)
            except BaseException:
                self._lease.end()
                raise
        # Who opens it waits for each file; meanwhile it imports what searches, half a second of a processor.
        Thread(target=self._prepare, name="cold start", daemon=True).start()

    @classmethod
    def begun(
        cls, layout: Layout, store: ObjectStore, head: Head, fill: Fill, admit: Callable[[int], None]
    ) -> "ColdStart | None":
        """None where all of it should come at once: it is small, or was pushed without block lists, or cannot answer
        by its dense index alone. admit : called with the bytes of all of it; it may refuse them."""
        lists = read_lists(store, head.move, head.move.serving)
        if lists is None:
            return None
        arriving = Arriving.of(store, head)
        total = sum(one.bytes for one in arriving.manifest.files.values())
        admit(total)
        if total < WHOLE_BYTES or not can_arrive(arriving.manifest):
            return None
        return cls(layout, store, arriving, lists, fill)

    def told(self) -> str:
        """How much of it is here."""
        here = 0
        for path in self._layout.incoming.rglob("*") if self._layout.incoming.is_dir() else ():
            with suppress(OSError):
                here += path.stat().st_size if path.is_file() else 0
        return f"{here / 1e6:,.0f} of {self._total / 1e6:,.0f} MB are here"

    # -- who uses it ---------------------------------------------------------------------------------------------------

    def use(self) -> None:
        """Count a user; while there is one the rest comes."""
        with self._lock:
            self._users += 1
            self._stopping = False
        self.fill()

    def let_go(self) -> None:
        """Take a user away; the last one ends what comes behind. What came stays."""
        with self._lock:
            self._users -= 1
            if self._users:
                return
            self._stopping = True
        self._lease.end()
        if self.arrived:
            # Nothing stays of the time before all of it was here.
            shutil.rmtree(self._layout.early, ignore_errors=True)

    # -- what comes behind ---------------------------------------------------------------------------------------------

    def fill(self) -> None:
        """Begin to bring the rest, where nobody does, and the last try did not fail just now."""
        with self._lock:
            running = self._thread is not None and self._thread.is_alive()
            if running or self.arrived or self._stopping or (monotonic() < self._again_at and not self._hurried):
                return
            self._thread = Thread(target=self._bring, args=(self._hurried,), name="cache fill", daemon=True)
            self._thread.start()

    def wait(self) -> None:
        """Until all of it is here: for what needs all. The error of the try that failed."""
        if not self.arrived:
            log.info("all of generation %d is needed; %s", self.generation.number, self.told())
        while not self.arrived:
            # Of a try before: this one may end better.
            self._hurried, self._problem = True, None
            self.fill()
            thread = self._thread
            if thread is None:
                raise StorageError(f"the generation that came from {self._name} was let go")
            thread.join()
            if not self.arrived and self._problem is not None:
                raise self._problem
            if self._stopping:
                raise StorageError(f"the generation that came from {self._name} was let go")

    def _prepare(self) -> None:
        with self._traffic.asked():
            try:
                self.generation.prepare()
            except (XtrAssetsError, OSError) as error:
                # Who opens it asks for the same files, and is told.
                log.info("generation %d: %s", self.generation.number, error)

    def _bring(self, hurried: bool) -> None:
        def ended() -> bool:
            # Somebody waits for all of it now: it begins again with more at a time, where it was.
            return self._stopping or (self._hurried and not hurried)

        def stop() -> bool:
            return ended() if hurried else self._traffic.wait(ended, PAUSE_SECONDS)

        if not hurried and self._traffic.wait(ended, QUIET_SECONDS):
            return
        self._problem = None
        try:
            self._fill(Manner(stop, THREADS if hurried else FILL_THREADS, self._early))
            self.arrived = True
        except XtrAssetsError as error:
            if not ended():
                self._failed(error)
        except OSError as error:
            self._failed(StorageError(f"{self._layout.root} does not take what comes from {self._name}: {error}"))
        except Exception as error:
            # Who waits must hear of it, whatever it is.
            log.exception("the rest of generation %d", self.generation.number)
            self._failed(StorageError(f"what comes from {self._name} met an error nobody expected: {error!r}"))

    def _failed(self, error: XtrAssetsError) -> None:
        self._patience = min(2 * self._patience, MOST_PATIENCE) or FIRST_PATIENCE
        self._again_at = monotonic() + self._patience
        self._problem = error
        log.warning("the rest of generation %d does not come yet: %s", self.generation.number, error)


def _listed(store: ObjectStore, lists: BlockLists, files: dict[str, FileRecord]) -> dict[str, Listed]:
    named = [(name, one) for name, one in sorted(files.items()) if one.sha256 in lists.lists and listed(name, one)]

    def one(item: tuple[str, FileRecord]) -> tuple[str, Listed]:
        name, record = item
        digests = read_list(store, lists, record, name)
        assert digests is not None, "it was looked up"
        return name, Listed(record, digests, lists.block_bytes)

    return dict(side_by_side(one, named))
