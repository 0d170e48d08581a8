"""`queries` and `exact_neighbors`: what the gate measures with."""

import dagster as dg

from xtr_assets.defs.context import Site
from xtr_assets.defs.metadata import cost_metadata, table
from xtr_assets.pipeline.derive.exact_neighbors import exact_neighbors as compute_neighbors
from xtr_assets.pipeline.derive.exact_neighbors import neighbor_files
from xtr_assets.pipeline.plan.decide import parent_of
from xtr_assets.pipeline.queries.gate_queries import read_queries
from xtr_assets.pipeline.queries.query_sample import sample_queries

Result = dg.MaterializeResult[None]


def queries_asset(site: Site) -> dg.AssetsDefinition:
    """`queries`: the sample of the gate with its vectors."""

    @site.asset(
        "queries",
        "evaluation",
        {"parquet"},
        "Queries that are no rows: a sample that generations inherit, and one drawn from the new rows.",
        deps=["generation"],
        encoder=True,
    )
    def queries(context: dg.AssetExecutionContext) -> Result:
        encoder = site.encoder(context)
        with site.costed(context, "queries", "queries") as (warehouse, draft, cost):
            report = sample_queries(warehouse, draft, parent_of(warehouse, draft), site.config, encoder)
            cost.count(fixed=report.fixed, new=report.new, inherited=report.inherited, queries_encoded=report.encoded)
        sample = [{"query": query.text, "stratum": query.stratum} for query in report.gate.queries]
        return dg.MaterializeResult(
            data_version=dg.DataVersion(report.sha256[:32]),
            metadata={"generation": draft.number, "sample": table(sample), **cost_metadata(cost)},
        )

    return queries


def exact_asset(site: Site) -> dg.AssetsDefinition:
    """`exact_neighbors`: what a perfect index would find."""

    @site.asset(
        "exact_neighbors",
        "evaluation",
        {"numpy"},
        "Exact neighbours of the queries over all live rows, in both spaces; computed by delta.",
        deps=["queries"],
    )
    def exact_neighbors(context: dg.AssetExecutionContext) -> Result:
        with site.costed(context, "exact_neighbors", "exact neighbours") as (warehouse, draft, cost):
            gate = read_queries(draft)
            reports = compute_neighbors(draft, gate, site.config.recall.k, site.carried(context, warehouse, draft))
            for space, report in reports.items():
                cost.count(**{f"{space}_carried": report.carried, f"{space}_computed": report.computed})
        digests = [draft.manifest.files[draft.file_name(neighbor_files(space)[0])].sha256[:16] for space in reports]
        return dg.MaterializeResult(
            data_version=dg.DataVersion("-".join(digests)),
            metadata={"generation": draft.number, "queries": len(gate), **cost_metadata(cost)},
        )

    return exact_neighbors
