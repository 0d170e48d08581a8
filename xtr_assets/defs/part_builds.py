"""A build of an index of parts from the shell: each part in turn, as an index of its own is built, then one move."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from time import time as clock
from typing import Any

from xtr_assets.config import IndexConfig, PartConfig
from xtr_assets.core.errors import PublishRefused, XtrAssetsError
from xtr_assets.core.types import VectorKind
from xtr_assets.defs.held_signals import signals_delivered
from xtr_assets.defs.in_process import BuildResult, Work
from xtr_assets.defs.liveness import PROCESS_TAG, this_process
from xtr_assets.defs.part_factory import part_names, set_defs
from xtr_assets.defs.recorded_runs import QUIET, Instance, kept_errors, opened, raise_failure
from xtr_assets.encoders import open_encoder
from xtr_assets.pipeline.gate.joined_quality import set_checks
from xtr_assets.pipeline.plan.decide import wanted_kind
from xtr_assets.pipeline.plan.next_move import next_move
from xtr_assets.pipeline.plan.part_plan import PartPlan, plan_parts
from xtr_assets.storage.warehouse import Warehouse


@dataclass(frozen=True)
class SetResult:
    """What a build of all parts came to.

    parts : of each part that was built, or had nothing to do. errors : what the build of a part raised. move : the one
    that serves now, None where none does; moved : whether this build made it. reason : why, or why not. overfull : a
    sentence for each part that holds too many chunks.
    """

    parts: Mapping[str, BuildResult]
    move: int | None
    moved: bool
    reason: str
    live_rows: int
    errors: Mapping[str, str] = field(default_factory=dict)
    overfull: tuple[str, ...] = ()
    serving: bool = False

    @property
    def ok(self) -> bool:
        """Whether all that the parts hold serves."""
        return (self.moved or self.serving) and not self.errors and all(one.ok for one in self.parts.values())

    def document(self) -> dict[str, Any]:
        """JSON-able."""
        fields = asdict(self) | {"parts": {part: one.document() for part, one in self.parts.items()}, "ok": self.ok}
        del fields["serving"]
        return fields


def in_parts(
    config: IndexConfig,
    instance: Instance,
    work: Work,
    *,
    prefix: str = "",
    again_reason: str | None = None,
) -> SetResult:
    """Do `work` in every part, then publish them by one move where each serves what its shards hold.

    A part whose build raises keeps the others from nothing but the move. `again_reason` : why what a rollback of the
    set took back may serve again.
    """
    plan = plan_parts(config)
    opened = plan.settled()
    results: dict[str, BuildResult] = {}
    errors: dict[str, str] = {}
    for part, label in part_names(config, plan).items():
        try:
            results[part] = work(plan.configs[part], instance, prefix=f"{prefix}{label}_")
        except XtrAssetsError as error:
            errors[part] = str(error)
    found = next_move(opened, plan, _kind_of, now=clock(), again=again_reason is not None, checks=set_checks(config))
    reason, moved = found.reason, False
    if found.due:
        try:
            _publish(config, plan, instance, prefix, again_reason)
            moved = True
        except PublishRefused as error:
            reason = str(error)
    serving = opened.moves()[-1:]
    return SetResult(
        results,
        serving[0].number if serving else None,
        moved,
        reason,
        serving[0].live_rows if serving else 0,
        errors,
        tuple(plan.overfull()),
        found.serving,
    )


def _kind_of(warehouse: Warehouse, config: PartConfig) -> VectorKind:
    return wanted_kind(warehouse, config, lambda: open_encoder(config.encoder))


def _publish(config: IndexConfig, plan: PartPlan, instance: Instance, prefix: str, again_reason: str | None) -> None:
    """The job `publish`, so that the move is in Dagster's history like every other."""
    defs = set_defs(config, plan, prefix)
    raised: dict[str, BaseException] = {}
    job = defs.resolve_job_def(f"{prefix}publish").with_hooks({kept_errors(raised)})
    asked = {"config": {"again": again_reason or ""}}
    step = f"{config.name}__published"
    with signals_delivered():
        result = job.execute_in_process(
            instance=opened(instance),
            run_config={**QUIET, "ops": {step: asked}},
            raise_on_error=False,
            tags={PROCESS_TAG: this_process()},
        )
    raise_failure(result, raised)
