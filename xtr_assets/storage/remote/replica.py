"""mirror: one store in another, files first, then its moves as they are."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from xtr_assets.core.errors import PUSH_AGAIN, CorruptFile, StoreConflict, StoreError, WarehouseNotFound
from xtr_assets.core.files import FileRecord
from xtr_assets.storage.remote.address import GRACE_HOURS
from xtr_assets.storage.remote.lease import leased, leased_manifests
from xtr_assets.storage.remote.move import move_name, read_move
from xtr_assets.storage.remote.object_store import (
    RANGE_BYTES,
    ObjectStore,
    Overtaken,
    file_name,
    side_by_side,
    verified_parts,
)
from xtr_assets.storage.remote.set_or_warehouse import nothing_published
from xtr_assets.storage.remote.store_garbage import needed_files, unneeded
from xtr_assets.telemetry.progress import bar

# A collection in the source may take what is being copied; the mirror then begins again with what is there now.
ROUNDS = 3


@dataclass(frozen=True, slots=True)
class MirrorReport:
    """moves, files, bytes : what was copied, or would be (`dry_run`); removed : objects that nothing needs any more."""

    source: str
    target: str
    generation: int
    moves: int
    files: int
    bytes: int
    removed: int
    dry_run: bool


def mirror(
    source: ObjectStore,
    target: ObjectStore,
    *,
    dry_run: bool = False,
    grace_hours: float = GRACE_HOURS,
    remove: bool = True,
    spared: Collection[str] = (),
) -> MirrorReport:
    """Copy what the target lacks; remove there what the source collected, after the grace time. Every file is compared
    with its digest on the way. StoreConflict where the target is no beginning of the source.

    remove : whether anything goes. spared : sha256 of manifests that a set names in the target: nothing goes while the
    target holds one of them that the source does not.
    """
    there = source.described()
    if there is None:
        raise WarehouseNotFound(f"no warehouse at {source.name} (no store.json); `xtr-assets push` makes one")
    if not dry_run:
        target.found(mirror_of=there.store)
    for round_ in range(ROUNDS):
        try:
            return _mirror(source, target, dry_run, timedelta(hours=grace_hours), remove, spared)
        except Overtaken as error:
            if round_ + 1 == ROUNDS:
                raise CorruptFile(source.name, "every file that its last move names", str(error), PUSH_AGAIN) from None
    raise AssertionError("the last round returns or raises")


def _mirror(
    source: ObjectStore, target: ObjectStore, dry_run: bool, grace: timedelta, remove: bool, spared: Collection[str]
) -> MirrorReport:
    moves = source.chain()
    if not moves:
        raise nothing_published(source)
    known = target.chain()
    _refuse_apart(source, target, moves, known)
    last = read_move(moves[-1], len(moves))
    head = source.as_head(last, moves[-1])
    serving = last.generations[last.serving].sha256
    with leased(source, "mirror", serving, may_fail=True) as reading:
        needed = needed_files(source, head, last.generations)
        records = list(needed.values())
        has = side_by_side(lambda one: target.has(one, file_name(one)), records)
        lacking = [one for one, there in zip(records, has, strict=True) if not there]
        total = sum(one.bytes for one in lacking)
        if not dry_run:
            # A mirror that ends meanwhile removes nothing: no move of the target names yet what comes here.
            with leased(target, "mirror", serving, may_fail=True) as writing:

                def alive() -> None:
                    reading.renew()
                    writing.renew()

                copy_files(source, target, lacking, alive)
                for number, data in enumerate(moves[len(known) :], start=len(known) + 1):
                    if not target.append_bytes(number, data):
                        raise StoreConflict(
                            f"{target.name} got another {move_name(number)} meanwhile; mirror from one host"
                        )
        collected = set(spared) - {one.sha256 for one in last.generations.values()}
        held = any(target.bucket.stat(file_name(FileRecord(0, one))) for one in collected)
        # What a mirror that began later brought is known to that one alone.
        later = target.later(len(moves))
        removed = _remove(target, needed, grace, dry_run) if remove and not held and not later else 0
    added = len(moves) - len(known)
    return MirrorReport(source.name, target.name, last.serving, added, len(lacking), total, removed, dry_run)


def _refuse_apart(source: ObjectStore, target: ObjectStore, moves: list[bytes], known: list[bytes]) -> None:
    for number, (mine, theirs) in enumerate(zip(moves, known, strict=False), start=1):
        if mine != theirs:
            raise StoreConflict(
                f"{source.name} and {target.name} went different ways. There: {read_move(mine, number)}. In the "
                f"target: {read_move(theirs, number)}. Mirror into an empty prefix"
            )
    if len(known) > len(moves):
        raise StoreConflict(
            f"{target.name} has {len(known)} moves, {source.name} {len(moves)}: the source lost some, or they are the "
            "wrong way round; pull from the one that is whole"
        )


def copy_files(
    source: ObjectStore, target: ObjectStore, lacking: Collection[FileRecord], alive: Callable[[], None] = lambda: None
) -> None:
    """Files of one store into another, each compared with its digest. alive : called now and then, from any thread."""
    with bar(sum(one.bytes for one in lacking), "mirroring") as progress:

        def parts(record: FileRecord, name: str) -> Iterator[bytes]:
            for part in source.parts(record, name):
                alive()
                yield part

        def one(record: FileRecord) -> None:
            name = file_name(record)
            alive()
            if record.bytes <= RANGE_BYTES:
                target.put_bytes(source.bytes_of(record, name), name)
            else:
                target.bucket.fill(name, lambda: verified_parts(parts(record, name), record, name))
            if not target.has(record, name):
                raise StoreError(f"{target.name}: {name} was written and is not there; find what else removes objects")
            progress(record.bytes)

        side_by_side(one, lacking)


def _remove(target: ObjectStore, needed: dict[str, FileRecord], grace: timedelta, dry_run: bool) -> int:
    if dry_run and target.described() is None:
        return 0
    with leased(target, "mirror", None, may_fail=dry_run) as lease:
        clock = datetime.now(UTC) if dry_run else lease.now()
        readers, _ = leased_manifests(target, clock)
        # Somebody pulls from the target just now, maybe what is to go: the next mirror removes it.
        doomed = [] if readers else unneeded(target.files(), needed, clock - grace)
        if not dry_run:
            side_by_side(lambda one: target.bucket.remove(one.name), doomed)
    return len(doomed)
