"""Everything that is done to a warehouse, with the writer lock taken where it is needed."""

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from xtr_assets.core.errors import CorruptFile, StorageError, WarehouseLocked
from xtr_assets.core.files import write_atomic
from xtr_assets.core.name_text import Naming
from xtr_assets.core.types import Chunk, FileState, Quarantined
from xtr_assets.storage import draft_lifecycle, known_encoders, publish
from xtr_assets.storage.draft import Draft
from xtr_assets.storage.garbage import CollectReport, collect
from xtr_assets.storage.generation import Generation
from xtr_assets.storage.history import accept_history, append_history, read_published
from xtr_assets.storage.history_entry import AcceptedShrink
from xtr_assets.storage.layout import LOST_DESCRIPTION, Layout, holds_other_things, lost_its_description
from xtr_assets.storage.links import new_folder, refuse_links
from xtr_assets.storage.lock import committing, exclusive, now, shard_writing
from xtr_assets.storage.manifest import RequiredCheck
from xtr_assets.storage.model_folder import add_model
from xtr_assets.storage.remote.address import GRACE_HOURS, refuse_address
from xtr_assets.storage.snapshot import note_look
from xtr_assets.storage.transfer import export_generation, import_generation
from xtr_assets.storage.warehouse_info import WarehouseInfo, read_info
from xtr_assets.storage.warehouse_reader import WarehouseReader

if TYPE_CHECKING:
    from xtr_assets.storage.remote import download, replica, upload
    from xtr_assets.storage.remote.store_garbage import StoreReport
    from xtr_assets.storage.segment_compaction import Compacted, CompactionPlan
    from xtr_assets.storage.shard_writer import ShardChange

# Shards are written side by side and their snapshots take seconds: a step waits for another step, not for a build.
STEP_WAIT_SECONDS = 20.0
# A compaction waits for whoever chunks the shard: it comes once a week, and 10,000 files take a minute or two.
SHARD_WAIT_SECONDS = 600.0


class Warehouse(WarehouseReader):
    """A folder that keeps segments, generations and the pointer to the one that serves (docs/format.md)."""

    @classmethod
    def create(cls, path: str | Path, *, exist_ok: bool = False) -> Self:
        """Make an empty warehouse; with `exist_ok` open the one that is there."""
        refuse_address(path)
        root = Path(path)
        layout = Layout(root.absolute())
        # Looked at in this order: a folder in which another host makes one right now holds nothing, or is a warehouse.
        strange = root.is_dir() and holds_other_things(layout)
        if not os.path.lexists(layout.warehouse_json):
            if lost_its_description(layout):
                raise StorageError(f"{root} was a warehouse: {LOST_DESCRIPTION}")
            if strange:
                raise StorageError(f"{root} is neither empty nor a warehouse; choose another folder")
            for folder in (root, layout.shards, layout.segments, layout.models, layout.generations):
                new_folder(folder)
            with exclusive(layout.writer_lock, "making the warehouse", STEP_WAIT_SECONDS):
                if not os.path.lexists(layout.warehouse_json):
                    # Written last: without it the folder is no warehouse, with it it is a whole one.
                    write_atomic(layout.warehouse_json, WarehouseInfo(created_at=now()).to_bytes())
                    return cls.open(root)
        if not exist_ok:
            raise StorageError(f"{root} is a warehouse already; open it, or choose another folder")
        return cls.open(root)

    @contextmanager
    def lock(self, purpose: str, wait_seconds: float = 0.0) -> Iterator[None]:
        """Be the one writer. WarehouseLocked names host, process, purpose and since when. Reentrant in a thread.

        The steps below take the lock themselves where their thread does not hold it, and wait STEP_WAIT_SECONDS for it.
        """
        with exclusive(self.layout.writer_lock, purpose, wait_seconds) as first:
            if first:
                refuse_links(self.layout)
            yield

    # -- shards and segments ------------------------------------------------------------------------------------------

    @contextmanager
    def shard_lock(self, shard: str, purpose: str, wait_seconds: float = 0.0) -> Iterator[None]:
        """Be the one writer of a shard. WarehouseLocked as of `lock`; reentrant in a thread.

        It does not exclude the writer of generations, nor those of other shards. Who holds both took `lock` first.
        """
        with shard_writing(self.layout, shard, purpose, wait_seconds):
            yield

    def note_look(self, shard: str, looked_ns: int) -> None:
        """The files were looked at again, and the current snapshot is what they are. Nothing where somebody chunks the
        shard at this moment, who looked later."""
        purpose = f"snapshot of {shard}"
        with suppress(WarehouseLocked), self.shard_lock(shard, purpose), committing(self.layout, purpose):
            note_look(self.layout, shard, looked_ns)

    def write_snapshot(
        self,
        shard: str,
        *,
        source_fingerprint: str,
        files: Mapping[str, FileState],
        touched: Iterable[str],
        chunks: Iterable[Chunk | Quarantined | FileState],
        looked_ns: int = 0,
    ) -> "ShardChange":
        """The next snapshot of a shard: `files` is all it holds, `chunks` are those of the touched files only, with the
        state of a file that changed while it was read.
        `looked_ns` is when the scan of the files began."""
        from xtr_assets.storage.shard_writer import write_change

        with self.shard_lock(shard, f"snapshot of {shard}", STEP_WAIT_SECONDS):
            return write_change(
                self.layout,
                self.snapshot(shard),
                shard,
                source_fingerprint=source_fingerprint,
                files=files,
                touched=touched,
                chunks=chunks,
                looked_ns=looked_ns,
            )

    def add_model(self, write: Callable[[Path], None], made_by: str) -> Path:
        """Let `write` fill a folder, seal it and keep it as models/<first 8 of its digest>, once per content."""
        return add_model(self.layout, write, made_by)

    # -- generations --------------------------------------------------------------------------------------------------

    def newest_draft(self) -> Draft | None:
        """The draft of the highest number; None where there is none."""
        return draft_lifecycle.newest_draft(self.layout)

    def open_draft(self, number: int) -> Draft:
        """A draft to write into. GenerationError where the generation is sealed or unknown."""
        return Draft.open(self.layout, number)

    def draft(
        self,
        run_id: str,
        *,
        encoder: Mapping[str, object],
        fingerprint: str,
        snapshots: Mapping[str, str],
        parent: Literal["published"] | None = "published",
        holes: draft_lifecycle.Holes = "kept",
        required: Sequence[RequiredCheck] = (),
        notes: Mapping[str, object] | None = None,
        named: Mapping[str, Naming] | None = None,
    ) -> Draft:
        """Begin a generation over these snapshots (shard -> data version), with the row numbers of the published one.

        required : what `publish` will demand of it. notes : kept in its manifest, JSON. holes : row numbers freed by
        removed segments stay gaps ("kept"); "bounded" renumbers all rows where there are too many, "closed" always.
        named : shards with name vectors, and which rows have them. parent : None begins at row 0; where anything serves
        by then, `publish` takes such a one with a `force_reason` alone.
        """
        with self.lock(f"draft of run {run_id}", STEP_WAIT_SECONDS):
            draft = draft_lifecycle.make_draft(
                self.layout,
                run_id,
                encoder=encoder,
                fingerprint=fingerprint,
                snapshots=snapshots,
                parent=self.published if parent == "published" else None,
                holes=holes,
                required=required,
                notes=notes or {},
                named=named,
            )
            self.info = read_info(self.layout)
        return draft

    def discard(self, number: int) -> None:
        """Remove a draft."""
        with self.lock(f"discard of draft {number}", STEP_WAIT_SECONDS):
            draft_lifecycle.discard(self.layout, number)

    def clean(self, *, keep_drafts: int = 1) -> list[str]:
        """Remove what dead writers left and all drafts but the newest; returns the names of what was removed."""
        with self.lock("clean", STEP_WAIT_SECONDS):
            publish.recover(self.layout)
            return draft_lifecycle.clean(self.layout, keep_drafts)

    # -- the pointer --------------------------------------------------------------------------------------------------

    def publish(
        self,
        number: int,
        *,
        required: Sequence[RequiredCheck] | None = None,
        force_reason: str | None = None,
        again_reason: str | None = None,
        who: str | None = None,
        notes: Mapping[str, Any] | None = None,
    ) -> Generation:
        """Seal and serve; PublishRefused lists each unmet check with its reason.

        What the generation was begun with is demanded, and what is `required` besides. `force_reason` publishes past a
        check, or what lacks a later publish, `again_reason` what was rolled back or withdrawn; both are kept. `notes`
        are sealed beside the draft's own: what its run says of itself at the end.
        """
        with self.lock(f"publish of generation {number}", STEP_WAIT_SECONDS):
            published = publish.publish(
                self.layout,
                number,
                required=required,
                force_reason=force_reason,
                again_reason=again_reason,
                who=who,
                notes=notes or {},
            )
            self.info = known_encoders.remember_canary(self.layout, published) or self.info
            return published

    def allow_again(self, content: str, reason: str, *, who: str | None = None) -> None:
        """Let a content that was taken back be built and published again; so the digest of files that were withdrawn,
        which leaves the content that was made from them then. GenerationError where nothing was."""
        with self.lock("allowing what was taken back", STEP_WAIT_SECONDS):
            publish.recover(self.layout)
            publish.allow_again(self.layout, publish.of_content(self.taken_back(), content), reason, who=who)

    def rollback(self, to: int | None = None, *, who: str | None = None, reason: str | None = None) -> Generation:
        """Serve an earlier generation: `to`, else the one published before, passing over withdrawn ones."""
        with self.lock("rollback", STEP_WAIT_SECONDS):
            return publish.rollback(self.layout, to, who=who, reason=reason)

    def withdraw(self, number: int, reason: str, *, who: str | None = None) -> None:
        """Never serve what this generation holds again; where it serves, roll back first."""
        with self.lock(f"withdrawal of generation {number}", STEP_WAIT_SECONDS):
            publish.recover(self.layout)
            publish.withdraw(self.layout, number, reason, who=who)

    def accept_shrink(self, shrink: AcceptedShrink, *, reason: str | None = None, who: str | None = None) -> None:
        """Keep a person's word that a source may hold this much less than what serves now; it ends with that one."""
        with self.lock(f"accepted shrink of {shrink.source}", STEP_WAIT_SECONDS):
            publish.recover(self.layout)
            serving = read_published(self.layout)
            append_history(
                self.layout, "accepted_shrink", serving or 0, previous=serving, who=who, reason=reason, shrink=shrink
            )

    def accept_history(self, reason: str, *, who: str | None = None) -> None:
        """Go on with a history that lost lines and of which there is no copy: what they took back is not known any
        more. Who says so, and why, is kept."""
        with self.lock("accepting the history", STEP_WAIT_SECONDS):
            accept_history(self.layout, reason, who=who)

    # -- keeping it small ---------------------------------------------------------------------------------------------

    def compact(self, plan: "CompactionPlan") -> "list[Compacted]":
        """Write each group of the plan as one segment without dead rows; the next generation is built from them."""
        from xtr_assets.storage.segment_compaction import compact_shard

        done = []
        with self.lock("compaction", STEP_WAIT_SECONDS):
            for shard, groups in sorted(plan.items()):
                with self.shard_lock(shard, f"compaction of {shard}", SHARD_WAIT_SECONDS):
                    done.append(compact_shard(self.layout, shard, groups))
        return done

    def collect(
        self, keep: int = 3, *, dry_run: bool = False, encoder: str | None = None, shards: Collection[str] | None = None
    ) -> CollectReport:
        """Remove generations but `keep` and pinned ones, and whatever nothing kept references.

        Encodings of current segments by `encoder`, a fingerprint, stay too: the next generation may need them. Where
        the `shards` of the configuration are given, the rows of one that left it go a week after it left what serves.
        """
        if dry_run:
            # Nothing is written, so that it runs where nothing can be, and beside a build.
            return collect(self.layout, keep, dry_run=True, encoder=encoder, shards=shards)
        with self.lock("collection", STEP_WAIT_SECONDS):
            publish.recover(self.layout)
            return collect(self.layout, keep, encoder=encoder, shards=shards)

    def export(self, number: int, path: str | Path) -> Self:
        """Copy a sealed generation and all it needs to a new folder, a warehouse in which it serves."""
        export_generation(self.layout, number, Path(path))
        return self.open(path)

    def import_generation(self, path: str | Path) -> Generation:
        """Take in the published generation of another warehouse (an export); `publish` lets it serve."""
        with self.lock(f"import of {path}", STEP_WAIT_SECONDS):
            return import_generation(Path(path), self.layout)

    # -- object stores, which are imported by who speaks to one: a search does not -------------------------------------

    def push(self, store: str | Path, *, dry_run: bool = False, who: str | None = None) -> "upload.PushReport":
        """Bring what serves here, with its verdicts and the whole history, into an object store, where it serves then.

        store : `s3://bucket/prefix`, `gs://`, `az://`, `file://`, or a folder. Raises StoreConflict where another host
        moved there meanwhile, StoreUnreachable where requests failed again and again; a push that ended early goes on
        at the next one.
        """
        from xtr_assets.storage.remote import object_store, upload

        opened = object_store.ObjectStore.at(store, "empty" if dry_run else "made")
        if dry_run:
            return upload.push(self.layout, upload.LocalState.of(self.layout), opened, dry_run=True)
        with self.lock(f"push to {opened.name}", STEP_WAIT_SECONDS):
            publish.recover(self.layout)
            state = upload.LocalState.of(self.layout)
        return upload.push(self.layout, state, opened, who=who)

    def pull(self, store: str | Path, *, dry_run: bool = False) -> "download.PullReport":
        """Serve what an object store serves, with its history: withdrawn content stays withdrawn. Every byte is
        verified before any of it serves; a pull that ended early goes on at the next one.

        Raises StoreConflict where this warehouse published something else meanwhile, WarehouseNotFound where the store
        is none.
        """
        from xtr_assets.storage.remote import download, object_store

        opened = object_store.ObjectStore.at(store)
        if dry_run:
            return download.pull(self.layout, opened, download.head_of(opened), dry_run=True)
        with self.lock(f"pull from {opened.name}", STEP_WAIT_SECONDS):
            with suppress(CorruptFile):
                # A history that cannot be read may be the beginning of the store's, which then takes its place.
                publish.recover(self.layout)
            report = download.pull(self.layout, opened, download.head_of(opened))
            self.info = read_info(self.layout)
            return report

    @staticmethod
    def mirror(source: str | Path, target: str | Path, *, dry_run: bool = False) -> "replica.MirrorReport":
        """Copy an object store to another, or to a folder: what it lacks, every byte verified. A mirror is read like
        any store, and written by `mirror` alone. Raises StoreConflict where the target is no copy of the source."""
        from xtr_assets.storage.remote import object_store, replica

        copy = object_store.ObjectStore.at(target, "empty" if dry_run else "made")
        return replica.mirror(object_store.ObjectStore.at(source), copy, dry_run=dry_run)

    @staticmethod
    def collect_store(
        store: str | Path, keep: int = 3, *, grace_hours: float = GRACE_HOURS, dry_run: bool = False
    ) -> "StoreReport":
        """Remove from an object store what neither its `keep` generations nor readers of the last hours need, nor, of
        a part of a set, the last moves of the set."""
        from xtr_assets.storage.parts import set_garbage
        from xtr_assets.storage.remote import object_store, store_garbage

        if (around := set_garbage.set_around(store)) is not None:
            return set_garbage.collect_part_store(*around, keep, grace_hours=grace_hours, dry_run=dry_run)
        return store_garbage.collect_store(
            object_store.ObjectStore.at(store), keep, grace_hours=grace_hours, dry_run=dry_run
        )
