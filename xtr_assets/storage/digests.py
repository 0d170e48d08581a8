"""Bytes against their records: nothing that a parser reads is parsed before its sha256 was compared."""

import errno
import os
import threading
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, time_ns
from typing import Generic, TypeVar

from xtr_assets.core.errors import STRAY, CorruptFile, UnreadableFile
from xtr_assets.core.files import FORBIDDEN, FileRecord, check, sha256_file
from xtr_assets.storage.layout import Layout

# hashlib releases the GIL: four threads keep the disk busy; more gain nothing where sha256 runs at 1.8 GB/s a core.
HASHING_THREADS = 4

# A build opens, checks and publishes the same files within this time: their bytes are read once, not once a step.
# Short enough that a process which lives for days reads the disk again at its next build.
BUILD_SECONDS = 900.0
# The kernel's clock stands still for up to 10 ms: a file written again in that time keeps its times. What was read
# sooner after it was written is read again.
SETTLED_NS = 50_000_000

# Device, inode, size, mtime and ctime: the former time can be set back by whoever writes, the latter cannot.
Stamp = tuple[int, int, int, int, int]


@dataclass(frozen=True, slots=True)
class _Seen:
    """The sha256 of a file as it was, and when it was read (monotonic seconds)."""

    stamp: Stamp
    sha256: str
    at: float
    settled: bool

    def counts(self, within: float | None) -> bool:
        return within is None or (self.settled and monotonic() - self.at <= within)


Value = TypeVar("Value")
# Files that are remembered before the first look for those that are gone; a look is a stat of each, 2 us.
FIRST_LOOK = 256


class _Memory(Generic[Value]):
    """What is known of files, by their path. Those that were removed are forgotten: a server that follows a pointer for
    months meets new files with each generation, and 125 of them left 5 MB behind."""

    def __init__(self) -> None:
        self._known: dict[str, Value] = {}
        self._look_at = FIRST_LOOK
        self._guard = threading.Lock()

    def get(self, path: Path) -> Value | None:
        with self._guard:
            return self._known.get(str(path))

    def note(self, path: Path, value: Value) -> None:
        with self._guard:
            self._known[str(path)] = value
            due = list(self._known) if len(self._known) >= self._look_at else []
            if due:
                # Others that come meanwhile do not look as well.
                self._look_at = 2 * len(due)
        gone = [name for name in due if not os.path.lexists(name)]
        if due:
            with self._guard:
                for name in gone:
                    self._known.pop(name, None)
                self._look_at = max(FIRST_LOOK, 2 * len(self._known))

    def clear(self) -> None:
        with self._guard:
            self._known.clear()
            self._look_at = FIRST_LOOK

    def __len__(self) -> int:
        return len(self._known)


_verified = _Memory[_Seen]()
# Arrays of which this process knows that they hold what was written: by their sha256, or that every number is finite.
_sound = _Memory[Stamp]()


@dataclass(frozen=True)
class VerifyReport:
    """What was compared, and each file that differs. `ok`: something was, and all of it is as recorded."""

    files: int
    bytes: int
    problems: tuple[CorruptFile, ...]

    @property
    def ok(self) -> bool:
        return self.files > 0 and not self.problems


def check_size(path: Path, expected: FileRecord, name: str) -> None:
    """Raise CorruptFile unless it is a file of the recorded size, and no link: that may lead to anything of anybody."""
    if path.is_symlink():
        raise CorruptFile(name, f"{expected.bytes} bytes", "a link")
    check(path, expected, name, full=False)


def check_digest(path: Path, expected: FileRecord, name: str, *, within: float | None = None) -> None:
    """Raise CorruptFile unless size and sha256 agree. A file with the same inode, size and times is hashed once.

    `within`: only what was hashed in the last so many seconds need not be read again.
    """
    check_size(path, expected, name)
    found = cached_sha256(path, within=within)
    if found != expected.sha256:
        raise CorruptFile(name, f"sha256 {expected.sha256}", f"sha256 {found}")


def cached_sha256(path: Path, *, within: float | None = None) -> str:
    """The file's sha256, from this process' memory where inode, size and times are those it was computed for."""
    stamp = stamp_of(path)
    known = _verified.get(path)
    if known is not None and known.stamp == stamp and known.counts(within):
        return known.sha256
    at, settled = monotonic(), time_ns() - stamp[4] > SETTLED_NS
    digest = sha256_file(path)
    _verified.note(path, _Seen(stamp, digest, at, settled))
    return digest


def stamp_of(path: Path) -> Stamp:
    """What changes when somebody writes to a file, or puts another in its place."""
    state = path.stat()
    return state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns


def is_sound(path: Path) -> bool:
    """Whether this process looked at all of an array, and nobody wrote to it since."""
    known = _sound.get(path)
    return known is not None and known == stamp_of(path)


def note_sound(path: Path, stamp: Stamp) -> None:
    _sound.note(path, stamp)


def forget_digests() -> None:
    """Drop the memory, so that the next look at a file reads it."""
    _verified.clear()
    _sound.clear()


def remembered_files() -> int:
    """Of how many files this process remembers what it read."""
    return max(len(_verified), len(_sound))


def verify_files(
    layout: Layout, files: Mapping[str, FileRecord], *, full: bool, within: float = 0.0
) -> list[CorruptFile]:
    """Every file that differs from its record.

    With `full` each is read from the disk, but for those that this process read in the last `within` seconds.
    """

    def one(item: tuple[str, FileRecord]) -> CorruptFile | None:
        name, expected = item
        try:
            path = layout.resolve(name)
            if full:
                check_digest(path, expected, name, within=within)
            else:
                check_size(path, expected, name)
                if not os.access(path, os.R_OK):
                    return UnreadableFile(name, os.strerror(errno.EACCES))
        except CorruptFile as problem:
            return problem
        except OSError as error:
            if error.errno in FORBIDDEN:
                return UnreadableFile(name, os.strerror(error.errno))
            return CorruptFile(name, f"{expected.bytes} readable bytes", str(error))
        return None

    with ThreadPoolExecutor(max_workers=min(HASHING_THREADS, os.cpu_count() or 1)) as pool:
        return [problem for problem in pool.map(one, sorted(files.items())) if problem is not None]


def unexpected_files(layout: Layout, folder: Path, expected: Iterable[str]) -> list[CorruptFile]:
    """Files in a sealed folder that no record names: something wrote there after sealing."""
    known = set(expected)
    found = (layout.relative(p) for p in sorted(folder.rglob("*")) if p.is_file())
    return [CorruptFile(name, "no such file", "a file", STRAY) for name in found if name not in known]
