"""Marks of runs: a file of each run in `runs/`, locked while a process executes it, wherever that process is.

Who looks at a run of another host cannot ask for its process. The lock says what no event does: the kernel, or the file
server, drops it when the process or its host dies. Marks say nothing of what was built, and nobody needs them to read.
"""

import fcntl
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from xtr_assets.core.errors import StorageError
from xtr_assets.storage.layout import Layout
from xtr_assets.storage.links import make_folder, open_descriptor, refuse_linked

# Marks that nobody holds stay so long, for sensors to see; then the next run removes them.
KEPT_SECONDS = 24 * 3600.0
# A host's name has 253 bytes at most; of a file that is no mark no more is read.
LONGEST_NOTE = 300

_descriptors: set[int] = set()


def _forget_in_child() -> None:
    # A forked child shares the lock: it must not speak for a parent that died.
    for descriptor in _descriptors:
        with suppress(OSError):
            os.close(descriptor)
    _descriptors.clear()


os.register_at_fork(after_in_child=_forget_in_child)


@dataclass(frozen=True, slots=True)
class RunMark:
    """What a mark says: whether a process executes the run now, when the mark was last taken or let go (seconds since
    the epoch), and by whom, for people to read."""

    held: bool
    at: float
    holder: str


@contextmanager
def marked(layout: Layout, run_id: str) -> Iterator[None]:
    """Hold the mark of a run while the block runs; processes that execute steps of one run hold it together."""
    refuse_linked(layout, layout.run_marks)
    make_folder(layout.run_marks)
    _remove_old(layout)
    path = layout.run_mark(run_id)
    descriptor = _hold(path)
    _descriptors.add(descriptor)
    try:
        yield
    finally:
        if descriptor in _descriptors:  # a forked child has let go of it
            _descriptors.discard(descriptor)
            # It stays: a run whose end could not be told to Dagster is recognized by it.
            try:
                os.utime(descriptor)
            finally:
                os.close(descriptor)


def read_mark(layout: Layout, run_id: str) -> RunMark | None:
    """The mark of a run; None where it never took one, or none can be looked at. No evidence says that it lives."""
    try:
        refuse_linked(layout, layout.run_marks)
        descriptor = _opened(layout.run_mark(run_id))
    except (OSError, StorageError):
        return None
    try:
        holder = os.pread(descriptor, LONGEST_NOTE, 0).decode("utf-8", "replace")
        return RunMark(held=not _free(descriptor), at=os.fstat(descriptor).st_mtime, holder=holder)
    finally:
        os.close(descriptor)


def _opened(path: Path) -> int:
    try:
        return open_descriptor(path, os.O_RDWR)
    except StorageError:
        # Another user's, or where nothing can be written. NFS alone needs the right to write for the lock, and says so.
        return open_descriptor(path, os.O_RDONLY)


def _hold(path: Path) -> int:
    while True:
        descriptor = open_descriptor(path, os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH)
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"host {socket.gethostname()}, process {os.getpid()}".encode(), 0)
            # Somebody may have removed it between opening and locking.
            if os.path.samestat(path.lstat(), os.fstat(descriptor)):
                return descriptor
        except FileNotFoundError:
            pass
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _free(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        # Held; or a file system that cannot tell, which is no evidence of a death.
        return False
    return True


def _remove_old(layout: Layout) -> None:
    for path in layout.run_marks.iterdir():
        with suppress(OSError, StorageError):
            descriptor = open_descriptor(path, os.O_RDWR)
            try:
                if time.time() - os.fstat(descriptor).st_mtime > KEPT_SECONDS and _free(descriptor):
                    path.unlink()
            finally:
                os.close(descriptor)
