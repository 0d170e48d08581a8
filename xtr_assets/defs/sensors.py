"""What happens by itself: changed shards are ingested; when all are, the next generation is built once.

Both sensors look at the state of the warehouse, not at events: a tick that was missed, a daemon that was down or a run
that died leave nothing behind that the next tick does not see.
"""

from collections.abc import Mapping
from time import time as clock

import dagster as dg

from xtr_assets.core.errors import ConfigError, SourceError
from xtr_assets.defs.context import Site
from xtr_assets.defs.jobs import AssetJob
from xtr_assets.defs.names import CORPUS, DERIVED
from xtr_assets.defs.partitions import difference
from xtr_assets.defs.sensor_cursor import Memory, in_progress
from xtr_assets.defs.webhook import post
from xtr_assets.pipeline.gate.drift import read_drift
from xtr_assets.pipeline.ingest.encode import missing_encodings
from xtr_assets.pipeline.ingest.scan import ShardScan, scan_shard, shard_sources
from xtr_assets.pipeline.plan.decide import decide, due, fingerprint_of, wanted
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets.telemetry import metrics

Jobs = Mapping[str, AssetJob | dg.JobDefinition]

# A change is acted upon when two looks this far apart have seen the same files: a burst of writes makes one run.
LOOK_SECONDS = 10
# How long a build waits for a shard that is changed but cannot be ingested before it goes on without it.
PATIENCE_SECONDS = 3600.0
# Figures of drift change with generations, and nobody waits for a retrain.
DRIFT_SECONDS = 60

# Why a retrain was asked for.
CAUSE_TAG = "xtr-assets/cause"


def index_sensors(site: Site, jobs: Jobs) -> list[dg.SensorDefinition]:
    """The sensors of an index, all running from the start."""
    return [
        source_changes(site, jobs[site.names.named("ingest")]),
        automation(site, jobs[site.names.named("rebuild")]),
        drift(site, jobs[site.names.named("retrain")]),
        run_failure(site, list(jobs.values())),
    ]


def source_changes(site: Site, job: AssetJob) -> dg.SensorDefinition:
    """`source_changes`: registers and retires shards, and asks for a run of each changed one."""

    @dg.sensor(
        name=site.names.named("source_changes"),
        job=job,
        minimum_interval_seconds=LOOK_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        required_resource_keys=site.needs_encoder,
        description="Asks for a run of each shard whose files, settings or encoder changed, when they have settled.",
    )
    def sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        now = clock()
        memory = Memory.of(context.cursor)
        warehouse = site.warehouse(context)
        fingerprint = fingerprint_of(warehouse, site.config, lambda: site.encoder(context))
        scans, errors = look(warehouse, site)
        changed = {one.shard: one for one in scans if due(warehouse, one, fingerprint)}
        if errors and not changed:
            raise errors[0]
        for error in errors:
            context.log.error(str(error))
        running = in_progress(context.instance, site.names, CORPUS, now)
        busy = {run.tags.get("dagster/partition") for run in running}

        contents = {shard: f"{one.content}-{fingerprint[:8]}" for shard, one in changed.items()}
        memory_after = memory.model_copy(
            update={"seen": contents, "asked": {s: one for s, one in memory.asked.items() if s in contents}}
        )
        requests, waiting = [], []
        for shard, content in contents.items():
            if shard in busy:
                waiting.append(f"{shard} is being ingested")
            elif memory.seen.get(shard) != content:
                waiting.append(f"{shard} may still be changing")
            elif (asked := memory_after.ask(shard, content, now)) is None:
                waiting.append(f"the last run of {shard} failed; it is asked for again later, or when it changes")
            else:
                memory_after, key = asked
                requests.append(dg.RunRequest(run_key=key, partition_key=shard, tags={"xtr-assets/shard": shard}))
        partitions = dg.DynamicPartitionsDefinition(name=site.names.shards)
        add, retire = difference(context.instance, site.names, shard_sources(site.config))
        partition_requests: list[dg.AddDynamicPartitionsRequest | dg.DeleteDynamicPartitionsRequest] = []
        if add:
            partition_requests.append(partitions.build_add_request(add))
        if retire:
            partition_requests.append(partitions.build_delete_request(retire))
        reason = "; ".join(waiting) or f"nothing changed in {len(scans)} shards"
        return dg.SensorResult(
            run_requests=requests,
            skip_reason=None if requests else reason,
            cursor=memory_after.model_dump_json(),
            dynamic_partitions_requests=partition_requests,
        )

    return sensor


def automation(site: Site, job: AssetJob) -> dg.SensorDefinition:
    """`automation`: asks for the next generation once all changed shards are ingested."""

    @dg.sensor(
        name=site.names.named("automation"),
        job=job,
        minimum_interval_seconds=LOOK_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        required_resource_keys=site.needs_encoder,
        description=(
            "Asks for a rebuild when the shards hold something that was not built, and no shard is being ingested or "
            "about to be. What was refused, rolled back or withdrawn is not built again by itself."
        ),
    )
    def sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        now = clock()
        memory = Memory.of(context.cursor)
        if running := in_progress(context.instance, site.names, (*CORPUS, *DERIVED), now):
            return _wait(memory, f"{len(running)} runs of {running[0].job_name} have not ended")
        warehouse = site.warehouse(context)
        fingerprint = fingerprint_of(warehouse, site.config, lambda: site.encoder(context))
        scans, errors = look(warehouse, site)
        for error in errors:
            context.log.error(f"{error}; what was ingested of it before goes on serving")
        changed = sorted(one.shard for one in scans if due(warehouse, one, fingerprint))
        since = float(memory.seen.get("waiting since") or now)
        if changed and now - since < PATIENCE_SECONDS:
            waiting = memory.model_copy(update={"seen": {"waiting since": str(since)}})
            return _wait(waiting, f"{', '.join(changed)} changed and will be ingested first")
        if not_ready := unready(warehouse, site, fingerprint):
            return _wait(memory, f"{', '.join(not_ready)} was never ingested")
        for shard in changed:
            context.log.warning(f"{shard} changed, but could not be ingested for an hour; built without its change")
        memory = memory.model_copy(update={"seen": {"waiting since": str(since)} if changed else {}})
        want = wanted(warehouse, site.config, fingerprint)
        decision = decide(warehouse, site.config, want, again=False)
        if not decision.build:
            return _wait(memory, decision.reason)
        asked = memory.ask("rebuild", want.digest, now)
        if asked is None:
            return _wait(memory, "the last rebuild failed; it is asked for again later, or when something changes")
        after, key = asked
        request = dg.RunRequest(run_key=key, tags={"xtr-assets/reason": decision.reason[:200]})
        return dg.SensorResult(run_requests=[request], cursor=after.model_dump_json())

    return sensor


def drift(site: Site, job: AssetJob) -> dg.SensorDefinition:
    """`drift`: asks for a retrain where what serves has drifted from what its indexes learnt."""

    @dg.sensor(
        name=site.names.named("drift"),
        job=job,
        minimum_interval_seconds=DRIFT_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        required_resource_keys=site.needs_encoder,
        description="Asks for `retrain` where what serves is past a limit of drift, with the cause.",
    )
    def sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        now = clock()
        memory = Memory.of(context.cursor)
        if running := in_progress(context.instance, site.names, (*CORPUS, *DERIVED), now):
            return _wait(memory, f"{len(running)} runs of {running[0].job_name} have not ended")
        warehouse = site.warehouse(context)
        published = warehouse.published
        found = None if published is None else read_drift(published)
        if published is None or found is None:
            return _wait(memory, "nothing serves whose indexes learnt anything that was measured")
        found.show()
        if not found.causes:
            figures = ", ".join(f"{name} {value:.3f}" for name, value in found.figures.items())
            return _wait(memory, f"generation {published.number} is within its limits: {figures}")
        fingerprint = fingerprint_of(warehouse, site.config, lambda: site.encoder(context))
        if unready(warehouse, site, fingerprint) or not wanted(warehouse, site.config, fingerprint).made(published):
            # A retrain builds what the shards hold: that is for a rebuild to publish, or was rolled back.
            return _wait(memory, f"generation {published.number} does not hold what the shards hold")
        asked = memory.ask("retrain", f"generation-{published.number}", now)
        if asked is None:
            return _wait(memory, "the last retrain failed; it is asked for again later, or when something changes")
        after, key = asked
        request = dg.RunRequest(run_key=key, tags={CAUSE_TAG: "; ".join(found.causes)})
        return dg.SensorResult(run_requests=[request], cursor=after.model_dump_json())

    return sensor


def run_failure(site: Site, jobs: list[AssetJob | dg.JobDefinition]) -> dg.SensorDefinition:
    """`run_failure`: logs and counts runs of this index that failed, and tells the configured endpoint."""
    webhook = site.config.upkeep.failure_webhook

    @dg.run_failure_sensor(
        name=site.names.named("run_failure"),
        monitored_jobs=jobs,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Logs and counts failed runs of this index. What serves goes on serving.",
    )
    def sensor(context: dg.RunFailureSensorContext) -> None:
        run = context.dagster_run
        metrics.BUILDS.labels("failed").inc()
        context.log.error(
            f"{run.job_name} of {site.config.name} failed, run {run.run_id}: {context.failure_event.message}"
        )
        if webhook is None:
            return
        try:
            post(webhook, failure_document(site.config.name, run, context.failure_event.message or ""))
        except (OSError, ConfigError) as error:
            # The run's failure is logged above; an endpoint that is down must not hide the next one.
            context.log.error(f"the failure webhook was not told of run {run.run_id}: {error}")

    return sensor


def failure_document(index: str, run: dg.DagsterRun, message: str) -> dict[str, object]:
    """What an endpoint is told of a failed run. `text` is the line that chat services show."""
    tags = {name: value for name, value in run.tags.items() if name.startswith("xtr-assets/")}
    return {
        "text": f"{run.job_name} of {index} failed: {message}",
        "index": index,
        "job": run.job_name,
        "run_id": run.run_id,
        "message": message,
        "tags": tags,
    }


def look(warehouse: Warehouse, site: Site) -> tuple[list[ShardScan], list[SourceError]]:
    """Every shard as it is now, and the errors of sources that cannot be looked at."""
    scans: list[ShardScan] = []
    errors: list[SourceError] = []
    for shard, source in shard_sources(site.config).items():
        try:
            scans.append(scan_shard(warehouse, shard, source))
        except SourceError as error:
            errors.append(error)
    return scans, errors


def unready(warehouse: Warehouse, site: Site, fingerprint: str) -> list[str]:
    """Shards without a snapshot, or whose snapshot is not encoded by this encoder."""
    lacking = []
    for shard in shard_sources(site.config):
        snapshot = warehouse.snapshot(shard)
        if snapshot is None or missing_encodings(warehouse, snapshot, fingerprint):
            lacking.append(shard)
    return lacking


def _wait(memory: Memory, reason: str) -> dg.SensorResult:
    return dg.SensorResult(skip_reason=reason, cursor=memory.model_dump_json())
