"""Links in a warehouse are refused by name: it holds its own files, and a link may lead anywhere."""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from xtr_assets.core.errors import LinkRefused, StorageError
from xtr_assets.core.files import FORBIDDEN
from xtr_assets.storage.layout import OF_THE_DISK, Layout

# What the system says where nothing can be written.
READ_ONLY = (errno.EROFS, *FORBIDDEN)


def open_descriptor(path: Path, flags: int) -> int:
    """os.open of a file of the warehouse that follows no link; LinkRefused, and StorageError where it cannot be
    written."""
    try:
        # New files are as the umask says; a FIFO in the place of a file must not make its opener wait.
        descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise _refused(path.name, path) from None
        if error.errno in READ_ONLY:
            raise _read_only(path, error) from error
        if error.errno == errno.EISDIR:
            raise _no_file(path) from None
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise _no_file(path)
    return descriptor


def _no_file(path: Path) -> StorageError:
    return StorageError(f"{path} is no file; a warehouse has one of that name: remove what stands in its place")


def make_folder(path: Path) -> None:
    """A folder of the warehouse, with those above it; StorageError where none can be made."""
    try:
        new_folder(path)
    except OSError as error:
        if error.errno in READ_ONLY:
            raise _read_only(path, error) from error
        raise


def new_folder(path: Path) -> None:
    """The same where there is no warehouse yet: OSError where this user may not make one."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise StorageError(
            f"{path} cannot be a folder: a file stands there; remove it, or name another place"
        ) from error


@contextmanager
def open_own(path: Path, flags: int) -> Iterator[IO[bytes]]:
    """The same as a binary file."""
    with os.fdopen(open_descriptor(path, flags), "r+b") as file:
        yield file


def refuse_linked(layout: Layout, path: Path) -> None:
    """LinkRefused where a part of `path` below the warehouse is a link. The warehouse's own folder may be one."""
    here = layout.root
    for part in path.relative_to(layout.root).parts:
        here = here / part
        if here.is_symlink():
            raise _refused(layout.relative(here), here)


def refuse_links(layout: Layout, folder: Path | None = None) -> None:
    """The same for all that lies in the warehouse, or in one of its folders. Reads folders only, no file."""
    start = layout.root if folder is None else folder
    refuse_linked(layout, start)
    waiting, passed_over = [start], str(layout.root / OF_THE_DISK)
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    if entry.is_symlink():
                        raise _refused(layout.relative(Path(entry.path)), Path(entry.path))
                    if entry.is_dir(follow_symlinks=False) and entry.path != passed_over:
                        waiting.append(Path(entry.path))
        except (FileNotFoundError, NotADirectoryError):
            continue  # a collection took it away meanwhile


def refuse_linked_top(layout: Layout) -> None:
    """The same for the names that a warehouse has at its top, which every reader opens."""
    for path in (
        layout.warehouse_json,
        layout.published,
        layout.history,
        layout.shards,
        layout.segments,
        layout.models,
        layout.generations,
        layout.staging_root,
        layout.scratch,
        layout.incoming,
        layout.run_marks,
        layout.writer_lock,
        layout.commit_lock,
    ):
        refuse_linked(layout, path)


def _read_only(path: Path, error: OSError) -> StorageError:
    return StorageError(
        f"{path.parent} cannot be written here ({error.strerror}: {path.name}); it can be searched, and what changes "
        "it needs a folder of which you may write every file"
    )


def _refused(name: str, path: Path) -> LinkRefused:
    try:
        where = str(path.readlink())
    except OSError:
        where = "elsewhere"
    return LinkRefused(
        f"{name} is a link to {where}; a warehouse holds its own files, and nothing is read or written through a link: "
        "put there what it points to, or remove it"
    )
