"""The verdicts of the gate: recall of each index of a draft against the exact neighbours of the gate queries."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from time import perf_counter
from typing import Any

import numpy as np

from xtr_assets.config import RecallConfig
from xtr_assets.core.recall import RecallReport, recall_report, surely_at_most
from xtr_assets.core.recipe_grammar import parse_recipe
from xtr_assets.core.types import Floats
from xtr_assets.index import DenseIndex
from xtr_assets.pipeline.derive.exact_neighbors import Neighbors, neighbor_files, read_neighbors
from xtr_assets.pipeline.plan.row_diff import sources_of
from xtr_assets.pipeline.queries.gate_queries import QUERY_FILES, Stratum, read_queries
from xtr_assets.search.loaders import open_dense, open_tokens
from xtr_assets.storage.draft import Draft
from xtr_assets.storage.manifest import CheckRecord
from xtr_assets.telemetry import metrics

# How sure a small sample must be to refuse. One query of a healthy index finds three to five of its ten neighbours now
# and then, and what is refused stays refused until something else changes: at .95 half of them refused a change of one
# function, at .99 three of them did; now it takes one in ten for one query, three for two, half for four.
FEW_CONFIDENCE = 0.999
# From so many on (the least that a change is asked, where its rows say so much) a tuned index is so far above the
# threshold that less will do: at .93 this refuses a mean below .89 of 16 queries, .91 of 50. benchmarks/gate_power.py.
ENOUGH_QUERIES, MORE_CONFIDENCE = 16, 0.8
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
    parts: Mapping[str, RecallReport] | None = None,
) -> Verdict:
    """Record a recall against its threshold.

    An index that is exact by construction is judged by its mean: with few queries the bound of a perfect result would
    say more about their number than about the index. Any other is judged by the lower confidence bound. With `few`,
    where the number of queries is what a change allows, a sample so small that even a perfect result could not prove
    the threshold is judged by the upper bound: it refuses what is surely below. So is each of `parts`, shares of the
    queries that the average would hide: the worst one that is surely below refuses.
    """
    split = {name: _Part.of(part, threshold) for name, part in (parts or {}).items()}
    if report is None:
        value, passed, basis = None, True, "no queries"
    else:
        value, basis = evidence(report, threshold, exact, few)
        worst = min(split, key=lambda name: split[name].upper_bound, default="")
        if worst and split[worst].upper_bound < min(value, threshold):
            value, basis = split[worst].upper_bound, f"upper bound of {worst}: {split[worst].queries} queries"
        passed = value >= threshold
    shares = {"parts": {name: asdict(part) for name, part in split.items()}} if split else {}
    more = {"basis": basis, **({} if report is None else report.as_json()), **shares, **(details or {})}
    keys = (profile,) if profile in draft.manifest.profile else ()
    record = draft.record_check(
        name, passed=passed, value=value, threshold=threshold, subject=subject, details=more, profile_keys=keys
    )
    metrics.count_check(name, passed)
    return Verdict(record, report)


@dataclass(frozen=True, slots=True)
class _Part:
    """Recall over some of the queries, with the bound that it surely stays below."""

    mean: float
    upper_bound: float
    queries: int

    @classmethod
    def of(cls, report: RecallReport, threshold: float) -> "_Part":
        return cls(report.mean, _at_most(report, threshold), report.queries)


def evidence(report: RecallReport, threshold: float, exact: bool, few: bool) -> tuple[float, str]:
    """The figure that is held against the threshold, and what it is."""
    if exact:
        return report.mean, "mean of an exact index"
    if few:
        # What new rows allow proves no threshold: refused is what looks below it, and by how much tells how many look.
        confidence = FEW_CONFIDENCE if report.queries < ENOUGH_QUERIES else MORE_CONFIDENCE
        bound = _at_most(report, threshold, confidence)
        return bound, f"upper bound at {confidence}: {report.queries} queries prove no more"
    return report.lower_bound, "lower bound"


def _at_most(report: RecallReport, threshold: float, confidence: float = FEW_CONFIDENCE) -> float:
    return surely_at_most(report.mean, report.deviation, report.queries, threshold, confidence)


def dense_recall(draft: Draft, thresholds: RecallConfig, device: str = "cpu") -> Verdict:
    """Recall@k of the dense index over the fixed queries and by source, with the curve over nprobe of its lists."""
    return _dense_verdict(draft, "dense_recall", "fixed", thresholds.dense, thresholds.k, device)


def dense_recall_new_rows(draft: Draft, thresholds: RecallConfig, device: str = "cpu") -> Verdict:
    """The same for queries drawn from the rows that are new in this generation, which an average would hide."""
    return _dense_verdict(draft, "dense_recall_new_rows", "new", thresholds.new_rows, thresholds.k, device)


def xtr_recall(draft: Draft, thresholds: RecallConfig) -> Verdict:
    """Recall@k of the token index against exact MaxSim over the fixed queries, and by source."""
    return _xtr_verdict(draft, "xtr_recall", "fixed", thresholds.xtr, thresholds.k)


def xtr_recall_new_rows(draft: Draft, thresholds: RecallConfig) -> Verdict:
    """The same for queries drawn from the rows that are new in this generation, which an average would hide."""
    return _xtr_verdict(draft, "xtr_recall_new_rows", "new", thresholds.new_rows, thresholds.k)


def _dense_verdict(draft: Draft, name: str, stratum: Stratum, threshold: float, k: int, device: str) -> Verdict:
    gate, exact = read_queries(draft), read_neighbors(draft, "dense")
    index, chosen = open_dense(draft, device), gate.of(stratum)
    found, wanted, queries = Neighbors.empty(k), exact.of(chosen), gate.embeddings[chosen]
    points: list[tuple[int, float, float]] = []
    if chosen.any():
        started = perf_counter()
        found = Neighbors(*index.search(queries, k))
        seconds = perf_counter() - started
        points = _nprobe_curve(index, queries, wanted, k, found, seconds) if stratum == "fixed" else []
    return judge(
        draft,
        name,
        measured(found, wanted, k, points),
        threshold,
        exact=parse_recipe(index.recipe).exhaustive,
        subject=("dense.faiss", *QUERY_FILES, *neighbor_files("dense")),
        profile="dense",
        few=stratum == "new",
        parts=_by_source(draft, found, wanted, k),
    )


def _xtr_verdict(draft: Draft, name: str, stratum: Stratum, threshold: float, k: int) -> Verdict:
    gate, exact = read_queries(draft), read_neighbors(draft, "xtr")
    index, chosen = open_tokens(draft), gate.of(stratum)
    started = perf_counter()
    results = [index.search_detailed(gate.tokens[i], k) for i in np.flatnonzero(chosen).tolist()]
    milliseconds = 1000 * (perf_counter() - started) / max(1, len(results))
    found, wanted = Neighbors.empty(k), exact.of(chosen)
    if results:
        found = Neighbors(np.stack([one.scores for one in results]), np.stack([one.rows for one in results]))
    return judge(
        draft,
        name,
        measured(found, wanted, k),
        threshold,
        exact=all(one.scanned for one in results),
        subject=("xtr", *QUERY_FILES, *neighbor_files("xtr")),
        profile="xtr",
        details={"milliseconds": round(milliseconds, 4)},
        few=stratum == "new",
        parts=_by_source(draft, found, wanted, k),
    )


def measured(
    found: Neighbors, exact: Neighbors, k: int, curve: Sequence[tuple[int, float, float]] = ()
) -> RecallReport | None:
    """Recall@k of what was found against exact neighbours of the same queries; None where there is no query."""
    if not len(found.rows):
        return None
    return recall_report(
        found.rows, exact.rows, k, found_scores=found.scores, exact_scores=exact.scores, nprobe_curve=curve
    )


def _by_source(draft: Draft, found: Neighbors, exact: Neighbors, k: int) -> dict[str, RecallReport]:
    """Recall by source: a query belongs to the source of its best exact neighbour. Empty where there is one source."""
    names = sources_of(draft, exact.rows[:, 0]) if len(exact.rows) else np.empty(0, np.str_)
    reports = {}
    for name in np.unique(names).tolist():
        chosen = names == name
        if name and not chosen.all() and (report := measured(found.of(chosen), exact.of(chosen), k)) is not None:
            reports[f"source {name}"] = report
    return reports


def _nprobe_curve(
    index: DenseIndex, queries: Floats, exact: Neighbors, k: int, found: Neighbors, seconds: float
) -> list[tuple[int, float, float]]:
    """(nprobe, recall, milliseconds a query) at and around the profile's, with which `found` took so many seconds."""
    nprobe = int(index.profile.get("nprobe") or 0)
    if not nprobe:
        return []
    points = []
    lists = parse_recipe(index.recipe).nlist
    for probes in sorted({min(lists, max(1, int(nprobe * factor))) for factor in CURVE_FACTORS}):
        there, took = found, seconds
        if probes != nprobe:
            started = perf_counter()
            there = Neighbors(*index.search(queries, k, nprobe=probes))
            took = perf_counter() - started
        report = measured(there, exact, k)
        points.append((probes, 1.0 if report is None else report.mean, round(1000 * took / len(queries), 4)))
    return points
