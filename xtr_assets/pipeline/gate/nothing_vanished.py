"""`nothing_vanished`: no source lost too much (a half-mounted folder, an emptied export, a mass quarantine).

Files, rows and text of both sides are counted from the rows and snapshots of the two generations themselves, never
from the diff that built the draft. A person's word lets one shrink pass: it is kept in the history with who and why,
and ends with the generation that served then.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from xtr_assets.config import IndexConfig
from xtr_assets.core.errors import ConfigError
from xtr_assets.core.types import Ints
from xtr_assets.pipeline.gate.finding import Finding
from xtr_assets.pipeline.gate.served_stock import serving_stock
from xtr_assets.pipeline.gate.source_stock import Holding, Texts, held, held_by_shards
from xtr_assets.pipeline.ingest.scan import shard_sources
from xtr_assets.pipeline.plan.draft_session import DraftSession
from xtr_assets.storage.history import accepted_shrinks
from xtr_assets.storage.history_entry import AcceptedShrink
from xtr_assets.storage.warehouse import Warehouse

# A person deletes a file or four by hand, and a record or nine; nobody should be asked about that, however small the
# source is. What fails (a mount, an export, a decoder) takes more, or everything, which is always asked about.
LEAST_FILES = 5
LEAST_RECORDS = 10
# Half of so many files at once is what a mount takes, not a person.
HALVED_FILES = 4
# Where nothing serves there is nothing to compare with: then only a source of which more is unusable than usable waits.
FIRST_UNUSABLE = 0.5


@dataclass(frozen=True, slots=True)
class Loss:
    """The largest share that a source lost, and in words what is too much; "" where nothing is."""

    share: float
    words: str


def check(session: DraftSession) -> Finding:
    """Every source of the config beside what serves of it."""
    serving, limit = session.serving, session.config.gate.shrink
    now = held(session.draft)
    before = serving_stock(session.warehouse, session.config, serving)
    accepted = accepted_shrinks(session.warehouse.history(), None if serving is None else serving.number)
    worst = 0.0
    refused: list[tuple[str, Loss]] = []
    details: dict[str, dict[str, Any]] = {}
    for source in session.config.sources:
        mine, theirs = now.get(source.name, Holding()), before.get(source.name)
        loss = loss_of(source.holds, theirs, mine, limit)
        word = accepted.get(source.name)
        covered = word is not None and word.shrink is not None and covers(word.shrink, mine, limit)
        details[source.name] = {
            "rows": mine.total,
            "rows_serving": 0 if theirs is None else theirs.total,
            "text_bytes": mine.texts.total,
            "text_bytes_serving": 0 if theirs is None else theirs.texts.total,
            "files": len(mine.rows),
            "files_serving": 0 if theirs is None else len(theirs.rows),
            "unusable": mine.unusable,
            "unusable_serving": 0 if theirs is None else theirs.unusable,
            "lost_share": round(loss.share, 4),
        }
        if loss.words and word is not None and covered:
            details[source.name] |= {"accepted_by": word.who, "accepted_at": word.at, "accepted_because": word.reason}
        elif loss.words:
            refused.append((source.name, loss))
        if not (loss.words and covered):
            worst = max(worst, loss.share)
    names = " ".join(f"--accept-shrink {name}" for name, _ in refused)
    return Finding(
        passed=not refused,
        value=worst,
        threshold=limit,
        summary="; ".join(f"source {name}: {loss.words}" for name, loss in refused)
        or f"no source lost more than its share: {worst:.1%} at most, {limit:.0%} is allowed",
        details={"sources": details},
        remedy=""
        if not refused
        else f"mount or restore it and build again; if it is meant, `xtr-assets build {names} --reason ...`; "
        "`gate.shrink` of the configuration sets the share",
    )


def loss_of(kind: str, before: Holding | None, now: Holding, limit: float) -> Loss:
    """What a source lost beside what serves of it; None where none of it serves."""
    rows, files = now.total, len(now.rows)
    unit, held_now, least = ("records", rows, LEAST_RECORDS) if kind == "records" else ("files", files, LEAST_FILES)
    unusable = now.unusable / (now.unusable + held_now) if now.unusable else 0.0
    if before is None or not before.rows:
        if not rows and now.unusable:
            return Loss(1.0, f"nothing of it can be used, {now.unusable} {unit} are in quarantine or were never read")
        if now.unusable >= least and unusable >= FIRST_UNUSABLE:
            return Loss(unusable, f"{now.unusable} of {now.unusable + held_now} {unit} cannot be used")
        return Loss(0.0, "")
    if not rows:
        return Loss(1.0, f"it holds nothing, {before.total} rows of {len(before.rows)} files serve")
    shares: list[tuple[float, str]] = [(0.0, "")]
    lost_files = len(before.rows) - files
    if lost_files > 0:
        share = lost_files / len(before.rows)
        words = f"{files} of {len(before.rows)} files are left, {_percent(share)} are missing"
        shares.append((0.0, "") if by_hand(lost_files, len(before.rows)) else (share, words))
    if before.settings == now.settings:
        shares.append(_rows_lost(kind, before.rows, now.rows))
    served = len(before.rows) if unit == "files" else before.total
    jump = unusable - (before.unusable / (before.unusable + served) if before.unusable else 0.0)
    if jump > 0 and now.unusable - before.unusable >= least:
        shares.append((jump, f"{now.unusable} {unit} cannot be used, {before.unusable} of what serves could not"))
    share, words = max(shares, key=_share)
    if share <= limit and before.settings == now.settings:
        # Where files or rows went their text did too: text is told of where it alone did.
        texts = (_text_lost, _text_lost_by_rows)
        share, words = max((share, words), *(one(kind, before.texts, now.texts, limit) for one in texts), key=_share)
    return Loss(share, f"{words}; {_percent(limit)} may go without a person's word" if share > limit else "")


def by_hand(lost: int, files: int) -> bool:
    """Whether a person may have deleted so many of so many files: a few, and not half of a folder of four or more.

    >>> [by_hand(lost, files) for lost, files in ((1, 2), (2, 3), (2, 4), (4, 40), (4, 8), (5, 100))]
    [True, True, False, True, False, False]
    """
    return lost < LEAST_FILES and not (files >= HALVED_FILES and 2 * lost >= files)


def _rows_lost(kind: str, before: Mapping[str, int], now: Mapping[str, int]) -> tuple[float, str]:
    """The share of rows that went, and the words; files that a person may have deleted by hand are left out."""
    base, deleted = _without_deleted(before, now)
    lost = base - sum(now.values())
    if lost < LEAST_RECORDS:
        return 0.0, ""
    # One document may be rewritten to half its length; an export is one file, and its records count.
    shrunk = sum(now.get(path, 0) < rows for path, rows in before.items()) - deleted
    if kind != "records" and shrunk < LEAST_FILES:
        return 0.0, ""
    return lost / base, f"{base - lost} of {base} rows are left, {_percent(lost / base)} are missing"


def _text_lost(kind: str, before: Texts, now: Texts, limit: float) -> tuple[float, str]:
    """The same of the text of all rows."""
    held_before, held_now = before.by_path(), now.by_path()
    base, deleted = _without_deleted(held_before, held_now)
    lost = base - now.total
    # As many records as a person may delete are never asked about, however long they were.
    by_hand_at_most = int(np.sort(before.sizes)[1 - LEAST_RECORDS :].sum()) if kind == "records" else 0
    if lost <= by_hand_at_most:
        return 0.0, ""
    if kind != "records" and _shrunk(held_before, held_now, limit) - deleted < LEAST_FILES:
        return 0.0, ""
    return lost / base, f"{base - lost} of {base} bytes of text are left, {_percent(lost / base)} are missing"


def _text_lost_by_rows(kind: str, before: Texts, now: Texts, limit: float) -> tuple[float, str]:
    """The share of their text that rows lost which are still there: what came besides does not make up for it."""
    at, to = _in_both(before.ids, now.ids)
    kept, sizes = before.at(at), now.sizes[to]
    base = kept.total
    lost = base - int(sizes.sum())
    if kind == "records":
        few = int((sizes < (1 - limit) * kept.sizes).sum()) < LEAST_RECORDS
    else:
        few = _shrunk(kept.by_path(), kept.by_path(sizes), limit) < LEAST_FILES
    if lost <= 0 or few:
        return 0.0, ""
    words = f"the {len(at)} rows that stayed hold {base - lost} of their {base} bytes of text"
    return lost / base, f"{words}, {_percent(lost / base)} are missing"


def _in_both(before: Ints, now: Ints) -> tuple[Ints, Ints]:
    """Places int64 [n] of the ids that stand in both, in the first and in the second. Hashed by Arrow: numpy sorts each
    of them and both together, 0.1 CPU s for 300,000."""
    place = pc.index_in(pa.array(now), value_set=pa.array(before))
    there = np.asarray(place.is_valid())
    return place.filter(pa.array(there)).to_numpy().astype(np.int64), np.flatnonzero(there)


def _share(lost: tuple[float, str]) -> float:
    return lost[0]


def _without_deleted(before: Mapping[str, int], now: Mapping[str, int]) -> tuple[int, int]:
    """What the files of `before` hold but for those that a person may have deleted by hand, the largest of those that
    went; and how many these are."""
    deleted = max(len(before) - len(now), 0)
    if not by_hand(deleted, len(before)):
        return sum(before.values()), 0
    gone = sorted((held for path, held in before.items() if path not in now), reverse=True)[:deleted]
    return sum(before.values()) - sum(gone), len(gone)


def _shrunk(before: Mapping[str, int], now: Mapping[str, int], limit: float) -> int:
    """Files that hold less by more than the share: every second edit makes a text a little shorter."""
    return sum(now.get(path, 0) < (1 - limit) * held for path, held in before.items())


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def covers(word: AcceptedShrink, now: Holding, limit: float) -> bool:
    """Whether what was accepted allows this: no less of the source, and no more of it unusable. Texts may have been
    edited since, within the share. A word of a release that counted no text says nothing of it."""
    told = word.text_bytes > 0 or word.rows == 0
    no_less = now.total >= word.rows and len(now.rows) >= word.files
    return told and no_less and now.texts.total >= (1 - limit) * word.text_bytes and now.unusable <= word.unusable


def check_sources(config: IndexConfig, sources: Sequence[str]) -> None:
    """ConfigError where the config has no source of a name."""
    names = config.known_sources
    if unknown := sorted(set(sources).difference(names)):
        raise ConfigError(f"no source is called {unknown[0]!r}; the configuration has {', '.join(names)}")


def accept(warehouse: Warehouse, config: IndexConfig, sources: Sequence[str], reason: str | None) -> list[str]:
    """Keep a person's word for sources that lost too much, as the shards stand now; the names of those that had.

    Raises ConfigError for a source that the config does not have.
    """
    check_sources(config, sources)
    kinds = {source.name: source.holds for source in config.sources}
    wanted = [shard for shard, source in shard_sources(config).items() if source.config.name in sources]
    mine = {shard: one for shard in wanted if (one := warehouse.snapshot(shard)) is not None}
    now = held_by_shards(warehouse, mine)
    serving = warehouse.published
    before = serving_stock(warehouse, config, serving)
    taken = []
    for name in dict.fromkeys(one for one in sources if one in kinds):
        here = now.get(name, Holding())
        if loss_of(kinds[name], before.get(name), here, config.gate.shrink).words:
            shrink = AcceptedShrink(
                source=name,
                rows=here.total,
                files=len(here.rows),
                unusable=here.unusable,
                text_bytes=here.texts.total,
            )
            warehouse.accept_shrink(shrink, reason=reason)
            taken.append(name)
    return taken
