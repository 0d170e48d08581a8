"""`moves`: the sensor that asks for a move of an index of parts. It looks at the parts, not at events."""

from time import time as clock
from typing import Any

import dagster as dg

from xtr_assets.config import PartConfig
from xtr_assets.core.types import VectorKind
from xtr_assets.defs.checks import set_check_events
from xtr_assets.defs.context import Site
from xtr_assets.defs.sensor_cursor import Memory
from xtr_assets.defs.sensors import LOOK_SECONDS, tell_dead_runs
from xtr_assets.defs.untold_publish import announced, untold_move
from xtr_assets.pipeline.gate.joined_quality import set_checks
from xtr_assets.pipeline.plan.decide import wanted_kind
from xtr_assets.pipeline.plan.next_move import next_move
from xtr_assets.pipeline.plan.part_plan import PartPlan
from xtr_assets.storage.layout import Layout
from xtr_assets.storage.warehouse import Warehouse


def move_sensor(site: Site, plan: PartPlan, job: Any, running: bool) -> dg.SensorDefinition:
    """`moves`: asks for `publish` once every part serves what its shards hold."""
    name = site.names.named("moves")

    @dg.sensor(
        name=name,
        job=job,
        minimum_interval_seconds=LOOK_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING if running else dg.DefaultSensorStatus.STOPPED,
        required_resource_keys={site.names.parts, site.names.encoder},
        description=(
            "Asks for a move when all parts serve what their shards hold, and the move before names something else. "
            "Where a part was refused, or rolled back, the set stays as it is."
        ),
    )
    def sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        now = clock()
        opened = site.part_set(context)
        memory = Memory.of(context.cursor, context.instance, name)
        tell_dead_runs(context, site, Layout(opened.root), now)
        memory, missing, told = announced(
            memory, opened.number or 0, "move", lambda: untold_move(site, context.instance, opened)
        )
        events = [*missing, *(set_check_events(site, opened.moves()[-1]) if missing else [])]

        def kind_of(warehouse: Warehouse, config: PartConfig) -> VectorKind:
            return wanted_kind(warehouse, config, lambda: site.encoder(context))

        since = {part: float(at) for part, at in memory.seen.items()}
        with site.upstream(context):
            found = next_move(opened, plan, kind_of, now=now, since=since, checks=set_checks(site.config))
        memory = memory.model_copy(update={"seen": {part: str(at) for part, at in found.since.items()}})
        asked = memory.ask("move", found.digest, now) if found.due else None
        if asked is None:
            waits = "the last publish of this failed; it is asked for again later, or when something changes"
            reason = "; ".join((*told, waits if found.due else found.reason))
            return dg.SensorResult(skip_reason=reason, cursor=memory.model_dump_json(), asset_events=events)
        after, key = asked
        tags = {"xtr-assets/reason": found.reason[:200], **memory.request(name)}
        request = dg.RunRequest(run_key=key, tags=tags)
        return dg.SensorResult(run_requests=[request], cursor=after.model_dump_json(), asset_events=events)

    return sensor
