"""`train_head`: a head for late interaction from what the index holds, or from packages; its card is on the run."""

from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import Field

from xtr_assets.core.errors import ConfigError
from xtr_assets.defs.context import EXECUTOR, Site


class TrainHeadConfig(dg.Config):
    """`out`: the folder for head and card. `packages`: folders, wheels or source archives in place of the sources.
    `judged`: BEIR folders to measure it on. `apart`: folders that no pair may be a copy of."""

    out: str
    packages: list[str] = Field(default_factory=list)
    judged: list[str] = Field(default_factory=list)
    apart: list[str] = Field(default_factory=list)
    pairs: int = Field(default=30_000, ge=1)
    seeds: int = Field(default=1, ge=1, le=10)
    epochs: int = Field(default=1, ge=1, le=50)


def train_head_job(site: Site) -> dg.JobDefinition:
    """The job. Nothing is built with the head until the configuration names it."""

    @dg.op(name=site.names.named("train_on_pairs"))
    def train_on_pairs(context: dg.OpExecutionContext, config: TrainHeadConfig) -> None:
        # Imported when it is asked for: every build makes the definitions of all jobs.
        from xtr_assets.encoders.head_trainer import TrainingRecipe
        from xtr_assets.pipeline.heads.head_run import HeadPlan, make_head, refuse_unwritable

        plan = HeadPlan(
            sources=() if config.packages else site.config.sources,
            packages=tuple(map(Path, config.packages)),
            judged=tuple(map(Path, config.judged)),
            apart=tuple(map(Path, config.apart)),
            pairs=config.pairs,
            seeds=tuple(range(config.seeds)),
            recipe=TrainingRecipe(epochs=config.epochs),
            encoder=site.config.encoder,
            device="auto",
        )
        refuse_unwritable(Path(config.out))
        made = make_head(plan)
        shown: dict[str, Any] = {"head": made.card.sha256, "card": dg.MetadataValue.md(made.card.markdown())}
        try:
            made.write(Path(config.out))
        except ConfigError as error:
            raise dg.Failure(str(error), metadata=shown, allow_retries=False) from error
        context.log.info(made.card.verdict)
        context.add_output_metadata({**shown, "folder": dg.MetadataValue.path(config.out)})

    @dg.job(
        name=site.names.named("train_head"),
        description="A head that turns token states into token embeddings, trained on what is indexed; and its card.",
        executor_def=EXECUTOR,
        tags=site.job_tags("train_head"),
    )
    def train_head() -> None:
        train_on_pairs()

    return train_head
