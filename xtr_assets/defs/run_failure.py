"""`run_failure`: the sensor that tells of runs that failed, and why."""

from collections.abc import Sequence

import dagster as dg

from xtr_assets.core.errors import ConfigError, ProviderError
from xtr_assets.defs.context import Site
from xtr_assets.defs.jobs import GENERATIONS, AssetJob
from xtr_assets.telemetry import metrics

# Characters of what is told of a failure: chat services cut a line that is longer than a few thousand.
MOST_CHARACTERS = 2000
# What Dagster raises for a step whose check failed; it has no public name.
CHECK_FAILED = "DagsterAssetCheckFailedError"


def run_failure(site: Site, jobs: Sequence[AssetJob | dg.JobDefinition]) -> dg.SensorDefinition:
    """`run_failure`: logs and counts runs of this index that failed, and tells the configured endpoint."""
    webhook = site.config.upkeep.failure_webhook
    builds = {site.names.named(job) for job in ("ingest", *GENERATIONS)}

    @dg.run_failure_sensor(
        name=site.names.named("run_failure"),
        monitored_jobs=jobs,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Logs and counts failed runs of this index. What serves goes on serving.",
    )
    def sensor(context: dg.RunFailureSensorContext) -> None:
        run = context.dagster_run
        refusals, raised = failure_reasons(context)
        if run.job_name in builds:
            metrics.BUILDS.labels("refused" if refusals else "failed").inc()
        message = " ".join(filter(None, (context.failure_event.message, *refusals, *raised)))[:MOST_CHARACTERS]
        context.log.error(f"{run.job_name} of {site.config.name} failed, run {run.run_id}: {message}")
        if webhook is None:
            return
        # httpx is imported when it is asked for: every build makes the definitions of all sensors.
        from xtr_assets.defs.webhook import post

        try:
            post(webhook, failure_document(site.config.name, run, message))
        except (ProviderError, ConfigError) as error:
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


def failure_reasons(context: dg.RunFailureSensorContext) -> tuple[list[str], list[str]]:
    """What failed checks that block found and what helps, and what steps raised. Dagster's own message names steps."""
    checks = context.instance.all_logs(context.dagster_run.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
    events = (one.dagster_event for one in checks)
    found = (event.event_specific_data for event in events if event is not None)
    blocking = [
        one
        for one in found
        if isinstance(one, dg.AssetCheckEvaluation) and not one.passed and one.severity == dg.AssetCheckSeverity.ERROR
    ]
    return [*map(_refusal, blocking)], [*filter(None, map(_raised, context.get_step_failure_events()))]


def _refusal(check: dg.AssetCheckEvaluation) -> str:
    remedy = check.metadata.get("remedy")
    told = [f"{check.check_name}: {check.description or 'it failed'}", *([] if remedy is None else [str(remedy.value)])]
    return f"{'; '.join(told)}."


def _raised(event: dg.DagsterEvent) -> str:
    """What a step raised in the first place; empty where that is a check that failed."""
    error = event.step_failure_data.error
    while error is not None and error.cause is not None:
        error = error.cause
    if error is None or error.cls_name == CHECK_FAILED:
        return ""
    said = " ".join(error.message.partition(": ")[2].split())
    return f"{event.step_key}: {error.cls_name}: {said}"
