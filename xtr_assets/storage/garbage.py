"""Garbage collection: what no kept generation, open draft or snapshot needs goes; pinned generations never do."""

import errno
import fcntl
import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import count, groupby
from pathlib import Path

from xtr_assets.core.arguments import whole
from xtr_assets.core.errors import CorruptFile, StorageError, WarehouseLocked
from xtr_assets.core.files import fsync_dir
from xtr_assets.storage.content import withdrawn_generations
from xtr_assets.storage.history import published_stack, read_history, read_published
from xtr_assets.storage.layout import Layout, named_below
from xtr_assets.storage.lock import committing, shard_writing
from xtr_assets.storage.manifest import Manifest
from xtr_assets.storage.parts.pins import pinned_by_moves
from xtr_assets.storage.remembrance import remember_contents
from xtr_assets.storage.retired_shards import forsaken, unused
from xtr_assets.storage.seal import is_sealed, read_manifest
from xtr_assets.storage.snapshot import current_version, read_snapshot
from xtr_assets.storage.temporary_files import put_away, room_to_remove
from xtr_assets.storage.vector_files import embeddings_file, embeddings_listing, names_folders, tokens_folder
from xtr_assets.storage.warehouse_info import read_info


@dataclass(frozen=True)
class CollectReport:
    """kept : generations that stay; pinned : those that stay only because a reader uses them, or a move of a set names
    them; generations : those that go. Drafts that were overtaken go too and are among the paths only: they never were
    generations to anybody.

    removed : bytes by path in the warehouse (folders as one). With `dry_run` nothing was removed yet. retired : shards
    that no source has any more and whose rows go; unused : those whose rows stay all the same.
    """

    dry_run: bool
    kept: tuple[int, ...]
    pinned: tuple[int, ...]
    generations: tuple[int, ...]
    removed: dict[str, int] = field(default_factory=dict)
    retired: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()

    @property
    def bytes(self) -> int:
        return sum(self.removed.values())


def collect(
    layout: Layout,
    keep: int,
    *,
    dry_run: bool = False,
    encoder: str | None = None,
    shards: Collection[str] | None = None,
) -> CollectReport:
    """Keep `keep` generations: the serving one, those a rollback would go to, then the newest; runs under the lock.

    What `encoder` (a fingerprint) encoded stays in current segments although no generation uses it any more: going back
    to an encoder of old is under way for as long as encoding takes. shards : those of the configuration; any other goes
    that no generation has which stays, once nobody wanted it for some days (retired_shards.py). None where they are not
    known: what a shard holds now stays then.
    """
    keep = whole(keep, "keep", instead="; the published generation is always kept")
    if not dry_run:
        # Whatever goes: what it held, and who took it back, stays known.
        remember_contents(layout)
    sealed = [number for number in layout.numbers() if is_sealed(layout, number)]
    # A draft below the published number is never published any more; one without a manifest is what a dead writer left.
    published = read_published(layout) or 0
    unsealed = [number for number in layout.numbers() if number not in sealed]
    drafts = [number for number in unsealed if number > published and layout.manifest(number).is_file()]
    chosen = kept_numbers(layout, sealed, keep)
    # Before anything goes: where what is kept cannot be read, nothing that could take its place is removed.
    kept_manifests = {number: read_manifest(layout, number) for number in (*sorted(chosen), *drafts)}
    going = [number for number in sealed if number not in chosen]
    report = _sweep(layout, sealed, going, kept_manifests, drafts, dry_run=dry_run, encoder=encoder, shards=shards)
    for number in sorted(set(unsealed) - set(drafts)):
        _remove(layout, layout.generation(number), report.removed, dry_run)
    return report


def evict(layout: Layout, numbers: Sequence[int]) -> CollectReport:
    """Remove just these generations where nobody reads them, and what nothing left needs; runs under the lock. For the
    cache of an object store, which can bring them again."""
    sealed = [number for number in layout.numbers() if is_sealed(layout, number)]
    stay = {number: read_manifest(layout, number) for number in sealed if number not in numbers}
    return _sweep(layout, sealed, numbers, stay, [], dry_run=False, encoder=None)


def _sweep(
    layout: Layout,
    sealed: Sequence[int],
    going: Sequence[int],
    known: Mapping[int, Manifest],
    drafts: Sequence[int],
    *,
    dry_run: bool,
    encoder: str | None,
    shards: Collection[str] | None = None,
) -> CollectReport:
    """Remove the generations `going` but pinned ones, then whatever the rest of `sealed` and the drafts do not need.
    `known` : manifests that were read already."""
    pinned, gone = [], []
    removed: dict[str, int] = {}
    for number in going:
        with _unpinned(layout, number) as free:
            if not free:
                pinned.append(number)
                continue
            gone.append(number)
            _remove(layout, layout.generation(number), removed, dry_run)
    kept = [number for number in sealed if number not in gone]
    manifests = [known.get(number) or read_manifest(layout, number) for number in (*kept, *drafts)]
    spare = partial(unreferenced, layout, manifests, open_draft=bool(drafts), encoder=encoder)
    lone = () if shards is None else unused(layout, manifests, shards)
    serving = [one for one in manifests if one.number == read_published(layout)]
    retired = forsaken(layout, serving[0], lone) if serving else ()
    if dry_run:
        for path in spare(leaving=retired):
            removed[layout.relative(path)] = _size(path)
    else:
        # Out of sight while nobody can name it anew: shards are chunked beside a collection. Removed after that.
        with room_to_remove(layout) as room, ExitStack() as stack:
            # Looked at again once nobody can chunk one of them any more.
            idle = [shard for shard in retired if _is_idle(stack, layout, shard)]
            retired = forsaken(layout, serving[0], idle) if serving else ()
            stack.enter_context(committing(layout, "collection"))
            numbers = count()
            # Others wait, for a minute at most: a folder is made durable once for all that leave it one after another.
            # A list goes before what it names.
            for (parent, _), paths in groupby(spare(leaving=retired), lambda one: (one.parent, one.suffix == ".json")):
                for path in paths:
                    removed[layout.relative(path)] = _size(path)
                    put_away(path, room, str(next(numbers)))
                fsync_dir(parent)
    stay = tuple(shard for shard in lone if shard not in retired)
    return CollectReport(dry_run, tuple(kept), tuple(pinned), tuple(gone), removed, retired, stay)


def _is_idle(stack: ExitStack, layout: Layout, shard: str) -> bool:
    """Whether nobody chunks a shard, and nobody can begin to while the stack is open."""
    try:
        stack.enter_context(shard_writing(layout, shard, f"collection of {shard}", 0.0))
    except WarehouseLocked:
        return False
    return True


def kept_numbers(layout: Layout, sealed: Sequence[int], keep: int) -> set[int]:
    """The serving generation and rollback targets from the top of the stack down, then the newest others."""
    published = read_published(layout)
    refused = set(withdrawn_generations(layout, sealed)) - {published}
    stack = reversed(published_stack(read_history(layout), published))
    order = [n for n in (*stack, *sorted(sealed, reverse=True)) if n in sealed and n not in refused]
    return set(list(dict.fromkeys(order))[:keep])


def unreferenced(
    layout: Layout,
    manifests: Iterable[Manifest],
    *,
    open_draft: bool,
    encoder: str | None = None,
    leaving: Collection[str] = (),
) -> Iterator[Path]:
    """Snapshots, segments, folders of segments, models and staging that nothing kept needs. What shards that are
    `leaving` hold now is needed by nothing; their pointers come first, so that a crash leaves none to what is gone.

    While a draft is open, models and folders of segments stay: its run may have sealed what it is about to record.
    """
    needed = {name for manifest in manifests for name in manifest.files}
    folders = {"/".join(name.split("/")[:depth]) for name in needed for depth in (2, 3)}
    versions = {shard: version for shard, version in _current_versions(layout) if shard not in leaving}
    current = {one.segment_id for held in versions.items() for one in read_snapshot(layout, *held).segments}
    alive = {encoder, *(manifest.fingerprint for manifest in manifests)}
    retired = set(read_info(layout).encoders) - alive
    yield from (layout.current(shard) for shard in sorted(leaving))
    for path in sorted(layout.shards.glob("*/*.json")):
        # The times of files of a shard without a snapshot name nothing but what is gone.
        version = versions.get(path.parent.name)
        held = version is not None if path.name == "scan.json" else version == path.stem
        if not held and layout.relative(path) not in needed:
            yield path
    for directory in (p for p in named_below(layout.segments) if p.is_dir()):
        if layout.relative(directory) not in folders and directory.name not in current:
            yield directory
        elif not open_draft:
            yield from _spare_folders(layout, directory, folders, retired)
    if not open_draft:
        yield from (p for p in named_below(layout.models) if layout.relative(p) not in folders)
    for directory in named_below(layout.staging_root):
        if not layout.segment(directory.name).is_dir():
            yield directory
        elif not open_draft:
            yield from _orphans(layout, directory, folders)


def _spare_folders(layout: Layout, directory: Path, folders: set[str], retired: set[str]) -> Iterator[Path]:
    # An encoding is spare once its encoder served and no kept generation uses it any more; one that never served yet
    # belongs to an upgrade that is under way. So are names that only just came, or were switched off for a day: they go
    # with their encoder, or once this release words names otherwise. Postings go with their model.
    for path in (p for p in named_below(directory) if p.is_dir() and layout.relative(p) not in folders):
        kind, _, encoder = path.name.partition(".")
        if kind != "tokens" and not (kind == "names" and path.name in names_folders(encoder[:8])):
            yield path
    for fingerprint in sorted(retired):
        files = embeddings_listing(fingerprint), embeddings_file(fingerprint)
        for name in (*files, tokens_folder(fingerprint), *names_folders(fingerprint)):
            if (directory / name).exists() and layout.relative(directory / name) not in folders:
                yield directory / name


def _orphans(layout: Layout, directory: Path, folders: set[str]) -> Iterator[Path]:
    # Postings that were begun against a model that nothing kept has, or that somebody else ended: nobody resumes them.
    # Nor lexical postings, which are begun anew. Encodings stay: they are resumed by whoever encodes the segment.
    for path in sorted(directory.glob("postings.*")):
        model, sealed = path.name.partition(".")[2], layout.segment(directory.name) / path.name
        if f"models/{model}" not in folders or sealed.is_dir():
            yield path
    yield from sorted(directory.glob("lexical.*"))


def _current_versions(layout: Layout) -> Iterator[tuple[str, str]]:
    for path in layout.shards.glob("*/CURRENT"):
        version = current_version(layout, path.parent.name)
        if version is not None:
            yield path.parent.name, version


@contextmanager
def _unpinned(layout: Layout, number: int) -> Iterator[bool]:
    """Whether nobody reads the generation, and no move of a set names it; while the block runs nobody can begin to."""
    path = layout.manifest(number)
    try:
        descriptor = _opened(path)
    except FileNotFoundError:
        raise CorruptFile(layout.relative(path), "a manifest", "no file") from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            # Asked while nobody can begin to read it: a set pins what it names while it holds it open.
            yield number not in pinned_by_moves(layout)
    finally:
        os.close(descriptor)


def _opened(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EISDIR, errno.ENXIO):
            raise StorageError(f"{path} is no file of its own ({error.strerror}); restore it from a copy") from error
        # Where nothing can be written only a dry run comes here; NFS alone needs the right to write for this lock.
        if error.errno not in (errno.EROFS, errno.EACCES):
            raise
        return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)


def _remove(layout: Layout, path: Path, removed: dict[str, int], dry_run: bool) -> None:
    removed[layout.relative(path)] = _size(path)
    if not dry_run:
        with room_to_remove(layout) as room:
            put_away(path, room, path.name)
            fsync_dir(path.parent)


def _size(path: Path) -> int:
    files = [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]
    return sum(p.stat().st_size for p in files)
