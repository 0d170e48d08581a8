"""Where the files of a source lie: on a disk, or in a repository. How they are read is the kind's."""

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from xtr_assets.core.types import FileState
from xtr_assets.sources.file_scan import Listing
from xtr_assets.sources.globs import Globs
from xtr_assets.sources.reason import Reason

# Git LFS keeps such a pointer in place of a file, of less than this many bytes.
LFS_POINTER, LFS_BYTES = b"version https://git-lfs.github.com/spec/v1", 1024


def is_pointer(data: bytes) -> bool:
    """Whether the bytes of a file are a pointer of Git LFS."""
    # A work tree of Windows may have given its lines another end.
    return len(data) < LFS_BYTES and data.startswith((LFS_POINTER + b"\n", LFS_POINTER + b"\r\n"))


class SourceFile(Protocol):
    """One file, to be read."""

    @property
    def suffix(self) -> str:
        """As it is written: `.MD`."""

    @property
    def size(self) -> int:
        """Bytes. Raises OSError."""

    def read_bytes(self) -> bytes:
        """All of it. Raises OSError."""

    def open(self) -> BinaryIO:
        """A stream that can be sought in. Raises OSError."""


class Refused(Exception):
    """A file that is there and is not looked into: quarantined by the source, never seen outside this package."""

    def __init__(self, reason: Reason, detail: str) -> None:
        self.reason, self.detail = reason, detail
        super().__init__(detail)


def refuse_pointer(data: bytes) -> None:
    """Raise Refused where a pointer lies in the place of a text: it would be indexed as one."""
    if is_pointer(data):
        detail = "its content is in Git LFS, and a pointer to it lies here: `git lfs pull`, or `exclude` it"
        raise Refused("pointer", detail)


class Place(Protocol):
    """What a source of files asks of where they lie. Paths are relative, with / between their parts."""

    def listing(self, globs: Globs) -> Listing:
        """Every file that matches. SourceError where the place has gone or holds none: nothing is dropped then."""

    def stamp(self, globs: Globs, now_ns: int) -> str | None:
        """Equal only where a listing, and the state of each file, would be the same; None where nobody can tell."""

    def state(self, path: str, known: FileState | None, now_ns: int, most: int | None) -> FileState | None:
        """A listed file now; None where it vanished. What cannot be read keeps what is known (`unread_state`).
        What is larger than `most` bytes is not looked into."""

    def changed(self, path: str, state: FileState) -> bool:
        """Whether a file that has been read may hold other bytes by now than those that `state` tells of."""

    def file(self, path: str, globs: Globs, most: int | None) -> SourceFile:
        """A file of the last listing, to read. OSError where there is none, Refused for what is not looked into."""


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file of a disk."""

    path: Path

    @property
    def suffix(self) -> str:
        return self.path.suffix

    @property
    def size(self) -> int:
        return self.path.stat().st_size

    def read_bytes(self) -> bytes:
        return self.path.read_bytes()

    def open(self) -> BinaryIO:
        return self.path.open("rb")


def too_large(size: int, most: int) -> Refused:
    """For a file that is larger than `max_file_bytes`."""
    detail = f"{size:,} bytes, `max_file_bytes` allows {most:,}; raise it, split or exclude the file"
    return Refused("too-large", detail)
