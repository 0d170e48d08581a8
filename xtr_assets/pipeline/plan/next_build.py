"""What automation does next: build, train anew, or wait for what is being written. No state but what is passed in."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from xtr_assets.config import IndexConfig
from xtr_assets.core.errors import SourceError
from xtr_assets.core.types import VectorKind
from xtr_assets.pipeline.ingest.encode import missing_encodings
from xtr_assets.pipeline.ingest.look_memory import LookMemory
from xtr_assets.pipeline.ingest.scan import ShardScan, shard_sources
from xtr_assets.pipeline.plan.decide import Decision, decide, due, wanted
from xtr_assets.pipeline.plan.wanted_generation import Wanted
from xtr_assets.storage.snapshot import Snapshot, ingested_at
from xtr_assets.storage.warehouse import Warehouse

# How long a build waits for a shard that is changed but cannot be ingested before it goes on without it.
PATIENCE_SECONDS = 3600.0
# The same for shards that were ingested meanwhile and changed again: they are written to all the time, and a build of
# what was read of them is as new as any.
SETTLE_SECONDS = 300.0

# Of this process: a sensor looks again and again.
_memory = LookMemory()


@dataclass(frozen=True)
class NextBuild:
    """The decision over the shards as they are now.

    want : what would be built, None where it cannot be said yet. since : since when (seconds since the epoch) changed
    shards are waited for; None where none is. errors : sources that cannot be looked at. left_out : changed shards that
    were waited for long enough, where something is built without their change.
    """

    decision: Decision
    want: Wanted | None = None
    since: float | None = None
    errors: tuple[SourceError, ...] = ()
    left_out: tuple[str, ...] = ()


def next_build(
    warehouse: Warehouse, config: IndexConfig, kind: VectorKind, *, now: float, since: float | None
) -> NextBuild:
    """What to do, where no run is in progress. `since` is that of the look before."""
    scans, found = look(warehouse, config)
    errors = tuple(found)
    changed = tuple(sorted(one.shard for one in scans if due(warehouse, one, kind)))
    # A clock that was set back has looks of the future.
    waiting = min(since or now, now) if changed else None
    if waiting is not None and now - waiting < _patience(warehouse, changed, waiting):
        reason = f"{', '.join(changed)} changed and will be ingested first"
        return NextBuild(Decision(False, reason), since=waiting, errors=errors)
    known = {one.shard: one.snapshot for one in scans}
    if not_ready := unready(warehouse, config, kind, known):
        # Without its vectors a shard that served has no rows: nothing is built of the others either.
        told = f"{', '.join(not_ready)} {'is' if len(not_ready) == 1 else 'are'} not ingested to the end"
        reason = f"{told}, and nothing is built before that; the last run of `ingest` says what keeps it"
        return NextBuild(Decision(False, reason), since=waiting, errors=errors)
    want = wanted(warehouse, config, kind.fingerprint, known)
    decision = decide(warehouse, config, want, again=False)
    return NextBuild(decision, want, waiting, errors, changed if decision.build else ())


def _patience(warehouse: Warehouse, changed: Iterable[str], waiting: float) -> float:
    """How long to wait for these shards, since `waiting`."""
    ingested = all((ingested_at(warehouse.layout, shard) or 0.0) > waiting for shard in changed)
    return SETTLE_SECONDS if ingested else PATIENCE_SECONDS


def look(warehouse: Warehouse, config: IndexConfig) -> tuple[list[ShardScan], list[SourceError]]:
    """Every shard as it is now, and the errors of sources that cannot be looked at."""
    return _memory.scans(warehouse, shard_sources(config).items())


def unready(
    warehouse: Warehouse, config: IndexConfig, kind: VectorKind, known: Mapping[str, Snapshot | None]
) -> list[str]:
    """Shards without a snapshot, or whose snapshot is not encoded by this encoder. known : snapshots that are at
    hand."""
    lacking = []
    for shard, source in shard_sources(config).items():
        snapshot, names = known.get(shard) or warehouse.snapshot(shard), source.config.naming
        if snapshot is None or missing_encodings(warehouse, snapshot, kind, names=names):
            lacking.append(shard)
    return lacking
