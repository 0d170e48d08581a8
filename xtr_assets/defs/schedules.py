"""Nightly schedules, all running from the start: evaluation, compaction, verification, garbage collection."""

from collections.abc import Mapping
from time import time as clock

import dagster as dg

from xtr_assets.core.errors import GenerationError
from xtr_assets.defs.context import Site
from xtr_assets.defs.jobs import AssetJob
from xtr_assets.defs.names import CORPUS, DERIVED
from xtr_assets.defs.sensor_cursor import in_progress
from xtr_assets.pipeline.gate.registry import has_judgments
from xtr_assets.pipeline.plan.compaction_due import compaction_due
from xtr_assets.pipeline.plan.decide import wanted, wanted_kind

# An hour apart, so that a compaction of a large warehouse has published before what serves is verified, and before the
# collection looks for what it replaced; what it replaces later goes the night after. Verification comes before the
# collection, which might remove the copy that a repair needs. In UTC, like every time of Dagster's.
EVALUATE_AT, COMPACT_AT, VERIFY_AT, COLLECT_AT = "0 1 * * *", "0 2 * * *", "0 3 * * *", "0 4 * * *"

RUNNING = dg.DefaultScheduleStatus.RUNNING


def index_schedules(site: Site, jobs: Mapping[str, AssetJob | dg.JobDefinition]) -> list[dg.ScheduleDefinition]:
    """The schedules of an index; `jobs` by name. Evaluation only where answers are judged."""
    schedules = [
        nightly_compaction(site, jobs[site.names.named("compact")]),
        _plain(site, jobs[site.names.named("verify")], "nightly_verification", VERIFY_AT),
        _plain(site, jobs[site.names.named("collect")], "nightly_collection", COLLECT_AT),
    ]
    if has_judgments(site.config):
        schedules.append(_plain(site, jobs[site.names.named("evaluate")], "nightly_evaluation", EVALUATE_AT))
    return schedules


def _plain(site: Site, job: AssetJob | dg.JobDefinition, name: str, at: str) -> dg.ScheduleDefinition:
    return dg.ScheduleDefinition(
        name=site.names.named(name),
        job=job,
        cron_schedule=at,
        default_status=RUNNING,
        description=f"Asks for `{job.name}` every night.",
    )


def nightly_compaction(site: Site, job: AssetJob) -> dg.ScheduleDefinition:
    """`nightly_compaction`: asks for `compact` where segments are worth writing anew and nothing else runs."""

    @dg.schedule(
        name=site.names.named("nightly_compaction"),
        job=job,
        cron_schedule=COMPACT_AT,
        default_status=RUNNING,
        required_resource_keys=site.needs_encoder,
        description="Asks for `compact` where small segments can be merged or dead rows left out.",
    )
    def schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        if running := in_progress(context.instance, site.names, (*CORPUS, *DERIVED), clock()):
            return dg.SkipReason(f"{len(running)} runs of {running[0].job_name} have not ended")
        warehouse = site.warehouse(context)
        kind = wanted_kind(warehouse, site.config, lambda: site.encoder(context))
        try:
            found = compaction_due(warehouse, wanted(warehouse, site.config, kind.fingerprint))
        except GenerationError as error:
            return dg.SkipReason(str(error))
        if not found.due:
            return dg.SkipReason(found.reason)
        return dg.RunRequest(tags={"xtr-assets/reason": found.reason[:200]})

    return schedule
