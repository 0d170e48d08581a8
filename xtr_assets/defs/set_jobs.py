"""`rollback` and `withdraw` of an index of parts: what `pointer_jobs` has of one warehouse; and `remove_part`.
`publish` is the job of the asset `published`."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg
from pydantic import Field

from xtr_assets.core.errors import InvalidInput
from xtr_assets.defs.asked_run import AskedRun
from xtr_assets.defs.context import EXECUTOR, NO_RETRY, Site, patient
from xtr_assets.defs.pointer_events import observation
from xtr_assets.defs.pointer_jobs import WithdrawConfig
from xtr_assets.pipeline.plan.part_plan import plan_parts
from xtr_assets.storage.content import withdrawn_generations
from xtr_assets.storage.lock import exclusive
from xtr_assets.storage.parts.joined_generation import JoinedGeneration
from xtr_assets.storage.parts.part_set import PartSet
from xtr_assets.storage.refusal import withdrawn_along


class RollbackMoveConfig(dg.Config):
    """Where to, and why."""

    to: int = Field(default=0, description="The move whose generations serve again; 0 is the one before.")
    reason: str = Field(default="", description="Why: it is kept in the move.")


class RemovePartConfig(dg.Config):
    """Which part."""

    part: str = Field(description="A part of whose shards the configuration has none any more.")


class WithdrawPartConfig(WithdrawConfig):
    """Which generation of which part, and why."""

    part: str = Field(description="The part whose generation it is, as `parts.json` calls it: part-0001.")


def set_jobs(site: Site) -> list[dg.JobDefinition]:
    """The jobs."""
    return [_rollback_job(site), _withdraw_job(site), _remove_job(site)]


@contextmanager
def moving(site: Site, context: dg.OpExecutionContext, purpose: str) -> Iterator[tuple[PartSet, AskedRun]]:
    """The set with its writer lock held, and who asked for the run."""
    opened = site.part_set(context)
    purpose = f"{purpose} of {site.config.name}, run {context.run_id}"
    with patient(context, lambda wait: exclusive(opened.layout.writer_lock, purpose, wait)):
        yield opened, AskedRun.of(context)


def _rollback_job(site: Site) -> dg.JobDefinition:
    @dg.op(name=site.names.named("move_parts_back"), required_resource_keys={site.names.parts})
    def move_parts_back(context: dg.OpExecutionContext, config: RollbackMoveConfig) -> None:
        with moving(site, context, "rollback") as (opened, asked):
            moves = opened.moves()
            made = next((one for one in moves if one.action == "rolled_back" and asked.is_by(one.who)), None)
            if made is not None:
                asked.settled(str(made), made == moves[-1], f"move {moves[-1].number} serves")
                serving = opened.generation(made.number)
            else:
                if moves and not config.to:
                    asked.refuse_after(moves[-1], "; `to` names the move whose generations are to serve")
                serving = opened.rollback(config.to or None, who=asked.by, reason=config.reason or None)
                told = {"action": "rolled back", "move": serving.number, "to": serving.move.to or 0, "by": asked.by}
                context.log_event(observation(site, told, config.reason))
        context.log.info(f"move {serving.number} serves what move {serving.move.to} did")
        context.add_output_metadata({"move": serving.number, "live_rows": serving.live_rows})

    @dg.job(
        name=site.names.named("rollback"),
        description="Let the generations of an earlier move serve again: of the one before, or of `to`.",
        executor_def=EXECUTOR,
        tags={**NO_RETRY, **site.job_tags("rollback")},
    )
    def rollback() -> None:
        move_parts_back()

    return rollback


def _withdraw_job(site: Site) -> dg.JobDefinition:
    @dg.op(name=site.names.named("withdraw_from_part"), required_resource_keys={site.names.parts})
    def withdraw_from_part(context: dg.OpExecutionContext, config: WithdrawPartConfig) -> None:
        part = site.part_set(context).warehouse(config.part)
        # A step of the part's build may take long. The lock of the whole is not held meanwhile: a rollback of it is in
        # haste.
        with patient(context, lambda wait: part.lock(f"withdrawal, run {context.run_id}", wait)):
            pass
        with moving(site, context, "withdrawal") as (opened, asked):
            warehouse, served = opened.warehouse(config.part), opened.published
            line = asked.did(warehouse.history(), "withdrawn")
            # A run that died between the withdrawal and the move that follows is done by the next one.
            if line is None or (served is not None and served.state == "withdrawn"):
                served = opened.withdraw(config.part, config.generation, config.reason, who=asked.by)
                line = warehouse.history()[-1]
                told = {"action": "withdrawn", "part": config.part, "generation": config.generation, "by": asked.by}
                context.log_event(observation(site, {**told, "serves": _served(served)}, config.reason))
            else:
                stays = bool(withdrawn_generations(warehouse.layout, [line.generation]))
                told_of = f"generation {line.generation} of part {config.part}"
                asked.settled(f"{line.who} withdrew {told_of} on {line.at}", stays, f"{told_of} was let serve again")
            for sentence in withdrawn_along(line, warehouse.published, f" of part {config.part}"):
                context.log.info(sentence)
        told_of = f"generation {config.generation} of part {config.part}"
        context.log.info(f"{told_of} serves no more; {_served(served)} serves")
        context.add_output_metadata({"withdrawn": config.generation, "part": config.part, "serves": _served(served)})

    @dg.job(
        name=site.names.named("withdraw"),
        description="Mark a generation of a part as never to serve again; where the index serves it, an earlier move "
        "without it serves then.",
        executor_def=EXECUTOR,
        tags={**NO_RETRY, **site.job_tags("withdraw")},
    )
    def withdraw() -> None:
        withdraw_from_part()

    return withdraw


def _remove_job(site: Site) -> dg.JobDefinition:
    @dg.op(name=site.names.named("take_part_out"), required_resource_keys={site.names.parts})
    def take_part_out(context: dg.OpExecutionContext, config: RemovePartConfig) -> None:
        with moving(site, context, "taking out a part") as (opened, _):
            used = plan_parts(site.config).configs.get(config.part)
            if used is not None:
                raise InvalidInput(
                    f"part {config.part} has the shards {', '.join(sorted(used.shards))} of the configuration; take "
                    "their sources out of it, and load the definitions again, before"
                )
            moves = opened.moves()
            # Executed again, by a person or since its process died.
            if config.part in opened.info.parts or not moves or config.part not in moves[-1].parts:
                opened.remove(config.part)
        context.log.info(f"part {config.part} is taken out: `publish` with `force` lets the others serve alone")

    @dg.job(
        name=site.names.named("remove_part"),
        description="Take a part out of the index of whose shards the configuration has none any more. Its folder "
        "stays, and it serves until `publish`, which asks for `force`.",
        executor_def=EXECUTOR,
        tags={**NO_RETRY, **site.job_tags("remove_part")},
    )
    def remove_part() -> None:
        take_part_out()

    return remove_part


def _served(joined: JoinedGeneration | None) -> str:
    return "nothing" if joined is None else f"move {joined.number}"
