"""`exact_neighbors`: what a perfect index would find for the gate's queries."""

import dagster as dg

from xtr_assets.defs.context import Site
from xtr_assets.defs.metadata import cost_metadata
from xtr_assets.pipeline.derive.exact_neighbors import exact_neighbors as compute_neighbors
from xtr_assets.pipeline.derive.neighbor_lists import neighbor_files

Result = dg.MaterializeResult[None]


def exact_neighbors_asset(site: Site) -> dg.AssetsDefinition:
    """`exact_neighbors`: what a perfect index would find."""

    @site.asset(
        "exact_neighbors",
        {"numpy"},
        "Exact neighbours of the queries over all live rows, in each space; computed by delta.",
        deps=["queries"],
    )
    def exact_neighbors(context: dg.AssetExecutionContext) -> Result:
        with site.step(context, "exact_neighbors", "exact neighbours") as (session, cost):
            draft, gate = session.draft, session.queries()
            reports = compute_neighbors(session)
            for space, report in reports.items():
                cost.count(**{f"{space}_carried": report.carried, f"{space}_computed": report.computed})
        digests = [draft.manifest.files[draft.file_name(neighbor_files(space)[0])].sha256[:16] for space in reports]
        return dg.MaterializeResult(
            data_version=dg.DataVersion("-".join(digests)),
            metadata={"generation": draft.number, "queries": len(gate), **cost_metadata(cost)},
        )

    return exact_neighbors
