"""What a warehouse holds and which generation serves: reading takes no lock and waits for nobody."""

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from xtr_assets.core.errors import CorruptFile, GenerationError, StorageError, WarehouseNotFound
from xtr_assets.core.types import BOTH_LEGS, FileState, Legs
from xtr_assets.storage import known_encoders, remembrance
from xtr_assets.storage.content import TakenBack
from xtr_assets.storage.digests import VerifyReport
from xtr_assets.storage.encoding_lookup import EncodedAt, TextHashes, find_encoded
from xtr_assets.storage.generation import Generation
from xtr_assets.storage.generation_diff import GenerationDiff, diff
from xtr_assets.storage.history import read_history, read_published
from xtr_assets.storage.history_entry import HistoryEntry
from xtr_assets.storage.layout import LOST_DESCRIPTION, Layout, PartsLayout, lost_its_description
from xtr_assets.storage.links import refuse_linked_top
from xtr_assets.storage.remote.address import STORE_NAME, refuse_address
from xtr_assets.storage.row_match import live_paths
from xtr_assets.storage.segment import SEGMENT_NAME, Segment
from xtr_assets.storage.snapshot import Snapshot, current_version, known_files, looked_at, read_snapshot
from xtr_assets.storage.unnoted_move import followed
from xtr_assets.storage.warehouse_info import WarehouseInfo, read_info

if TYPE_CHECKING:
    from xtr_assets.storage.segment_compaction import CompactionPlan

log = logging.getLogger(__name__)


class WarehouseReader:
    """What a warehouse says of itself; `Warehouse` is this and all that writes."""

    def __init__(self, layout: Layout, info: WarehouseInfo) -> None:
        self.layout, self.info = layout, info

    @property
    def root(self) -> Path:
        """The folder, absolute."""
        return self.layout.root

    @classmethod
    def open(cls, path: str | Path) -> Self:
        """The warehouse in a folder.

        Raises WarehouseNotFound where there is none, UnknownFormat for a format_version this release does not read.
        """
        refuse_address(path)
        layout = Layout(Path(path).absolute())
        refuse_linked_top(layout)
        if not layout.warehouse_json.is_file():
            if os.path.lexists(PartsLayout(layout.root).parts_json):
                raise WarehouseNotFound(
                    f"{path} is a set of parts, and no warehouse; `xtr-assets search` and `parts status` take it, each "
                    f"folder below {path}/parts is a warehouse"
                )
            if (layout.root / STORE_NAME).is_file():
                raise WarehouseNotFound(
                    f"{path} is an object store in a folder; give its address, file://{layout.root}"
                )
            if lost_its_description(layout):
                raise WarehouseNotFound(f"{path} was a warehouse: {LOST_DESCRIPTION}")
            near = layout.root.parent if layout.root.is_file() else layout.root
            meant = sorted(str(one.parent) for one in near.glob("*/warehouse.json"))
            remedy = f"pass {' or '.join(meant[:3])}" if meant else "`xtr-assets build` makes one"
            if layout.root.is_dir() and not any(layout.root.iterdir()):
                remedy = f"the folder is empty: mount its disk where it has one, else {remedy}"
            raise WarehouseNotFound(f"no warehouse at {path} (no warehouse.json); {remedy}")
        return cls(layout, read_info(layout))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.root)!r})"

    def follow(self, stop: Callable[[], bool] | None = None) -> None:
        """Bring what was published elsewhere: for the cache of an object store. A folder of its own follows nobody.

        stop : asked now and then; once it says True the work ends with GenerationError, and goes on at the next call
        """

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

    def live_paths(self, shard: str) -> set[str]:
        """The paths that have a row in the current snapshot."""
        return live_paths(self.layout, self.snapshot(shard))

    def segment(self, segment_id: str) -> Segment:
        """A segment, held against its own lists."""
        return Segment.open(self.layout, segment_id)

    def segments(self) -> list[Segment]:
        """Every segment there is, those of no generation included."""
        found = []
        for path in sorted(self.layout.segments.glob(f"*/{SEGMENT_NAME}")):
            try:
                found.append(self.segment(path.parent.name))
            except CorruptFile:
                if path.exists():  # Else it was collected between the two.
                    raise
        return found

    def find_encoded(self, text_hashes: TextHashes, fingerprint: str, legs: Legs = BOTH_LEGS) -> EncodedAt:
        """Where texts lie that are encoded already, over all segments with these legs of this encoder."""
        return find_encoded(self.segments(), text_hashes, fingerprint, legs)

    @property
    def published(self) -> Generation | None:
        """The generation that serves now. CorruptFile where PUBLISHED is damaged, or names what was withdrawn."""
        while (number := followed(self.layout)) is not None:
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

    def canary(self, fingerprint: str) -> dict[str, Any] | None:
        """What this encoder made of pinned texts when a generation of it first served here; None where nobody asked."""
        return known_encoders.canary_of(self.layout, fingerprint)

    def taken_back(self) -> dict[str, TakenBack]:
        """Contents that were rolled back or withdrawn, by digest (storage/content.py), whatever was collected since."""
        return remembrance.all_taken_back(self.layout)

    def history(self) -> list[HistoryEntry]:
        """Who published, rolled back and withdrew what, when and why; oldest first."""
        return read_history(self.layout)

    def plan_compaction(self, *, erase: bool = False) -> "CompactionPlan":
        """Shards with segments worth writing anew, by tiers and dead share (core/compaction.py). With `erase` every
        segment that holds a dead row is."""
        from xtr_assets.storage.segment_compaction import plan_shards

        return plan_shards(self.layout, self.shards(), erase=erase)

    def diff(self, before: int, after: int) -> GenerationDiff:
        """What differs between two generations: chunks, settings, verdicts. The public Warehouse asks both, too."""
        return diff(self.generation(before), self.generation(after))

    def verify(self, number: int | None = None, *, full: bool = True) -> VerifyReport:
        """Compare every file of one generation, or of the whole warehouse, with its record."""
        from xtr_assets.storage.verify import verify_warehouse

        return verify_warehouse(self.layout, number, full=full)
