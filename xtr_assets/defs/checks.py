"""The gate as asset checks: each runs one function of pipeline/ on the draft and shows what it recorded there."""

from collections.abc import Callable

import dagster as dg

from xtr_assets.config import RecallConfig
from xtr_assets.defs.context import Site
from xtr_assets.defs.metadata import record_metadata, verdict_metadata
from xtr_assets.pipeline.gate.index_recall import (
    Verdict,
    dense_recall,
    dense_recall_new_rows,
    xtr_recall,
    xtr_recall_new_rows,
)
from xtr_assets.pipeline.gate.judgments import check_judged
from xtr_assets.pipeline.gate.list_balance import check_balance
from xtr_assets.pipeline.gate.required import has_judgments
from xtr_assets.pipeline.gate.shadow import check_shadow
from xtr_assets.pipeline.gate.token_drift import check_token_drift
from xtr_assets.pipeline.gate.validity import check_catalog, check_files, check_id_map
from xtr_assets.pipeline.plan.decide import parent_of
from xtr_assets.storage.draft import Draft
from xtr_assets.storage.manifest import CheckRecord
from xtr_assets.storage.warehouse import Warehouse

Recall = Callable[[Draft, RecallConfig], Verdict]
Look = Callable[[Warehouse, Draft], CheckRecord]

RECALL = "Recall@k against exact search over the fixed queries; no source is surely below."
NEW_ROWS = "Recall@k for queries drawn from the rows that are new, which an average would hide."


def index_checks(site: Site) -> list[dg.AssetChecksDefinition]:
    """Every check of the assets from `faiss_index` to `catalog`."""
    checks = [
        recall_check(site, "dense_recall", "faiss_index", dense_recall, RECALL),
        recall_check(site, "dense_recall_new_rows", "faiss_index", dense_recall_new_rows, NEW_ROWS),
        recall_check(site, "xtr_recall", "xtr_index", xtr_recall, RECALL),
        recall_check(site, "xtr_recall_new_rows", "xtr_index", xtr_recall_new_rows, NEW_ROWS),
        plain_check(
            site,
            "id_map_bijection",
            "id_map",
            lambda _, draft: check_id_map(draft),
            "Live rows and chunk_ids are one to one, and what the segments hold.",
        ),
        plain_check(
            site,
            "catalog_consistent",
            "catalog",
            lambda _, draft: check_catalog(draft),
            "What DuckDB counts through the views is what the manifest says.",
        ),
        plain_check(
            site,
            "files_verified",
            "catalog",
            lambda _, draft: check_files(draft),
            "Every file of the draft, read from the disk, has its sha256.",
            deps=["faiss_index", "xtr_index", "exact_neighbors"],
        ),
        plain_check(
            site,
            "list_balance",
            "faiss_index",
            lambda _, draft: check_balance(draft),
            "How unevenly the inverted lists are filled.",
            blocking=False,
        ),
        plain_check(
            site,
            "token_drift",
            "xtr_index",
            lambda warehouse, draft: check_token_drift(draft, parent_of(warehouse, draft)),
            "How far tokens that came since lie from the centroids, beside those the centroids were learnt from.",
            blocking=False,
        ),
        plain_check(
            site,
            "shadow_diff",
            "xtr_index",
            lambda warehouse, draft: check_shadow(warehouse, draft, warehouse.published),
            "How much of the serving top 10 the draft returns too.",
            blocking=False,
            deps=["faiss_index", "exact_neighbors"],
        ),
    ]
    queries = site.config.queries
    if queries is not None and has_judgments(site.config):
        checks.append(
            plain_check(
                site,
                "judged_quality",
                "xtr_index",
                lambda warehouse, draft: check_judged(warehouse, draft, warehouse.published, queries),
                "Hybrid nDCG@10 is not surely lower than that of the generation that serves.",
                deps=["faiss_index"],
            )
        )
    return checks


def recall_check(site: Site, name: str, asset: str, measure: Recall, description: str) -> dg.AssetChecksDefinition:
    """A blocking check that measures recall on the draft of the run."""

    @site.check(name, asset, description, deps=["exact_neighbors"])
    def check(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        with site.costed(context, f"check.{name}", name) as (_, draft, _):
            verdict = measure(draft, site.config.recall)
        return dg.AssetCheckResult(
            passed=verdict.passed, description=sentence(verdict.record), metadata=verdict_metadata(verdict)
        )

    return check


def plain_check(
    site: Site,
    name: str,
    asset: str,
    look: Look,
    description: str,
    *,
    blocking: bool = True,
    deps: list[str] | None = None,
) -> dg.AssetChecksDefinition:
    """A check that looks at the draft of the run; one that does not block warns."""
    severity = dg.AssetCheckSeverity.ERROR if blocking else dg.AssetCheckSeverity.WARN

    @site.check(name, asset, description, blocking=blocking, deps=deps or [])
    def check(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        with site.costed(context, f"check.{name}", name) as (warehouse, draft, _):
            record = look(warehouse, draft)
        return dg.AssetCheckResult(
            passed=record.passed, severity=severity, description=sentence(record), metadata=record_metadata(record)
        )

    return check


def sentence(record: CheckRecord) -> str:
    """The verdict in a line."""
    if record.value is None or record.threshold is None:
        return str(record.details.get("reason", "recorded")) if record.value is None else f"{record.value:.4f}"
    return f"{record.value:.4f} (threshold {record.threshold:.4f})"
