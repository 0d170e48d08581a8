"""mirror of a set: the stores of its parts, then the moves, then the pushes. The commit step is the last push: before
it who reads the copy sees the push before, whole.
"""

from dataclasses import dataclass

from xtr_assets.core.errors import StoreConflict, WarehouseNotFound
from xtr_assets.storage.parts.part_set_reader import naming
from xtr_assets.storage.parts.set_garbage import named_of, parts_of
from xtr_assets.storage.parts.set_store import PREFIX, SetStore
from xtr_assets.storage.remote.address import GRACE_HOURS
from xtr_assets.storage.remote.object_store import file_name
from xtr_assets.storage.remote.replica import copy_files, mirror

# A push of the source that ends meanwhile may name what was not copied; the mirror then begins again.
ROUNDS = 3


@dataclass(frozen=True, slots=True)
class SetMirrorReport:
    """move : that of the set which serves in the copy; parts : whose stores were looked at; pushes, files, bytes : what
    was copied, or would be (`dry_run`); removed : objects that nothing needs any more."""

    source: str
    target: str
    move: int
    parts: tuple[str, ...]
    pushes: int
    files: int
    bytes: int
    removed: int
    dry_run: bool


def mirror_set(
    source: SetStore, target: SetStore, *, dry_run: bool = False, grace_hours: float = GRACE_HOURS
) -> SetMirrorReport:
    """Copy what the target lacks, every file compared with its digest; remove there what the source collected, after
    the grace time. StoreConflict where the target is no beginning of the source, or pushes never end."""
    there = source.root.described()
    if there is None:
        raise WarehouseNotFound(f"no set of parts at {source.name}; `xtr-assets push` of an index of parts makes one")
    if not dry_run:
        target.root.found(mirror_of=there.store)
    for _ in range(ROUNDS):
        report = _mirror(source, target, dry_run, grace_hours)
        if report is not None:
            return report
    raise StoreConflict(f"{source.name} was pushed to {ROUNDS} times while it was mirrored; mirror when nobody pushes")


def _mirror(source: SetStore, target: SetStore, dry_run: bool, grace_hours: float) -> SetMirrorReport | None:
    """None where another push ended meanwhile."""
    pushed, pushes = source.wanted(), source.pushes()
    if len(pushes) != pushed.push.number:
        return None
    known = target.pushes()
    _refuse_other(source, target, pushes, known)
    parts = parts_of(source, pushed.info.parts, pushed.last.parts)
    files = size = removed = 0
    for part in parts:
        with naming(part):
            # Nothing goes before the push that stands in the copy names it no more.
            one = mirror(source.part_store(part), target.part_store(part), dry_run=dry_run, remove=False)
        files, size = files + one.files, size + one.bytes
    records = list(dict.fromkeys((*pushed.push.moves, pushed.push.info)))
    lacking = [one for one in records if not target.root.has(one, file_name(one))]
    files, size = files + len(lacking), size + sum(one.bytes for one in lacking)
    if not dry_run:
        copy_files(source.root, target.root, lacking)
        if source.pushed_after(pushed.push.number):
            return None
        for number, data in enumerate(pushes[len(known) :], start=len(known) + 1):
            if not target.append_bytes(number, data):
                raise StoreConflict(f"{target.name} got another push {number} meanwhile; mirror from one host")
        for part in parts:
            with naming(part):
                named = named_of(target, part)
                one = mirror(source.part_store(part), target.part_store(part), grace_hours=grace_hours, spared=named)
            files, size, removed = files + one.files, size + one.bytes, removed + one.removed
    move, added = pushed.last.number, len(pushes) - len(known)
    return SetMirrorReport(source.name, target.name, move, tuple(parts), added, files, size, removed, dry_run)


def _refuse_other(source: SetStore, target: SetStore, pushes: list[bytes], known: list[bytes]) -> None:
    for number, (mine, theirs) in enumerate(zip(pushes, known, strict=False), start=1):
        if mine != theirs:
            raise StoreConflict(
                f"{source.name} and {target.name} went different ways at {PREFIX}{number:08d}.json; mirror into an "
                "empty prefix"
            )
    if len(known) > len(pushes):
        raise StoreConflict(
            f"{target.name} has {len(known)} pushes, {source.name} {len(pushes)}: the source lost some, or they are "
            "the wrong way round; pull from the one that is whole"
        )
