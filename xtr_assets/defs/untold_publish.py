"""A publish that Dagster was not told of: the pointer moved, and its run ended before `published` was materialized."""

import dagster as dg

from xtr_assets.defs.context import BY_RUN
from xtr_assets.pipeline.plan.decide import data_version
from xtr_assets.storage.history import read_history
from xtr_assets.storage.warehouse import Warehouse

# A run that ended well has told everything; where its materialization is gone somebody wiped it.
BROKEN_OFF = (dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)


def untold_publish(
    instance: dg.DagsterInstance, warehouse: Warehouse, asset: dg.AssetKey
) -> dg.AssetMaterialization | None:
    """The materialization of `asset` that is missing; None where nothing is.

    What follows `published` is asked for by its materialization alone, and would go on with what served before until
    the next change. Only runs of this instance are looked at: what another one published, or the shell without it, was
    never told here, and neither is a rollback.
    """
    serving = warehouse.published
    move = next((one for one in reversed(read_history(warehouse.layout)) if one.moves), None)
    if serving is None or move is None or (move.action, move.generation) != ("published", serving.number):
        return None
    if not move.who.startswith(BY_RUN):
        return None
    run = instance.get_run_by_id(move.who.removeprefix(BY_RUN))
    if run is None or run.status not in BROKEN_OFF:
        return None
    latest = instance.get_latest_materialization_event(asset)
    told = None if latest is None else latest.asset_materialization
    if latest is not None and told is not None:
        number = told.metadata.get("generation")
        if latest.run_id == run.run_id or (number is not None and number.value == serving.number):
            return None
    return dg.AssetMaterialization(
        asset,
        description=f"Run {run.run_id} moved the pointer, and ended before it said so.",
        metadata={
            "generation": serving.number,
            "parent": str(serving.parent),
            "dagster/row_count": serving.live_rows,
            "published_by": dg.MetadataValue.dagster_run(run.run_id),
        },
        tags={"dagster/data_version": data_version(serving)},
    )
