"""A store: immutable files by their sha256, and numbered moves of the pointer, both created where they do not exist."""

import hashlib
import re
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from threading import Lock, Thread
from typing import TypeVar

from xtr_assets.core.errors import PUSH_AGAIN, CorruptFile, StoreError, StoreUnreachable
from xtr_assets.core.files import FileRecord
from xtr_assets.storage.lock import now
from xtr_assets.storage.remote.address import STORE_NAME, store_address
from xtr_assets.storage.remote.bucket import Bucket, Found, Patient
from xtr_assets.storage.remote.move import MOST_BYTES, PREFIX, Move, Store, move_name, move_number, read_move
from xtr_assets.storage.remote.object_bucket import Missing, ObjectBucket
from xtr_assets.storage.remote.probe import refuse_overwriting
from xtr_assets.storage.stored_json import sha256_bytes

FILES = "files/"
# What is asked for at a time: a few requests hide the latency of each, and memory holds as many ranges.
THREADS = 8
# A file up to this size is one request, held in memory; a larger one travels in ranges of it.
RANGE_BYTES = 8 * 2**20
# What helps where moves are not what they were: nobody else has them.
MIRROR = (
    "restore that object from a mirror, or an earlier version of the bucket, or push into a new prefix and read that"
)
# Bytes that came wrong are asked for again so often: a proxy may have cut or mangled them.
READS = 3

_FILE = re.compile(r"files/([0-9a-f]{2})/\1[0-9a-f]{62}")

# Who looks at the bytes of a file as they pass: called anew for each pass over them.
Seen = Callable[[], Callable[[bytes], None]]

Item = TypeVar("Item")
Result = TypeVar("Result")


class Overtaken(StoreError):
    """A file that the head names is gone: a collection took it, and the head is another one by now. Who read the head
    reads it again; `lost` is what to say where it is the same."""

    def lost(self, move: Move) -> StoreError:
        """What names the file is still the last: somebody else took it."""
        return StoreError(
            f"{self}, and {move} names it; restore it by `xtr-assets push` from a warehouse that has it, or from a "
            "mirror, or push into a new prefix"
        )


@dataclass(frozen=True, slots=True)
class Head:
    """The last move, the sha256 of its bytes, and when the store says that it was written."""

    move: Move
    sha256: str
    modified: datetime


class ObjectStore:
    """The store at an address. `name` is what messages call it; it holds no credential."""

    def __init__(self, bucket: Bucket, name: str) -> None:
        self.bucket, self.name = bucket, name
        self._probed = False

    @classmethod
    def at(cls, address: str | Path, missing: Missing = "refused") -> "ObjectStore":
        """The store that a URL or a folder names. `missing`: what becomes of a folder that there is not."""
        place = store_address(address)
        return cls(Patient(ObjectBucket(place, missing), str(place)), str(place))

    # -- what it is ---------------------------------------------------------------------------------------------------

    def described(self) -> Store | None:
        """store.json; None where nothing was pushed yet."""
        data = self.small(STORE_NAME)
        return None if data is None else Store.from_bytes(data, f"{self.name}/{STORE_NAME}")

    def found(self, mirror_of: str | None = None) -> Store:
        """store.json, made where there is none yet. Refused: a store in which two may win one create, a place that
        holds something else, and a mirror where `mirror_of` is not its source."""
        if not self._probed:
            refuse_overwriting(self.bucket, self.name)
            self._probed = True
        if (there := self.described()) is None:
            strange = next((one.name for one in self.bucket.listed("") if not one.name.startswith("probe/")), None)
            # Another host may have made the store since: what the listing shows of it is no stranger.
            if strange is not None and (there := self.described()) is None:
                raise StoreError(
                    f"{self.name} holds {strange!r} and no {STORE_NAME}, so that it is no store; name an empty prefix"
                )
        if there is None:
            made = Store(store=uuid.uuid4().hex, created_at=now(), mirror_of=mirror_of)
            self.bucket.create(STORE_NAME, made.to_bytes())
            there = self.described()
        if there is None:
            raise StoreError(f"{self.name}: {STORE_NAME} was written and is not there; find what else removes objects")
        if there.mirror_of != mirror_of:
            raise StoreError(
                f"{self.name} is {_kind(there.mirror_of)}, and this would write to it as {_kind(mirror_of)}; push and "
                "collect in the store that it mirrors, or name another one"
            )
        return there

    # -- moves --------------------------------------------------------------------------------------------------------

    def head(self, known: tuple[int, str] | None = None) -> Head | None:
        """The last move; None before the first. `known`: number and sha256 of a move that was seen: only what came
        after it is read, and the store must not have gone back behind it."""
        if known is None:
            return self._listed_head()
        number, digest = known
        data = self.small(move_name(number))
        if data is None or sha256_bytes(data) != digest:
            found = "no such move" if data is None else f"sha256 {sha256_bytes(data)}"
            raise CorruptFile(
                f"{self.name}/{move_name(number)}", f"the move of sha256 {digest}, seen before", found, MIRROR
            )
        last = read_move(data, number)
        while (following := self.small(move_name(last.number + 1))) is not None:
            last = self._linked(following, last.number + 1, sha256_bytes(data))
            data = following
        return self.as_head(last, data)

    def later(self, number: int) -> bool:
        """Whether there is a move after this one: one small request."""
        return self.bucket.stat(move_name(number + 1)) is not None

    def chain(self) -> list[bytes]:
        """The bytes of every move, oldest first, each held against the one before."""
        numbers = self._numbers()
        found = side_by_side(lambda number: self.small(move_name(number)) or b"", numbers)
        for index, number in enumerate(numbers):
            self._linked(found[index], number, sha256_bytes(found[index - 1]) if index else None)
        return found

    def append(self, move: Move) -> bool:
        """Write the move after the last one: the commit step of whatever it says. False where somebody else's is there.

        A create whose answer got lost has been done all the same: what is there decides.
        """
        return self.append_bytes(move.number, move.to_bytes())

    def append_bytes(self, number: int, data: bytes) -> bool:
        """The same for a move of another store, as it is."""
        return self.bucket.create(move_name(number), data) or self.small(move_name(number)) == data

    def _listed_head(self) -> Head | None:
        numbers = self._numbers()
        if not numbers:
            return None
        last = numbers[-1]
        tail = [(number, self.small(move_name(number)) or b"") for number in numbers[-2:]]
        before = sha256_bytes(tail[0][1]) if len(tail) == 2 else None
        return self.as_head(self._linked(tail[-1][1], last, before), tail[-1][1])

    def _numbers(self) -> list[int]:
        """Of all moves. A listing may lag, or end early: what it does not show is asked for, or a withdrawn generation
        would serve again."""
        listed = {number for one in self.bucket.listed(PREFIX) if (number := move_number(one.name)) is not None}
        last = max(listed, default=0)
        while self.later(last):
            last += 1
        lost = next((number for number in range(1, last) if number not in listed and not self.later(number - 1)), None)
        if lost is not None:
            raise CorruptFile(
                f"{self.name}/{move_name(lost)}", f"a move, as there are {last - 1} others", "none", MIRROR
            )
        return list(range(1, last + 1))

    def _linked(self, data: bytes, number: int, before: str | None) -> Move:
        move = read_move(data, number)
        if move.before != before:
            raise CorruptFile(
                f"{self.name}/{move_name(number)}", f"a move after sha256 {before}", f"{move.before}", MIRROR
            )
        return move

    def as_head(self, move: Move, data: bytes) -> Head:
        """A move that was read, with when it was written."""
        written = self.bucket.stat(move_name(move.number))
        if written is None:
            raise StoreError(f"{self.name}: {move_name(move.number)} was removed while it was read; do it again")
        return Head(move, sha256_bytes(data), written.modified)

    def small(self, name: str) -> bytes | None:
        try:
            data = self.bucket.read(name, 0, MOST_BYTES + 1)
        except FileNotFoundError:
            return None
        if len(data) > MOST_BYTES:
            raise CorruptFile(f"{self.name}/{name}", f"at most {MOST_BYTES} bytes", "more")
        return data

    # -- files --------------------------------------------------------------------------------------------------------

    def has(self, record: FileRecord, name: str) -> bool:
        """Whether the store has a file. StoreError where it has one of that digest and another size."""
        there = self.bucket.stat(file_name(record))
        if there is not None and there.bytes != record.bytes:
            raise StoreError(
                f"{name} is in {self.name} with {there.bytes} bytes ({there.name}), its record has {record.bytes}: "
                "something else wrote there; remove that object, and push again"
            )
        return there is not None

    def put_bytes(self, data: bytes, name: str) -> FileRecord:
        """Keep bytes under their digest; what is there already is left."""
        record = FileRecord(len(data), sha256_bytes(data))
        if not self.bucket.create(file_name(record), data):
            self.has(record, name)
        return record

    def put_file(self, path: Path, record: FileRecord, name: str, seen: Seen | None = None) -> None:
        """Keep a file, whose bytes are compared with its record on the way. CorruptFile where they differ.

        seen : called at the beginning of each try, and what it returns with the bytes as they pass
        """
        if record.bytes <= RANGE_BYTES:
            data = path.read_bytes()
            if (found := FileRecord(len(data), sha256_bytes(data))) != record:
                raise CorruptFile(name, f"{record.bytes} bytes of sha256 {record.sha256}", f"{found}")
            if seen is not None:
                seen()(data)
            self.put_bytes(data, name)
            return
        self.bucket.fill(file_name(record), lambda: verified_parts(file_parts(path), record, name, seen))
        if not self.has(record, name):
            raise StoreError(f"{self.name}: {name} was written and is not there; find what else removes objects")

    def bytes_of(self, record: FileRecord, name: str) -> bytes:
        """A small file, compared with its record. CorruptFile; Overtaken where it is not there."""
        for _ in range(READS):
            data = b"".join(self.parts(record, name))
            if (found := sha256_bytes(data)) == record.sha256:
                return data
        raise CorruptFile(
            f"{self.name}/{file_name(record)} ({name})", f"sha256 {record.sha256}", f"sha256 {found}", PUSH_AGAIN
        )

    def parts(self, record: FileRecord, name: str, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """The bytes of a file from `start` on, up to `stop`, in ranges, not compared with anything. Overtaken where it
        is gone."""
        stop = record.bytes if stop is None else stop
        while start < stop:
            wanted = min(RANGE_BYTES, stop - start)
            try:
                data = self.bucket.read(file_name(record), start, wanted)
            except FileNotFoundError:
                raise Overtaken(f"{self.name} has no {file_name(record)}, which is {name}") from None
            except StoreUnreachable:
                # Of a range that begins behind the end of an object a store says that the request failed.
                self._refuse_other_size(record, name)
                raise
            if not data or len(data) > wanted:
                place, found = f"{self.name}/{file_name(record)} ({name})", f"{len(data)} bytes from byte {start} on"
                raise CorruptFile(place, f"{record.bytes} bytes", found, PUSH_AGAIN)
            if len(data) < wanted:
                # A stream that was cut gave less than was asked: the next range begins there. An object may end there.
                self._refuse_other_size(record, name)
            start += len(data)
            yield data

    def _refuse_other_size(self, record: FileRecord, name: str) -> None:
        """CorruptFile where the object of a file is shorter or longer than it."""
        there = self.bucket.stat(file_name(record))
        if there is not None and there.bytes != record.bytes:
            place = f"{self.name}/{file_name(record)} ({name})"
            raise CorruptFile(place, f"{record.bytes} bytes", f"{there.bytes} bytes", PUSH_AGAIN)

    def files(self) -> Iterator[Found]:
        """Every file. A listing may say anything: what is not named by a digest is none of ours, and left alone."""
        return (one for one in self.bucket.listed(FILES) if _FILE.fullmatch(one.name))


def file_name(record: FileRecord) -> str:
    """Where a file lies in a store. Digests of manifests are hex: nothing else can be a part of it."""
    return f"{FILES}{record.sha256[:2]}/{record.sha256}"


def verified_parts(parts: Iterable[bytes], record: FileRecord, name: str, seen: Seen | None = None) -> Iterator[bytes]:
    """The same parts; CorruptFile in place of the last where all of them are not what the record says, so that an
    upload that takes them never ends. seen : see `ObjectStore.put_file`."""
    digest, length, held = hashlib.sha256(), 0, b""
    look = None if seen is None else seen()
    for part in parts:
        digest.update(part)
        if look is not None:
            look(part)
        length += len(part)
        if held:
            yield held
        held = part
    if (length, digest.hexdigest()) != (record.bytes, record.sha256):
        found = f"{length} bytes of sha256 {digest.hexdigest()}"
        raise CorruptFile(name, f"{record.bytes} bytes of sha256 {record.sha256}", found)
    yield held


def side_by_side(work: Callable[[Item], Result], items: Iterable[Item], threads: int = THREADS) -> list[Result]:
    """`work` for each item in a few threads; the first error ends what has not begun."""
    listed = list(items)
    coming = iter(range(len(listed)))
    done: dict[int, Result] = {}
    errors: list[BaseException] = []
    lock = Lock()

    def run() -> None:
        while not errors:
            with lock:
                index = next(coming, None)
            if index is None:
                return
            try:
                done[index] = work(listed[index])
            except BaseException as error:
                errors.append(error)

    # A pool of the library is waited for when the interpreter ends, with all that it was given: a process that fills
    # a cache behind its questions would end only when the cache is full.
    started = [Thread(target=run, name=f"store {i}", daemon=True) for i in range(min(threads, len(listed)))]
    for one in started:
        one.start()
    try:
        for one in started:
            one.join()
    except BaseException as error:
        errors.append(error)
        raise
    if errors:
        raise errors[0]
    return [done[index] for index in range(len(listed))]


def file_parts(path: Path) -> Iterator[bytes]:
    """A file in ranges."""
    with path.open("rb") as file:
        while part := file.read(RANGE_BYTES):
            yield part


def _kind(mirror_of: str | None) -> str:
    return f"a mirror of the store {mirror_of[:8]}" if mirror_of else "a store that is pushed to"
