"""Whether anything in a folder can have changed since it was last scanned, by one `stat` a file."""

import hashlib
import os
from array import array
from itertools import chain
from operator import attrgetter
from pathlib import Path
from stat import S_ISDIR
from typing import NamedTuple, Protocol, runtime_checkable

from xtr_assets.sources.file_scan import RACY_NS, folders_around, is_warehouse
from xtr_assets.sources.globs import Globs

try:
    from xtr_assets.sources import _listing  # type: ignore[attr-defined, unused-ignore]
except ImportError:
    _listing = None

# What this release calls; an extension left behind by another build is not used.
ABI = 1
# Of each entry: where it lies on the disk, what kind it is, and what every write changes.
_fields_of = attrgetter("st_dev", "st_ino", "st_mode", "st_size", "st_mtime_ns", "st_ctime_ns")
_FIELDS, _TIMES = 6, (4, 5)
# Bytes of the first two numbers: by them a folder is known again.
_PLACE = 2 * 8
_MOST = 2**64 - 1


class Looked(NamedTuple):
    """A folder as it is now. names : of its entries, in its order, NUL between them; numbers : uint64 [1 + entries, 6]
    as bytes, of the folder itself and of what each name leads to: device, inode, mode, size, mtime and ctime in ns;
    newest : the latest of these times; folders : the names that lead to folders."""

    names: bytes
    numbers: bytes
    newest: int
    folders: list[bytes]


@runtime_checkable
class Stamped(Protocol):
    """A source that can say cheaply that nothing changed."""

    def stamp(self, now_ns: int) -> str | None:
        """Hex digest that is equal only where a scan would find the same; None where nobody can tell."""


def tree_stamp(root: Path, globs: Globs, now_ns: int) -> str | None:
    """The stamp of all that a scan of `root` looks at, read or passed over; None where it cannot be told.

    It holds device, inode, mode, size, mtime and ctime by name: what a scan compares, and more. A time younger than
    RACY_NS, or of the future, gives None: a file may be written again without changing it. So does what cannot be
    listed or looked at.
    """
    digest = hashlib.blake2b(digest_size=16)
    look = look_into if _listing is None or _listing.ABI != ABI else _listing.look_into
    # What a scan does not enter, a look need not: below a link to `/` lies the machine.
    seen = {array("Q", place).tobytes() for place in folders_around(root)}
    newest = 0
    waiting = [""]
    try:
        if not root.is_dir():
            numbers, newest = _packed([root.stat()])
            digest.update(numbers)
            waiting = []
        while waiting:
            folder = waiting.pop()
            names, numbers, latest, folders = look(os.fsencode(root / folder))
            if (lies := numbers[:_PLACE]) in seen:
                continue
            seen.add(lies)
            if folder and is_warehouse(os.fsdecode(names).split("\0")):
                continue
            for name in map(os.fsdecode, folders):
                relative = f"{folder}/{name}" if folder else name
                if not globs.skips_name(name) and not globs.skips_folder(relative):
                    waiting.append(relative)
            digest.update(b"%b\0%b\0%d\0" % (os.fsencode(folder), names, len(numbers)))
            digest.update(numbers)
            newest = max(newest, latest)
    except (OSError, ValueError):
        return None
    return None if newest >= now_ns - RACY_NS else digest.hexdigest()


def look_into(path: bytes) -> Looked:
    """A folder, looked at by Python where there is no extension (native/listing); raises OSError where it, or an entry,
    cannot be looked at.

    Entries are looked at relative to the open folder: the system walks one name for each, not the whole path.
    """
    opened = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with os.scandir(opened) as scanned:
            entries = list(scanned)
        try:
            states = [entry.stat() for entry in entries]
        except FileNotFoundError:  # A link to nothing, or a file that went meanwhile.
            states = [_state(entry) for entry in entries]
        folders = [os.fsencode(one.name) for one, state in zip(entries, states, strict=True) if S_ISDIR(state.st_mode)]
        return Looked(
            os.fsencode("\0".join([entry.name for entry in entries])), *_packed([os.fstat(opened), *states]), folders
        )
    finally:
        os.close(opened)


def _state(entry: os.DirEntry[str]) -> os.stat_result:
    """Of what a link leads to, as a scan looks at it; of the link itself where that is not there."""
    try:
        return entry.stat()
    except FileNotFoundError:
        return entry.stat(follow_symlinks=False)


def _packed(states: list[os.stat_result]) -> tuple[bytes, int]:
    """(the numbers of entries, the newest time among them)"""
    try:
        numbers = array("Q", chain.from_iterable(map(_fields_of, states)))
    except OverflowError:  # A time before 1970, or after 2554.
        numbers = array("Q", (min(max(0, number), _MOST) for one in states for number in _fields_of(one)))
    return numbers.tobytes(), max(max(numbers[field::_FIELDS]) for field in _TIMES)
