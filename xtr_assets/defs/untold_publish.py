"""A publish that Dagster was not told of: the pointer moved, and its run ended before `published` was materialized."""

from collections.abc import Callable

import dagster as dg

from xtr_assets.defs.asked_run import run_of
from xtr_assets.defs.liveness import PROCESS_TAG, is_gone
from xtr_assets.defs.sensor_cursor import Memory
from xtr_assets.pipeline.plan.decide import data_version
from xtr_assets.pipeline.plan.next_move import version_of
from xtr_assets.storage.generation import Generation
from xtr_assets.storage.history import read_history
from xtr_assets.storage.parts.part_set import PartSet
from xtr_assets.storage.warehouse import Warehouse

# A run that ended well has told everything; where its materialization is gone somebody wiped it.
BROKEN_OFF = (dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)

# (whether that is sure, the materialization that is missing; None where nothing is). It is not while the run has not
# ended, for Dagster: nobody told it of a death yet, and the run may tell by itself.
Untold = tuple[bool, dg.AssetMaterialization | None]
Shown = dict[str, int | str]


def announced(
    memory: Memory, serves: int, called: str, look: Callable[[], Untold]
) -> tuple[Memory, dg.SensorResult | None]:
    """The memory with what serves noted as told, once that is sure; and a tick that tells Dagster of it, where it was
    not. called : what `serves` counts, for people. look : made where another one serves than was noted."""
    if memory.announced == serves:
        return memory, None
    sure, missing = look()
    memory = memory.model_copy(update={"announced": serves}) if sure else memory
    if missing is None:
        return memory, None
    reason = f"Dagster is told that {called} {serves} serves: {missing.description}"
    return memory, dg.SensorResult(asset_events=[missing], skip_reason=reason, cursor=memory.model_dump_json())


def untold_publish(instance: dg.DagsterInstance, warehouse: Warehouse, asset: dg.AssetKey) -> Untold:
    """The materialization of `asset`, which is `published`, that is missing.

    What follows `published` is asked for by its materialization alone, and would go on with what served before until
    the next change. Only runs of this instance are looked at: what another one published, or the shell without it, was
    never told here, and neither is a rollback.
    """
    serving = warehouse.published
    if serving is None:
        return True, None
    shown: Shown = {"generation": serving.number, "parent": str(serving.parent), "dagster/row_count": serving.live_rows}
    return _untold(instance, asset, _publisher(warehouse, serving), "generation", shown, data_version(serving))


def untold_move(instance: dg.DagsterInstance, opened: PartSet, asset: dg.AssetKey) -> Untold:
    """The same of a set of parts, whose moves are published."""
    moves = opened.moves()
    if not moves or moves[-1].action != "published":
        return True, None
    last = moves[-1]
    shown: Shown = {"move": last.number, "dagster/row_count": last.live_rows}
    return _untold(instance, asset, run_of(last.who), "move", shown, version_of(last.named))


def _untold(
    instance: dg.DagsterInstance,
    asset: dg.AssetKey,
    run_id: str | None,
    number: str,
    shown: Shown,
    version: str,
) -> Untold:
    run = None if run_id is None else instance.get_run_by_id(run_id)
    if run is None:
        return True, None
    if run.status not in BROKEN_OFF and not is_gone(run.tags.get(PROCESS_TAG, "")):
        return run.is_finished, None
    latest = instance.get_latest_materialization_event(asset)
    told = None if latest is None else latest.asset_materialization
    if latest is not None and told is not None:
        known = told.metadata.get(number)
        if latest.run_id == run.run_id or (known is not None and known.value == shown[number]):
            return True, None
    return True, dg.AssetMaterialization(
        asset,
        description=f"Run {run.run_id} moved the pointer, and ended before it said so.",
        metadata={**shown, "published_by": dg.MetadataValue.dagster_run(run.run_id)},
        tags={"dagster/data_version": version},
    )


def _publisher(warehouse: Warehouse, serving: Generation) -> str | None:
    """The run that published what serves; None where it was none, or a rollback is what serves."""
    moves = [one for one in read_history(warehouse.layout) if one.moves]
    noted = moves.pop() if moves and moves[-1].generation == serving.number else None
    if noted is not None and noted.action == "published":
        return run_of(noted.who)
    # Its writer died before it noted the move, which the next one notes as its own. What serves for the first time was
    # published, by the run that made it.
    first = all(one.generation != serving.number for one in moves)
    return serving.manifest.run_id if first and (noted is None or noted.action == "recovered") else None
