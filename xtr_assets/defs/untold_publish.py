"""A move of the pointer that Dagster was not told of: its run ended before `published` was materialized, or no run of
this Dagster instance made it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import dagster as dg

from xtr_assets.defs.asked_run import BY_RUN, run_of
from xtr_assets.defs.context import INDEX_TAG, Site
from xtr_assets.defs.liveness import PROCESS_TAG, is_gone
from xtr_assets.defs.pointer_events import by_whom, observation, publication
from xtr_assets.defs.sensor_cursor import Memory
from xtr_assets.pipeline.plan.next_move import version_of
from xtr_assets.storage.generation import Generation
from xtr_assets.storage.history import read_history
from xtr_assets.storage.history_entry import HistoryEntry
from xtr_assets.storage.parts.part_records import PartMove
from xtr_assets.storage.parts.part_set import PartSet
from xtr_assets.storage.warehouse import Warehouse

# A run that ended well has told everything; where its materialization is gone somebody wiped it.
BROKEN_OFF = (dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)

Event = dg.AssetMaterialization | dg.AssetObservation
# (whether that is sure, the event that is missing; None where nothing is). It is not while the run has not ended, for
# Dagster: nobody told it of a death yet, and the run may tell by itself.
Untold = tuple[bool, Event | None]
# Makes the materialization, from a description and how it came to that serves.
Publication = Callable[[str, Mapping[str, Any]], dg.AssetMaterialization]


def announced(
    memory: Memory, serves: int, called: str, look: Callable[[], Untold]
) -> tuple[Memory, Sequence[Event], list[str]]:
    """The memory with what serves noted as told, once that is sure; the events that tell Dagster of it, where it was
    not, and a sentence about them. called : what `serves` counts, for people. look : made where another one serves than
    was noted."""
    if memory.announced == serves:
        return memory, [], []
    sure, missing = look()
    memory = memory.model_copy(update={"announced": serves}) if sure else memory
    if missing is None:
        return memory, [], []
    sentence = f"Dagster is told that {called} {serves} serves: {missing.description}"
    return memory, [missing], [sentence.removesuffix(".")]


def untold_publish(site: Site, instance: dg.DagsterInstance, warehouse: Warehouse) -> Untold:
    """The event of the asset `published` that is missing.

    What follows `published` is asked for by its materialization alone: it would go on with what served before until
    the next change, and in an instance that never saw one it would not begin. After a rollback nothing is asked for,
    and an observation says what serves.
    """
    serving = warehouse.published
    last = None if serving is None else _last_move(warehouse, serving)
    if serving is None or last is None:
        return True, None

    def told(description: str, how: Mapping[str, Any]) -> dg.AssetMaterialization:
        return publication(site, warehouse, serving, description, how)

    return _untold(site, instance, last, "generation", serving.number, told)


def untold_move(site: Site, instance: dg.DagsterInstance, opened: PartSet) -> Untold:
    """The same of a set of parts, whose moves are published."""
    moves = opened.moves()
    if not moves:
        return True, None
    last = moves[-1]

    def told(description: str, how: Mapping[str, Any]) -> dg.AssetMaterialization:
        return dg.AssetMaterialization(
            site.names.key("published"),
            description=description,
            metadata={**how, "move": last.number, "dagster/row_count": last.live_rows},
            tags={"dagster/data_version": version_of(last.named)},
        )

    return _untold(site, instance, last, "move", last.number, told)


def _untold(
    site: Site,
    instance: dg.DagsterInstance,
    last: HistoryEntry | PartMove,
    called: str,
    number: int,
    told: Publication,
) -> Untold:
    run_id = run_of(last.who)
    run = None if run_id is None else instance.get_run_by_id(run_id)
    if run is not None and run.tags.get(INDEX_TAG, site.config.name) != site.config.name:
        run = None  # of before the index was renamed, and told of an asset of that name
    if run is not None and run.status not in BROKEN_OFF and not is_gone(run.tags.get(PROCESS_TAG, "")):
        return run.is_finished, None
    asset = site.names.key("published")
    latest = instance.get_latest_materialization_event(asset)
    if latest is not None:
        if run is not None and latest.run_id == run.run_id:
            return True, None
        observed = instance.fetch_observations(asset, limit=1).records
        known = None if latest.asset_materialization is None else latest.asset_materialization.metadata.get(called)
        if known is not None and known.value == number and all(one.timestamp < latest.timestamp for one in observed):
            return True, None
    how: dict[str, Any]
    if run is None:
        description = f"It serves since {last.at} by {last.who}. No run of this index told Dagster of it."
        how = by_whom(last)
    else:
        description = f"Run {run.run_id} moved the pointer, and ended before it said so."
        how = {"published_by": dg.MetadataValue.dagster_run(run.run_id)}
    if latest is None or last.action == "published":
        return True, told(description, how)
    action = last.action.replace("_", " ")
    return True, observation(site, {"action": action, called: number, **how}, description=description)


def _last_move(warehouse: Warehouse, serving: Generation) -> HistoryEntry | None:
    """The line of the history by which a generation serves; None where nobody knows how it came to."""
    moves = [one for one in read_history(warehouse.layout) if one.moves]
    noted = moves.pop() if moves and moves[-1].generation == serving.number else None
    if noted is not None and noted.action != "recovered":
        return noted
    # Its writer died before it noted the move, which the next one notes as its own. What serves for the first time was
    # published, by the run that made it.
    if any(one.generation == serving.number for one in moves):
        return noted
    manifest = serving.manifest
    who = f"{BY_RUN}{manifest.run_id}"
    return HistoryEntry(
        at=manifest.created_at, action="published", generation=serving.number, previous=manifest.parent, who=who
    )
