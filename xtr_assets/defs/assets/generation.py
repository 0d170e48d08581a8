"""`generation`: the draft of a run over the current segments of all shards."""

from collections.abc import Iterator

import dagster as dg
from pydantic import Field

from xtr_assets.defs.asked_run import AskedRun
from xtr_assets.defs.context import Site
from xtr_assets.defs.ingest_costs import ingest_costs
from xtr_assets.defs.metadata import cost_metadata, intake_metadata
from xtr_assets.pipeline.ingest.intake import intake_of
from xtr_assets.pipeline.plan.begin import Begun, begin_generation
from xtr_assets.pipeline.plan.decide import data_version
from xtr_assets.pipeline.plan.person_word import Heard, PersonWord, hear
from xtr_assets.storage.warehouse import Warehouse

Result = dg.MaterializeResult[None]


class GenerationConfig(dg.Config):
    """What a person says of this build, and nobody else can; empty where nobody says anything."""

    accept_shrink: list[str] = Field(
        default=[],
        description="Sources that may hold as little as the draft did that `nothing_vanished` refused last; of a "
        "further loss it asks again. Needs a `reason`.",
    )
    reason: str = Field(default="", description="Why the loss of `accept_shrink` is meant; kept in the history.")
    again: str = Field(
        default="",
        description="Why what the shards hold may serve again, where it was rolled back or withdrawn; kept in the "
        "history. A generation that is still there `publish` with `again` lets serve.",
    )


def generation_asset(site: Site) -> dg.AssetsDefinition:
    """`generation`: begins the draft of the run."""

    @site.asset(
        "generation",
        {"json"},
        "A draft over the current segments of all shards: rows, tombstones, settings. Nobody reads it yet.",
        deps=("embeddings", "token_embeddings"),
        encoder=True,
        optional=True,
    )
    def generation(context: dg.AssetExecutionContext, config: GenerationConfig) -> Iterator[Result]:
        with site.writing(context, "generation") as warehouse:
            heard = _heard(site, context, warehouse, config)
            begun = begin_generation(
                warehouse,
                site.config,
                site.encoder(context),
                context.run.run_id,
                compact=site.compacting(context),
                erase=site.erasing(context),
                afresh=site.afresh(context),
                idle=site.idle(context),
                ingest=lambda draft, parent: ingest_costs(context, site, draft, parent),
            )
            intake = intake_of(warehouse, site.config)
        if not isinstance(begun, Begun):
            context.log.info(f"nothing to do: {begun}")
            return
        draft = begun.draft
        yield dg.MaterializeResult(
            data_version=dg.DataVersion(data_version(draft)),
            metadata={
                "dagster/row_count": draft.live_rows,
                "generation": draft.number,
                "parent": str(draft.parent),
                "rows": draft.end_row,
                "holes": draft.holes,
                "run_id": draft.run_id,
                **({"accepted_shrink": ", ".join(heard.accepted)} if heard.accepted else {}),
                **({"again": "; ".join(map(str, heard.allowed))} if heard.allowed else {}),
                **intake_metadata(intake),
                **cost_metadata(begun.cost),
            },
        )

    return generation


def _heard(site: Site, context: dg.AssetExecutionContext, warehouse: Warehouse, config: GenerationConfig) -> Heard:
    """What the history keeps of what the run says, once however often it is executed again."""
    if not (config.accept_shrink or config.reason or config.again):
        return Heard()
    asked, lines = AskedRun.of(context), warehouse.history()
    known = [one.shrink.source for one in lines if one.shrink is not None and asked.did([one], one.action)]
    again = "" if asked.did(lines, "allowed") else config.again
    if again:
        asked.refuse_after(next((one for one in reversed(lines) if one.action in ("rolled_back", "withdrawn")), None))
    said = PersonWord(config.accept_shrink, config.reason, again, asked.by, asked.at, known)
    heard = hear(warehouse, site.config, site.encoder(context).fingerprint, said)
    for source in config.accept_shrink:
        told = (
            "may hold as much less as it does now" if source in (*known, *heard.accepted) else "lost nothing to accept"
        )
        context.log.info(f"source {source} {told}")
    for back in heard.allowed:
        context.log.info(f"generation {back.generation} was {back}, and may serve again")
    return heard
