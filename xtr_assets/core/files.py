"""What every writer of files shares: digests, fsync, atomic replacement. The only part of core that touches a disk."""

import errno
import hashlib
import os
import stat
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from xtr_assets.core.errors import CorruptFile, StorageError, UnreadableFile

# What the system says where a user may not.
FORBIDDEN = (errno.EACCES, errno.EPERM)

# Of a file that is read whole: manifests, histories, snapshots. A snapshot of a million files has 200 MB. A sparse file
# of an archive from elsewhere takes no disk, and would take all memory.
MOST_WHOLE_BYTES = 1 << 30


@dataclass(frozen=True, slots=True)
class FileRecord:
    """Size and sha256 (hex) of a file, as a manifest keeps them."""

    bytes: int
    sha256: str


def sha256_file(path: Path) -> str:
    """Hex sha256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def record(path: Path) -> FileRecord:
    """The record of a file as it is now."""
    return FileRecord(path.stat().st_size, sha256_file(path))


def check(path: Path, expected: FileRecord, name: str, *, full: bool = True) -> None:
    """Raise CorruptFile(name, ...) unless the file has the recorded size and, with `full`, the recorded sha256."""
    if not path.is_file():
        raise CorruptFile(name, f"{expected.bytes} bytes", "no file")
    size = path.stat().st_size
    if size != expected.bytes:
        raise CorruptFile(name, f"{expected.bytes} bytes", f"{size} bytes")
    if full and (found := sha256_file(path)) != expected.sha256:
        raise CorruptFile(name, f"sha256 {expected.sha256}", f"sha256 {found}")


def read_regular(path: Path, name: str) -> bytes:
    """The bytes of a file, and of nothing else: a pipe would never come to an end, a link may lead to anything.

    FileNotFoundError where there is nothing; CorruptFile(name, ...) where something else stands there, or cannot be
    read (UnreadableFile: by this user), or is larger than what is read whole.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise CorruptFile(name, "a file", "a pipe or a device in its place")
            if status.st_size > MOST_WHOLE_BYTES:
                raise CorruptFile(name, f"at most {MOST_WHOLE_BYTES:,} bytes", f"{status.st_size:,} bytes")
            return file.read()
    except FileNotFoundError:
        raise
    except OSError as error:
        if error.errno in FORBIDDEN:
            raise UnreadableFile(name, os.strerror(error.errno)) from error
        raise CorruptFile(name, "a file that can be read", _UNREADABLE.get(error.errno or 0, str(error))) from error


# Errors that say what stands in the place of a file; ENXIO is a socket.
_UNREADABLE = {
    errno.EISDIR: "a folder in its place",
    errno.ELOOP: "a link in its place",
    errno.ENXIO: "a socket in its place",
    errno.ENOTDIR: "a file in the place of its folder",
}


def fsync_dir(path: Path) -> None:
    """Make renames inside a folder durable."""
    fsync_file(path)


def fsync_file(path: Path) -> None:
    """Make a file's bytes durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def fsync_tree(path: Path) -> None:
    """Make every file and folder below (and including) `path` durable."""
    if path.is_file():
        fsync_file(path)
        return
    for folder, _, names in os.walk(path, topdown=False):
        for name in names:
            fsync_file(Path(folder) / name)
        fsync_dir(Path(folder))


def commit_folder(folder: Path, target: Path) -> bool:
    """Give a folder its final name: durable first, then renamed in one step.

    The first to commit a name wins. False where the name stands for a folder that holds something; `folder` is then
    left to the caller, who knows whether the two are one content.
    """
    fsync_tree(folder)
    try:
        move_into_place(folder, target)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            return False
        raise
    return True


def move_into_place(source: Path, target: Path) -> None:
    """The second half of `commit_folder`, for who takes a lock between the two, or moves a file: rename what is durable
    (`fsync_tree`) and make the rename durable. OSError where the target is a folder that holds something."""
    target.parent.mkdir(parents=True, exist_ok=True)
    source.replace(target)
    fsync_dir(target.parent)


def write_atomic(path: Path, data: bytes) -> None:
    """Replace `path` by `data` in one step: temporary file beside it, fsync, rename, fsync of the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        temporary.write_bytes(data)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path in the same folder; on success it is fsynced and renamed to `path`, else removed."""
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    # Made anew, never through a link, and readable by whom the umask says: mkstemp would hide it from everybody else.
    os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o666))
    try:
        yield temporary
        fsync_file(temporary)
        try:
            temporary.replace(path)
        except IsADirectoryError as error:
            raise StorageError(f"{path} is a folder, and a file belongs there; remove it") from error
        fsync_dir(path.parent)
    finally:
        temporary.unlink(missing_ok=True)
