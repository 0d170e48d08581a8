"""`lexical_index`: the words of the draft's rows."""

import dagster as dg

from xtr_assets.defs.context import Site
from xtr_assets.defs.metadata import cost_metadata
from xtr_assets.pipeline.derive.lexical_index import derive_lexical

Result = dg.MaterializeResult[None]


def lexical_index_asset(site: Site) -> dg.AssetsDefinition:
    """`lexical_index`: the words of the draft's rows."""

    @site.asset(
        "lexical_index",
        {"numpy"},
        "Lexical index of the draft (BM25): postings of the words of new segments, those of old ones as they are.",
        deps=["generation"],
    )
    def lexical_index(context: dg.AssetExecutionContext) -> Result:
        with site.step(context, "lexical_index", "lexical index") as (session, cost):
            report = derive_lexical(session)
            cost.count(
                rows=report.rows,
                postings_written=report.postings_written,
                postings_reused=report.postings_reused,
            )
        return dg.MaterializeResult(
            data_version=dg.DataVersion(report.sha256[:32]),
            metadata={
                "dagster/row_count": session.draft.live_rows,
                "generation": session.draft.number,
                "terms": report.terms,
                "mean_length": report.mean_length,
                "index_bytes": report.bytes,
                **cost_metadata(cost),
            },
        )

    return lexical_index
