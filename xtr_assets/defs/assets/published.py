"""`published`: the pointer. It moves only when every required check of the draft passed for exactly its bytes. Of an
index of parts it is the move that names what each part published."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict

import dagster as dg
from pydantic import Field

from xtr_assets.core.errors import PublishRefused
from xtr_assets.defs.asked_run import AskedRun, by_run
from xtr_assets.defs.checks import check_spec, set_check_result
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
from xtr_assets.pipeline.gate.joined_quality import set_check_names, set_checks
from xtr_assets.pipeline.gate.registry import check_named, requirement
from xtr_assets.pipeline.plan.decide import data_version
from xtr_assets.pipeline.plan.draft_session import DraftSession, end_session
from xtr_assets.pipeline.plan.finish import finish
from xtr_assets.pipeline.plan.next_move import version_of
from xtr_assets.pipeline.plan.part_plan import PartPlan
from xtr_assets.pipeline.quality.worst_queries import worst_queries
from xtr_assets.search.hits import Hit
from xtr_assets.storage.manifest import TRACE_NOTE, CheckRecord
from xtr_assets.storage.parts.part_set import PartSet
from xtr_assets.telemetry import metrics
from xtr_assets.telemetry.tracing import traceparent

Published = dg.MaterializeResult[None]

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
            required = requirement(site.config)
            serving = warehouse.publish(draft.number, required=required, who=by_run(context.run), notes=notes)
            end_session()
            cost.count(files=len(serving.manifest.files), generation_bytes=serving.bytes())
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


class MoveConfig(dg.Config):
    """What a person says of the move; empty where nobody says anything."""

    reason: str = Field(default="", description="Why: it is kept in the move.")
    force: str = Field(
        default="",
        description="Why it is made past a part that was forced itself, a shard that moved or is gone, a part that was "
        "taken out, or a check that failed; kept in the move.",
    )
    again: str = Field(
        default="", description="Why what a rollback of the index took back may serve again; kept in the move."
    )


def published_parts_asset(site: Site, plan: PartPlan, parts: Sequence[dg.AssetKey]) -> dg.AssetsDefinition:
    """`published` of an index of parts: the move that serves. `parts` : `published` of each."""
    asked = [check_named(name) for name in set_check_names(site.config)]

    @dg.asset(
        key=site.names.key("published"),
        group_name=site.group,
        kinds={"dataset"},
        description="What serves of all parts together, by one move. It is refused where they are not one index.",
        deps=parts,
        metadata={"parts": dg.MetadataValue.path(str(plan.root))},
        required_resource_keys={site.names.parts},
        check_specs=[check_spec(site, check, "published") for check in asked],
    )
    def published(context: dg.AssetExecutionContext, config: MoveConfig) -> Iterator[dg.AssetCheckResult | Published]:
        opened = site.part_set(context)
        if config.force or config.again:
            _refuse_unseen(context, opened)
        # By name: where the set was changed meanwhile it is asked twice, and Dagster takes one answer.
        found: dict[str, CheckRecord] = {}

        def tell(record: CheckRecord) -> None:
            found[record.name] = record

        try:
            with site.traced(context):
                serving = opened.publish(
                    reason=config.reason or None,
                    force_reason=config.force or None,
                    again_reason=config.again or None,
                    who=by_run(context.run),
                    checks=[one.told(tell) for one in set_checks(site.config)],
                )
        except PublishRefused:
            yield from (set_check_result(site, record, None) for record in found.values())
            raise
        yield from (set_check_result(site, serving.move.checks[check.name], serving.move) for check in asked)
        # Also where nothing is new, and nothing moved.
        metrics.PUBLISHED_GENERATION.labels(opened.root.name).set(serving.number)
        for told in plan.overfull():
            context.log.warning(told)
        yield dg.MaterializeResult(
            data_version=dg.DataVersion(version_of(serving.move.named)),
            metadata={
                "dagster/row_count": serving.live_rows,
                "move": serving.number,
                "parts": table(
                    [
                        {
                            "part": name,
                            "generation": state.generation,
                            "live rows": state.live_rows,
                            "full": f"{state.live_rows / plan.max_chunks:.0%}",
                            "shards": ", ".join(state.shards),
                        }
                        for name, state in serving.move.parts.items()
                    ]
                ),
            },
        )

    return published


def _refuse_unseen(context: dg.AssetExecutionContext, opened: PartSet) -> None:
    """PublishRefused where another run, or a command, moved the set since a person gave reasons: he passes by what he
    saw, and no rollback since."""
    asked, moves = AskedRun.of(context), opened.moves()
    if moves and not asked.is_by(moves[-1].who):
        asked.refuse_after(moves[-1])


def sample_hits(session: DraftSession) -> dict[str, list[Hit]]:
    """What the first gate queries find in the draft."""
    texts = [query.text for query in session.queries().queries[:SHOWN_QUERIES]]
    return dict(zip(texts, session.searcher().search_batch(texts, SHOWN_HITS, syntax="plain"), strict=True))
