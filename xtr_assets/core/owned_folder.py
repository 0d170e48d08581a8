"""Folders among the system's temporary files that go with the process that uses them, and those of ones that died.

Whoever uses a folder holds a shared lock of a file in it, which the kernel drops with the process however it ends. So a
folder whose lock nobody holds is that of a process that was killed: the next one of its kind removes it. The number in
its name decides nothing: numbers of processes are given again, and another container has its own.
"""

import fcntl
import logging
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

log = logging.getLogger(__name__)

# In which the processes of one server tell each other what they know; and what `train-head` computes.
SERVED, TRAINED = "xtr-serve-", "xtr-head-"
IN_USE = "in-use"


@contextmanager
def owned_folder(prefix: str) -> Iterator[Path]:
    """A new folder of this process's alone (0700), removed at its end. Those of dead ones are removed first."""
    remove_dead(Path(tempfile.gettempdir()), prefix)
    made = Path(tempfile.mkdtemp(prefix=f"{prefix}{os.getpid()}-"))
    # Locked before it has its name: whoever sees the name sees the lock.
    begun = made / f".{IN_USE}"
    descriptor = os.open(begun, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        begun.rename(made / IN_USE)
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)
        os.close(descriptor)


def use_folder(folder: Path) -> int:
    """Hold the folder as one more of its processes, until the descriptor is closed. Raises OSError where it is gone."""
    descriptor = os.open(folder / IN_USE, os.O_RDWR | os.O_CLOEXEC)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    return descriptor


def remove_dead(parent: Path, prefix: str) -> list[Path]:
    """Remove the folders of that kind that processes of this user left behind in `parent`; those that were removed.
    Never raises: nothing waits for their room."""
    removed = []
    try:
        found = [Path(entry.path) for entry in os.scandir(parent) if entry.name.startswith(prefix)]
    except OSError:
        return []
    for folder in sorted(found):
        try:
            if _removed(folder):
                removed.append(folder)
        except OSError as error:
            log.warning("%s of a process that died cannot be removed: %s", folder, error)
    return removed


def _removed(folder: Path) -> bool:
    """Whether it was ours, a folder and no link, in use by nobody, and is gone."""
    state = folder.lstat()
    if not stat.S_ISDIR(state.st_mode) or state.st_uid != os.geteuid():
        return False
    try:
        descriptor = os.open(folder / IN_USE, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        # Being made this moment, or of a release that held no lock: not known to be dead.
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder)
        log.info("removed %s, which a process that was killed left behind", folder)
        return True
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
