"""pull: what serves in a store, with its history, into a warehouse. Nothing serves before all of it is verified.

The commit step is the rename of PUBLISHED. The history follows: what a crash between the two leaves looks like a
publish that died before its line, and the next pull puts the store's history in its place.
"""

import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from xtr_assets.core.errors import (
    PUSH_AGAIN,
    CorruptFile,
    GenerationError,
    PublishRefused,
    StorageError,
    StoreConflict,
)
from xtr_assets.core.files import FileRecord, check, fsync_tree, move_into_place, read_regular, write_atomic
from xtr_assets.storage.content import withdrawn_among
from xtr_assets.storage.digests import check_digest
from xtr_assets.storage.draft_lifecycle import read_next
from xtr_assets.storage.generation import Generation
from xtr_assets.storage.history import move_pointer, read_published, whole_history, whole_lines
from xtr_assets.storage.history_entry import HistoryEntry
from xtr_assets.storage.known_encoders import encoder_for
from xtr_assets.storage.layout import Layout
from xtr_assets.storage.links import refuse_linked
from xtr_assets.storage.lock import committing
from xtr_assets.storage.manifest import Manifest
from xtr_assets.storage.remote.ancestry import ancestry, common_lines, till_served
from xtr_assets.storage.remote.arrival import AT_ONCE, Manner, fetch
from xtr_assets.storage.remote.block_lists import read_lists
from xtr_assets.storage.remote.lease import leased
from xtr_assets.storage.remote.object_store import Head, ObjectStore, Overtaken
from xtr_assets.storage.remote.set_or_warehouse import nothing_published
from xtr_assets.storage.remote.store_garbage import history_entries
from xtr_assets.storage.retired_shards import forget_left
from xtr_assets.storage.seal import read_manifest, seal_text
from xtr_assets.storage.stored_json import sha256_bytes
from xtr_assets.storage.transfer import check_whole, lists_last
from xtr_assets.storage.warehouse_info import CHAINED_VERSION, WarehouseInfo, read_info

# A collection may take what a pull is about to read; it then begins again with what serves now.
ROUNDS = 3

Admit = Callable[[int, Mapping[str, FileRecord]], None]


@dataclass(frozen=True, slots=True)
class PullReport:
    """files, bytes : what came over the line, or would (`dry_run`); there : files that were here.

    moved : whether the pointer or the history here is another one now; ahead : lines of the history here that the store
    lacks, and that a push brings there
    """

    store: str
    generation: int
    move: int
    moved: bool
    files: int
    bytes: int
    there: int
    ahead: int
    dry_run: bool


@dataclass(frozen=True, slots=True)
class Arriving:
    """What a head says, read and compared with its records."""

    head: Head
    manifest: Manifest
    manifest_bytes: bytes
    history: bytes
    info: WarehouseInfo

    @classmethod
    def of(cls, store: ObjectStore, head: Head, number: int | None = None) -> "Arriving":
        """What serves; `number` : this generation, and the history till it served last.

        CorruptFile where two of them disagree; PublishRefused where what serves was withdrawn.
        """
        move = head.move
        number = move.serving if number is None else number
        name = f"generations/{number}/manifest.json"
        data = store.bytes_of(move.generations[number], name)
        manifest = Manifest.from_bytes(data, f"{store.name}: {name}")
        if manifest.number != number or manifest.state != "sealed":
            found = f"generation {manifest.number}, {manifest.state}"
            raise CorruptFile(f"{store.name}: {name}", f"generation {number}, sealed", found)
        info = WarehouseInfo.from_bytes(store.bytes_of(move.info, "warehouse.json"), f"{store.name}: warehouse.json")
        encoder_for(info, manifest)
        history = store.bytes_of(move.history, "history.jsonl")
        if number != move.serving:
            history = till_served(history, number)
        _check_history(store, number, sha256_bytes(data), history_entries(history))
        return cls(head, manifest, data, history, info)

    @property
    def number(self) -> int:
        return self.manifest.number


def head_of(store: ObjectStore) -> Head:
    """The last move of a store. WarehouseNotFound where it is none, or nothing was pushed to it."""
    head = None if store.described() is None else store.head()
    if head is None:
        raise nothing_published(store)
    return head


def pull(
    layout: Layout,
    store: ObjectStore,
    head: Head,
    *,
    number: int | None = None,
    dry_run: bool = False,
    cache: bool = False,
    beside: bool = False,
    manner: Manner = AT_ONCE,
    admit: Admit = lambda number, files: None,  # noqa: ARG005
) -> PullReport:
    """Make the warehouse serve what the store does; runs under the writer lock.

    number : a generation that the head holds, and need not serve: it comes as it was when it served last.
    cache : the folder holds nothing but what came from this store: a damaged file is brought anew, and the current
        snapshots are always those of what serves.
    beside : bring the generation also where the warehouse went on since, in which case it does not serve by itself: a
        set of parts names it.
    admit : called with the number of the generation and the files that it needs, before any of it is brought; it may
        make room, or refuse them.
    """
    for round_ in range(ROUNDS):
        try:
            return _pull(layout, store, head, number, dry_run, cache, beside, manner, admit)
        except Overtaken as error:
            following = store.head((head.move.number, head.sha256))
            if following is None or following.sha256 == head.sha256 or round_ + 1 == ROUNDS:
                raise CorruptFile(
                    f"{store.name} ({head.move})", "every file that it names", str(error), PUSH_AGAIN
                ) from None
            if number is not None and following.move.generations.get(number) != head.move.generations[number]:
                raise GenerationError(
                    f"generation {number} was collected in {store.name}; push again from a host that has it"
                ) from None
            head = following
    raise AssertionError("the last round returns or raises")


def _pull(
    layout: Layout,
    store: ObjectStore,
    head: Head,
    number: int | None,
    dry_run: bool,
    cache: bool,
    beside: bool,
    manner: Manner,
    admit: Admit,
) -> PullReport:
    wanted_number = head.move.serving if number is None else number
    manifest_sha256 = head.move.generations[wanted_number].sha256
    with leased(store, f"pull of generation {wanted_number}", manifest_sha256, may_fail=True) as lease:
        arriving = Arriving.of(store, head, number)
        own = whole_history(layout)
        relation = ancestry(own, arriving.history)
        if relation.relation == "apart":
            raise StoreConflict(
                f"{store.name} and this warehouse went different ways. There: {relation.their_word}, by {head.move}. "
                f"Here: {relation.own_word}. Pull into a new folder, and build there what only this one has"
            )
        _refuse_other_numbers(layout, relation.theirs)
        there = _is_here(layout, arriving)
        ahead = len(relation.own) if relation.relation == "ahead" else 0
        moved = not ahead and not (there and relation.relation == "same" and read_published(layout) == arriving.number)
        if moved and not dry_run:
            # Before it is asked what is here: it may remove some of that.
            admit(arriving.number, arriving.manifest.files)
        wanted = {} if there or (ahead and not beside) else _lacking(layout, arriving, cache)
        total = sum(one.bytes for one in wanted.values())
        report = PullReport(
            store.name,
            arriving.number,
            head.move.number,
            moved,
            len(wanted),
            total,
            len(arriving.manifest.files) - len(wanted),
            ahead,
            dry_run,
        )
        if dry_run or not (moved or wanted):
            return report
        if not there:
            label = f"pulling generation {arriving.number}"
            lists = read_lists(store, head.move, arriving.number)
            _put_in_place(layout, fetch(layout, store, wanted, lease, label, manner, lists), arriving, wanted)
    check_whole(Generation.open(layout, arriving.number))
    if moved:
        _serve(layout, arriving, cache)
    return report


def _check_history(store: ObjectStore, serving: int, manifest_sha256: str, entries: list[HistoryEntry]) -> None:
    name = f"{store.name}: history.jsonl"
    for index, entry in enumerate(entries, start=1):
        if not entry.intact():
            raise CorruptFile(f"{name} line {index}", f"check {entry.check}", "other contents")
    noted = {one.manifest_sha256 for one in entries if one.generation == serving and one.manifest_sha256}
    if manifest_sha256 not in noted:
        found = f"sha256 {manifest_sha256}"
        raise CorruptFile(f"{store.name}: generations/{serving}/manifest.json", f"one of {sorted(noted)}", found)
    if withdrawn_among(entries, serving, [serving]):
        raise PublishRefused(f"generation {serving} serves in {store.name}, and its history says that it was withdrawn")


def _is_here(layout: Layout, arriving: Arriving) -> bool:
    """Whether the generation came before. GenerationError where another one has its number."""
    number = arriving.number
    if not layout.generation(number).exists():
        return False
    path = layout.manifest(number)
    if path.is_file() and read_regular(path, layout.relative(path)) == arriving.manifest_bytes:
        read_manifest(layout, number)
        return True
    raise _made_elsewhere(number)


def _refuse_other_numbers(layout: Layout, lines: Iterable[bytes]) -> None:
    """GenerationError where a number of the history to come stands for another generation here, a draft most likely:
    it could never be published beside that history."""
    entries = history_entries(b"".join(lines))
    for number in {entry.generation for entry in entries if entry.manifest_sha256}:
        noted = {entry.manifest_sha256 for entry in entries if entry.generation == number}
        path = layout.manifest(number)
        if path.is_file() and sha256_bytes(read_regular(path, layout.relative(path))) not in noted:
            raise _made_elsewhere(number)


def _made_elsewhere(number: int) -> GenerationError:
    return GenerationError(
        f"generation {number} of the store was made elsewhere, and there is another generation {number} here; where it "
        f"is a draft, discard it (`Warehouse.open(folder).discard({number})`), else pull into a new folder"
    )


def _lacking(layout: Layout, arriving: Arriving, cache: bool) -> dict[str, FileRecord]:
    own = f"generations/{arriving.number}/"
    return {
        name: one
        for name, one in arriving.manifest.files.items()
        if name.startswith(own) or not _holds(layout, name, one, cache)
    }


def _holds(layout: Layout, name: str, expected: FileRecord, cache: bool) -> bool:
    path = layout.resolve(name)
    refuse_linked(layout, path)
    if not path.exists():
        return False
    try:
        check_digest(path, expected, name)
    except CorruptFile as problem:
        if cache:
            return False
        raise StorageError(
            f"{name} is here with other bytes ({problem.found}, the store has {problem.expected}): it is damaged, or "
            "the same text was encoded on two machines; pull into a new folder"
        ) from problem
    return True


def _put_in_place(layout: Layout, staged: Layout, arriving: Arriving, wanted: Mapping[str, FileRecord]) -> None:
    number = arriving.number
    own = f"generations/{number}/"
    staged.generation(number).mkdir(parents=True, exist_ok=True)
    write_atomic(staged.manifest(number), arriving.manifest_bytes)
    write_atomic(staged.manifest_seal(number), seal_text(arriving.manifest_bytes))
    fsync_tree(staged.root)
    # Shards are written beside the writer lock: neither half a segment of theirs is met, nor one of these.
    with committing(layout, f"pull of generation {number}"):
        for name in lists_last(name for name in wanted if not name.startswith(own)):
            # Where a cache had it, a damaged one stands there.
            check(staged.resolve(name), wanted[name], name, full=False)
            refuse_linked(layout, layout.resolve(name))
            move_into_place(staged.resolve(name), layout.resolve(name))
    # What is said of a generation stands before there is one.
    _keep_encoders(layout, arriving)
    _give_out_no_number_twice(layout, arriving)
    move_into_place(staged.generation(number), layout.generation(number))
    shutil.rmtree(staged.root, ignore_errors=True)


def _serve(layout: Layout, arriving: Arriving, cache: bool) -> None:
    _keep_encoders(layout, arriving)
    # What is no part of a commit stands before it: a pull that dies here is done again.
    _give_out_no_number_twice(layout, arriving)
    _keep_current(layout, arriving, cache)
    move_pointer(layout, arriving.number)
    if (common := common_lines(own := whole_history(layout), arriving.history)) != own:
        # Notes of a crash go. Killed anywhere here, either history reaches the end that is said, and is brought again.
        _say_end(layout, common, arriving.info)
    write_atomic(layout.history, arriving.history)
    _say_end(layout, arriving.history, arriving.info)


def _say_end(layout: Layout, history: bytes, there: WarehouseInfo) -> None:
    """warehouse.json names this as what the history must reach, in a version that can say what its lines do."""
    end, info = FileRecord(len(history), sha256_bytes(history)), read_info(layout)
    update = {"format_version": max(info.format_version, there.format_version, CHAINED_VERSION), "history": end}
    write_atomic(layout.warehouse_json, info.model_copy(update=update).to_bytes())


def _give_out_no_number_twice(layout: Layout, arriving: Arriving) -> None:
    """NEXT is above every number of the history to come. That here may have lost its end: it is not asked."""
    named = {entry.generation for entry in history_entries(arriving.history)}
    following = max({*named, arriving.number, *layout.numbers()}) + 1
    if following > (read_next(layout) or 0):
        write_atomic(layout.next_number, f"{following}\n".encode("ascii"))


def _keep_current(layout: Layout, arriving: Arriving, cache: bool) -> None:
    """The shards are at what serves, but for one that was scanned here since, and serves nowhere yet. One that left
    what serves has no rows of its own any more: they would stay here for ever."""
    before = read_published(layout)
    earlier = {} if before is None or not layout.manifest(before).is_file() else read_manifest(layout, before).snapshots
    with committing(layout, f"shards of generation {arriving.number}"):
        for shard, version in arriving.manifest.snapshots.items():
            current = layout.current(shard)
            if cache or not current.is_file() or _version(current) == earlier.get(shard):
                write_atomic(current, f"{version}\n".encode("ascii"))
        forget_left(layout, arriving.manifest.snapshots, None if cache else earlier)


def _keep_encoders(layout: Layout, arriving: Arriving) -> None:
    """Those of the store first: the canaries there are what its vectors were made by."""
    info = read_info(layout)
    kept = info.with_encoders({**info.encoders, **arriving.info.encoders}, whole_lines(layout))
    if kept != info:
        write_atomic(layout.warehouse_json, kept.to_bytes())


def _version(path: Path) -> str:
    return path.read_text("ascii", "replace").strip()
