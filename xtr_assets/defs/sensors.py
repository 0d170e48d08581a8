"""Sensors: changed shards are ingested; when all are, the next generation is built once.

Both sensors look at the state of the warehouse, not at events: a tick that was missed, a daemon that was down or a run
that died leave nothing behind that the next tick does not see.
"""

from collections.abc import Collection, Mapping, Sequence
from time import time as clock

import dagster as dg

from xtr_assets.core.errors import SourceError
from xtr_assets.core.types import VectorKind
from xtr_assets.defs.cluster_look import look_once
from xtr_assets.defs.context import CAUSE_TAG, INDEX_TAG, KIND_TAG, TRACE_TAG, Site
from xtr_assets.defs.jobs import AssetJob
from xtr_assets.defs.liveness import end_dead_runs
from xtr_assets.defs.names import CORPUS
from xtr_assets.defs.run_failure import run_failure
from xtr_assets.defs.sensor_cursor import Memory, at_work, in_progress
from xtr_assets.defs.untold_publish import announced, untold_publish
from xtr_assets.pipeline.gate.drift import Drift, read_drift
from xtr_assets.pipeline.plan.decide import due, refused_for_training, wanted_kind
from xtr_assets.pipeline.plan.next_build import SETTLE_SECONDS, NextBuild, look, next_build
from xtr_assets.storage.generation import Generation
from xtr_assets.storage.layout import Layout
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets.telemetry.tracing import began, listened

Jobs = Mapping[str, AssetJob | dg.JobDefinition]

# A change is acted upon when two looks this far apart have seen the same files: a burst of writes makes one run. What
# is written to all the time, as a log is, is read as it is once it has been changing for SETTLE_SECONDS.
LOOK_SECONDS = 10
# Figures of drift change with generations, and nobody waits for a retrain.
DRIFT_SECONDS = 60

# Ingests that a build's trace links to: those of a night's changes, of many shards at most.
LINKED_RUNS = 20

# What the memory calls the time since which changed shards are waited for.
WAITING = "waiting since"
# Of a source that cannot be looked at. It may never have been.
SERVES_ON = "what was ingested of it before, if there is any, serves on"


# Sensors that ask for runs.
ASKING = ("source_changes", "automation", "drift")


def index_sensors(site: Site, jobs: Jobs, running: Collection[str] = ASKING) -> list[dg.SensorDefinition]:
    """The sensors of an index. Those of ASKING that are `running` run from the start, and can be stopped in the UI; the
    others can be started there."""
    return [
        source_changes(site, jobs[site.names.named("ingest")], _status("source_changes" in running)),
        automation(site, jobs[site.names.named("rebuild")], _status("automation" in running)),
        drift(site, jobs[site.names.named("retrain")], _status("drift" in running)),
        run_failure(site, list(jobs.values())),
    ]


def _status(running: bool) -> dg.DefaultSensorStatus:
    return dg.DefaultSensorStatus.RUNNING if running else dg.DefaultSensorStatus.STOPPED


def source_changes(site: Site, job: AssetJob, status: dg.DefaultSensorStatus) -> dg.SensorDefinition:
    """`source_changes`: asks for a run of each shard that changed."""
    name = site.names.named("source_changes")

    @dg.sensor(
        name=name,
        job=job,
        minimum_interval_seconds=LOOK_SECONDS,
        default_status=status,
        required_resource_keys=site.needs_encoder,
        description="Asks for a run of each shard whose files, settings or encoder changed, when they have settled.",
    )
    def sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        now = clock()
        # To touch `context.log` opens a file of the tick in DAGSTER_HOME, which stays there for ever.
        look_once(context.instance, lambda told: context.log.warning(told))
        memory = Memory.of(context.cursor, context.instance, name)
        warehouse = site.warehouse(context)
        tell_dead_runs(context, site, warehouse.layout, now)
        kind = wanted_kind(warehouse, site.config, lambda: site.encoder(context))
        with site.upstream(context):
            scans, errors = look(warehouse, site.config)
        changed = {one.shard: one for one in scans if due(warehouse, one, kind)}
        if errors and not changed:
            # Each of them: a tick that failed is what somebody sees of it.
            raise SourceError("; ".join(dict.fromkeys(f"{error}; {SERVES_ON}" for error in errors)))
        news, memory = memory.news([str(error) for error in errors])
        for error in news:
            context.log.error(error)
        running = in_progress(context.instance, warehouse.layout, site.names, CORPUS, now)
        busy = {run.tags.get("dagster/partition") for run in running}

        contents = {shard: f"{one.content}-{kind.fingerprint[:8]}" for shard, one in changed.items()}
        # Since two looks saw the same it waits for something else: what changes then is another change.
        moved = (shard for shard, content in contents.items() if memory.seen.get(shard) != content)
        changing = {**dict.fromkeys(contents, now), **{one: min(memory.changing.get(one, now), now) for one in moved}}
        memory_after = memory.model_copy(
            update={"seen": contents, "asked": {s: one for s, one in memory.asked.items() if s in contents}}
        )
        requests, waiting = [], []
        for shard, content in contents.items():
            if shard in busy:
                waiting.append(f"{shard} is being ingested")
            elif memory.seen.get(shard) != content and now - changing[shard] < SETTLE_SECONDS:
                waiting.append(f"{shard} may still be changing")
            elif (asked := memory_after.ask(shard, content, now)) is None:
                waiting.append(f"the last run of {shard} failed; it is asked for again later, or when it changes")
            else:
                tags = {"xtr-assets/shard": shard, **memory_after.request(name), **_traced(name, now, shard=shard)}
                memory_after, key = asked
                requests.append(dg.RunRequest(run_key=key, partition_key=shard, tags=tags))
                # What changes from now on is another change.
                changing[shard] = now
        memory_after = memory_after.model_copy(update={"changing": changing})
        reason = "; ".join([*waiting, *memory.told]) or f"nothing changed in {len(scans)} shards"
        return dg.SensorResult(
            run_requests=requests,
            skip_reason=None if requests else reason,
            cursor=memory_after.model_dump_json(),
        )

    return sensor


def automation(site: Site, job: AssetJob, status: dg.DefaultSensorStatus) -> dg.SensorDefinition:
    """`automation`: asks for the next generation once all changed shards are ingested."""
    name = site.names.named("automation")

    @dg.sensor(
        name=name,
        job=job,
        minimum_interval_seconds=LOOK_SECONDS,
        default_status=status,
        required_resource_keys=site.needs_encoder,
        description=(
            "Asks for a rebuild when the shards hold something that was not built, and no shard is being ingested or "
            "about to be. What was refused, rolled back or withdrawn is not built again by itself."
        ),
    )
    def sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        now = clock()
        memory = Memory.of(context.cursor, context.instance, name)
        warehouse = site.warehouse(context)
        tell_dead_runs(context, site, warehouse.layout, now)
        if busy := at_work(context.instance, warehouse.layout, site.names, now):
            return _wait(memory, busy)
        serves = 0 if warehouse.published is None else warehouse.published.number
        memory, events, told = announced(
            memory, serves, "generation", lambda: untold_publish(site, context.instance, warehouse)
        )
        memory, requests, reason = _rebuild(context, site, warehouse, memory, now)
        return dg.SensorResult(
            run_requests=requests,
            skip_reason=None if requests else "; ".join((*told, reason, *memory.told)),
            cursor=memory.model_dump_json(),
            asset_events=events,
        )

    return sensor


def _rebuild(
    context: dg.SensorEvaluationContext, site: Site, warehouse: Warehouse, memory: Memory, now: float
) -> tuple[Memory, list[dg.RunRequest], str]:
    """The request for the next generation, where one has to be built, and why or why not."""
    name = site.names.named("automation")
    kind = wanted_kind(warehouse, site.config, lambda: site.encoder(context))
    found, memory = _next(context, site, warehouse, kind, memory, now)
    decision = found.decision
    if not decision.build or found.want is None:
        return memory, [], decision.reason
    if decision.cause:
        return memory, [], f"{decision.reason}; the sensor `{site.names.named('drift')}` asks for a retrain"
    asked = memory.ask("rebuild", found.want.digest, now)
    if asked is None:
        return memory, [], "the last rebuild failed; it is asked for again later, or when something changes"
    after, key = asked
    traced = _traced(name, now, _ingested(context.instance, site), reason=decision.reason[:200])
    tags = {"xtr-assets/reason": decision.reason[:200], **memory.request(name), **traced}
    return after, [dg.RunRequest(run_key=key, tags=tags)], decision.reason


def drift(site: Site, job: AssetJob, status: dg.DefaultSensorStatus) -> dg.SensorDefinition:
    """`drift`: asks for a retrain where what serves, or a draft that was refused, lacks what training anew gives."""
    name = site.names.named("drift")

    @dg.sensor(
        name=name,
        job=job,
        minimum_interval_seconds=DRIFT_SECONDS,
        default_status=status,
        required_resource_keys=site.needs_encoder,
        description=(
            "Asks for `retrain`, with the cause: once where a draft was refused for what its indexes had learnt before "
            "it, and where what serves is past a limit of drift."
        ),
    )
    def sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        now = clock()
        memory = Memory.of(context.cursor, context.instance, name)
        warehouse = site.warehouse(context)
        if busy := at_work(context.instance, warehouse.layout, site.names, now):
            return _wait(memory, busy)
        published = warehouse.published
        drifted = None if published is None else read_drift(published)
        if drifted is not None:
            drifted.show()
        # Looking at every source, as automation does each few seconds, is left to where something may follow from it.
        refused = refused_for_training(warehouse, site.config, published)
        if refused is None and (drifted is None or not drifted.causes):
            return _wait(memory, _within(published, drifted))
        kind = wanted_kind(warehouse, site.config, lambda: site.encoder(context))
        found, memory = _next(context, site, warehouse, kind, memory, now)
        if found.decision.cause and found.want is not None:
            asked, cause = memory.ask("refused", found.want.digest, now), found.decision.cause
        elif published is None or drifted is None or not drifted.causes:
            return _looked(memory, found.decision.reason)
        elif found.want is None or not found.want.made(published):
            # A retrain builds what the shards hold: that is for a rebuild to publish, or was rolled back.
            return _looked(memory, f"generation {published.number} does not hold what the shards hold")
        else:
            asked, cause = memory.ask("retrain", f"generation-{published.number}", now), "; ".join(drifted.causes)
        if asked is None:
            return _looked(memory, "the last retrain failed; it is asked for again later, or when something changes")
        after, key = asked
        tags = {CAUSE_TAG: cause, **memory.request(name), **_traced(name, now, cause=cause)}
        request = dg.RunRequest(run_key=key, tags=tags)
        return dg.SensorResult(run_requests=[request], cursor=after.model_dump_json())

    return sensor


def _within(published: Generation | None, drifted: Drift | None) -> str:
    if published is None or drifted is None:
        return "nothing serves whose indexes learnt anything that was measured"
    figures = ", ".join(f"{name} {value:.3f}" for name, value in drifted.figures.items())
    return f"generation {published.number} is within its limits: {figures}"


def tell_dead_runs(context: dg.SensorEvaluationContext, site: Site, layout: Layout, now: float) -> None:
    """Report as failed what no process executes any more."""
    for run in end_dead_runs(context.instance, layout, site.names, now):
        context.log.warning(f"run {run.run_id} of {run.job_name} has no process any more; it is shown as failed")


def _next(
    context: dg.SensorEvaluationContext, site: Site, warehouse: Warehouse, kind: VectorKind, memory: Memory, now: float
) -> tuple[NextBuild, Memory]:
    """What to do next, what is to be known of it written to the log, and the memory of what is waited for."""
    since = memory.seen.get(WAITING)
    with site.upstream(context):
        found = next_build(warehouse, site.config, kind, now=now, since=None if since is None else float(since))
    errors = [f"{error}; {SERVES_ON}" for error in found.errors]
    late = [
        f"{one} changed and is waited for no longer; built with what was ingested of it before"
        for one in found.left_out
    ]
    news, memory = memory.news([*errors, *late])
    for message in news:
        (context.log.error if message in errors else context.log.warning)(message)
    seen = {} if found.since is None else {WAITING: str(found.since)}
    return found, memory.model_copy(update={"seen": seen})


def _traced(name: str, now: float, links: Sequence[str] = (), **attributes: str) -> dict[str, str]:
    """The tag that puts a run below this tick in a trace; none where nobody listens. Ticks that ask for nothing, one
    every few seconds, make no span."""
    parent = began(f"sensor.{name}", now, links, **attributes)
    return {} if parent is None else {TRACE_TAG: parent}


def _ingested(instance: dg.DagsterInstance, site: Site) -> list[str]:
    """Traces of the latest runs that ingested shards, which a build follows some time after; none without listeners."""
    if not listened():
        return []
    tags = {INDEX_TAG: site.config.name, KIND_TAG: "ingest"}
    runs = instance.get_runs(dg.RunsFilter(tags=tags, statuses=[dg.DagsterRunStatus.SUCCESS]), limit=LINKED_RUNS)
    return [run.tags[TRACE_TAG] for run in runs if TRACE_TAG in run.tags]


def _wait(memory: Memory, reason: str) -> dg.SensorResult:
    return dg.SensorResult(skip_reason=reason, cursor=memory.model_dump_json())


def _looked(memory: Memory, reason: str) -> dg.SensorResult:
    """Wait, for this reason and with what the look found wrong."""
    return _wait(memory, "; ".join((reason, *memory.told)))
