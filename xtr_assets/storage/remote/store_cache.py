"""A warehouse in an object store, read through a folder that holds what serves there, and what fits beside it.

The folder is a warehouse like any other, and nobody's but this store's: it may be removed at any time.
"""

import hashlib
import logging
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic

from pydantic import ByteSize, TypeAdapter, ValidationError

from xtr_assets.core.cache_place import cache_folder
from xtr_assets.core.errors import (
    CorruptFile,
    GenerationError,
    InvalidInput,
    StorageError,
    StoreConflict,
    StoreError,
    StoreUnreachable,
    WarehouseLocked,
    WarehouseNotFound,
)
from xtr_assets.core.files import FileRecord, write_atomic
from xtr_assets.storage.garbage import evict
from xtr_assets.storage.generation import Generation
from xtr_assets.storage.history import read_published
from xtr_assets.storage.layout import Layout
from xtr_assets.storage.links import refuse_links
from xtr_assets.storage.lock import exclusive
from xtr_assets.storage.remote.address import Address, address_of
from xtr_assets.storage.remote.arrival import Manner, Stopped
from xtr_assets.storage.remote.cache_note import CacheNote
from xtr_assets.storage.remote.cold_start import ColdStart
from xtr_assets.storage.remote.download import pull
from xtr_assets.storage.remote.move import move_name
from xtr_assets.storage.remote.object_store import Head, ObjectStore, Overtaken
from xtr_assets.storage.remote.set_or_warehouse import nothing_published
from xtr_assets.storage.seal import is_sealed, read_manifest
from xtr_assets.storage.stored_json import read_stored, sha256_bytes
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets.storage.warehouse_info import WarehouseInfo, read_info

log = logging.getLogger(__name__)

# A look at a store is one small request; at this rate 520,000 a month, which S3 charges 0.21 dollars for.
LOOK_SECONDS = 5.0
# So often it is looked whether the store went back, or is another one: the next move may then be long in coming.
BEHIND_SECONDS = 60.0
# Generations that searches under way still hold are tried again this often.
TRIM_SECONDS = 30.0
# A process that finds another one pulling into the same cache waits this long for what it needs.
WAIT_SECONDS = 3600.0
SIZE_VARIABLE = "XTR_ASSETS_CACHE_BYTES"


@dataclass(frozen=True, slots=True)
class CacheOptions:
    """folder : where caches of stores lie, each in a folder of its own; by default below the cache of this user.

    budget : bytes that one may hold. What serves and what is open stay; beside them the generations used last. None:
        nothing stays beside them.
    """

    folder: Path | None = None
    budget: int | None = None

    def root(self, address: Address) -> Path:
        """The folder of a store's cache. Its name says whose it is, and two stores never share one."""
        text = str(address)
        readable = re.sub(r"[^A-Za-z0-9.]+", "-", text).strip("-.")[:60]
        return (
            self.folder or cache_folder() / "stores"
        ) / f"{readable}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def _made(root: Path) -> Layout:
    """The folder of a cache, a warehouse; made where there is none."""
    root.parent.mkdir(parents=True, exist_ok=True)
    with exclusive(root.parent / f"{root.name}.lock", "making a cache", WAIT_SECONDS, folder=root.parent):
        return Warehouse.create(root, exist_ok=True).layout


def cache_size(text: str, said: str = "") -> int:
    """Bytes of `20GB`, `500MiB` or a number. InvalidInput for anything else; said : where it stands."""
    try:
        found = int(TypeAdapter(ByteSize).validate_python(text))
    except ValidationError:
        found = 0
    if found <= 0:
        raise InvalidInput(f"{said}{text!r} is no size of a cache; write 20GB, 500MB or a number of bytes")
    return found


def open_place(place: str | Path, options: CacheOptions | None = None, *, cold: bool = False) -> Warehouse:
    """The warehouse in a folder, or that in a store, through its cache. WarehouseNotFound where there is none.

    cold : where the cache is empty, do not wait for all of what serves (cold_start.py)
    """
    address = address_of(place)
    if address is None:
        return Warehouse.open(place)
    options = options or CacheOptions()
    if options.budget is None and (said := os.environ.get(SIZE_VARIABLE)):
        options = CacheOptions(options.folder, cache_size(said, f"${SIZE_VARIABLE}: "))
    return CachedWarehouse.at(address, ObjectStore.at(str(address)), options, cold=cold)


class CachedWarehouse(Warehouse):
    """What a store serves. It is read like any warehouse; who would write is told where that is done."""

    def __init__(self, layout: Layout, info: WarehouseInfo, store: ObjectStore, budget: int | None) -> None:
        super().__init__(layout, info)
        self.store, self.budget = store, budget
        self._known: tuple[int, str] | None = None
        self._look_at, self._trim_at, self._behind_at = 0.0, 0.0, 0.0
        self._cold: ColdStart | None = None

    @classmethod
    def at(
        cls, address: Address, store: ObjectStore, options: CacheOptions, *, cold: bool = False
    ) -> "CachedWarehouse":
        """The cache of a store, with what serves there now. Where the store cannot be reached, what it served last."""
        root = options.root(address)
        layout = _made(root)
        cached = cls(layout, read_info(layout), store, options.budget)
        if cold and read_published(layout) is None:
            cached._begin_cold()
        try:
            cached.follow()
        except StoreUnreachable as error:
            if read_published(layout) is None:
                raise
            log.warning("%s; generation %s of the cache serves meanwhile", error, read_published(layout))
        return cached

    @property
    def published(self) -> Generation | None:
        """The generation that serves now; while the first one comes that, read from the store."""
        found = super().published
        return found if found is not None or self._cold is None else self._cold.generation

    def generation(self, number: int) -> Generation:
        """As that of a folder; while the first one comes that, by its number."""
        cold = self._cold
        if cold is not None and number == cold.generation.number and not is_sealed(self.layout, number):
            return cold.generation
        return super().generation(number)

    def generations(self) -> list[Generation]:
        """As those of a folder, with the one that comes."""
        found, cold = super().generations(), self._cold
        coming = [] if cold is None or any(one.number == cold.generation.number for one in found) else [cold.generation]
        return sorted([*found, *coming], key=lambda one: one.number)

    def _begin_cold(self) -> None:
        try:
            head = self._head(self._note())
            self._cold = ColdStart.begun(self.layout, self.store, head, self._fill, self._refuse_large)
        except Overtaken:
            # A collection goes on in the store: what waits for it is the way of old.
            return

    def _fill(self, manner: Manner) -> None:
        self._move(manner)
        self._look_at = monotonic() + LOOK_SECONDS

    @contextmanager
    def lock(self, purpose: str, wait_seconds: float = 0.0) -> Iterator[None]:  # noqa: ARG002 (as the one it overrides)
        """Nobody writes here: StoreError says where."""
        raise StoreError(
            f"{purpose!r} would write to the cache of {self.store.name}; do it in the warehouse that is pushed from, "
            "and `xtr-assets push` it, or pull into a folder of its own first"
        )
        yield

    @contextmanager
    def shard_lock(self, shard: str, purpose: str, wait_seconds: float = 0.0) -> Iterator[None]:
        """As `lock`."""
        with self.lock(f"{purpose} (shard {shard})", wait_seconds):
            yield

    def follow(self, stop: Callable[[], bool] | None = None) -> None:
        """Serve what the store serves now, if it was not looked at just now. Errors leave what is here as it is."""
        if (cold := self._cold) is not None:
            if not cold.arrived:
                cold.fill()
                return
            self._cold = None
        if monotonic() < self._look_at:
            return
        self._look_at = monotonic() + LOOK_SECONDS
        if not self.layout.warehouse_json.exists():
            # Somebody removed the cache, which is allowed at any time.
            _made(self.layout.root)
            self._known = None
        # Another thread may look, too: it is what this one sees.
        known = self._known
        if known is None or self.store.later(known[0]) or self._went_back(known):
            self._move(Manner(stop or (lambda: False)))
        if monotonic() >= self._trim_at:
            self._trim_at = monotonic() + TRIM_SECONDS
            self._trim()

    def _went_back(self, known: tuple[int, str]) -> bool:
        """Whether the move that was followed last is none of the store any more. What follows is told at each look."""
        if monotonic() < self._behind_at:
            return False
        self._behind_at = monotonic() + BEHIND_SECONDS
        data = self.store.small(move_name(known[0]))
        if data is not None and sha256_bytes(data) == known[1]:
            return False
        self._known = None
        return True

    def _move(self, manner: Manner) -> None:
        serves = read_published(self.layout) is not None
        try:
            with exclusive(self.layout.writer_lock, f"pull of {self.store.name}", 0.0 if serves else WAIT_SECONDS):
                refuse_links(self.layout)
                self._pull(manner)
        except WarehouseLocked:
            # Another process brings it; the next look finds it.
            if not serves:
                raise
        except Stopped:
            raise GenerationError(f"the pull from {self.store.name} was stopped; the next one goes on") from None

    def _pull(self, manner: Manner) -> None:
        note = self._note()
        head = self._head(note)
        before = read_published(self.layout)
        try:
            report = pull(self.layout, self.store, head, cache=True, manner=manner, admit=self._admit)
        except StoreConflict as error:
            # What helps who builds in a folder is not what helps here.
            what = str(error).partition(" Pull into")[0]
            raise StoreConflict(
                f"the cache {self.root} holds what is none of {self.store.name} ({what}); remove that folder, it is "
                "filled again"
            ) from error
        if report.ahead:
            raise StoreConflict(
                f"somebody wrote to the cache {self.root} of {self.store.name}; remove that folder, it is filled again"
            )
        self.info = read_info(self.layout)
        used = {} if note is None else dict(note.used)
        used |= {
            n: datetime.now(UTC).isoformat(timespec="seconds") for n in (before, report.generation) if n is not None
        }
        there = set(self.layout.numbers())
        following = CacheNote(
            address=self.store.name,
            store=self._store_id(),
            move=head.move.number,
            sha256=head.sha256,
            used={n: at for n, at in used.items() if n in there},
        )
        write_atomic(self.layout.cache_json, following.to_bytes())
        self._known = head.move.number, head.sha256
        self._trim_at, self._behind_at = 0.0, monotonic() + BEHIND_SECONDS

    def _head(self, note: CacheNote | None) -> Head:
        known = None if note is None else (note.move, note.sha256)
        identity = self._store_id()
        if note is not None and note.store != identity:
            raise StoreConflict(
                f"{self.store.name} is the store {identity[:8]} now, and the cache {self.root} is of the store "
                f"{note.store[:8]} that was there before; remove that folder, it is filled again"
            )
        try:
            head = self.store.head(known)
        except CorruptFile as error:
            raise StoreConflict(
                f"{self.store.name} went back behind what was seen before: {error}. Where that was meant, remove the "
                f"cache {self.root}; it is filled again"
            ) from error
        if head is None:
            raise nothing_published(self.store)
        return head

    def _store_id(self) -> str:
        there = self.store.described()
        if there is None:
            raise WarehouseNotFound(f"no warehouse at {self.store.name} (no store.json); `xtr-assets push` makes one")
        return there.store

    def _note(self) -> CacheNote | None:
        if not self.layout.cache_json.exists():
            if read_published(self.layout) is not None:
                # A crash between the two, or a folder that is somebody's: what is there is compared like any other.
                log.info("%s says no more of which move it followed", self.root)
            return None
        return read_stored(CacheNote, self.layout.cache_json, self.layout.cache_json.name)

    # -- its size -----------------------------------------------------------------------------------------------------

    def _refuse_large(self, needed: int) -> None:
        if self.budget is not None and needed > self.budget:
            raise StorageError(
                f"what serves in {self.store.name} needs {needed} bytes, the cache may hold {self.budget}; allow it "
                f"more (`--cache-size`, ${SIZE_VARIABLE})"
            )

    def _admit(self, number: int, files: Mapping[str, FileRecord]) -> None:
        self._refuse_large(sum(one.bytes for one in files.values()))
        self._evict({number}, files)

    def _trim(self) -> None:
        if self._cold is None and self.layout.early.exists() and read_published(self.layout) is not None:
            shutil.rmtree(self.layout.early, ignore_errors=True)
        others = [number for number in self.layout.numbers() if number != read_published(self.layout)]
        if not others:
            return
        try:
            with exclusive(self.layout.writer_lock, "trimming the cache", 0.0):
                self._evict(set(), {})
        except WarehouseLocked:
            return

    def _evict(self, stay: set[int], coming: Mapping[str, FileRecord]) -> None:
        """Remove the generations that were used longest ago, but those that `stay`, until the rest fits with the files
        that are `coming`. Runs under the lock."""
        note, stay = self._note(), {*stay, read_published(self.layout) or 0}
        used = {} if note is None else note.used
        others = [n for n in self.layout.numbers() if n not in stay and is_sealed(self.layout, n)]
        for number in sorted(others, key=lambda n: (used.get(n, ""), n)):
            if self.budget is not None and self.bytes(coming) <= self.budget:
                return
            report = evict(self.layout, [number])
            if report.generations:
                log.info("generation %d left the cache %s (%d bytes)", number, self.root, report.bytes)

    def bytes(self, coming: Mapping[str, FileRecord] | None = None) -> int:
        """Bytes of all generations that the cache holds, and of what is `coming`; files that they share once."""
        files = dict(coming or {})
        for number in self.layout.numbers():
            if is_sealed(self.layout, number):
                files |= read_manifest(self.layout, number).files
        return sum(one.bytes for one in files.values())
