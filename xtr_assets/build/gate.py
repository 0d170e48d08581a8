"""The verdicts of the gate: recall of each index of a draft against the exact neighbours of the gate queries."""

from collections.abc import Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Literal

import numpy as np

from xtr_assets.build.exact import Neighbors, neighbor_files, read_neighbors
from xtr_assets.build.queries import QUERY_FILES, GateQueries, read_queries
from xtr_assets.config import RecallConfig
from xtr_assets.core.recall import RecallReport, lower_bound, recall_report, upper_bound
from xtr_assets.core.recipes import parse_recipe
from xtr_assets.core.types import Floats, Ints, Mask
from xtr_assets.index import DenseIndex, TokenIndex
from xtr_assets.search.opening import open_dense, open_tokens
from xtr_assets.storage.draft import Draft
from xtr_assets.storage.manifest import CheckRecord
from xtr_assets.telemetry import metrics

# Multiples of the profile's nprobe at which recall is measured for the curve: half shows how steep it is, double what
# a query could still gain.
CURVE_FACTORS = (0.25, 0.5, 1.0, 2.0)


@dataclass(frozen=True, slots=True)
class Verdict:
    """A recorded check with the report it rests on; no report where there was no query to measure with."""

    record: CheckRecord
    report: RecallReport | None

    @property
    def passed(self) -> bool:
        return self.record.passed


def judge(
    draft: Draft,
    name: str,
    report: RecallReport | None,
    threshold: float,
    *,
    exact: bool,
    subject: tuple[str, ...],
    profile: str,
    details: Mapping[str, Any] | None = None,
    few: bool = False,
) -> Verdict:
    """Record a recall against its threshold.

    An index that is exact by construction is judged by its mean: with few queries the bound of a perfect result would
    say more about their number than about the index. Any other is judged by the lower confidence bound. With `few`,
    where the number of queries is what a change allows, a sample so small that even a perfect result could not prove
    the threshold is judged by the upper bound: it refuses what is surely below.
    """
    if report is None:
        value, passed, basis = None, True, "no queries"
    else:
        value, basis = _evidence(report, threshold, exact, few)
        passed = value >= threshold
    more = {"basis": basis, **({} if report is None else report.as_json()), **(details or {})}
    keys = (profile,) if profile in draft.manifest.profile else ()
    record = draft.record_check(
        name, passed=passed, value=value, threshold=threshold, subject=subject, details=more, profile_keys=keys
    )
    metrics.count_check(name, passed)
    return Verdict(record, report)


def _evidence(report: RecallReport, threshold: float, exact: bool, few: bool) -> tuple[float, str]:
    """The figure that is held against the threshold, and what it is."""
    if exact:
        return report.mean, "mean of an exact index"
    if few and lower_bound(np.ones(report.queries)) < min(threshold, 1.0):
        return upper_bound(report.mean, report.queries), f"upper bound: {report.queries} queries prove no more"
    return report.lower_bound, "lower bound"


def dense_recall(draft: Draft, thresholds: RecallConfig, device: str = "cpu") -> Verdict:
    """Recall@k of the dense index over the fixed queries, with the curve over nprobe where it has lists."""
    return _dense_verdict(draft, "dense_recall", "fixed", thresholds.dense, thresholds.k, device)


def dense_recall_new_rows(draft: Draft, thresholds: RecallConfig, device: str = "cpu") -> Verdict:
    """The same for queries drawn from the rows that are new in this generation, which an average would hide."""
    return _dense_verdict(draft, "dense_recall_new_rows", "new", thresholds.new_rows, thresholds.k, device)


def _dense_verdict(
    draft: Draft, name: str, stratum: Literal["fixed", "new"], threshold: float, k: int, device: str
) -> Verdict:
    gate, exact = read_queries(draft), read_neighbors(draft, "dense")
    index = open_dense(draft, device)
    report = _dense_report(index, gate, exact, gate.of(stratum), k, curve=stratum == "fixed")
    return judge(
        draft,
        name,
        report,
        threshold,
        exact=parse_recipe(index.recipe).exhaustive,
        subject=("dense.faiss", *QUERY_FILES, *neighbor_files("dense")),
        profile="dense",
        few=stratum == "new",
    )


def xtr_recall(draft: Draft, thresholds: RecallConfig) -> Verdict:
    """Recall@k of the token index against exact MaxSim, over fixed and new queries; both are in the details."""
    gate, exact = read_queries(draft), read_neighbors(draft, "xtr")
    index = open_tokens(draft)
    report, new, milliseconds, scanned = _token_report(index, gate, exact, thresholds.k)
    details = {"new_rows": None if new is None else new.as_json(), "milliseconds": milliseconds}
    return judge(
        draft,
        "xtr_recall",
        report,
        thresholds.xtr,
        exact=scanned,
        subject=("xtr", *QUERY_FILES, *neighbor_files("xtr")),
        profile="xtr",
        details=details,
    )


def _dense_report(
    index: DenseIndex, gate: GateQueries, exact: Neighbors, chosen: Mask, k: int, *, curve: bool
) -> RecallReport | None:
    if not chosen.any():
        return None
    queries = gate.embeddings[chosen]
    scores, rows = index.search(queries, k)
    points = _nprobe_curve(index, queries, exact.rows[chosen], exact.scores[chosen], k) if curve else ()
    return recall_report(
        rows,
        exact.rows[chosen],
        k,
        found_scores=scores,
        exact_scores=exact.scores[chosen],
        nprobe_curve=points,
    )


def _nprobe_curve(
    index: DenseIndex, queries: Floats, rows: Ints, scores: Floats, k: int
) -> list[tuple[int, float, float]]:
    nprobe = index.profile.get("nprobe")
    if not nprobe:
        return []
    points = []
    lists = parse_recipe(index.recipe).nlist
    for probes in sorted({min(lists, max(1, int(nprobe * factor))) for factor in CURVE_FACTORS}):
        started = perf_counter()
        found_scores, found = index.search(queries, k, nprobe=probes)
        milliseconds = 1000 * (perf_counter() - started) / len(queries)
        report = recall_report(found, rows, k, found_scores=found_scores, exact_scores=scores)
        points.append((probes, report.mean, round(milliseconds, 4)))
    return points


def _token_report(
    index: TokenIndex, gate: GateQueries, exact: Neighbors, k: int
) -> tuple[RecallReport | None, RecallReport | None, float, bool]:
    """(report over fixed queries, over new ones, milliseconds a query, whether every query scanned all rows)."""
    started = perf_counter()
    results = [index.search_detailed(tokens, k) for tokens in gate.tokens]
    milliseconds = 1000 * (perf_counter() - started) / max(1, len(gate))
    if not results:
        return None, None, 0.0, True
    scores, rows = np.stack([r.scores for r in results]), np.stack([r.rows for r in results])

    def report(chosen: Mask) -> RecallReport | None:
        if not chosen.any():
            return None
        return recall_report(
            rows[chosen], exact.rows[chosen], k, found_scores=scores[chosen], exact_scores=exact.scores[chosen]
        )

    scanned = all(result.scanned for result in results)
    return report(gate.of("fixed")), report(gate.of("new")), round(milliseconds, 4), scanned
