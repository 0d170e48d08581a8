"""Nightly schedules, all running from the start: evaluation, compaction, verification, garbage collection."""

from collections.abc import Mapping
from dataclasses import dataclass
from time import time as clock

import dagster as dg

from xtr_assets.core.errors import ConfigError, GenerationError
from xtr_assets.defs.context import Site
from xtr_assets.defs.jobs import AssetJob
from xtr_assets.defs.sensor_cursor import at_work
from xtr_assets.pipeline.gate.registry import has_judgments
from xtr_assets.pipeline.plan.compaction_due import compaction_due
from xtr_assets.pipeline.plan.decide import wanted, wanted_kind

# An hour apart, so that a compaction of a large warehouse has published before what serves is verified, and before the
# collection looks for what it replaced; what it replaces later goes the night after. Verification comes before the
# collection, which might remove the copy that a repair needs. In UTC, like every time of Dagster's.
EVALUATE_AT, COMPACT_AT, VERIFY_AT, COLLECT_AT = "0 1 * * *", "0 2 * * *", "0 3 * * *", "0 4 * * *"

RUNNING = dg.DefaultScheduleStatus.RUNNING


@dataclass(frozen=True, slots=True)
class Nights:
    """When the upkeep runs, as cron expressions; None leaves a schedule out. timezone : a name of the IANA database."""

    evaluation: str | None = EVALUATE_AT
    compaction: str | None = COMPACT_AT
    verification: str | None = VERIFY_AT
    collection: str | None = COLLECT_AT
    timezone: str = "UTC"


# Schedule -> the job that it asks for.
JOBS = {"compaction": "compact", "verification": "verify", "collection": "collect", "evaluation": "evaluate"}


def index_schedules(
    site: Site, jobs: Mapping[str, AssetJob | dg.JobDefinition], nights: Nights | None = None
) -> list[dg.ScheduleDefinition]:
    """The schedules of an index; `jobs` by name. Evaluation only where answers are judged. Raises ConfigError."""
    nights, schedules = nights or Nights(), []
    for name, job in JOBS.items():
        at = getattr(nights, name)
        if at is None or (name == "evaluation" and not has_judgments(site.config)):
            continue
        make = nightly_compaction if name == "compaction" else _plain
        try:
            schedules.append(make(site, jobs[site.names.named(job)], f"nightly_{name}", at, nights.timezone))
        except dg.DagsterInvalidDefinitionError:
            raise ConfigError(
                f"`schedules.{name}` is {at!r} in the time zone {nights.timezone!r}; give five fields as cron has them "
                '("30 2 * * *"), and a zone like Europe/Berlin'
            ) from None
    return schedules


def _plain(site: Site, job: AssetJob | dg.JobDefinition, name: str, at: str, timezone: str) -> dg.ScheduleDefinition:
    return dg.ScheduleDefinition(
        name=site.names.named(name),
        job=job,
        cron_schedule=at,
        execution_timezone=timezone,
        default_status=RUNNING,
        description=f"Asks for `{job.name}` every night.",
    )


def nightly_compaction(
    site: Site, job: AssetJob | dg.JobDefinition, name: str, at: str, timezone: str
) -> dg.ScheduleDefinition:
    """`nightly_compaction`: asks for `compact` where segments are worth writing anew and nothing else runs."""

    @dg.schedule(
        name=site.names.named(name),
        job=job,
        cron_schedule=at,
        execution_timezone=timezone,
        default_status=RUNNING,
        required_resource_keys=site.needs_encoder,
        description="Asks for `compact` where small segments can be merged or dead rows left out.",
    )
    def schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        warehouse = site.warehouse(context)
        if busy := at_work(context.instance, warehouse.layout, site.names, clock()):
            return dg.SkipReason(busy)
        kind = wanted_kind(warehouse, site.config, lambda: site.encoder(context))
        try:
            found = compaction_due(warehouse, wanted(warehouse, site.config, kind.fingerprint))
        except GenerationError as error:
            return dg.SkipReason(str(error))
        if not found.due:
            return dg.SkipReason(found.reason)
        return dg.RunRequest(tags={"xtr-assets/reason": found.reason[:200]})

    return schedule
