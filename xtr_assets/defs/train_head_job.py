"""`train_head`: a head for late interaction from what the index holds, or from packages; its card is on the run."""

from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import Field

from xtr_assets.core.errors import ConfigError
from xtr_assets.defs.context import EXECUTOR, NO_RETRY, Site


class TrainHeadConfig(dg.Config):
    """Where the head goes, and what it is trained on."""

    out: str = Field(description="The folder for the head and its card.")
    packages: list[str] = Field(
        default=[], description="Folders, wheels or source archives to mine, in place of the index' sources."
    )
    judged: list[str] = Field(default=[], description="BEIR folders to measure it on; no pair comes from them.")
    apart: list[str] = Field(default=[], description="Folders of code or text that no pair may be a copy of.")
    pairs: int = Field(default=30_000, ge=1, description="The most pairs to train on.")
    seeds: int = Field(default=1, ge=1, le=10, description="Trainings, of which the best is kept.")
    epochs: int = Field(default=1, ge=1, le=50, description="Passes over the pairs.")


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
        tags={**NO_RETRY, **site.job_tags("train_head")},
    )
    def train_head() -> None:
        train_on_pairs()

    return train_head
