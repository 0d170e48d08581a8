"""The facade: everything that is done to a warehouse, with the writer lock taken where it is needed."""

import logging
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from xtr_assets.core.errors import GenerationError, StorageError, WarehouseNotFound
from xtr_assets.core.files import write_atomic
from xtr_assets.core.types import Chunk, FileState, Quarantined
from xtr_assets.storage import draft_lifecycle, known_encoders, publish, remembrance
from xtr_assets.storage.content import TakenBack
from xtr_assets.storage.digests import VerifyReport
from xtr_assets.storage.draft import Draft
from xtr_assets.storage.encoding_lookup import EncodedAt, TextHashes, find_encoded
from xtr_assets.storage.garbage import CollectReport, collect
from xtr_assets.storage.generation import Generation
from xtr_assets.storage.generation_diff import GenerationDiff, diff
from xtr_assets.storage.history import accept_history, append_history, read_history, read_published
from xtr_assets.storage.history_entry import AcceptedShrink, HistoryEntry
from xtr_assets.storage.layout import Layout
from xtr_assets.storage.links import refuse_linked_top, refuse_links
from xtr_assets.storage.lock import exclusive, now
from xtr_assets.storage.manifest import RequiredCheck
from xtr_assets.storage.model_folder import add_model
from xtr_assets.storage.row_match import live_paths
from xtr_assets.storage.segment import SEGMENT_NAME, Segment
from xtr_assets.storage.segment_compaction import Compacted, CompactionPlan, compact_shard, plan_shards
from xtr_assets.storage.shard_writer import ShardChange, write_change
from xtr_assets.storage.snapshot import Snapshot, current_version, known_files, looked_at, note_look, read_snapshot
from xtr_assets.storage.transfer import export_generation, import_generation
from xtr_assets.storage.verify import verify_warehouse
from xtr_assets.storage.warehouse_info import WarehouseInfo, read_info

log = logging.getLogger(__name__)

# Shards are written side by side and their snapshots take seconds: a step waits for another step, not for a build.
STEP_WAIT_SECONDS = 20.0


class Warehouse:
    """A folder that keeps segments, generations and the pointer to the one that serves (docs/format.md)."""

    def __init__(self, layout: Layout, info: WarehouseInfo) -> None:
        self.layout, self.info = layout, info

    @property
    def root(self) -> Path:
        """The folder, absolute."""
        return self.layout.root

    @classmethod
    def create(cls, path: str | Path, *, exist_ok: bool = False) -> "Warehouse":
        """Make an empty warehouse; with `exist_ok` open the one that is there."""
        root = Path(path)
        layout = Layout(root.absolute())
        if os.path.lexists(layout.warehouse_json):
            if exist_ok:
                return cls.open(root)
            raise StorageError(f"{root} is a warehouse already; open it, or choose another folder")
        if root.is_dir() and any(root.iterdir()):
            raise StorageError(f"{root} is neither empty nor a warehouse; choose another folder")
        for folder in (root, layout.shards, layout.segments, layout.models, layout.generations):
            folder.mkdir(parents=True, exist_ok=True)
        # Written last: without it the folder is no warehouse, with it it is a whole one.
        write_atomic(layout.warehouse_json, WarehouseInfo(created_at=now()).to_bytes())
        return cls.open(root)

    @classmethod
    def open(cls, path: str | Path) -> "Warehouse":
        """WarehouseNotFound where there is none, UnknownFormat for a format_version this release does not read."""
        layout = Layout(Path(path).absolute())
        refuse_linked_top(layout)
        if not layout.warehouse_json.is_file():
            raise WarehouseNotFound(f"no warehouse at {path} (no warehouse.json); `xtr-assets build` makes one")
        return cls(layout, read_info(layout))

    def __repr__(self) -> str:
        return f"Warehouse({str(self.root)!r})"

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

    def shards(self) -> list[str]:
        """Shards that have a snapshot."""
        return sorted(p.parent.name for p in self.layout.shards.glob("*/CURRENT"))

    def snapshot(self, shard: str, data_version: str | None = None) -> Snapshot | None:
        """The named snapshot, else the current one; None for a shard that was never written."""
        version = data_version or current_version(self.layout, shard)
        return None if version is None else read_snapshot(self.layout, shard, version)

    def known_files(self, shard: str) -> dict[str, FileState]:
        """Files of the current snapshot as last seen, for `Source.scan`."""
        return known_files(self.layout, shard)

    def looked_at(self, shard: str, data_version: str) -> int:
        """When the files of a shard were last found to be this snapshot, in ns since the epoch; 0 where unknown."""
        return looked_at(self.layout, shard, data_version)

    def note_look(self, shard: str, looked_ns: int) -> None:
        """The files were looked at again, and the current snapshot is what they are."""
        with self.lock(f"snapshot of {shard}", STEP_WAIT_SECONDS):
            note_look(self.layout, shard, looked_ns)

    def live_paths(self, shard: str) -> set[str]:
        """The paths that have a row in the current snapshot."""
        return live_paths(self.layout, self.snapshot(shard))

    def write_snapshot(
        self,
        shard: str,
        *,
        source_fingerprint: str,
        files: Mapping[str, FileState],
        touched: Iterable[str],
        chunks: Iterable[Chunk | Quarantined],
        looked_ns: int = 0,
    ) -> ShardChange:
        """The next snapshot of a shard: `files` is all it holds, `chunks` are those of the touched files only.
        `looked_ns` is when the scan of the files began."""
        with self.lock(f"snapshot of {shard}", STEP_WAIT_SECONDS):
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

    def segment(self, segment_id: str) -> Segment:
        """A segment, held against its own lists."""
        return Segment.open(self.layout, segment_id)

    def segments(self) -> list[Segment]:
        """Every segment there is, those of no generation included."""
        return [self.segment(p.parent.name) for p in sorted(self.layout.segments.glob(f"*/{SEGMENT_NAME}"))]

    def find_encoded(self, text_hashes: TextHashes, fingerprint: str) -> EncodedAt:
        """Where texts lie that are encoded already, over all segments with this encoder's embeddings and tokens."""
        return find_encoded(self.segments(), text_hashes, fingerprint)

    def add_model(self, write: Callable[[Path], None], made_by: str) -> Path:
        """Let `write` fill a folder, seal it and keep it as models/<first 8 of its digest>, once per content."""
        return add_model(self.layout, write, made_by)

    # -- generations --------------------------------------------------------------------------------------------------

    @property
    def published(self) -> Generation | None:
        """The generation that serves now."""
        while (number := read_published(self.layout)) is not None:
            try:
                return Generation.open(self.layout, number)
            except GenerationError:
                # Another process may have published the next one and collected this one between the two reads.
                if read_published(self.layout) == number:
                    raise
        return None

    def generation(self, number: int) -> Generation:
        """The generation of this number. GenerationError lists the known ones where it is none of them."""
        return Generation.open(self.layout, number)

    def generations(self) -> list[Generation]:
        """Every generation that can be read, drafts included, by number. `verify` reports those that cannot."""
        found = []
        for number in self.layout.numbers():
            try:
                found.append(self.generation(number))
            except StorageError as error:
                log.warning("generation %d is left out: %s", number, error)
        return found

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
        named: Collection[str] = (),
    ) -> Draft:
        """Begin a generation over these snapshots (shard -> data version), with the row numbers of the published one.

        required : what `publish` will demand of it. notes : kept in its manifest, JSON. holes : row numbers freed by
        removed segments stay gaps ("kept"); "bounded" renumbers all rows where there are too many, "closed" always.
        named : shards with name vectors.
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
            self.info = known_encoders.remember_encoder(self.layout, fingerprint, draft.manifest.encoder)
        return draft

    def canary(self, fingerprint: str) -> dict[str, Any] | None:
        """What this encoder made of pinned texts when a generation of it first served here; None where nobody asked."""
        return known_encoders.canary_of(self.layout, fingerprint)

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
    ) -> Generation:
        """Seal and serve; PublishRefused lists each unmet check with its reason.

        What the generation was begun with is demanded, and what is `required` besides. `force_reason` publishes past a
        check, `again_reason` what was rolled back or withdrawn; both are kept.
        """
        with self.lock(f"publish of generation {number}", STEP_WAIT_SECONDS):
            published = publish.publish(
                self.layout,
                number,
                required=required,
                force_reason=force_reason,
                again_reason=again_reason,
                who=who,
            )
            self.info = known_encoders.remember_canary(self.layout, published) or self.info
            return published

    def taken_back(self) -> dict[str, TakenBack]:
        """Contents that were rolled back or withdrawn, by digest (storage/content.py), whatever was collected since."""
        return remembrance.all_taken_back(self.layout)

    def allow_again(self, content: str, reason: str, *, who: str | None = None) -> None:
        """Let a content that was taken back be built and published again. GenerationError where it was not."""
        with self.lock("allowing what was taken back", STEP_WAIT_SECONDS):
            back = self.taken_back().get(content)
            if back is None:
                raise GenerationError(f"nothing took back the content {content[:16]}; it may be published as it is")
            publish.allow_again(self.layout, back, content, reason, who=who)

    def rollback(self, to: int | None = None, *, who: str | None = None, reason: str | None = None) -> Generation:
        """Serve an earlier generation: `to`, else the one published before, passing over withdrawn ones."""
        with self.lock("rollback", STEP_WAIT_SECONDS):
            return publish.rollback(self.layout, to, who=who, reason=reason)

    def withdraw(self, number: int, reason: str, *, who: str | None = None) -> None:
        """Never serve what this generation holds again; where it serves, roll back first."""
        with self.lock(f"withdrawal of generation {number}", STEP_WAIT_SECONDS):
            publish.withdraw(self.layout, number, reason, who=who)

    def history(self) -> list[HistoryEntry]:
        """Who published, rolled back and withdrew what, when and why; oldest first."""
        return read_history(self.layout)

    def accept_shrink(self, shrink: AcceptedShrink, *, reason: str | None = None, who: str | None = None) -> None:
        """Keep a person's word that a source may hold this much less than what serves now; it ends with that one."""
        with self.lock(f"accepted shrink of {shrink.source}", STEP_WAIT_SECONDS):
            publish.recover(self.layout)
            serving = read_published(self.layout)
            append_history(
                self.layout,
                "accepted_shrink",
                serving or 0,
                previous=serving,
                who=who,
                reason=reason,
                shrink=shrink,
            )

    def accept_history(self, reason: str, *, who: str | None = None) -> None:
        """Go on with a history that lost lines and of which there is no copy: what they took back is not known any
        more. Who says so, and why, is kept."""
        with self.lock("accepting the history", STEP_WAIT_SECONDS):
            accept_history(self.layout, reason, who=who)

    # -- keeping it small ---------------------------------------------------------------------------------------------

    def plan_compaction(self) -> CompactionPlan:
        """Shards with segments worth writing anew, by tiers and dead share (core/compaction.py)."""
        return plan_shards(self.layout, self.shards())

    def compact(self, plan: CompactionPlan) -> list[Compacted]:
        """Write each group of the plan as one segment without dead rows; the next generation is built from them."""
        with self.lock("compaction", STEP_WAIT_SECONDS):
            return [compact_shard(self.layout, shard, groups) for shard, groups in sorted(plan.items())]

    def collect(self, keep: int = 3, *, dry_run: bool = False, encoder: str | None = None) -> CollectReport:
        """Remove generations but `keep` and pinned ones, and whatever nothing kept references.

        Encodings of current segments by `encoder`, a fingerprint, stay too: the next generation may need them.
        """
        if dry_run:
            # Nothing is written, so that it runs where nothing can be, and beside a build.
            return collect(self.layout, keep, dry_run=True, encoder=encoder)
        with self.lock("collection", STEP_WAIT_SECONDS):
            publish.recover(self.layout)
            return collect(self.layout, keep, encoder=encoder)

    def export(self, number: int, path: str | Path) -> "Warehouse":
        """Copy a sealed generation and all it needs to a new folder, a warehouse in which it serves."""
        export_generation(self.layout, number, Path(path))
        return Warehouse.open(path)

    def import_generation(self, path: str | Path) -> Generation:
        """Take in the published generation of another warehouse (an export); `publish` lets it serve."""
        with self.lock(f"import of {path}", STEP_WAIT_SECONDS):
            return import_generation(Path(path), self.layout)

    def diff(self, before: int, after: int) -> GenerationDiff:
        """What differs between two generations: chunks, settings, verdicts. The public Warehouse asks both, too."""
        return diff(self.generation(before), self.generation(after))

    def verify(self, number: int | None = None, *, full: bool = True) -> VerifyReport:
        """Compare every file of one generation, or of the whole warehouse, with its record."""
        return verify_warehouse(self.layout, number, full=full)
