"""Compaction as a build: segments are written anew, and a generation over them is gated like any other."""

from dataclasses import dataclass

from xtr_assets.build.generation import Wanted
from xtr_assets.core.errors import GenerationError
from xtr_assets.storage.compaction import CompactionPlan
from xtr_assets.storage.warehouse import Warehouse


@dataclass(frozen=True)
class CompactionDue:
    """Whether a compaction is due, and why or why not; `plan` names the segments that become one."""

    due: bool
    reason: str
    plan: CompactionPlan


@dataclass(frozen=True, slots=True)
class CompactedSegments:
    """How many segments were replaced by how many; bytes are those of the new ones."""

    replaced: int
    written: int
    bytes: int


def compaction_due(warehouse: Warehouse, want: Wanted) -> CompactionDue:
    """What could be compacted now.

    Only where what serves holds the content of the shards: else the next generation would publish more than another
    layout, e.g. a change that somebody rolled back.
    """
    published = warehouse.published
    if published is None:
        return CompactionDue(False, "nothing is published yet", {})
    if not want.made(published):
        return CompactionDue(False, f"generation {published.number} does not hold what the shards hold", {})
    plan = {shard: groups for shard, groups in warehouse.plan_compaction().items() if shard in want.snapshots}
    if plan:
        merged = sum(len(group) for groups in plan.values() for group in groups)
        into = sum(map(len, plan.values()))
        return CompactionDue(True, f"{merged} segments of {', '.join(sorted(plan))} become {into}", plan)
    if published.manifest.snapshots != want.versions:
        # A compaction whose generation was refused, or whose run died: its segments are there and do not serve.
        return CompactionDue(True, "the shards were laid out anew, and what serves has the layout before", {})
    return CompactionDue(False, "no shard has segments worth writing anew", {})


def compact_segments(warehouse: Warehouse, want: Wanted) -> CompactedSegments:
    """Write the planned segments and the snapshots that name them. GenerationError where that must not be built."""
    found = compaction_due(warehouse, want)
    published = warehouse.published
    if published is None or not want.made(published):
        raise GenerationError(f"cannot compact: {found.reason}; `xtr-assets build` first, then compact")
    compacted = warehouse.compact(found.plan)
    written = [segment for one in compacted for segment in one.written]
    size = sum(file.stat().st_size for one in written for file in one.directory.rglob("*") if file.is_file())
    return CompactedSegments(sum(len(one.replaced) for one in compacted), len(written), size)
