"""What a source lost in many builds, each of which took too little to be asked about.

The record of the check keeps the most that each source held, and how much came since. Both go from the record of what
serves to that of the next draft, so that no other generation is read.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from xtr_assets.config import IndexConfig, PartConfig
from xtr_assets.core.membership import lacking
from xtr_assets.pipeline.gate.loss_measures import by_hand, percent, without_deleted
from xtr_assets.pipeline.gate.source_stock import Holding
from xtr_assets.storage.generation import Generation


def note_most(
    config: IndexConfig,
    serving: Generation | None,
    check: str,
    before: Mapping[str, Holding],
    now: Mapping[str, Holding],
) -> None:
    """Write into the holdings of now the most that each source held before, and how much came since then.

    Once as much came as may go unasked, the source is another one: what rotates, as a log does, loses nothing. A loss
    that was forced begins anew. Of an index of parts nothing is noted: shards move between them.
    """
    if serving is None or isinstance(config, PartConfig):
        return
    record = serving.manifest.checks.get(check)
    noted = record.details.get("sources", {}) if record is not None and record.passed else {}
    for source in config.sources:
        mine, theirs = now.get(source.name), before.get(source.name)
        if mine is None or theirs is None or not theirs.rows:
            continue
        kept = noted.get(source.name, {}).get("most", {})
        if kept.get("unit") != unit_of(source.holds):
            kept = {"count": _count(theirs, source.holds), "came": 0}
        mine.most, mine.came = kept["count"], kept["came"] + _came(theirs, mine, source.holds)
        if source.holds == "records":
            # A few exports that a person deletes are no loss, however many records were in them.
            mine.most -= theirs.total - without_deleted(theirs.rows, mine.rows)[0]
        if mine.most <= _count(mine, source.holds) or mine.came > config.gate.shrink * mine.most:
            begin_anew(mine, source.holds)


def begin_anew(one: Holding, kind: str) -> None:
    """What it holds now is what later builds are held against."""
    one.most, one.came = _count(one, kind), 0


def told_of_most(one: Holding, kind: str) -> dict[str, Any]:
    """What the record keeps."""
    return {"most": {"unit": unit_of(kind), "count": one.most, "came": one.came}} if one.most else {}


def slowly_lost(kind: str, now: Holding, limit: float) -> tuple[float, str]:
    """The share that is missing of the most that the source held, where that is too much, and the words."""
    lost = now.most - _count(now, kind)
    if lost <= limit * now.most or by_hand(lost, now.most):
        return 0.0, ""
    told = f"{_count(now, kind)} {unit_of(kind)} are left of {now.most}, the most that it held"
    return lost / now.most, f"{told}: {percent(lost / now.most)} went in several builds, each of which took too little"


def unit_of(kind: str) -> str:
    """What is counted."""
    return "records" if kind == "records" else "files"


def _count(one: Holding, kind: str) -> int:
    return one.total if kind == "records" else len(one.rows)


def _came(before: Holding, now: Holding, kind: str) -> int:
    if kind != "records":
        return len(now.rows.keys() - before.rows.keys())
    return int(np.count_nonzero(lacking(now.texts.ids, before.texts.ids)))
