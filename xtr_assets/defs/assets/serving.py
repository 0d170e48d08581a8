"""`published`: the pointer. It moves only when every required check of the draft passed for exactly its bytes."""

import dagster as dg

from xtr_assets.defs.context import Site
from xtr_assets.defs.metadata import cost_metadata, costs_metadata, drift_metadata, hits_metadata
from xtr_assets.pipeline.cost_report import report_costs
from xtr_assets.pipeline.costs import step
from xtr_assets.pipeline.gate.drift import record_drift
from xtr_assets.pipeline.gate.required import requirement
from xtr_assets.pipeline.plan.decide import data_version, parent_of, refuse_if_overtaken
from xtr_assets.pipeline.queries.gate_queries import read_queries
from xtr_assets.search.hits import Hit
from xtr_assets.search.searcher import Searcher
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets.telemetry import metrics

UPSTREAM = ("faiss_index", "xtr_index", "id_map", "catalog", "exact_neighbors")
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
        with site.draft(context, "publish") as (warehouse, draft), step("publish") as cost:
            refuse_if_overtaken(warehouse, draft)
            parent = parent_of(warehouse, draft)
            drift = record_drift(draft, parent)
            full = site.carried(context, warehouse, draft) is None
            report_costs(draft, parent, full=full)
            version = data_version(draft)
            who = f"dagster run {context.run.run_id}"
            serving = warehouse.publish(draft.number, required=requirement(site.config), who=who)
            cost.count(files=len(serving.manifest.files), generation_bytes=serving.bytes())
        metrics.PUBLICATIONS.labels("publish").inc()
        metrics.PUBLISHED_GENERATION.labels(warehouse.root.name).set(serving.number)
        return dg.MaterializeResult(
            data_version=dg.DataVersion(version),
            metadata={
                "dagster/row_count": serving.live_rows,
                "generation": serving.number,
                "parent": str(serving.parent),
                **costs_metadata(serving, cost),
                **drift_metadata(drift),
                "sample_hits": hits_metadata(sample_hits(warehouse, serving.number)),
                **cost_metadata(cost),
            },
        )

    return published


def sample_hits(warehouse: Warehouse, number: int) -> dict[str, list[Hit]]:
    """What the first gate queries find in a generation."""
    generation = warehouse.generation(number)
    texts = [query.text for query in read_queries(generation).queries[:SHOWN_QUERIES]]
    with Searcher(warehouse, "cpu", generation=number) as searcher:
        return dict(zip(texts, searcher.search_batch(texts, SHOWN_HITS), strict=True))
