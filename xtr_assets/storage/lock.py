"""The writer locks: one writer of generations at a time, and one of each shard, by flock, with a note of who holds it.

The folder beside the file is locked with it: somebody who removes the file, and makes another, holds that alone.

The kernel drops a dead process' lock, so a dead holder is taken over without guessing from process ids; the note it
left behind is only read to say so. Locks are reentrant for the thread that holds them.
"""

import errno
import fcntl
import json
import logging
import os
import socket
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from xtr_assets.core.errors import WarehouseLocked
from xtr_assets.core.json_document import read_json
from xtr_assets.storage.layout import Layout
from xtr_assets.storage.links import make_folder, open_descriptor, refuse_linked, refuse_links

log = logging.getLogger(__name__)

# A waiting writer looks this often: builds take seconds, so a tenth of a second is not felt and costs nothing.
POLL_SECONDS = 0.1
# Commits wait for each other this long at most: each takes a few fsyncs.
COMMIT_SECONDS = 60.0


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
    folder: int
    thread: int
    depth: int
    note: bytes


_held: dict[Path, _Held] = {}
_guard = threading.Lock()


def _forget_in_child() -> None:
    # A forked child shares the open file description: it must not keep the lock alive when its parent dies.
    global _guard
    _guard = threading.Lock()
    for held in _held.values():
        os.close(held.descriptor)
        os.close(held.folder)
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
def exclusive(path: Path, purpose: str, wait_seconds: float = 0.0, *, folder: Path | None = None) -> Iterator[bool]:
    """Hold the lock file, and the lock of `folder`, by default the one that it lies in. Raises WarehouseLocked naming
    the holder when they are not free within `wait_seconds`. Yields False where this thread held it already."""
    path = path.parent.resolve() / path.name
    deadline = time.monotonic() + wait_seconds
    while not _try(path, folder or path.parent, purpose):
        if time.monotonic() >= deadline:
            holder = read_holder(path)
            who = holder or "a process that has just started, a copy under `flock`, or one whose lock file was removed"
            raise WarehouseLocked(
                f"{path.parent} is being written by {who}; "
                f"{purpose!r} waited {wait_seconds:g} s: wait for it to end, or end that process"
            )
        time.sleep(POLL_SECONDS)
    try:
        yield _held[path].depth == 1
    finally:
        _release(path)


@contextmanager
def shard_writing(layout: Layout, shard: str, purpose: str, wait_seconds: float) -> Iterator[None]:
    """Be the one writer of a shard: shards are chunked side by side, and beside whoever drafts or publishes."""
    refuse_linked(layout, layout.shard(shard))
    make_folder(layout.shard(shard))
    with exclusive(layout.shard_lock(shard), purpose, wait_seconds) as first:
        if first:
            refuse_links(layout)
        yield


@contextmanager
def committing(layout: Layout, purpose: str) -> Iterator[None]:
    """Hold the commit lock for a moment: a draft's manifest, an encoding, a segment with the snapshot that names it may
    be committed beside the writer lock. A collection holds it while it takes away what nothing names."""
    refuse_linked(layout, layout.segments)
    make_folder(layout.segments)
    # Not the folder of the writer lock, which its holder has locked.
    with exclusive(layout.commit_lock, purpose, COMMIT_SECONDS, folder=layout.segments):
        yield


def _try(path: Path, folder: Path, purpose: str) -> bool:
    with _guard:
        held = _held.get(path)
        if held is not None:
            if held.thread != threading.get_ident():
                return False
            held.depth += 1
            return True
        descriptor = open_descriptor(path, os.O_RDWR | os.O_CREAT)
        beside = -1
        try:
            beside = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            if not (_locked(beside) and _locked(descriptor) and _stands(path, descriptor)):
                raise BlockingIOError
            before = read_holder(path)
            if before is not None:
                log.warning("taking over the lock that %s left when it died", before)
            os.ftruncate(descriptor, 0)
            note = _note(descriptor, Holder(socket.gethostname(), os.getpid(), purpose, now()))
        except BlockingIOError:
            _close(descriptor, beside)
            return False
        except BaseException:
            _close(descriptor, beside)
            raise
        _held[path] = _Held(descriptor, beside, threading.get_ident(), 1, note)
        return True


def _note(descriptor: int, holder: Holder) -> bytes:
    """Say who holds the lock; what was written. On a full disk nothing does: it is held all the same, and what frees
    space needs it."""
    note = json.dumps(asdict(holder)).encode()
    try:
        os.pwrite(descriptor, note, 0)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        os.ftruncate(descriptor, 0)
        return b""
    return note


def confirm(path: Path) -> None:
    """WarehouseLocked where the lock that this process holds is somebody else's by now. For the moment before what
    others act on; nothing where it holds none.

    Where folders are locked, nobody takes one away. On NFS somebody may have removed the file, and a server gives the
    lock of a host that was cut off to the next one, who leaves another note, or none.
    """
    held = _held.get(path.parent.resolve() / path.name)
    if held is None:
        return
    if not _is_mine(path, held):
        raise WarehouseLocked(
            f"{path.parent} is written by {read_holder(path) or 'another process'}, or was meanwhile: this one lost "
            "its lock, whose file was removed, or whose host was cut off from the file server; what it was about to "
            "write is not written: do it again"
        )


def _is_mine(path: Path, held: _Held) -> bool:
    try:
        # What is read before the lock is asked for may be what this host has in its memory.
        return _locks(held.folder) or (
            _stands(path, held.descriptor)
            and _locks(held.descriptor)
            and os.pread(held.descriptor, len(held.note) + 1, 0) == held.note
        )
    except OSError:
        # Held by another; or the file server says that this lock is lost (EIO), or that the file is gone (ESTALE).
        return False


def _locked(descriptor: int) -> bool:
    # NFS locks no folder. There the file alone has to do.
    try:
        return _locks(descriptor) or _is_folder(descriptor)
    except BlockingIOError:
        return False


def _locks(descriptor: int) -> bool:
    """Lock it, or have it still; False for a folder of a file system that locks none. BlockingIOError."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError as error:
        if error.errno not in (errno.EBADF, errno.ENOLCK, errno.EINVAL, errno.EOPNOTSUPP) or not _is_folder(descriptor):
            raise
        return False
    return True


def _is_folder(descriptor: int) -> bool:
    return stat.S_ISDIR(os.fstat(descriptor).st_mode)


def _stands(path: Path, descriptor: int) -> bool:
    """Whether the file that was locked still has its name: it may have been removed between opening and locking."""
    try:
        return os.path.samestat(path.lstat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _close(*descriptors: int) -> None:
    for one in descriptors:
        if one >= 0:
            os.close(one)


def _release(path: Path) -> None:
    with _guard:
        held = _held.get(path)
        if held is None:  # a forked child leaves the block its parent entered
            return
        held.depth -= 1
        if held.depth == 0:
            del _held[path]
            try:
                # Of a lock that was lost the note is another one's by now, who would take his own for lost.
                if _is_mine(path, held):
                    os.ftruncate(held.descriptor, 0)
            finally:
                _close(held.descriptor, held.folder)
