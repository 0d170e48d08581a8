"""The files of a source, walked a second time, against the snapshots that were made of them.

A folder may change while a build runs, and that is no fault: only what was so before the scan is one. A file, and each
folder that leads to it, has times of its own; where one of them is not older than the scan, nothing is concluded.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from xtr_assets.config import SourceConfig
from xtr_assets.core.file_diff import UNREAD_SHA256
from xtr_assets.pipeline.gate import table_evidence
from xtr_assets.pipeline.gate.path_patterns import PathPatterns, kind_of
from xtr_assets.pipeline.gate.python_evidence import python_text_of, tree_of
from xtr_assets.pipeline.gate.text_evidence import text_of
from xtr_assets.sources import open_source
from xtr_assets.sources.file_scan import file_state
from xtr_assets.storage.snapshot import Snapshot

# The kernel's clock for files is behind by up to a tick (10 ms at most); whole seconds are those of a coarse system.
TICK_NS, COARSE_NS = 50_000_000, 2_000_000_000
# Files that became stale and are read again, and as many bytes of each. A parser may fail on a file or two of a
# hostile folder; a source that refuses a quarter of what changed, and it is well-formed, is wrong itself.
STALE_FILES, STALE_BYTES = 32, 8 << 20
STALE_LEAST, STALE_SHARE = 3, 0.25
# Files touched since the last build that are said to be as before: hashed, up to so many bytes (0.1 CPU seconds). A
# build may have taken an hour from its scan to its manifest.
TOUCHED_BYTES, BUILD_NS = 64 << 20, 3_600_000_000_000
OTHER_BYTES = "its bytes are others than those it is said to have, and were so before it was looked at"
# Where there is no time: newer than any look.
UNKNOWN = 1 << 63


@dataclass(slots=True)
class Folder:
    """What lies at the path of a source now.

    files : by path, the latest time of the file and of what leads to it. own : of the file alone. folders : the same of
    folders, with the number of files of the source that lie right in them or below.
    """

    root: Path
    files: dict[str, int] = field(default_factory=dict)
    own: dict[str, int] = field(default_factory=dict)
    folders: dict[str, int] = field(default_factory=dict)
    held: dict[str, int] = field(default_factory=dict)

    def when(self, path: str) -> int:
        """When a file was last touched, as far as can be told."""
        return self.files.get(path, UNKNOWN)

    def was_so(self, path: str, looked_ns: int) -> bool:
        """Whether a file was what it is now when its shard was looked at."""
        return before(self.when(path), looked_ns)

    @contextmanager
    def reading(self, path: str, recorded: str) -> Iterator[tuple[Path, str]]:  # noqa: ARG002
        """A file, and the sha256 that it has now. Raises OSError."""
        file = self.root / path
        with file.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        yield file, digest

    def went(self, path: str) -> int:
        """When a file that is not there may have gone, by the folder that held it. An empty folder may be one that
        something was mounted at a moment ago: nothing is known then."""
        above = path
        while above:
            above = above.rpartition("/")[0]
            if above in self.folders:
                return self.folders[above] if self.held.get(above) else UNKNOWN
        return UNKNOWN


def before(time_ns: int, looked_ns: int) -> bool:
    """Whether a time of a file is surely older than a look at it."""
    return time_ns + (TICK_NS if time_ns % 1_000_000_000 else COARSE_NS) < looked_ns


def folder_of(config: SourceConfig) -> Folder:
    """Walk. A folder is entered once, under its real name before that of a link; links to files are files. What the
    source lies in is no part of it, whatever link leads there."""
    patterns = PathPatterns(config)
    root = config.folder
    links = [one for one in (root, *root.parents) if one.is_symlink()]
    found = Folder(root)
    try:
        start = max(_time(one.lstat()) for one in (root, *links))
        if root.is_file():
            time = max(start, _time(root.stat()))
            return Folder(root.parent, {root.name: time}, {root.name: time}, {"": UNKNOWN})
    except OSError:
        return found
    entered: set[str] = set()
    waiting = [("", start)]
    while waiting:
        linked: list[tuple[str, int]] = []
        for relative, time in sorted(waiting):
            _enter(found, patterns, relative, time, entered, linked)
        waiting = linked
    for path in found.files:
        above = path
        while above:
            above = above.rpartition("/")[0]
            found.held[above] = found.held.get(above, 0) + 1
    return found


def _enter(
    found: Folder, patterns: PathPatterns, start: str, time: int, entered: set[str], linked: list[tuple[str, int]]
) -> None:
    stack = [(start, time)]
    while stack:
        relative, above = stack.pop()
        folder = found.root / relative
        real = os.path.realpath(folder)
        if real in entered or (relative and _holds(folder, found.root)):
            continue
        entered.add(real)
        if relative and _keeps_generations(folder):
            continue
        try:
            here = found.folders[relative] = max(above, _time(folder.lstat()), _time(folder.stat()))
            with os.scandir(folder) as listed:
                entries = list(listed)
        except OSError:
            continue
        names = tuple(relative.split("/")) if relative else ()
        for entry in entries:
            if not patterns.passes(entry.name) or _is_bytes(entry.name):
                continue
            path = f"{relative}/{entry.name}" if relative else entry.name
            try:
                if entry.is_dir():
                    if not patterns.shuts((*names, entry.name)):
                        (linked if entry.is_symlink() else stack).append((path, here))
                elif patterns.takes((*names, entry.name)):
                    times = [_time(entry.stat(follow_symlinks=False))]
                    times += [_time(entry.stat())] if entry.is_symlink() else []
                    found.own[path] = max(times)
                    found.files[path] = max(here, *times)
            except OSError:
                continue


def _holds(folder: Path, root: Path) -> bool:
    """Whether the source lies below a folder. Asked of the system: names below /proc lead to `/` and are none of it."""
    try:
        return any(folder.samefile(above) for above in Path(os.path.realpath(root)).parents)
    except OSError:
        return False


def _keeps_generations(folder: Path) -> bool:
    """Whether a folder is a warehouse, or a set of them (docs/format.md): neither is a source. Of a folder that is
    closed to this user nobody can tell."""
    try:
        if (folder / "warehouse.json").is_file():
            return (folder / "generations").is_dir()
        return (folder / "parts.json").is_file() and (folder / "moves").is_dir()
    except OSError:
        return False


def _time(status: os.stat_result) -> int:
    return max(status.st_mtime_ns, status.st_ctime_ns)


def _is_bytes(name: str) -> bool:
    """Whether a name is no UTF-8."""
    return any("\udc80" <= letter <= "\udcff" for letter in name)


@dataclass(frozen=True, slots=True)
class Held:
    """The shards of a source in a draft: each with its snapshot and when its files were looked at (0: not known)."""

    config: SourceConfig
    snapshots: Mapping[str, Snapshot]
    looked: Mapping[str, int]

    def shard_of(self, path: str) -> str:
        if self.config.shards == 1:
            return self.config.name
        digest = int.from_bytes(hashlib.blake2b(path.encode(), digest_size=8).digest(), "little")
        found = f"-{digest % self.config.shards:0{max(2, len(str(self.config.shards)))}}of"
        return next((name for name in self.snapshots if name.startswith(f"{self.config.name}{found}")), "")


def listing_faults(held: Held, folder: Folder) -> Iterator[str]:
    """Files that lie there and are not held; files that are held and do not lie there, or are not the source's."""
    if not folder.files:
        return  # It went since: the scan refuses a source without files.
    known = set(chain.from_iterable(one.files for one in held.snapshots.values()))
    stale = {entry.path for one in held.snapshots.values() for entry in one.stale}
    real: set[str] = set()
    for path, time in folder.files.items():
        if path in known or not before(time, held.looked.get(held.shard_of(path), 0)):
            continue
        if any(path.startswith(f"{one}/") for one in stale):
            continue
        # The same file may be held under another of its names.
        real = real or {os.path.realpath(folder.root / one) for one in known}
        if os.path.realpath(folder.root / path) not in real:
            yield f"{held.config.name}/{path}: it lies in the source, and the generation has no such file"
    patterns = PathPatterns(held.config)
    for shard, snapshot in held.snapshots.items():
        for path in snapshot.files.keys() - folder.files.keys() - stale:
            if not held.config.folder.is_file() and not patterns.takes(tuple(path.split("/"))):
                yield f"{held.config.name}/{path}: the configuration leaves it out, and the generation has it"
            elif not os.path.lexists(folder.root / path) and before(folder.went(path), held.looked.get(shard, 0)):
                yield f"{held.config.name}/{path}: it has gone, and the generation has it"


def stale_faults(held: Held, folder: Folder, served: Mapping[str, Snapshot]) -> Iterator[str]:
    """Files that became stale in this build though they are well-formed, and the source refuses them again: here the
    source is asked, and not believed."""

    def refused(shard: str, path: str) -> bool:
        file = folder.root / path
        if not folder.was_so(path, held.looked.get(shard, 0)) or not _can_be_read(file):
            return False
        return well_formed(held.config, file) and _refuses(held.config, folder.root, path)

    yield from refused_again(held, served, refused)
    yield from _never_taken(held, folder, served)


def _never_taken(held: Held, folder: Folder, served: Mapping[str, Snapshot]) -> Iterator[str]:
    """Files that could not be read when what serves was built, are said to be so again, and can be read by their
    source: what they say now would never come."""
    tried = 0
    for shard, snapshot in held.snapshots.items():
        old = served.get(shard)
        known = set() if old is None else {entry.path for entry in old.stale}
        for entry in snapshot.stale:
            file = folder.root / entry.path
            if entry.path not in known or entry.refused or tried == STALE_FILES:
                continue
            if not folder.was_so(entry.path, held.looked.get(shard, 0)) or not _can_be_read(file):
                continue
            tried += 1
            if well_formed(held.config, file) and not _refuses(held.config, folder.root, entry.path):
                yield f"{held.config.name}/{entry.path}: it is still said to be stale ({entry.reason}) and can be read"


def refused_again(held: Held, served: Mapping[str, Snapshot], refused: Callable[[str, str], bool]) -> Iterator[str]:
    """A fault a file that became stale in this build and that `refused`, asked with its shard and path, says to be
    well-formed and refused by its source. What could not be read for a moment only is no fault, and a few files that a
    parser fails on are none: they stay listed."""
    changed = 0
    faults: list[str] = []
    for shard, snapshot in held.snapshots.items():
        old = served.get(shard)
        before_it = {} if old is None else old.files
        known = set() if old is None else {entry.path for entry in old.stale}
        new = [entry for entry in snapshot.stale if entry.path not in known]
        changed += len(new) + sum(before_it.get(path) != file for path, file in snapshot.files.items())
        # One that the source says to refuse is no surprise.
        for entry in [entry for entry in new if not entry.refused]:
            if len(faults) == STALE_FILES:
                break
            if refused(shard, entry.path):
                faults.append(f"{held.config.name}/{entry.path}: it is stale ({entry.reason}) and can be read")
    if len(faults) >= STALE_LEAST and len(faults) >= STALE_SHARE * changed:
        yield from faults


def well_formed(config: SourceConfig, file: Path) -> bool:
    """Whether a file is what its kind should be, by a reading that is not the source's."""
    kind = kind_of(config, file.name)
    if kind == "records":
        if file.suffix.lower() in (".parquet", ".pq"):
            return file.read_bytes()[-4:] == b"PAR1"
        if file.suffix.lower() in table_evidence.SUFFIXES:
            return text_of(file.read_bytes()) is not None
        try:
            return all(isinstance(json.loads(line), dict) for line in file.read_bytes().splitlines() if line.strip())
        except (ValueError, RecursionError):
            return False
    data = file.read_bytes()
    if kind == "python":
        text = python_text_of(data)
        return text is not None and tree_of(text) is not None
    return text_of(data) is not None


def _can_be_read(file: Path) -> bool:
    try:
        # Opening a pipe would wait for ever; so may a file of the system, which says that it is empty.
        if not file.is_file() or not file.stat().st_size:
            return False
        with file.open("rb") as stream:
            stream.read(STALE_BYTES)
    except OSError:
        return False
    return True


def _refuses(config: SourceConfig, root: Path, path: str) -> bool:
    state = file_state(root, path, None, 0)
    if state is None or state.unread:
        return True
    return any(getattr(item, "reason", "") == "unreadable" for item in open_source(config).read(path))


def content_faults(held: Held, folder: Folder, served: Mapping[str, Snapshot], served_ns: int) -> tuple[int, list[str]]:
    """(files hashed, faults): files that are held as they serve although somebody touched them since that was built."""
    left, hashed = TOUCHED_BYTES, 0
    faults: list[str] = []
    for shard, snapshot in held.snapshots.items():
        old = served.get(shard)
        if old is None:
            continue
        stale = {entry.path for entry in snapshot.stale}
        # What was too large to be looked into has no sha256 of its bytes.
        stale |= {entry.path for entry in snapshot.quarantine if entry.reason == "too-large"}
        for path, file in snapshot.files.items():
            if old.files.get(path) != file or path in stale or file.sha256 == UNREAD_SHA256:
                continue
            if folder.own.get(path, 0) < served_ns - BUILD_NS or not folder.was_so(path, held.looked.get(shard, 0)):
                continue
            left -= file.size
            if left < 0 and hashed:
                return hashed, faults
            hashed += 1
            try:
                with (folder.root / path).open("rb") as stream:
                    digest = hashlib.file_digest(stream, "sha256").hexdigest()
            except OSError:
                continue
            if digest != file.sha256:
                faults.append(f"{held.config.name}/{path}: {OTHER_BYTES}")
    return hashed, faults
