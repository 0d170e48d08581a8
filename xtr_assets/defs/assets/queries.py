"""`queries`: what the gate asks."""

import dagster as dg

from xtr_assets.defs.context import Site
from xtr_assets.defs.metadata import cost_metadata, table
from xtr_assets.pipeline.queries.query_sample import sample_queries

Result = dg.MaterializeResult[None]


def queries_asset(site: Site) -> dg.AssetsDefinition:
    """`queries`: the sample of the gate with its vectors."""

    @site.asset(
        "queries",
        {"parquet"},
        "Queries that are no rows: a sample that generations inherit, and one drawn from the new rows.",
        deps=["generation"],
        encoder=True,
    )
    def queries(context: dg.AssetExecutionContext) -> Result:
        with site.step(context, "queries", "queries") as (session, cost):
            draft = session.draft
            report = sample_queries(session)
            cost.count(fixed=report.fixed, new=report.new, inherited=report.inherited, queries_encoded=report.encoded)
        sample = [{"query": query.text, "stratum": query.stratum} for query in report.gate.queries]
        return dg.MaterializeResult(
            data_version=dg.DataVersion(report.sha256[:32]),
            metadata={"generation": draft.number, "sample": table(sample), **cost_metadata(cost)},
        )

    return queries
