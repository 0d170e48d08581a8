"""Dagster metadata of assets and checks, made from the reports of pipeline/. Nothing is computed here."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import dagster as dg

from xtr_assets.defs.plots import probes_picture, recall_pictures, tuning_picture
from xtr_assets.index.dense.tuner import Tuning
from xtr_assets.index.late.tuner import TokenTuning
from xtr_assets.pipeline.cost_report import REPORT_NOTE, SUMMED, total
from xtr_assets.pipeline.costs import Step
from xtr_assets.pipeline.gate.drift import Drift
from xtr_assets.pipeline.gate.schemas import Problem
from xtr_assets.pipeline.gate.threshold import threshold_document
from xtr_assets.pipeline.ingest.intake import Intake
from xtr_assets.pipeline.plan.decide import COSTS_NOTE
from xtr_assets.search.hits import Hit
from xtr_assets.storage.generation import Generation
from xtr_assets.storage.manifest import CheckRecord, QuarantineEntry, StaleEntry
from xtr_assets.telemetry import metrics

Metadata = dict[str, Any]

# Rows of a table in the UI: enough to see the pattern; the rest is in the catalog.
MAX_ROWS = 50
# Characters of a text in a table.
MAX_TEXT = 160

# Settings of a measurement: numbers that do not change from run to run. The UI draws a plot of every number; as text
# they are read and leave the plots to what was measured.
SETTINGS = ("k", "confidence", "depth", "default_threshold", "generation", "nprobe")

# What stands beside a figure, first in the metadata of its check.
FIGURES = ("lower_bound", "mean", "recall")
# Kept in records for the next generation to compare with: too long to read, and no person's business.
NOT_SHOWN = ("per_query", "digests", "best", "ranks", "curve", "nprobe_curve")
# A flat index has no lists and no depth.
NOTHING_TO_CHOOSE = "every row is read: there is nothing to choose"
# Digits after the point: a tenth of a query in ten thousand.
DIGITS = 4


def cost_metadata(step: Step) -> Metadata:
    """Seconds and counts of a step."""
    return {name: _value(value) for name, value in step.report().items()}


def costs_metadata(generation: Generation, publishing: Step) -> Metadata:
    """What a generation cost by step, publishing included, and its share of the last full build."""
    notes = generation.manifest.notes
    steps = {**notes.get(COSTS_NOTE, {}), publishing.name: publishing.report()}
    report = notes[REPORT_NOTE]
    rows: list[dict[str, Any]] = [
        {"step": name, **{count: round(float(one.get(count, 0)), 3) for count in SUMMED}} for name, one in steps.items()
    ]
    # The dearest first: who looks here wants to know where the time went.
    rows.sort(key=lambda row: -float(row["seconds"]))
    last = report["full_build"]
    full = {} if last is None else {"generation": last["generation"], **total(last["steps"])}
    shares = {f"{name}_share": share for name, share in report["share_of_full_build"].items()}
    return {
        "costs": table(rows),
        "cost_total": table([report["total"]]),
        **plain_metadata({"rows_added": report["rows_added"], "rows_removed": report["rows_removed"], **shares}),
        **({"last_full_build": table([full])} if full else {}),
    }


def drift_metadata(drift: Drift | None) -> Metadata:
    """How far the dense index is from what it learnt, and why it should learn anew."""
    if drift is None:
        return {}
    figures = {f"drift_{name}": value for name, value in drift.figures.items()}
    return {**figures, "trained_in_generation": str(drift.trained), "retrain": "; ".join(drift.causes) or "not due"}


def plain_metadata(values: Mapping[str, Any]) -> Metadata:
    """Values as they are; None is left out, nested values become JSON."""
    return {name: _value(value) for name, value in values.items() if value is not None}


def quarantine_metadata(entries: Sequence[QuarantineEntry]) -> Metadata:
    """How many files and records could not be used, why, and the first of them."""
    shown: Metadata = {"quarantined": len(entries)}
    if entries:
        reasons = Counter(entry.reason for entry in entries)
        shown["quarantined_by_reason"] = table([{"reason": one, "files": n} for one, n in reasons.most_common()])
        shown["quarantine"] = table([entry.model_dump() for entry in entries])
    return shown


def stale_metadata(entries: Sequence[StaleEntry]) -> Metadata:
    """How many files could not be read and keep their rows, since when and why."""
    shown: Metadata = {"stale": len(entries)}
    if entries:
        shown["stale_files"] = table([entry.model_dump(include={"path", "since", "reason"}) for entry in entries])
    return shown


def problem_metadata(problems: Sequence[Problem]) -> Metadata:
    """What a validation found."""
    shown: Metadata = {"problems": len(problems)}
    if problems:
        rows = [{"column": p.column, "check": p.check, "case": p.case} for p in problems]
        shown["found"] = table(rows)
    return shown


def record_metadata(record: CheckRecord) -> Metadata:
    """A recorded check: a recall's curves as pictures, the figure and what it is held against as numbers that the UI
    plots over time, the sentence for people, then the details."""
    details = dict(record.details)
    answers = details.pop("answers", None)
    figures = {"value": record.value, "threshold": record.threshold}
    figures |= {name: details.pop(name, None) for name in FIGURES}
    words = {name: details.pop(name, None) or None for name in ("summary", "remedy")}
    for name in NOT_SHOWN:
        details.pop(name, None)
    rest = {**threshold_document(record), **details}
    rest = {name: str(value) if name in SETTINGS else value for name, value in rest.items() if value is not None}
    return {
        **recall_pictures(record.details, record.threshold),
        **{name: plotted(value) for name, value in figures.items() if value is not None},
        **plain_metadata({**words, **rest}),
        **({"answers": table(answers)} if answers else {}),
    }


def recall_metadata(generation: Generation) -> Metadata:
    """The recall curves that the gate measured of both indexes, the profile's place in them."""
    shown: Metadata = {}
    for space in ("dense", "xtr"):
        record = generation.manifest.checks.get(f"{space}_recall")
        if record is not None:
            pictures = recall_pictures(record.details, record.threshold)
            shown |= {f"{space}_{name}": one for name, one in pictures.items()}
    return shown


def dense_tuning_metadata(tuning: Tuning | None, tuned: bool) -> Metadata:
    """The recall that the lists, or the nodes, read while tuning reached, as a picture, then as a table.

    tuning : None where nothing was tried: the profile was taken over, or (`tuned`) there is nothing to choose.
    """
    if tuning is None:
        return {"tuned": NOTHING_TO_CHOOSE if tuned else "the profile of the generation before is kept"}
    profile, said = tuning.profile, f"surely at least {tuning.lower_bound:.3f}"
    if tuning.how == "confirmed":
        return {"tuned": f"the profile there was still meets recall {profile.goal:.3g}: {said}"}
    if not tuning.curve:
        return {"tuned": NOTHING_TO_CHOOSE}
    setting = profile.nprobe or profile.ef_search
    over = (
        "nprobe (lists read)" if profile.nprobe else "ef_search (nodes kept)" if profile.ef_search else "all codes read"
    )
    met = "the cheapest that meets" if tuning.met else "nothing meets"
    points = [(float(step), recall) for step, recall, _ in tuning.curve]
    mark = float(setting) if any(step == setting for step, _ in points) else None
    return {
        "recall_over_probes": probes_picture(points, over, profile.goal, profile.k, mark),
        "tuned": f"{met} recall {profile.goal:.3g}: {over.split()[0]} {setting}, {profile.rescore} rescored, "
        f"recall {profile.recall:.3f}, {said}",
        "tuning": table([{"probes": step, "recall": round(recall, DIGITS)} for step, recall, _ in tuning.curve]),
    }


def token_tuning_metadata(tuning: TokenTuning | None) -> Metadata:
    """The recall that settings of the token index reached, as a picture over their cost, then as a table."""
    if tuning is None or not tuning.trials:
        return {} if tuning is None else {"tuned": tuning.reason}
    chosen = None if tuning.chosen is None else tuning.chosen.cost
    points = [(trial.cost, trial.recall) for trial in tuning.trials]
    return {
        "recall_over_cost": tuning_picture(points, tuning.goal, chosen, tuning.k),
        "tuned": tuning.reason,
        "tuning": table([asdict(trial) for trial in tuning.trials]),
    }


def intake_metadata(intake: Intake) -> Metadata:
    """What was left out of the shards: counts that the UI plots, and the first of each."""
    skipped = [{"suffix": suffix, "files": count} for suffix, count in intake.skipped.items()]
    return {
        **quarantine_metadata(intake.quarantine),
        **stale_metadata([entry for _, entry in intake.stale]),
        "skipped": sum(intake.skipped.values()),
        **({"skipped_files": table(skipped)} if skipped else {}),
    }


def plotted(value: float) -> dg.FloatMetadataValue:
    """A number for the UI's plots: a float always, so that one that happens to be whole is the same series."""
    return dg.MetadataValue.float(round(float(value), DIGITS))


def problem_result(name: str, key: dg.AssetKey, problems: Sequence[Problem]) -> dg.AssetCheckResult:
    """A validation as a check: passed where nothing was found."""
    metrics.count_check(name, not problems)
    return dg.AssetCheckResult(check_name=name, asset_key=key, passed=not problems, metadata=problem_metadata(problems))


def hits_metadata(answers: Mapping[str, Sequence[Hit]]) -> dg.TableMetadataValue:
    """What a few queries find."""
    rows = [
        {
            "query": query,
            "rank": rank,
            "score": round(hit.score, 4),
            "place": f"{hit.path}:{hit.start_line}",
            "symbol": hit.symbol,
            "text": " ".join(hit.text.split())[:MAX_TEXT],
        }
        for query, hits in answers.items()
        for rank, hit in enumerate(hits, start=1)
    ]
    return table(rows)


def table(rows: Sequence[Mapping[str, Any]]) -> dg.TableMetadataValue:
    """A table of plain values, MAX_ROWS at most."""
    return dg.MetadataValue.table(
        records=[dg.TableRecord({key: _cell(value) for key, value in row.items()}) for row in rows[:MAX_ROWS]],
        schema=dg.TableSchema(
            columns=[dg.TableColumn(name, _kind(value)) for name, value in rows[0].items()] if rows else []
        ),
    )


def _cell(value: Any) -> Any:
    return value if isinstance(value, bool | int | float) else str(value)[:MAX_TEXT]


def _kind(value: Any) -> str:
    kinds = {bool: "bool", int: "int", float: "float"}
    return kinds.get(type(value), "string")


def _value(value: Any) -> Any:
    if isinstance(value, float):
        # A tail of digits says nothing; what is small keeps its leading ones.
        return dg.MetadataValue.float(float(f"{value:.{DIGITS}g}") if abs(value) < 1 else round(value, DIGITS))
    return dg.MetadataValue.json(value) if isinstance(value, dict | list | tuple) else value
