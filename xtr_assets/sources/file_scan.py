"""What files a source has now: the folder walk and the state of each file. Nothing found on the way aborts it."""

import os
import stat
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from pathlib import Path

from xtr_assets.core.errors import MAY_NOT
from xtr_assets.core.file_diff import UNREAD_SHA256
from xtr_assets.core.files import FORBIDDEN
from xtr_assets.core.types import FileState
from xtr_assets.sources.bounded_read import digest_of, unread_digest
from xtr_assets.sources.globs import Globs

# A file written again within the clock's grain keeps its times, and its size if it pleases. So times younger than this
# when they were recorded are not trusted later: they are recorded as 0, which no file on a live system has. Two
# seconds is the coarsest grain in use (FAT); git treats its "racy" entries alike.
RACY_NS = 2_000_000_000


# What a folder holds that is a warehouse, or a set of them, of whatever index. What lies there is no source: each build
# writes to it, and would find its own files.
WAREHOUSES = (("warehouse.json", "generations"), ("parts.json", "moves"))


# Shown a folder and what lies in it; what of that is to be walked.
Look = Callable[[str, list[os.DirEntry[str]]], list[os.DirEntry[str]]]


@dataclass(slots=True)
class Listing:
    """Relative posix paths, sorted: files that match; files beside them of suffixes that the source does not read;
    why, by path, folders cannot be listed and names cannot be kept; submodules, which are repositories of their own.
    left_out : how many more files were seen, which `include` or `exclude` leave out."""

    files: list[str] = field(default_factory=list)
    other: list[str] = field(default_factory=list)
    closed: dict[str, str] = field(default_factory=dict)
    submodules: list[str] = field(default_factory=list)
    left_out: int = 0


def list_files(root: Path, globs: Globs) -> Listing:
    """Walk a folder. Raises OSError only where the root itself cannot be listed.

    A folder is walked once, under its real name if that lies below the root: symbolic links to folders come last, in
    order of name, and one that leads to a folder already seen is not followed. So loops end, and no file is listed
    twice on account of a linked folder. Links to files are files. A warehouse below the root is passed over, and so is
    a link to a folder that the root lies in: `up -> ..` would make everything around a source a part of it, and a
    link to `/`, as the root file systems of containers have some, the whole machine.
    """
    listing = Listing()

    def look(folder: str, entries: list[os.DirEntry[str]]) -> list[os.DirEntry[str]]:
        return _look(folder, entries, globs, listing)

    def closed(folder: str, error: OSError) -> None:
        listing.closed[folder] = f"the folder cannot be listed: {why_unread(error)}"

    walk_folders(root, look, closed)
    listing.files.sort()
    listing.other.sort()
    return listing


def walk_folders(root: Path, look: Look, closed: Callable[[str, OSError], None]) -> None:
    """Show `look` each folder below a root, by its relative path ("" for the root) and with what lies in it: what it
    returns of that is walked too, in the order that `list_files` tells of. `closed` is told of what cannot be listed.
    Raises OSError only where the root itself cannot be."""
    seen = folders_around(root)
    waiting, links = [""], list[str]()
    while waiting:
        folder = waiting.pop()
        if (entries := _entries(root, folder, seen, closed)) is not None:
            for entry in look(folder, entries):
                (links if entry.is_symlink() else waiting).append(f"{folder}/{entry.name}" if folder else entry.name)
        if not waiting:
            waiting, links = sorted(links, reverse=True), []


def _entries(
    root: Path, folder: str, seen: set[tuple[int, int]], closed: Callable[[str, OSError], None]
) -> list[os.DirEntry[str]] | None:
    """What lies in a folder; None where it was seen, cannot be listed or is a warehouse."""
    try:
        status = (root / folder).stat()
        if (status.st_dev, status.st_ino) in seen:
            return None
        seen.add((status.st_dev, status.st_ino))
        entries = list(os.scandir(root / folder))
    except OSError as error:
        if not folder:
            raise
        # What vanished while we walked has been deleted; a folder that is there and closed to us is reported.
        if not has_gone(root / folder):
            closed(folder, error)
        return None
    return None if folder and is_warehouse({entry.name for entry in entries}) else entries


def _look(folder: str, entries: list[os.DirEntry[str]], globs: Globs, listing: Listing) -> list[os.DirEntry[str]]:
    """Note the files of one folder; the folders in it that are to be walked."""
    further = []
    for entry in entries:
        relative = f"{folder}/{entry.name}" if folder else entry.name
        if globs.skips_name(entry.name):
            continue
        if not is_utf8(entry.name):
            # No warehouse file can hold such a path: it is reported in an escaped form.
            if globs.matches(relative) or (is_folder(entry) and not globs.skips_folder(relative)):
                shown = os.fsencode(relative).decode("utf-8", "backslashreplace")
                listing.closed[shown] = "a name that is no UTF-8; rename it"
        elif is_folder(entry):
            if not globs.skips_folder(relative):
                further.append(entry)
        elif globs.matches(relative):
            listing.files.append(relative)
        elif globs.passes_over(relative):
            listing.other.append(relative)
        else:
            listing.left_out += 1
    return further


def folders_around(root: Path) -> set[tuple[int, int]]:
    """Device and inode of the folders that the root lies in."""
    found: set[tuple[int, int]] = set()
    for folder in root.resolve().parents:
        try:
            status = folder.stat()
        except OSError:  # One that is closed to us is none that a link could lead through.
            continue
        found.add((status.st_dev, status.st_ino))
    return found


def is_warehouse(names: Collection[str]) -> bool:
    """Whether a folder of these names is a warehouse or a set of them."""
    return any(all(name in names for name in ours) for ours in WAREHOUSES)


def is_utf8(name: str) -> bool:
    """Whether a warehouse file can hold the name."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether it is one, or a link that leads to one."""
    try:
        return entry.is_dir()
    except OSError:  # A link that cannot be followed is listed as a file, and quarantined when it is read.
        return False


def has_gone(file: Path) -> bool:
    """Whether nothing lies at a path. What cannot be told (a folder closed above it, an I/O error) has not gone."""
    try:
        file.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def unread_state(path: str, why: str, known: FileState | None = None) -> FileState:
    """The state of what is there and cannot be read, listed or named: what is known of it stays."""
    return replace(known or FileState(path, 0, 0, UNREAD_SHA256), unread=why, refused="")


def file_state(
    root: Path, path: str, known: FileState | None, now_ns: int, most_bytes: int | None = None
) -> FileState | None:
    """The state of a file; None where it has vanished. What is larger than `most_bytes` is not looked into.

    Size and time as in `known` save reading it. The time is the later of mtime and ctime: copies, archives and images
    bring files of equal size with an mtime of their choice, but a ctime is always the system's. What cannot be read,
    and what is no regular file (reading a pipe would wait for ever), gets `unread_state`; so does what was read before
    and not taken, for as long as its bytes are those.
    """
    try:
        status = (root / path).stat()
        if not stat.S_ISREG(status.st_mode):
            kind = "a folder" if stat.S_ISDIR(status.st_mode) else "a pipe, a socket or a device"
            return unread_state(path, f"not a regular file but {kind}", known)
        time_ns = max(status.st_mtime_ns, status.st_ctime_ns)
        trusted_ns = time_ns if time_ns < now_ns - RACY_NS else 0
        if most_bytes is not None and status.st_size > most_bytes:
            return FileState(path, status.st_size, trusted_ns, unread_digest(status.st_size))
        unread = known is not None and known.sha256 == unread_digest(status.st_size)
        if (
            known is not None
            and not unread
            and trusted_ns
            and known == FileState(path, status.st_size, trusted_ns, known.sha256)
        ):
            return known
        digest = digest_of(root / path, status.st_size)
    except OSError as error:
        return None if has_gone(root / path) else unread_state(path, why_unread(error), known)
    if known is not None and known.refused == digest:
        return known
    return FileState(path, status.st_size, trusted_ns, digest)


def why_unread(error: OSError) -> str:
    """What an error of the system says to a person."""
    if isinstance(error, FileNotFoundError):
        return "a link to something that is not there"
    if error.errno in FORBIDDEN:
        return f"{error.strerror}; {MAY_NOT}"
    return error.strerror or str(error)
