"""Bytes against their records: nothing that a parser reads is parsed before its sha256 was compared."""

import os
import threading
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from xtr_assets.core.errors import CorruptFile
from xtr_assets.core.files import FileRecord, check, sha256_file
from xtr_assets.storage.layout import Layout

# hashlib releases the GIL: four threads keep the disk busy; more gain nothing where sha256 runs at 1.8 GB/s a core.
HASHING_THREADS = 4

_Stamp = tuple[int, int, int]
_verified: dict[Path, tuple[_Stamp, str]] = {}
_guard = threading.Lock()


@dataclass(frozen=True)
class VerifyReport:
    """What was compared, and each file that differs."""

    files: int
    bytes: int
    problems: tuple[CorruptFile, ...]

    @property
    def ok(self) -> bool:
        return not self.problems


def check_digest(path: Path, expected: FileRecord, name: str) -> None:
    """Raise CorruptFile unless size and sha256 agree. A file with the same inode, size and mtime is hashed once."""
    check(path, expected, name, full=False)
    found = cached_sha256(path)
    if found != expected.sha256:
        raise CorruptFile(name, f"sha256 {expected.sha256}", f"sha256 {found}")


def cached_sha256(path: Path) -> str:
    """The file's sha256, from this process' memory where inode, size and mtime are those it was computed for."""
    stat = path.stat()
    stamp = (stat.st_ino, stat.st_size, stat.st_mtime_ns)
    with _guard:
        known = _verified.get(path)
    if known is not None and known[0] == stamp:
        return known[1]
    digest = sha256_file(path)
    with _guard:
        _verified[path] = (stamp, digest)
    return digest


def forget_digests() -> None:
    """Drop the memory, so that the next look at a file reads it."""
    with _guard:
        _verified.clear()


def verify_files(layout: Layout, files: Mapping[str, FileRecord], *, full: bool) -> list[CorruptFile]:
    """Every file that differs from its record; with `full` each is read from the disk, whatever was seen before."""

    def one(item: tuple[str, FileRecord]) -> CorruptFile | None:
        name, expected = item
        try:
            check(layout.resolve(name), expected, name, full=full)
        except CorruptFile as problem:
            return problem
        except OSError as error:
            return CorruptFile(name, f"{expected.bytes} readable bytes", str(error))
        return None

    with ThreadPoolExecutor(max_workers=min(HASHING_THREADS, os.cpu_count() or 1)) as pool:
        return [problem for problem in pool.map(one, sorted(files.items())) if problem is not None]


def unexpected_files(layout: Layout, folder: Path, expected: Iterable[str]) -> list[CorruptFile]:
    """Files in a sealed folder that no record names: something wrote there after sealing."""
    known = set(expected)
    found = (layout.relative(p) for p in sorted(folder.rglob("*")) if p.is_file())
    return [CorruptFile(name, "no such file", "a file") for name in found if name not in known]
