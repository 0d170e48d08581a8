"""Temporaries inside the warehouse, so that moving them into place is a rename; a dead writer's are recognizable."""

import errno
import fcntl
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from xtr_assets.core.files import fsync_dir
from xtr_assets.storage.layout import Layout
from xtr_assets.storage.links import make_folder, open_descriptor, refuse_linked, refuse_links
from xtr_assets.storage.segment import SEGMENT_NAME
from xtr_assets.storage.vector_files import LISTING_NAME


@contextmanager
def scratch(layout: Layout) -> Iterator[Path]:
    """A fresh folder below tmp/, removed on leaving. Its lock file is held as long: dead writers hold none."""
    refuse_linked(layout, layout.scratch)
    make_folder(layout.scratch)
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


@contextmanager
def room_to_remove(layout: Layout) -> Iterator[Path | None]:
    """A `scratch` for what is removed; None where the disk has no room for one, as one whose inodes are all taken: what
    frees space goes on."""
    with ExitStack() as stack:
        try:
            folder = stack.enter_context(scratch(layout))
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            folder = None
        yield folder


def put_away(path: Path, room: Path | None, name: str) -> None:
    """Take a file or folder out of sight, to `name` inside a `scratch`: in one rename, so that a crash never leaves
    half a folder under its name. Whoever asks makes the rename durable.

    overlayfs renames no folder of a lower layer, as a warehouse has that came with an image. There, and where there is
    no room, it is removed where it stands.
    """
    if room is None:
        _remove_in_place(path)
        return
    try:
        path.replace(room / name)
    except OSError as error:
        if error.errno != errno.EXDEV or not path.is_dir():
            raise
        _remove_in_place(path)


def _remove_in_place(path: Path) -> None:
    """In such an order that what a crash leaves is no segment, encoding or model any more, and a generation still that
    the next collection takes."""
    if not path.is_dir() or path.is_symlink():
        path.unlink()
        return
    for name in (SEGMENT_NAME, LISTING_NAME):
        (path / name).unlink(missing_ok=True)
    fsync_dir(path)
    # manifest.json, and its seal before it.
    for child in sorted(path.iterdir(), key=lambda one: (one.name.startswith("manifest."), -len(one.name))):
        if child.is_dir() and not child.is_symlink():
            shutil.rmtree(child)
        else:
            child.unlink()
    path.rmdir()


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
