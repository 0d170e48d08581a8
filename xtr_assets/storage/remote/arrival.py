"""Files of a store as they arrive in a warehouse: below incoming/, each compared before it has its name.

A pull that died goes on where it was: files that are whole are compared again and stay, a part goes on at its end.
"""

import hashlib
import os
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from xtr_assets.core.errors import PUSH_AGAIN, CorruptFile, StorageError
from xtr_assets.core.files import FileRecord, fsync_file, record
from xtr_assets.storage.layout import Layout
from xtr_assets.storage.links import refuse_links
from xtr_assets.storage.remote.block_lists import BlockDigests, BlockLists, read_list, refuse_other_list
from xtr_assets.storage.remote.lease import Held
from xtr_assets.storage.remote.object_store import READS, THREADS, ObjectStore, file_name, side_by_side
from xtr_assets.telemetry.progress import bar

# Left free on the disk beside what is fetched: a full disk stops whoever else writes there.
SPARE_BYTES = 64 * 2**20

Stop = Callable[[], bool]


class Stopped(Exception):
    """Somebody asked to stop; what arrived stays."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How files come.

    stop : asked between ranges; it may wait, and says whether to end. threads : how many files at a time. early : a
    folder laid out as the warehouse with whole files that came before, compared like any other
    """

    stop: Stop = lambda: False
    threads: int = THREADS
    early: Layout | None = None


AT_ONCE = Manner()


def fetch(
    layout: Layout,
    store: ObjectStore,
    wanted: Mapping[str, FileRecord],
    lease: Held,
    label: str,
    manner: Manner,
    lists: BlockLists | None = None,
) -> Layout:
    """Bring files, by their names in the warehouse, below incoming/; that as a layout of its own.

    lists : held against the files as they come. CorruptFile where one is not that of its file.
    """
    staged = Layout(layout.incoming)
    refuse_links(layout, layout.incoming)
    _remove_others(staged, wanted)
    _check_space(layout, staged, wanted)
    with bar(sum(one.bytes for one in wanted.values()), label) as progress:

        def one(item: tuple[str, FileRecord]) -> None:
            name, expected = item
            lease.renew()
            if manner.early is not None:
                _link(manner.early.resolve(name), staged.resolve(name))
            told = None if lists is None else read_list(store, lists, expected, name)
            made = None if lists is None or told is None else BlockDigests(lists.block_bytes)
            if _fetch(store, staged.resolve(name), expected, name, manner.stop, made) and told is not None and made:
                refuse_other_list(told, made.finish(), name, store.name)
            progress(expected.bytes)

        side_by_side(one, sorted(wanted.items()), manner.threads)
    return staged


def _link(early: Path, target: Path) -> None:
    if early.is_file() and not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        # Somebody may take it away meanwhile: it then comes like any other.
        with suppress(OSError):
            os.link(early, target)


def _fetch(
    store: ObjectStore, target: Path, expected: FileRecord, name: str, stop: Stop, made: BlockDigests | None
) -> bool:
    """Whether the file came now; False where it was there."""
    if target.is_file() and record(target) == expected:
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    part = part_of(target, expected)
    for _ in range(READS):
        if made is not None:
            made.begin()
        found = _append(store, part, expected, name, stop, made)
        if found == expected.sha256:
            fsync_file(part)
            part.replace(target)
            return True
        # It was cut and joined wrongly, or mangled on its way: once more from the beginning.
        part.unlink()
    raise CorruptFile(
        f"{name} ({file_name(expected)} from {store.name})",
        f"sha256 {expected.sha256}",
        f"sha256 {found}, {READS} times",
        PUSH_AGAIN,
    )


def _append(
    store: ObjectStore, part: Path, expected: FileRecord, name: str, stop: Stop, made: BlockDigests | None
) -> str:
    """Bring the rest of a part; the sha256 of all of it. made : takes all of it as well."""
    digest = hashlib.sha256()
    with part.open("a+b") as file:
        if file.tell() > expected.bytes:
            file.truncate(0)
        file.seek(0)
        while data := file.read(2**20):
            digest.update(data)
            if made is not None:
                made.update(data)
        for data in store.parts(expected, name, file.tell()):
            if stop():
                raise Stopped
            file.write(data)
            digest.update(data)
            if made is not None:
                made.update(data)
    return digest.hexdigest()


def part_of(target: Path, expected: FileRecord) -> Path:
    """What there is of a file so far; its name says of which bytes."""
    return target.with_name(f"{target.name[:180]}.{expected.sha256[:16]}.part")


def _remove_others(staged: Layout, wanted: Mapping[str, FileRecord]) -> None:
    """What an earlier pull left of another generation."""
    ours = {staged.resolve(name) for name in wanted}
    ours |= {part_of(staged.resolve(name), one) for name, one in wanted.items()}
    for path in staged.root.rglob("*") if staged.root.is_dir() else ():
        if path.is_file() and path not in ours:
            path.unlink()


def _check_space(layout: Layout, staged: Layout, wanted: Mapping[str, FileRecord]) -> None:
    there = sum(path.stat().st_size for path in staged.root.rglob("*") if path.is_file())
    needed = sum(one.bytes for one in wanted.values()) - there
    free = shutil.disk_usage(layout.root).free
    if needed > 0 and needed + SPARE_BYTES > free:
        raise StorageError(
            f"{layout.root} has {free} bytes free, and {needed} are to come ({SPARE_BYTES} stay free); free some, or "
            "name a folder on another disk"
        )
