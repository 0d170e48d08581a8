"""The writer lock: one writer at a time, by flock, with a note of who holds it.

The kernel drops a dead process' lock, so a dead holder is taken over without guessing from process ids; the note it
left behind is only read to say so. Locks are reentrant for the thread that holds them.
"""

import fcntl
import json
import logging
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from xtr_assets.core.errors import WarehouseLocked
from xtr_assets.core.json_document import read_json

log = logging.getLogger(__name__)

# A waiting writer looks this often: builds take seconds, so a tenth of a second is not felt and costs nothing.
POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a lock: host, process, what for, and since when (ISO 8601, UTC)."""

    host: str
    pid: int
    purpose: str
    since: str

    def __str__(self) -> str:
        return f"{self.purpose!r} on host {self.host}, process {self.pid}, since {self.since}"


@dataclass(slots=True)
class _Held:
    descriptor: int
    thread: int
    depth: int


_held: dict[Path, _Held] = {}
_guard = threading.Lock()


def _forget_in_child() -> None:
    # A forked child shares the open file description: it must not keep the lock alive when its parent dies.
    global _guard
    _guard = threading.Lock()
    for held in _held.values():
        os.close(held.descriptor)
    _held.clear()


os.register_at_fork(after_in_child=_forget_in_child)


def now() -> str:
    """The present moment as ISO 8601 in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def read_holder(path: Path) -> Holder | None:
    """Who wrote the note in a lock file; None where there is none, or it is half-written."""
    try:
        return Holder(**read_json(path.read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return None


@contextmanager
def exclusive(path: Path, purpose: str, wait_seconds: float = 0.0) -> Iterator[None]:
    """Hold the lock file. Raises WarehouseLocked naming the holder when it is not free within `wait_seconds`."""
    path = path.resolve()
    deadline = time.monotonic() + wait_seconds
    while not _try(path, purpose):
        if time.monotonic() >= deadline:
            holder = read_holder(path)
            raise WarehouseLocked(
                f"{path.parent} is being written by {holder or 'a process that has just started'}; "
                f"{purpose!r} waited {wait_seconds:g} s: wait for it to end, or end that process"
            )
        time.sleep(POLL_SECONDS)
    try:
        yield
    finally:
        _release(path)


def _try(path: Path, purpose: str) -> bool:
    with _guard:
        held = _held.get(path)
        if held is not None:
            if held.thread != threading.get_ident():
                return False
            held.depth += 1
            return True
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        before = read_holder(path)
        if before is not None:
            log.warning("taking over the lock that %s left when it died", before)
        note = Holder(socket.gethostname(), os.getpid(), purpose, now())
        try:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, json.dumps(asdict(note)).encode(), 0)
        except BaseException:
            os.close(descriptor)
            raise
        _held[path] = _Held(descriptor, threading.get_ident(), 1)
        return True


def _release(path: Path) -> None:
    with _guard:
        held = _held.get(path)
        if held is None:  # a forked child leaves the block its parent entered
            return
        held.depth -= 1
        if held.depth == 0:
            del _held[path]
            try:
                os.ftruncate(held.descriptor, 0)
            finally:
                os.close(held.descriptor)
