"""`published`: the pointer. It moves only when every required check of the draft passed for exactly its bytes."""

import dagster as dg

from xtr_assets.defs.context import Site
from xtr_assets.defs.metadata import (
    cost_metadata,
    costs_metadata,
    drift_metadata,
    hits_metadata,
    recall_metadata,
)
from xtr_assets.pipeline.costs import step
from xtr_assets.pipeline.gate.registry import requirement
from xtr_assets.pipeline.plan.decide import data_version
from xtr_assets.pipeline.plan.draft_session import DraftSession, end_session
from xtr_assets.pipeline.plan.finish import finish
from xtr_assets.search.hits import Hit
from xtr_assets.telemetry import metrics

UPSTREAM = ("faiss_index", "xtr_index", "lexical_index", "id_map", "catalog", "exact_neighbors")
# Queries whose answers are shown: what a person reads in half a minute.
SHOWN_QUERIES, SHOWN_HITS = 5, 3


def published_asset(site: Site) -> dg.AssetsDefinition:
    """`published`: the generation that serves."""

    @site.asset(
        "published",
        "serving",
        {"xtr"},
        "The generation that serves. `publish` refuses a draft without a passing record of each check.",
        deps=UPSTREAM,
    )
    def published(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        with site.writing(context, "publish") as warehouse, step("publish") as cost:
            with site.session(context, warehouse) as session:
                finished = finish(session)
            draft, answers = session.draft, sample_hits(session)
            version = data_version(draft)
            who = f"dagster run {context.run.run_id}"
            required = requirement(site.config)
            serving = warehouse.publish(draft.number, required=required, who=who, notes=finished.notes)
            end_session()
            cost.count(files=len(serving.manifest.files), generation_bytes=serving.bytes())
        metrics.PUBLICATIONS.labels("publish").inc()
        metrics.PUBLISHED_GENERATION.labels(warehouse.root.name).set(serving.number)
        return dg.MaterializeResult(
            data_version=dg.DataVersion(version),
            metadata={
                **recall_metadata(serving),
                "sample_hits": hits_metadata(answers),
                "dagster/row_count": serving.live_rows,
                "generation": serving.number,
                "parent": str(serving.parent),
                **costs_metadata(serving, cost),
                **drift_metadata(finished.drift),
                **cost_metadata(cost),
            },
        )

    return published


def sample_hits(session: DraftSession) -> dict[str, list[Hit]]:
    """What the first gate queries find in the draft."""
    texts = [query.text for query in session.queries().queries[:SHOWN_QUERIES]]
    return dict(zip(texts, session.searcher().search_batch(texts, SHOWN_HITS, syntax="plain"), strict=True))
