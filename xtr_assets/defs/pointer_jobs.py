"""`publish`, `rollback` and `withdraw`: jobs by which a person moves the pointer, without a shell beside the warehouse.

Each waits for the writer lock as the steps of a build do. A run may have waited in a queue, two people may launch the
same, and one whose process died is executed again: what was done already is not done twice, and a move that would
follow from what serves is refused where something else serves since it was asked for.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from time import time as clock

import dagster as dg
from pydantic import Field

from xtr_assets.config import PartConfig
from xtr_assets.core.errors import PublishRefused
from xtr_assets.defs.asked_run import AskedRun
from xtr_assets.defs.context import EXECUTOR, NO_RETRY, Site, patient
from xtr_assets.defs.names import DERIVED
from xtr_assets.defs.pointer_events import by_whom, observation, publication
from xtr_assets.defs.sensor_cursor import in_progress
from xtr_assets.pipeline.plan.chosen_generation import publish_chosen
from xtr_assets.storage.content import withdrawn_generations
from xtr_assets.storage.generation import Generation
from xtr_assets.storage.history_entry import HistoryEntry
from xtr_assets.storage.publish import recover
from xtr_assets.storage.refusal import withdrawn_along
from xtr_assets.storage.warehouse import Warehouse

WHY = "Why: it is kept in the history."


class RollbackConfig(dg.Config):
    """Where to, and why."""

    to: int = Field(default=0, description="The generation to serve again; 0 is the one published before.")
    reason: str = Field(default="", description=WHY)


class PublishConfig(dg.Config):
    """Which generation, and the reasons where a refusal is passed by."""

    generation: int = Field(
        description="Its number, which the check that refused it, or the asset `generation`, shows."
    )
    force: str = Field(
        default="",
        description="Why it is to serve though a check failed, or though it lacks what was published since it was "
        "begun. It is kept, and shown wherever the generation is. Empty: it serves only where each check passed.",
    )
    again: str = Field(
        default="", description="Why what was rolled back or withdrawn is to serve again; kept in the history."
    )


class WithdrawConfig(dg.Config):
    """Which generation, and why."""

    generation: int = Field(
        description="Its number. What it holds serves no more, under whatever number; where it serves now, the one "
        "before takes over. `publish` with `again` takes that back.",
    )
    reason: str = Field(description=WHY)


def pointer_jobs(site: Site) -> list[dg.JobDefinition]:
    """The jobs. Of a part of an index `withdraw` is a job of the whole, which may serve what is withdrawn."""
    of_part = isinstance(site.config, PartConfig)
    return [_publish_job(site), _rollback_job(site), *([] if of_part else [_withdraw_job(site)])]


@contextmanager
def moving(site: Site, context: dg.OpExecutionContext, purpose: str) -> Iterator[tuple[Warehouse, AskedRun]]:
    """The warehouse with its writer lock held, its history up to date, and who asked for the run."""
    warehouse, purpose = site.warehouse(context), f"{purpose} of {site.config.name}, run {context.run_id}"
    with patient(context, lambda wait: warehouse.lock(purpose, wait)):
        recover(warehouse.layout)
        yield warehouse, AskedRun.of(context)


def last_line(warehouse: Warehouse, *more: str) -> HistoryEntry | None:
    """The last line of the history that moved the pointer, or has one of these actions more."""
    return next((one for one in reversed(warehouse.history()) if one.moves or one.action in more), None)


def _publish_job(site: Site) -> dg.JobDefinition:
    @dg.op(name=site.names.named("serve_generation"), required_resource_keys=site.needs_warehouse)
    def serve_generation(context: dg.OpExecutionContext, config: PublishConfig) -> None:
        with moving(site, context, "publish") as (warehouse, asked):
            serving = warehouse.published
            if serving is not None and serving.number == config.generation:
                context.log.info(f"generation {serving.number} serves already")
            else:
                asked.refuse_after(last_line(warehouse, "withdrawn"))
                _refuse_unfinished(site, context, warehouse.generation(config.generation))
                serving = publish_chosen(
                    warehouse,
                    config.generation,
                    site.config,
                    force_reason=config.force or None,
                    again_reason=config.again or None,
                    who=asked.by,
                )
            line = last_line(warehouse)
            if line is not None and asked.did([line], "published"):
                context.log_event(_published(site, warehouse, serving, line))
        context.add_output_metadata({"generation": serving.number, "live_rows": serving.live_rows})

    @dg.job(
        name=site.names.named("publish"),
        description="Let a generation serve that a person names: one that a check refused (`force`), or that was taken "
        "back (`again`). A build publishes by itself.",
        executor_def=EXECUTOR,
        tags={**NO_RETRY, **site.job_tags("publish")},
    )
    def publish() -> None:
        serve_generation()

    return publish


def _published(site: Site, warehouse: Warehouse, serving: Generation, line: HistoryEntry) -> dg.AssetMaterialization:
    """What the asset `published` says of what a person published."""
    told = f"Generation {serving.number} serves because a person said so: {line.reason or 'no reason given'}"
    return publication(site, warehouse, serving, told, by_whom(line))


def _refuse_unfinished(site: Site, context: dg.OpExecutionContext, chosen: Generation) -> None:
    """PublishRefused for a draft whose run goes on: between two of its steps nobody holds the lock."""
    if chosen.sealed:
        return
    run_id = chosen.manifest.run_id
    for run in in_progress(context.instance, chosen.layout, site.names, DERIVED, clock()):
        if run_id in (run.run_id, run.parent_run_id, run.root_run_id):
            raise PublishRefused(
                f"generation {chosen.number} is being built by run {run.run_id}; publish it once that has ended, where "
                "it was refused"
            )


def _rollback_job(site: Site) -> dg.JobDefinition:
    @dg.op(name=site.names.named("move_pointer_back"), required_resource_keys=site.needs_warehouse)
    def move_pointer_back(context: dg.OpExecutionContext, config: RollbackConfig) -> None:
        with moving(site, context, "rollback") as (warehouse, asked):
            line, last = asked.did(warehouse.history(), "rolled_back"), last_line(warehouse)
            if line is not None:
                told = f"{line.who} went back to generation {line.generation} on {line.at}"
                asked.settled(told, line == last, f"{_served(warehouse)} serves")
                serving = warehouse.generation(line.generation)
            else:
                if not config.to:
                    asked.refuse_after(last, "; `to` names the generation that is to serve")
                serving = warehouse.rollback(config.to or None, who=asked.by, reason=config.reason or None)
                told_of = {"action": "rolled back", "generation": serving.number, "by": asked.by}
                context.log_event(observation(site, told_of, config.reason))
            context.log.info(f"generation {serving.number} serves")
        context.add_output_metadata({"generation": serving.number, "live_rows": serving.live_rows})

    @dg.job(
        name=site.names.named("rollback"),
        description="Let an earlier generation serve again: the one published before, or `to`.",
        executor_def=EXECUTOR,
        tags={**NO_RETRY, **site.job_tags("rollback")},
    )
    def rollback() -> None:
        move_pointer_back()

    return rollback


def _withdraw_job(site: Site) -> dg.JobDefinition:
    @dg.op(name=site.names.named("withdraw_generation"), required_resource_keys=site.needs_warehouse)
    def withdraw_generation(context: dg.OpExecutionContext, config: WithdrawConfig) -> None:
        with moving(site, context, "withdrawal") as (warehouse, asked):
            line = asked.did(warehouse.history(), "withdrawn")
            if line is not None:
                stays = bool(withdrawn_generations(warehouse.layout, [line.generation]))
                told = f"{line.who} withdrew generation {line.generation} on {line.at}"
                asked.settled(told, stays, f"generation {line.generation} was let serve again")
            else:
                warehouse.withdraw(config.generation, config.reason, who=asked.by)
                line = warehouse.history()[-1]
                told_of = {"action": "withdrawn", "generation": config.generation, "by": asked.by}
                context.log_event(observation(site, {**told_of, "serves": _served(warehouse)}, config.reason))
            for sentence in withdrawn_along(line, warehouse.published):
                context.log.info(sentence)
            serves = _served(warehouse)
        context.log.info(f"generation {config.generation} serves no more; {serves} serves")
        context.add_output_metadata({"withdrawn": config.generation, "serves": serves})

    @dg.job(
        name=site.names.named("withdraw"),
        description="Mark a generation as never to serve again, nor anything that holds the same; where it serves, the "
        "one before takes over.",
        executor_def=EXECUTOR,
        tags={**NO_RETRY, **site.job_tags("withdraw")},
    )
    def withdraw() -> None:
        withdraw_generation()

    return withdraw


def _served(warehouse: Warehouse) -> str:
    published = warehouse.published
    return "nothing" if published is None else f"generation {published.number}"
