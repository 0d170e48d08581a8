"""What files a source has now: the folder walk and the state of each file. Nothing found on the way aborts it."""

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

from xtr_assets.core.file_diff import UNREAD_SHA256
from xtr_assets.core.files import sha256_file
from xtr_assets.core.types import FileState
from xtr_assets.sources.globs import Globs

# A file written again within the clock's grain keeps its times, and its size if it pleases. So times younger than this
# when they were recorded are not trusted later: they are recorded as 0, which no file on a live system has. Two
# seconds is the coarsest grain in use (FAT); git treats its "racy" entries alike.
RACY_NS = 2_000_000_000


@dataclass(slots=True)
class Listing:
    """Relative posix paths, sorted: files that match; folders that cannot be listed and names that are no UTF-8."""

    files: list[str] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)


def list_files(root: Path, globs: Globs) -> Listing:
    """Walk a folder. Raises OSError only where the root itself cannot be listed.

    A folder is walked once, under its real name if that lies below the root: symbolic links to folders come last, in
    order of name, and one that leads to a folder already seen is not followed. So loops end, and no file is listed
    twice on account of a linked folder. Links to files are files.
    """
    listing = Listing()
    seen: set[tuple[int, int]] = set()
    links: list[str] = []
    _walk(root, "", globs, listing, seen, links)
    while links:
        batch, links = sorted(links), []
        for relative in batch:
            _walk(root, relative, globs, listing, seen, links)
    listing.files.sort()
    listing.closed.sort()
    return listing


def _walk(root: Path, start: str, globs: Globs, listing: Listing, seen: set[tuple[int, int]], links: list[str]) -> None:
    waiting = [start]
    while waiting:
        folder = waiting.pop()
        try:
            status = (root / folder).stat()
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
            entries = list(os.scandir(root / folder))
        except OSError:
            if not folder:
                raise
            # What vanished while we walked has been deleted; a folder that is there and closed to us is reported.
            if os.path.lexists(root / folder):
                listing.closed.append(folder)
            continue
        for entry in entries:
            relative = f"{folder}/{entry.name}" if folder else entry.name
            if globs.skips_name(entry.name):
                continue
            if not _is_utf8(entry.name):
                # No warehouse file can hold such a path: it is reported in an escaped form that no file has.
                if globs.matches(relative) or _is_folder(entry):
                    listing.closed.append(os.fsencode(relative).decode("utf-8", "backslashreplace"))
            elif _is_folder(entry):
                if not globs.skips_folder(relative):
                    (links if entry.is_symlink() else waiting).append(relative)
            elif globs.matches(relative):
                listing.files.append(relative)


def _is_utf8(name: str) -> bool:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # A link that cannot be followed is listed as a file, and quarantined when it is read.
        return False


def unread_state(path: str) -> FileState:
    """The state of what is there and cannot be read, listed or named: it comes to `Source.read`, which says why."""
    return FileState(path, 0, 0, UNREAD_SHA256)


def file_state(root: Path, path: str, known: FileState | None, now_ns: int) -> FileState | None:
    """The state of a file; None where it has vanished.

    Size and time as in `known` save reading it. The time is the later of mtime and ctime: copies, archives and images
    bring files of equal size with an mtime of their choice, but a ctime is always the system's. What cannot be read,
    and what is no regular file (reading a pipe would wait for ever), gets `unread_state`.
    """
    try:
        status = (root / path).stat()
    except OSError:
        return unread_state(path) if os.path.lexists(root / path) else None
    if not stat.S_ISREG(status.st_mode):
        return unread_state(path)
    time_ns = max(status.st_mtime_ns, status.st_ctime_ns)
    trusted_ns = time_ns if time_ns < now_ns - RACY_NS else 0
    if known is not None and trusted_ns and known == FileState(path, status.st_size, trusted_ns, known.sha256):
        return known
    try:
        return FileState(path, status.st_size, trusted_ns, sha256_file(root / path))
    except FileNotFoundError:
        return None
    except OSError:
        return unread_state(path)
