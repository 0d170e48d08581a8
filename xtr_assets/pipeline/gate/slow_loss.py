"""What a source lost in many builds, each of which took too little to be asked about.

The record of the check keeps the most that each source held, and how much came since. Both go from the record of what
serves to that of the next draft, so that no other generation is read.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from xtr_assets.config import IndexConfig, PartConfig
from xtr_assets.core.membership import lacking
from xtr_assets.pipeline.gate.loss_measures import LEAST_RECORDS, by_hand, without_deleted
from xtr_assets.pipeline.gate.source_stock import Holding, Most
from xtr_assets.storage.generation import Generation

# What the record keeps of `Most`; of exports, those of records alone.
KEPT = {"files": ("count", "came"), "records": ("count", "came", "exports", "records")}


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
        kept, unit = noted.get(source.name, {}).get("most", {}), unit_of(source.holds)
        if kept.get("unit") == unit:
            mine.most = Most(**{name: kept.get(name, 0) for name in KEPT[unit]})
        else:
            mine.most = Most(_count(theirs, source.holds))
        exports, records = _deleted(theirs, mine) if source.holds == "records" else (0, 0)
        mine.most.came += _came(theirs, mine, source.holds)
        mine.most.exports += exports
        mine.most.records += records
        rotated = mine.most.came > config.gate.shrink * mine.most.count
        if mine.most.count <= _count(mine, source.holds) or rotated:
            begin_anew(mine, source.holds)


def begin_anew(one: Holding, kind: str) -> None:
    """What it holds now is what later builds are held against."""
    one.most = Most(_count(one, kind))


def told_of_most(one: Holding, kind: str) -> dict[str, Any]:
    """What the record keeps."""
    if not one.most.count:
        return {}
    unit = unit_of(kind)
    return {"most": {"unit": unit, **{name: getattr(one.most, name) for name in KEPT[unit]}}}


def slowly_lost(kind: str, now: Holding, limit: float) -> tuple[float, str]:
    """The share that is missing of the most that the source held, where that is too much, and the words."""
    most, left = now.most.count, _count(now, kind)
    if by_hand(now.most.exports, len(now.rows) + now.most.exports):
        # A few exports that a person deletes are no loss, however many records were in them.
        most -= now.most.records
    lost = most - left
    few = lost < LEAST_RECORDS if kind == "records" else by_hand(lost, most)
    if lost <= limit * most or few:
        return 0.0, ""
    told = f"{left} {unit_of(kind)} are left of {most}, the most that it held"
    # With a digit more than the limit is told with: who loses little at a time passes it by little.
    return lost / most, f"{told}: {100 * lost / most:.1f} % went in several builds, each of which took too little"


def unit_of(kind: str) -> str:
    """What is counted."""
    return "records" if kind == "records" else "files"


def _count(one: Holding, kind: str) -> int:
    """Of records each one, however many rows it is cut into: another `max_chars` loses none."""
    return int(np.count_nonzero(one.texts.parts == 0)) if kind == "records" else len(one.rows)


def _came(before: Holding, now: Holding, kind: str) -> int:
    """Files or records that were not there and say something new: what was renamed came at the same time as it went."""
    texts = now.texts
    if kind == "records":
        fresh = np.flatnonzero(lacking(texts.ids, before.texts.ids) & (texts.parts == 0))
    else:
        paths = np.array([path not in before.rows for path in texts.paths], np.bool_)
        fresh = np.flatnonzero(paths[texts.file])
    if not len(fresh):
        return 0
    new = fresh[lacking(texts.hashes[fresh].view(np.int64), before.texts.hashes.view(np.int64))]
    return len(new) if kind == "records" else len(np.unique(texts.file[new]))


def _deleted(before: Holding, now: Holding) -> tuple[int, int]:
    """How many exports a person may have deleted since, and the records in them."""
    served = before.texts.records()
    left, deleted = without_deleted(served, now.texts.records())
    return deleted, sum(served.values()) - left
