"""Compaction as a build: segments are written anew, and a generation over them is gated like any other."""

from dataclasses import dataclass

from xtr_assets.core.errors import GenerationError
from xtr_assets.core.row_placement import too_many_holes
from xtr_assets.pipeline.plan.wanted_generation import Wanted
from xtr_assets.storage.segment_compaction import CompactionPlan
from xtr_assets.storage.warehouse import Warehouse


@dataclass(frozen=True)
class CompactionDue:
    """Whether a compaction is due, and why or why not; `plan` names the segments that become one.

    possible : False where a generation made now would hold something else than what serves.
    """

    due: bool
    reason: str
    plan: CompactionPlan
    possible: bool = True


@dataclass(frozen=True, slots=True)
class CompactedSegments:
    """How many segments were replaced by how many; bytes are those of the new ones."""

    replaced: int
    written: int
    bytes: int


def compaction_due(warehouse: Warehouse, want: Wanted, *, erase: bool = False) -> CompactionDue:
    """What could be compacted now; with `erase` every segment that holds what was deleted or edited.

    Only where what serves holds the content of the shards: else the next generation would publish more than another
    layout, e.g. a change that somebody rolled back.
    """
    published = warehouse.published
    if published is None:
        return CompactionDue(False, "nothing is published yet", {}, possible=False)
    if not want.made(published):
        reason = f"generation {published.number} does not hold what the shards hold"
        return CompactionDue(False, reason, {}, possible=False)
    plan = {
        shard: groups for shard, groups in warehouse.plan_compaction(erase=erase).items() if shard in want.snapshots
    }
    if plan:
        merged = sum(len(group) for groups in plan.values() for group in groups)
        into = sum(map(len, plan.values()))
        return CompactionDue(True, f"{merged} segments of {', '.join(sorted(plan))} become {into}", plan)
    if published.manifest.snapshots != want.versions:
        # A compaction whose generation was refused, or whose run died: its segments are there and do not serve.
        return CompactionDue(True, "the shards were laid out anew, and what serves has the layout before", {})
    if too_many_holes(published.holes, published.end_row):
        return CompactionDue(True, f"{published.holes} of {published.end_row} rows are holes", {})
    return CompactionDue(False, f"no shard has segments {'with dead rows' if erase else 'worth writing anew'}", {})


def compact_segments(warehouse: Warehouse, found: CompactionDue) -> CompactedSegments:
    """Write the planned segments and the snapshots that name them. GenerationError where that must not be built."""
    if not found.possible:
        raise GenerationError(
            f"cannot compact: {found.reason}; `xtr-assets build` (in Dagster: `rebuild`) first, then compact"
        )
    compacted = warehouse.compact(found.plan)
    written = [segment for one in compacted for segment in one.written]
    size = sum(file.stat().st_size for one in written for file in one.directory.rglob("*") if file.is_file())
    return CompactedSegments(sum(len(one.replaced) for one in compacted), len(written), size)
