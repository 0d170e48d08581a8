"""Collection in the stores of a set's parts: what the last moves of the set name stays, whatever a part serves."""

from collections.abc import Mapping
from pathlib import Path

from xtr_assets.core.errors import WarehouseNotFound
from xtr_assets.storage.parts.move_chain import stack_of
from xtr_assets.storage.parts.part_set_writer import KEPT_MOVES
from xtr_assets.storage.parts.set_store import SetStore
from xtr_assets.storage.remote.address import GRACE_HOURS, STORE_NAME, store_address
from xtr_assets.storage.remote.store_garbage import StoreReport, collect_store


def collect_set_store(
    store: SetStore, keep: int = 3, *, grace_hours: float = GRACE_HOURS, dry_run: bool = False
) -> Mapping[str, StoreReport]:
    """By part, what went: each keeps `keep` generations by its own history, and what the last moves of the set name.

    WarehouseNotFound where no set was pushed.
    """
    there = store.wanted()
    found = {}
    for part in parts_of(store, there.info.parts, there.last.parts):
        found[part] = collect_part_store(store, part, keep, grace_hours=grace_hours, dry_run=dry_run)
    return found


def collect_part_store(
    store: SetStore, part: str, keep: int = 3, *, grace_hours: float = GRACE_HOURS, dry_run: bool = False
) -> StoreReport:
    """The same of one part."""

    def names() -> frozenset[str]:
        return named_of(store, part)

    return collect_store(store.part_store(part), keep, grace_hours=grace_hours, dry_run=dry_run, names=names)


def named_of(store: SetStore, part: str) -> frozenset[str]:
    """sha256 of the manifests that the moves name which a rollback goes to, and the serving one."""
    there = store.last()
    if there is None:
        return frozenset()
    kept = stack_of([move for move, _ in there.moves])[-KEPT_MOVES:]
    named = [move.parts[part].manifest_sha256 for move in (*kept, there.last) if part in move.parts]
    return frozenset(named)


def parts_of(store: SetStore, *names: tuple[str, ...] | Mapping[str, object]) -> list[str]:
    """Those of the parts that have a store."""
    every = dict.fromkeys(name for some in names for name in some)
    return [name for name in every if store.root.bucket.stat(f"parts/{name}/{STORE_NAME}") is not None]


def set_around(address: str | Path) -> tuple[SetStore, str] | None:
    """The set in whose store this one is that of a part, and the part's name; None where it is a store by itself."""
    place = str(store_address(address))
    root, between, part = place.rpartition("/parts/")
    # `memory://parts/a` and `s3://parts/a` have no folder above.
    if not between or "/" in part or root.endswith(("/", ":")):
        return None
    try:
        found = SetStore.at(root)
    except WarehouseNotFound:
        return None
    return (found, part) if found.holds() else None
