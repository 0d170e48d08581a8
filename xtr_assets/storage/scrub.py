"""Raw arrays are mapped, not read: a generation's are hashed once on a host, and that is remembered where it is safe.

A marker outside the warehouse names device, inode, size, mtime and ctime of a file and the sha256 that it had. Whoever
writes to the file changes its ctime, which nobody can set back. Bits that rot on the disk change nothing of these: the
nightly `verify` reads every byte, and so does opening with verify="full".
"""

import hashlib
import json
import logging
import os
import stat
from collections.abc import Collection, Mapping
from pathlib import Path
from threading import Event, Lock, Thread
from time import time_ns
from typing import Any, Literal

from xtr_assets.core.cache_place import cache_folder
from xtr_assets.core.errors import CorruptFile, InvalidInput
from xtr_assets.core.files import FileRecord, replacing
from xtr_assets.storage.digests import check_digest, check_size, note_sound, stamp_of, verify_files
from xtr_assets.storage.generation import Generation
from xtr_assets.storage.layout import Layout
from xtr_assets.storage.manifest import Manifest

log = logging.getLogger(__name__)

# once: what this host has not read yet is read; full: everything is; sizes: sizes and headers alone, as mapping does.
Verify = Literal["once", "full", "sizes"]

# What has to be read beyond this is read behind the first searches: at the 200 MB a second of a slow disk it takes
# longer than somebody waits for an answer.
BACKGROUND_BYTES = 256 * 2**20
# Some file systems keep times in steps of two seconds: what was written again within one looks as it was.
SETTLED_NS = 3 * 10**9
# What is known is kept after so many bytes, so that a process that ends early leaves the next one less to read.
KEPT_EVERY_BYTES = 64 * 2**20


class Scrub:
    """Compares the raw arrays of a generation with their records; `check` raises what was found."""

    def __init__(self, generation: Generation, verify: Verify | None = None) -> None:
        """Reads at once what is little, and all with "full"; more in a thread. By default "once", but for drafts, whose
        every byte is read when they are published."""
        if verify not in (None, "once", "full", "sizes"):
            raise InvalidInput(f"verify is {verify!r}; it is 'once', 'full' or 'sizes'")
        self._layout, self._end = generation.layout, Event()
        self._problem: CorruptFile | None = None
        self._thread: Thread | None = None
        how = verify or ("once" if generation.sealed else "sizes")
        if how == "sizes":
            return
        files, self._marks = generation.manifest.files, Marks(generation.layout.root)
        if how == "full":
            self._read(files)
        else:
            arrays = {name: one for name, one in files.items() if name.endswith(".npy")}
            unread = {name: one for name, one in arrays.items() if not self._known(name, one)}
            if sum(one.bytes for one in unread.values()) <= BACKGROUND_BYTES:
                self._read(unread)
            else:
                self._thread = Thread(target=self._behind, args=(unread,), name="scrub", daemon=True)
                self._thread.start()

    def check(self) -> None:
        """Raise CorruptFile where an array was found to differ: nothing is answered from it any more."""
        if self._problem is not None:
            found = self._problem
            raise CorruptFile(found.path, found.expected, found.found, found.remedy)

    def wait(self, seconds: float | None = None) -> bool:
        """Until everything was read, or so many seconds; whether it was."""
        if self._thread is not None:
            self._thread.join(seconds)
        return self._thread is None or not self._thread.is_alive()

    def end(self) -> None:
        """Read no further: the generation is let go."""
        self._end.set()

    def _known(self, name: str, expected: FileRecord) -> bool:
        path = self._layout.resolve(name)
        check_size(path, expected, name)
        stamp = stamp_of(path)
        if self._marks.get(name) != (stamp, expected.sha256):
            return False
        note_sound(path, stamp)
        return True

    def _read(self, files: Mapping[str, FileRecord]) -> None:
        pending = 0
        for name, expected in sorted(files.items()):
            if self._end.is_set():
                return
            path = self._layout.resolve(name)
            check_size(path, expected, name)
            before, at = stamp_of(path), time_ns()
            # From the disk, whatever this process read before: what is kept for other processes was read now.
            check_digest(path, expected, name, within=0.0)
            if before == stamp_of(path):
                note_sound(path, before)
                if at - before[4] > SETTLED_NS:
                    self._marks.put(name, before, expected.sha256)
                    pending += expected.bytes
            if pending > KEPT_EVERY_BYTES:
                self._marks.keep()
                pending = 0
        if pending:
            self._marks.keep()

    def _behind(self, files: Mapping[str, FileRecord]) -> None:
        try:
            self._read(files)
        except CorruptFile as problem:
            if not self._end.is_set():
                log.error("%s; nothing is answered from this generation any more", problem)
                self._problem = problem
        except OSError as error:
            # A disk that goes away is noticed by whoever searches; a collection after `end` is no news.
            if not self._end.is_set():
                log.error("the arrays of %s were not all compared with their records: %s", self._layout.root, error)


def verify_once(
    layout: Layout, files: Mapping[str, FileRecord], *, within: float = 0.0, anew: Collection[str] = ()
) -> list[CorruptFile]:
    """Every file that differs from its record. What this host has read, and nobody wrote to since, is not read again;
    nor what this process read in the last `within` seconds. Those in `anew` are."""
    marks = Marks(layout.root)
    before = {name: _stamp(layout, name) for name in files}
    unread = {name: one for name, one in files.items() if name in anew or marks.get(name) != (before[name], one.sha256)}
    short = verify_files(layout, {name: one for name, one in files.items() if name not in unread}, full=False)
    at = time_ns()
    found = verify_files(layout, unread, full=True, within=within)
    wrong = {problem.path for problem in found}
    for name, one in unread.items():
        stamp = before[name]
        if name not in wrong and stamp and at - stamp[4] > SETTLED_NS and stamp == _stamp(layout, name):
            marks.put(name, stamp, one.sha256)
    marks.keep()
    return [*short, *found]


def own_files(manifest: Manifest, parent: Manifest | None) -> set[str]:
    """The files of a generation that nobody vouches for yet: those of a parent that passed its gate were verified when
    it was published, and each night."""
    kept = {} if parent is None or parent.forced is not None else parent.files
    return {name for name, one in manifest.files.items() if kept.get(name) != one}


def _stamp(layout: Layout, name: str) -> tuple[int, ...]:
    try:
        return stamp_of(layout.resolve(name))
    except (OSError, CorruptFile):
        # Whoever reads it says what is wrong.
        return ()


class Marks:
    """What this host has read of a warehouse: name -> (stamp, sha256). Lost ones cost a second reading, never trust."""

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()
        self._path = marks_folder() / f"{hashlib.sha256(os.fsencode(self._root)).hexdigest()[:32]}.json"
        self._lock = Lock()
        self._new: dict[str, tuple[tuple[int, ...], str]] = {}
        self._known = _load(self._path)

    def get(self, name: str) -> tuple[tuple[int, ...], str] | None:
        return self._known.get(name)

    def put(self, name: str, stamp: tuple[int, ...], sha256: str) -> None:
        with self._lock:
            self._new[name] = (stamp, sha256)

    def keep(self) -> None:
        """Write what is known; beside another process the later one wins. Where nothing can be written, nothing is."""
        with self._lock:
            known = {**_load(self._path), **self._new}
            there = {name: one for name, one in known.items() if (self._root / name).is_file()}
            document = {name: [*stamp, sha256] for name, (stamp, sha256) in sorted(there.items())}
            try:
                self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                if _own(self._path.parent):
                    with replacing(self._path) as made:
                        # Whatever the umask says: what others may write to counts for nothing.
                        made.chmod(0o600)
                        made.write_text(json.dumps(document), "ascii")
            except OSError as error:
                log.debug("what was read of %s is not remembered: %s", self._root, error)


def marks_folder() -> Path:
    """In the cache folder: on this host, of this user."""
    # A home that several hosts share: their devices and inodes are not each other's.
    return cache_folder() / "verified" / os.uname().nodename


def _load(path: Path) -> dict[str, tuple[tuple[int, ...], str]]:
    try:
        if not (_own(path.parent) and _own(path)):
            return {}
        loaded: dict[str, list[Any]] = json.loads(path.read_bytes())
        return {name: (tuple(map(int, one[:5])), str(one[5])) for name, one in loaded.items() if len(one) == 6}
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        return {}


def _own(path: Path) -> bool:
    """Whether nobody but this user could have written it; a link is nobody's."""
    state = path.lstat()
    return state.st_uid == os.geteuid() and not state.st_mode & 0o022 and not stat.S_ISLNK(state.st_mode)
