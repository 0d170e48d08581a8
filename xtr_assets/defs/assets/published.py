"""`published`: the pointer. It moves only when every required check of the draft passed for exactly its bytes."""

from dataclasses import asdict

import dagster as dg

from xtr_assets.defs.context import Site
from xtr_assets.defs.generation_history import history_metadata, history_pictures, lineage
from xtr_assets.defs.metadata import (
    cost_metadata,
    costs_metadata,
    drift_metadata,
    hits_metadata,
    recall_metadata,
    table,
)
from xtr_assets.pipeline.costs import step
from xtr_assets.pipeline.gate.registry import requirement
from xtr_assets.pipeline.plan.decide import data_version
from xtr_assets.pipeline.plan.draft_session import DraftSession, end_session
from xtr_assets.pipeline.plan.finish import finish
from xtr_assets.pipeline.quality.worst_queries import worst_queries
from xtr_assets.search.hits import Hit
from xtr_assets.storage.manifest import TRACE_NOTE
from xtr_assets.telemetry import metrics
from xtr_assets.telemetry.tracing import traceparent

UPSTREAM = ("faiss_index", "xtr_index", "lexical_index", "id_map", "catalog", "exact_neighbors")
# Queries whose answers are shown: what a person reads in half a minute.
SHOWN_QUERIES, SHOWN_HITS, SHOWN_WORST = 5, 3, 10


def published_asset(site: Site) -> dg.AssetsDefinition:
    """`published`: the generation that serves."""

    @site.asset(
        "published",
        {"dataset"},
        "The generation that serves. `publish` refuses a draft without a passing record of each check.",
        deps=UPSTREAM,
    )
    def published(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        with site.writing(context, "publish") as warehouse, step("publish") as cost:
            with site.session(context, warehouse) as session:
                finished = finish(session)
            draft, answers = session.draft, sample_hits(session)
            worst = worst_queries(session, SHOWN_WORST)
            version = data_version(draft)
            # The first search on it, in whatever process and however much later, links to where it came from.
            trace = traceparent()
            notes = finished.notes if trace is None else {**finished.notes, TRACE_NOTE: trace}
            who = f"dagster run {context.run.run_id}"
            required = requirement(site.config)
            serving = warehouse.publish(draft.number, required=required, who=who, notes=notes)
            end_session()
            cost.count(files=len(serving.manifest.files), generation_bytes=serving.bytes())
        metrics.PUBLICATIONS.labels("publish").inc()
        metrics.PUBLISHED_GENERATION.labels(warehouse.root.name).set(serving.number)
        line = lineage(warehouse, serving)
        return dg.MaterializeResult(
            data_version=dg.DataVersion(version),
            metadata={
                **recall_metadata(serving),
                **history_pictures(line),
                "sample_hits": hits_metadata(answers),
                **({"worst_queries": table([asdict(one) for one in worst])} if worst else {}),
                **history_metadata(line, site.config.upkeep.page),
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
