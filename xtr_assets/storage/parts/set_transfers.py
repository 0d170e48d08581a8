"""A set on its way to other places and back: object stores, copies of them, folders."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Self

from xtr_assets.storage.parts.part_set_writer import PartSetWriter
from xtr_assets.storage.remote.address import GRACE_HOURS

if TYPE_CHECKING:
    from xtr_assets.storage.parts.set_mirror import SetMirrorReport
    from xtr_assets.storage.parts.set_pull import SetPullReport
    from xtr_assets.storage.parts.set_push import SetPushReport
    from xtr_assets.storage.remote.store_garbage import StoreReport


class SetTransfers(PartSetWriter):
    """Who speaks to a store is imported where it is: a search does not."""

    def push(self, store: str | Path, *, dry_run: bool = False, who: str | None = None) -> "SetPushReport":
        """Bring what serves of all parts, and the moves, into an object store, each part as a store of its own below
        `parts/`. Raises StoreConflict where another host pushed other moves; a push that ended early goes on."""
        from xtr_assets.storage.parts.set_push import LocalSet, push_set
        from xtr_assets.storage.parts.set_store import SetStore

        with self._writing("looking at what is pushed"):
            self._recovered()
            state = LocalSet.of(self)
        return push_set(self, state, SetStore.at(store, "empty" if dry_run else "made"), dry_run=dry_run, who=who)

    @staticmethod
    def pull(folder: str | Path, store: str | Path, *, parts: Collection[str] | None = None) -> "SetPullReport":
        """Serve in a folder what the set in an object store serves. `parts` : bring the generations of these alone
        (none: the moves, which is what a front reads). Nothing serves before all of it is verified."""
        from xtr_assets.storage.parts.set_pull import pull_set
        from xtr_assets.storage.parts.set_store import SetStore

        return pull_set(folder, SetStore.at(store), parts)

    @staticmethod
    def mirror(source: str | Path, target: str | Path, *, dry_run: bool = False) -> "SetMirrorReport":
        """Copy the object store of a set to another, or to a folder: the stores of its parts, then the moves. A mirror
        is read like any store, and written by `mirror` alone. StoreConflict where the target is no copy of the
        source."""
        from xtr_assets.storage.parts.set_mirror import mirror_set
        from xtr_assets.storage.parts.set_store import SetStore

        copy = SetStore.at(target, "empty" if dry_run else "made")
        return mirror_set(SetStore.at(source), copy, dry_run=dry_run)

    @staticmethod
    def collect_store(
        store: str | Path, keep: int = 3, *, grace_hours: float = GRACE_HOURS, dry_run: bool = False
    ) -> "Mapping[str, StoreReport]":
        """Remove from the stores of a set's parts what neither their `keep` generations nor the last three moves of the
        set nor readers of the last hours need; by part."""
        from xtr_assets.storage.parts.set_garbage import collect_set_store
        from xtr_assets.storage.parts.set_store import SetStore

        return collect_set_store(SetStore.at(store), keep, grace_hours=grace_hours, dry_run=dry_run)

    def export(self, path: str | Path, number: int | None = None) -> Self:
        """Copy what serves, or what move `number` names, and the moves up to it, into a set in a folder that does not
        exist yet. Every byte is verified. GenerationError where nothing serves."""
        from xtr_assets.storage.parts.set_export import export_set

        export_set(self, Path(path), number)
        return type(self).open(path)
