"""Whether anything in a folder can have changed since it was last scanned, by one `stat` a file."""

import hashlib
import os
import stat
from array import array
from pathlib import Path
from typing import Protocol, runtime_checkable

from xtr_assets.sources.file_scan import RACY_NS
from xtr_assets.sources.globs import Globs

# Of each entry: where it lies on the disk, what kind it is, and what every write changes.
_FIELDS = 6


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
    seen: set[tuple[int, int]] = set()
    newest = 0
    waiting = [""]
    try:
        if not root.is_dir():
            waiting, newest = [], _add(digest, [""], [root.stat()])
        while waiting:
            folder = waiting.pop()
            status = (root / folder).stat()
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
            names, states = [folder], [status]
            with os.scandir(root / folder) as entries:
                for entry in entries:
                    state = _state(entry)
                    names.append(entry.name)
                    states.append(state)
                    if stat.S_ISDIR(state.st_mode):
                        relative = f"{folder}/{entry.name}" if folder else entry.name
                        if not globs.skips_name(entry.name) and not globs.skips_folder(relative):
                            waiting.append(relative)
            newest = max(newest, _add(digest, names, states))
    except (OSError, ValueError):
        return None
    return None if newest >= now_ns - RACY_NS else digest.hexdigest()


def _state(entry: os.DirEntry[str]) -> os.stat_result:
    """Of what a link leads to, as a scan looks at it; of the link itself where that is not there."""
    try:
        return entry.stat()
    except FileNotFoundError:
        return entry.stat(follow_symlinks=False)


def _add(digest: "hashlib.blake2b", names: list[str], states: list[os.stat_result]) -> int:
    """Add the entries of a folder; the newest time among them."""
    numbers = array("Q")
    newest = 0
    for one in states:
        time_ns = max(one.st_mtime_ns, one.st_ctime_ns)
        newest = max(newest, time_ns)
        numbers.extend((one.st_dev, one.st_ino, one.st_mode, one.st_size, max(one.st_mtime_ns, 0), one.st_ctime_ns))
    digest.update(b"\0".join(os.fsencode(name) for name in names))
    digest.update(array("Q", (len(names), len(numbers) // _FIELDS)).tobytes())
    digest.update(numbers.tobytes())
    return newest
