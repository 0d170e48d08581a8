"""`generation`: the draft of a run over the current segments of all shards."""

from collections.abc import Iterator

import dagster as dg

from xtr_assets.defs.context import Site
from xtr_assets.defs.ingest_costs import ingest_costs
from xtr_assets.defs.metadata import cost_metadata, intake_metadata
from xtr_assets.pipeline.ingest.intake import intake_of
from xtr_assets.pipeline.plan.begin import Begun, begin_generation
from xtr_assets.pipeline.plan.decide import data_version

Result = dg.MaterializeResult[None]


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
    def generation(context: dg.AssetExecutionContext) -> Iterator[Result]:
        with site.writing(context, "generation") as warehouse:
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
                **intake_metadata(intake),
                **cost_metadata(begun.cost),
            },
        )

    return generation
