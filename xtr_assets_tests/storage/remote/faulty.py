"""Buckets that fail the way stores do: late, cut, mangled, throttled, with answers that get lost, or that lie."""

import contextlib
import os
import random
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from xtr_assets.storage.remote.bucket import Bucket, Found, Interrupted, Patient
from xtr_assets.storage.remote.object_store import ObjectStore


class FolderBucket:
    """Objects as files of a folder, in Python alone: a forked child may use it. Counts what it is asked."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.asked: Counter[str] = Counter()
        self.bytes_read = 0

    def create(self, name: str, data: bytes) -> bool:
        self.asked["create"] += 1
        path = self._path(name)
        temporary = path.with_name(f".{uuid.uuid4().hex}")
        temporary.write_bytes(data)
        try:
            os.link(temporary, path)
        except FileExistsError:
            return False
        finally:
            temporary.unlink()
        return True

    def fill(self, name: str, parts: Callable[[], Iterator[bytes]]) -> None:
        self.asked["fill"] += 1
        path = self._path(name)
        temporary = path.with_name(f".{uuid.uuid4().hex}")
        with temporary.open("wb") as file:
            file.writelines(parts())
        temporary.replace(path)

    def read(self, name: str, start: int, length: int) -> bytes:
        self.asked["read"] += 1
        with (self.root / name).open("rb") as file:
            file.seek(start)
            data = file.read(length)
        self.bytes_read += len(data)
        return data

    def stat(self, name: str) -> Found | None:
        self.asked["stat"] += 1
        try:
            state = (self.root / name).stat()
        except FileNotFoundError:
            return None
        return Found(name, state.st_size, datetime.fromtimestamp(state.st_mtime, UTC))

    def listed(self, prefix: str, after: str = "") -> Iterator[Found]:
        self.asked["list"] += 1
        for path in sorted(self.root.rglob("*")):
            name = path.relative_to(self.root).as_posix()
            if path.is_file() and not path.name.startswith(".") and name.startswith(prefix) and name > after:
                with contextlib.suppress(FileNotFoundError):
                    state = path.stat()
                    yield Found(name, state.st_size, datetime.fromtimestamp(state.st_mtime, UTC))

    def remove(self, name: str) -> None:
        self.asked["remove"] += 1
        (self.root / name).unlink(missing_ok=True)

    def names(self) -> list[str]:
        """Every object, sorted."""
        return [one.name for one in self.listed("")]

    def path(self, name: str) -> Path:
        return self.root / name

    def _path(self, name: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path


class Away(FolderBucket):
    """A store that nobody reaches."""

    def _gone(self, *arguments: object) -> Any:
        self.asked["gone"] += 1
        raise Interrupted("connection refused")

    create = fill = read = stat = listed = remove = _gone  # type: ignore[assignment]


FAULTS = ("before", "lost", "throttled", "cut", "mangled", "slow")


class Faulty:
    """A bucket of which a share of the requests goes wrong; `seen` counts how."""

    def __init__(self, bucket: Bucket, seed: int, share: float, kinds: tuple[str, ...] = FAULTS) -> None:
        self.bucket, self.share, self.kinds = bucket, share, kinds
        self.random = random.Random(seed)
        self.seen: Counter[str] = Counter()
        self.throttled = 0

    def _fault(self) -> str:
        if self.throttled:
            self.throttled -= 1
            raise Interrupted("503 SlowDown")
        if self.random.random() >= self.share:
            return ""
        kind = self.random.choice(self.kinds)
        self.seen[kind] += 1
        if kind == "throttled":
            self.throttled = 2
            raise Interrupted("503 SlowDown")
        if kind == "before":
            raise Interrupted("500 InternalError")
        if kind == "slow":
            time.sleep(0.001)
        return kind

    def create(self, name: str, data: bytes) -> bool:
        kind = self._fault()
        done = self.bucket.create(name, data)
        if kind == "lost":
            raise Interrupted("the connection was reset")
        return done

    def fill(self, name: str, parts: Callable[[], Iterator[bytes]]) -> None:
        kind = self._fault()
        if kind == "cut":
            # All of it or nothing: an upload in parts that is not ended is not there.
            next(parts())
            raise Interrupted("the connection was reset")
        self.bucket.fill(name, parts)
        if kind == "lost":
            raise Interrupted("the connection was reset")

    def read(self, name: str, start: int, length: int) -> bytes:
        kind = self._fault()
        data = self.bucket.read(name, start, length)
        if kind == "lost":
            raise Interrupted("the connection was reset")
        if name.startswith("files/") and len(data) > 1:
            if kind == "cut":
                return data[: len(data) // 2]
            if kind == "mangled":
                return bytes([data[0] ^ 1]) + data[1:]
        return data

    def stat(self, name: str) -> Found | None:
        self._fault()
        return self.bucket.stat(name)

    def listed(self, prefix: str, after: str = "") -> Iterator[Found]:
        kind = self._fault()
        for index, one in enumerate(self.bucket.listed(prefix, after)):
            if kind == "cut" and index:
                raise Interrupted("the connection was reset")
            yield one

    def remove(self, name: str) -> None:
        kind = self._fault()
        self.bucket.remove(name)
        if kind == "lost":
            raise Interrupted("the connection was reset")


def store_over(bucket: Bucket, name: str = "test://store") -> ObjectStore:
    """A store that waits for nothing between its tries, and that was probed."""
    store = ObjectStore(Patient(bucket, name, sleep=lambda seconds: None), name)
    store._probed = True
    return store
