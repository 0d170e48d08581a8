"""Temporaries inside the warehouse, so that moving them into place is a rename; a dead writer's are recognizable."""

import fcntl
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from xtr_assets.storage.layout import Layout
from xtr_assets.storage.links import open_descriptor, refuse_linked, refuse_links


@contextmanager
def scratch(layout: Layout) -> Iterator[Path]:
    """A fresh folder below tmp/, removed on leaving. Its lock file is held as long: dead writers hold none."""
    refuse_linked(layout, layout.scratch)
    layout.scratch.mkdir(exist_ok=True)
    folder = layout.scratch / uuid.uuid4().hex
    lock = folder.with_suffix(".lock")
    descriptor = _hold(lock)
    try:
        folder.mkdir()
        yield folder
    finally:
        try:
            shutil.rmtree(folder, ignore_errors=True)
            lock.unlink(missing_ok=True)
        finally:
            os.close(descriptor)


def remove_dead_scratch(layout: Layout) -> list[Path]:
    """Remove what writers left behind that no longer live. Returns the folders removed."""
    removed: list[Path] = []
    refuse_links(layout, layout.scratch)
    if not layout.scratch.is_dir():
        return removed
    for path in sorted(layout.scratch.iterdir()):
        folder, lock = path.with_suffix(""), path.with_suffix(".lock")
        descriptor = open_descriptor(lock, os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        else:
            if folder.is_dir():
                shutil.rmtree(folder)
                removed.append(folder)
            lock.unlink(missing_ok=True)
        finally:
            os.close(descriptor)
    return removed


def _hold(lock: Path) -> int:
    while True:
        descriptor = open_descriptor(lock, os.O_RDWR | os.O_CREAT)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        with suppress(FileNotFoundError):
            # A cleaner may have unlinked the file between opening and locking it.
            if lock.stat().st_ino == os.fstat(descriptor).st_ino:
                return descriptor
        os.close(descriptor)
