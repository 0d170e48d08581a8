"""Ranges of large files of a store, by blocks: each is compared with its digest before anybody reads it."""

import hashlib
import os
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Lock

from xtr_assets.core.errors import CorruptFile, StoreError
from xtr_assets.core.files import FileRecord
from xtr_assets.storage.remote.block_lists import DIGEST_BYTES
from xtr_assets.storage.remote.object_store import READS, ObjectStore, Overtaken
from xtr_assets.storage.remote.traffic import Traffic

# A question asks for some hundred blocks that lie apart: at 5 ms a request 200 of them take 31 ms, at 40 ms 250.
THREADS = 32
# Blocks that lie side by side come with one request, up to so many: 1 MiB.
RUN_BLOCKS = 64
# Of blocks that were read so many bytes are kept; the least recently used go.
KEPT_BYTES = 256 * 2**20

# A range of a file: name in the warehouse, first byte, bytes.
Range = tuple[str, int, int]
_Key = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Listed:
    """A file with the digests of its blocks."""

    record: FileRecord
    digests: bytes
    block_bytes: int


@dataclass(slots=True)
class Tally:
    """What came over the line."""

    requests: int = 0
    bytes: int = 0
    guard: Lock = field(default_factory=Lock)

    def add(self, count: int) -> None:
        with self.guard:
            self.requests += 1
            self.bytes += count


class BlockReader:
    """Reads ranges of the files of a generation. Usable from many threads; each block comes once, while it is kept."""

    def __init__(self, store: ObjectStore, files: Mapping[str, Listed], traffic: Traffic) -> None:
        """files : by their names in the warehouse."""
        self._store, self._files, self._traffic = store, files, traffic
        self._blocks: OrderedDict[_Key, tuple[Future[list[bytes]], int]] = OrderedDict()
        self._lock = Lock()
        self._process, self._pool = os.getpid(), ThreadPoolExecutor(THREADS, thread_name_prefix="blocks")
        self._most = max(64, KEPT_BYTES // max([one.block_bytes for one in files.values()], default=1))
        self.tally = Tally()

    def has(self, name: str) -> bool:
        """Whether ranges of this file can be read."""
        return name in self._files

    def need(self, ranges: Iterable[Range]) -> None:
        """Say what will be read, so that all of it comes at the same time. Waits for nothing."""
        blocks: dict[str, set[int]] = {}
        for name, start, length in ranges:
            blocks.setdefault(name, set()).update(self._covering(name, start, length))
        for name, wanted in blocks.items():
            self._take(name, sorted(wanted))

    def read(self, name: str, start: int, length: int) -> bytes:
        """The bytes of a range. CorruptFile names the file and the block that differs; StoreError the store that does
        not give it; EOFError for a range beyond the end."""
        size = self._files[name].record.bytes
        if start < 0 or start + length > size:
            raise EOFError(f"{name}: bytes {start} to {start + length} of {size}")
        if not length:
            return b""
        block_bytes = self._files[name].block_bytes
        indexes = self._covering(name, start, length)
        taken = self._take(name, indexes)
        data = b"".join(future.result()[place] for future, place in taken)
        offset = start - indexes[0] * block_bytes
        return data[offset : offset + length]

    def close(self) -> None:
        """Fetch no more."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _covering(self, name: str, start: int, length: int) -> range:
        block_bytes = self._files[name].block_bytes
        return range(start // block_bytes, -(-(start + length) // block_bytes))

    def _take(self, name: str, indexes: Iterable[int]) -> list[tuple[Future[list[bytes]], int]]:
        """Of each block the request that brings it, and its place in the answer."""
        wanted = list(indexes)
        if self._process != os.getpid():
            # Its threads are those of the parent: what they were asked here would never be done.
            raise StoreError(
                f"{name}: this process was forked while all of it was still to come from {self._store.name}; open the "
                "store in each process after it was forked"
            )
        with self._lock:
            missing = [index for index in wanted if not self._good((name, index))]
            for run in _runs(missing):
                future = self._pool.submit(self._fetch, name, run)
                for place, index in enumerate(run):
                    self._blocks[name, index] = future, place
            for index in wanted:
                self._blocks.move_to_end((name, index))
            taken = [self._alone((name, index)) for index in wanted]
            while len(self._blocks) > self._most:
                self._blocks.popitem(last=False)
        return taken

    def _alone(self, key: _Key) -> tuple[Future[list[bytes]], int]:
        """A block, which once it is here keeps none of those that came with it: a used one stays longer than they."""
        future, place = known = self._blocks[key]
        if future.done() and self._good(key) and len(future.result()) > 1:
            single: Future[list[bytes]] = Future()
            single.set_result([future.result()[place]])
            known = self._blocks[key] = single, 0
        return known

    def _good(self, key: _Key) -> bool:
        """Whether a block is here or on its way; one that failed is asked for again."""
        known = self._blocks.get(key)
        return known is not None and not (known[0].done() and (known[0].cancelled() or known[0].exception()))

    def _fetch(self, name: str, run: range) -> list[bytes]:
        one = self._files[name]
        start = run[0] * one.block_bytes
        stop = min(one.record.bytes, run[-1] * one.block_bytes + one.block_bytes)
        with self._traffic.asked():
            for _ in range(READS):
                data = self._range(name, start, stop)
                blocks = [data[at : at + one.block_bytes] for at in range(0, len(data), one.block_bytes)]
                wrong = [k for k, block in enumerate(blocks) if not _is(block, one.digests, run[k])]
                if not wrong and len(data) == stop - start:
                    return blocks
        at = wrong[0] if wrong else len(blocks)
        first = start + at * one.block_bytes
        found = f"sha256 {hashlib.sha256(blocks[at]).hexdigest()}" if wrong else "no bytes"
        digest = one.digests[run[at] * DIGEST_BYTES :][:DIGEST_BYTES].hex()
        raise CorruptFile(
            f"{name} (from {self._store.name})", f"block {run[at]} (from byte {first}) of sha256 {digest}", found
        )

    def _range(self, name: str, start: int, stop: int) -> bytes:
        """The bytes, fewer where the store gives no more."""
        found = b""
        try:
            for part in self._store.parts(self._files[name].record, name, start, stop):
                found += part
        except Overtaken as error:
            raise StoreError(f"{error}: a collection took it, and another generation serves by now") from None
        self.tally.add(len(found))
        return found


def _is(block: bytes, digests: bytes, index: int) -> bool:
    return hashlib.sha256(block).digest() == digests[index * DIGEST_BYTES : (index + 1) * DIGEST_BYTES]


def _runs(indexes: list[int]) -> list[range]:
    """Ascending numbers as runs without gaps, RUN_BLOCKS each at most.

    >>> _runs([1, 2, 3, 7])
    [range(1, 4), range(7, 8)]
    """
    found: list[range] = []
    for index in indexes:
        if found and found[-1].stop == index and len(found[-1]) < RUN_BLOCKS:
            found[-1] = range(found[-1].start, index + 1)
        else:
            found.append(range(index, index + 1))
    return found
