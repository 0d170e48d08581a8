"""Cost report of a change: each step beside the last full build. Kept in the manifest of the generation."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from xtr_assets.pipeline.costs import Step, step
from xtr_assets.pipeline.plan.decide import COSTS_NOTE, add_cost
from xtr_assets.pipeline.plan.draft_session import DraftSession
from xtr_assets.storage.generation import Generation

REPORT_NOTE = "cost_report"
# Steps that were done before the draft was begun, by runs of their own.
INGEST = "ingest."
# What adds up over steps, and is compared.
SUMMED = ("seconds", "cpu_seconds", "bytes", "encoded")


def bytes_written(draft: Generation, parent: Generation | None, before: Collection[str]) -> int:
    """Bytes of the draft's files that neither were there `before` nor are the parent's."""
    there = {*before, *({} if parent is None else parent.manifest.files)}
    return sum(one.bytes for name, one in draft.manifest.files.items() if name not in there)


@contextmanager
def costed_step(session: DraftSession, name: str) -> Iterator[Step]:
    """Keep what the block costs in the draft's manifest, with the bytes that it wrote."""
    before = set(session.draft.manifest.files)
    with step(name) as cost:
        yield cost
    cost.count(bytes=bytes_written(session.draft, session.parent, before))
    add_cost(session.draft, name, cost.report())


def total(steps: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """Sums over steps of what adds up."""
    return {name: round(sum(float(one.get(name, 0)) for one in steps.values()), 4) for name in SUMMED}


def report_costs(draft: Generation, parent: Generation | None, *, full: bool) -> dict[str, Any]:
    """The report of a draft that is about to be published.

    `full`: nothing was taken over from the parent. The full build a change is compared with is the last such one; where
    it found its texts encoded, with the ingest of the one before it. Publishing itself is not among the steps: what is
    sealed does not change any more. Where no full build is known (the parent came without a report), shares are None.
    """
    steps: dict[str, Any] = dict(draft.manifest.notes.get(COSTS_NOTE, {}))
    before = None if parent is None else parent.manifest.notes.get(REPORT_NOTE)
    last = None if before is None else before["full_build"]
    if full:
        again = parent is None or parent.fingerprint != draft.fingerprint or last is None
        ingest = {} if again or last is None else {name: one for name, one in last["steps"].items() if _ingest(name)}
        own = {name: one for name, one in steps.items() if again or not _ingest(name)}
        last = {"generation": draft.number, "steps": {**ingest, **own}}
    mine, whole = total(steps), dict.fromkeys(SUMMED, 0.0) if last is None else total(last["steps"])
    made = steps.get("generation", {})
    return {
        "total": mine,
        "rows_added": made.get("rows_added"),
        "rows_removed": made.get("rows_removed"),
        "share_of_full_build": {name: round(mine[name] / whole[name], 4) if whole[name] else None for name in SUMMED},
        "full_build": last,
    }


def _ingest(name: str) -> bool:
    return name.startswith(INGEST)
