"""Retrain as the remedy: whether a draft was refused because its indexes were trained before its rows came.

A sudden new topic is the case: lists and centroids know nothing of it, recall of its rows is too low, and every later
change, derived from the same lists and centroids, is refused too.
"""

from collections.abc import Collection, Mapping

from xtr_assets.pipeline.gate.drift import LIMITS, NEW_ROWS_LIMIT, learnt_here, lost, measured_drift
from xtr_assets.storage.generation import Generation
from xtr_assets.storage.manifest import CheckRecord
from xtr_assets.storage.snapshot import Snapshot

# Set in a draft that takes nothing over: its indexes learnt from just its rows.
AFRESH_NOTE = "afresh"

DENSE_RECALL = ("dense_recall", "dense_recall_new_rows")
TOKEN_RECALL = ("xtr_recall", "xtr_recall_new_rows")
# What fails besides where an index misses rows. Any other check says that something is wrong with the rows themselves,
# which learning from them does not mend.
FOLLOWS = ("finds_itself", "known_item", "judged_quality")
# Drift of the tokens is of the other index.
DENSE_FIGURES = tuple(name for name in LIMITS if name != "tokens")


def retrain_cause(draft: Generation, parent: Generation | None, required: Collection[str]) -> str:
    """Why training anew would mend a refused draft, in words with both values; empty where it would not.

    A recall check failed, nothing else but what follows from it, the index keeps what its parent had learnt, and a
    figure of drift is past its limit. A draft that took nothing over never asks again.
    """
    records = draft.manifest.checks
    failed = {name for name in required if name in records and not records[name].passed}
    if parent is None or draft.manifest.notes.get(AFRESH_NOTE) or failed - {*DENSE_RECALL, *TOKEN_RECALL, *FOLLOWS}:
        return ""
    causes = []
    for checks, found in ((DENSE_RECALL, _dense(draft, parent)), (TOKEN_RECALL, _tokens(draft, parent))):
        missed = [_in_words(records[name]) for name in checks if name in failed]
        if missed and found:
            causes.append(f"{', '.join(missed)}, as {', '.join(found)}")
    return "; ".join(causes)


def stands(draft: Generation, parent: Generation, wanted: Mapping[str, Snapshot]) -> bool:
    """Whether a generation built now from the same parent would be refused for the same cause: at least half of the
    rows that came with the draft are still there."""
    before = {one.segment_id for one in parent.manifest.segments}
    came = {one.segment_id: one.live_rows for one in draft.manifest.segments if one.segment_id not in before}
    there = (one for snapshot in wanted.values() for one in snapshot.segments)
    return 2 * sum(one.live_rows for one in there if one.segment_id in came) >= sum(came.values())


def _dense(draft: Generation, parent: Generation) -> list[str]:
    """What speaks against the lists that the dense index keeps."""
    drift = None if learnt_here(draft) else measured_drift(draft, parent)
    if drift is None:
        return []
    return [f"{name} {value:.3f} > {LIMITS[name]:g}" for name, value in drift.over.items() if name in DENSE_FIGURES]


def _tokens(draft: Generation, parent: Generation) -> list[str]:
    """What speaks against the centroids that the token index keeps."""
    model, before = (one.manifest.recipe.get("xtr", {}).get("model") for one in (draft, parent))
    if model is None or model != before:
        return []
    found = []
    drift = measured_drift(draft, parent)
    if drift is not None and (value := drift.over.get("tokens")) is not None:
        found.append(f"tokens {value:.3f} > {LIMITS['tokens']:g}")
    # Where too few tokens came for their residual to say much, what is found of them does.
    recalled = parent.manifest.checks.get("xtr_recall")
    recall = None if recalled is None else recalled.details.get("mean")
    missed = lost(recall, draft.manifest.checks.get("xtr_recall_new_rows"))
    if missed is not None and missed > NEW_ROWS_LIMIT:
        found.append(f"recall lost on new rows {missed:.3f} > {NEW_ROWS_LIMIT:g}")
    return found


def _in_words(record: CheckRecord) -> str:
    value = "not measured" if record.value is None else f"{record.value:.3f}"
    return f"{record.name} {value} < {record.threshold:g}" if record.threshold is not None else f"{record.name} {value}"
