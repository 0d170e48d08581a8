"""What an object store has to do, and patience with one that fails now and then."""

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeVar

from xtr_assets.core.errors import StoreUnreachable

# Six tries with pauses of 0.2 s, doubled each time: a store may be away for 6 s. The client below tries each request
# itself, for longer.
ATTEMPTS = 6
FIRST_PAUSE = 0.2
# Stores that throttle want a pause; a longer one than this is felt, and asks no less.
MOST_PAUSE = 10.0

Result = TypeVar("Result")


class Interrupted(Exception):
    """A request failed, or its answer was cut: whether it was done is unknown. Never leaves this package."""


@dataclass(frozen=True, slots=True)
class Found:
    """An object: its name, its size, and when the store says it was written."""

    name: str
    bytes: int
    modified: datetime


class Bucket(Protocol):
    """Objects by name. FileNotFoundError where there is none; Interrupted for what may be tried again."""

    def create(self, name: str, data: bytes) -> bool:
        """Write an object that does not exist; False where it does, which changes nothing."""

    def fill(self, name: str, parts: Callable[[], Iterator[bytes]]) -> None:
        """Write a large object from parts, all of it or nothing, in the place of what there is."""

    def read(self, name: str, start: int, length: int) -> bytes:
        """So many bytes from `start` on; fewer where the object ends."""

    def stat(self, name: str) -> Found | None:
        """What the store says of an object; None where there is none."""

    def listed(self, prefix: str, after: str = "") -> Iterator[Found]:
        """Objects below `prefix` whose names come after `after`, in any order."""

    def remove(self, name: str) -> None:
        """Remove an object; nothing is wrong where there is none."""


class Patient:
    """A bucket whose interrupted requests are tried again. Each may be done twice: none does harm then.

    `create` may answer False though the lost first request was the one that wrote: who has to know reads it back.
    """

    def __init__(self, bucket: Bucket, name: str, sleep: Callable[[float], None] = time.sleep) -> None:
        self._bucket, self._name, self._sleep = bucket, name, sleep

    def create(self, name: str, data: bytes) -> bool:
        return self._again(name, lambda: self._bucket.create(name, data))

    def fill(self, name: str, parts: Callable[[], Iterator[bytes]]) -> None:
        self._again(name, lambda: self._bucket.fill(name, parts))

    def read(self, name: str, start: int, length: int) -> bytes:
        return self._again(name, lambda: self._bucket.read(name, start, length))

    def stat(self, name: str) -> Found | None:
        return self._again(name, lambda: self._bucket.stat(name))

    def listed(self, prefix: str, after: str = "") -> Iterator[Found]:
        # All of it: a listing that was cut in the middle must not be taken for the whole.
        yield from self._again(prefix, lambda: list(self._bucket.listed(prefix, after)))

    def remove(self, name: str) -> None:
        self._again(name, lambda: self._bucket.remove(name))

    def _again(self, what: str, request: Callable[[], Result]) -> Result:
        for attempt in range(ATTEMPTS):
            try:
                return request()
            except Interrupted as error:
                last = str(error)
            if attempt + 1 < ATTEMPTS:
                # Spread, so that hosts which failed together do not come back together.
                self._sleep(min(MOST_PAUSE, FIRST_PAUSE * 2**attempt) * random.uniform(0.5, 1.0))
        raise StoreUnreachable(
            f"{self._name}: {what} failed {ATTEMPTS} times, the last time with: {last}; look at the network, the "
            "endpoint and the credentials in the environment, and do it again: it goes on where it was"
        )
