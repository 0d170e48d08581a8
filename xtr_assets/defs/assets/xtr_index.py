"""`xtr_index`: the token index of the draft."""

import dagster as dg

from xtr_assets.defs.context import Site
from xtr_assets.defs.metadata import cost_metadata, table, token_tuning_metadata
from xtr_assets.pipeline.derive.token_index import derive_tokens

Result = dg.MaterializeResult[None]


def xtr_index_asset(site: Site) -> dg.AssetsDefinition:
    """`xtr_index`: the token index of the draft."""

    @site.asset(
        "xtr_index",
        {"numpy"},
        "Late-interaction index of the draft: postings of new segments, shared centroids, a tuned profile.",
        deps=["generation", "queries"],
    )
    def xtr_index(context: dg.AssetExecutionContext) -> Result:
        with site.step(context, "xtr_index", "token index") as (session, cost):
            draft = session.draft
            report = derive_tokens(session, tune=site.tuning(context))
            cost.count(
                tokens=report.tokens,
                postings_written=report.postings_written,
                postings_reused=report.postings_reused,
                how=report.how,
            )
        return dg.MaterializeResult(
            data_version=dg.DataVersion(report.sha256[:32]),
            metadata={
                **token_tuning_metadata(report.tuning),
                "generation": draft.number,
                "why": report.reason,
                "model": report.model,
                "centroids": report.centroids,
                "training": table([report.training]),
                "profile": table([draft.manifest.profile.get("xtr", {})]),
                **cost_metadata(cost),
            },
        )

    return xtr_index
