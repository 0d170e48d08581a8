"""`faiss_index`: the dense index of the draft."""

import dagster as dg

from xtr_assets.defs.context import Site
from xtr_assets.defs.list_plots import list_sizes_picture
from xtr_assets.defs.metadata import cost_metadata, dense_tuning_metadata, plain_metadata
from xtr_assets.pipeline.derive.dense_index import derive_dense
from xtr_assets.pipeline.gate.drift import note_training

Result = dg.MaterializeResult[None]


def faiss_index_asset(site: Site) -> dg.AssetsDefinition:
    """`faiss_index`: the dense index of the draft."""

    @site.asset(
        "faiss_index",
        {"faiss", "cplusplus"},
        "Dense index of the draft, derived from its parent's where that is cheaper, tuned on queries of its own kind.",
        deps=["generation", "queries"],
    )
    def faiss_index(context: dg.AssetExecutionContext) -> Result:
        with site.step(context, "faiss_index", "dense index") as (session, cost):
            draft, parent = session.draft, session.carried
            report = derive_dense(session, tune=site.tuning(context))
            cost.count(rows_added=report.added, rows_removed=report.removed, how=report.how)
            note_training(draft, parent, report.how)
        sizes = report.list_sizes
        return dg.MaterializeResult(
            data_version=dg.DataVersion(report.sha256[:32]),
            metadata={
                **dense_tuning_metadata(report.tuning, report.tuned),
                **({} if sizes is None else {"list_sizes": list_sizes_picture(sizes)}),
                "generation": draft.number,
                "why": report.reason,
                **plain_metadata(report.index),
                **cost_metadata(cost),
            },
        )

    return faiss_index
