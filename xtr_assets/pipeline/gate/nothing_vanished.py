"""`nothing_vanished`: no source lost too much (a half-mounted folder, an emptied export, a mass quarantine).

Files, rows and text of both sides are counted from the rows and snapshots of the two generations themselves, never
from the diff that built the draft. A person's word lets one shrink pass: it is kept in the history with who and why,
and ends with the generation that served then.
"""

from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from xtr_assets.config import IndexConfig
from xtr_assets.core.errors import ConfigError
from xtr_assets.core.types import Ints
from xtr_assets.pipeline.gate.finding import Finding
from xtr_assets.pipeline.gate.mounted_folders import missing_folders, note_mounted
from xtr_assets.pipeline.gate.moved_sources import Moved, moved_sources
from xtr_assets.pipeline.gate.served_stock import serving_stock
from xtr_assets.pipeline.gate.source_stock import Holding, Texts, held, held_by_shards
from xtr_assets.pipeline.ingest.scan import shard_sources
from xtr_assets.pipeline.plan.draft_session import DraftSession
from xtr_assets.storage.history import accepted_shrinks
from xtr_assets.storage.history_entry import AcceptedShrink
from xtr_assets.storage.warehouse import Warehouse

CHECK = "nothing_vanished"
# A person deletes a file or four by hand, and a record or nine; nobody should be asked about that, however small the
# source is. What fails (a mount, an export, a decoder) takes more, or everything, which is always asked about.
LEAST_FILES = 5
LEAST_RECORDS = 10
# Half of so many files at once is what a mount takes, not a person.
HALVED_FILES = 4
# As many of the files of one suffix are refused where their reader broke, not where a person edits.
REFUSED_OF_SUFFIX = 0.5
# Where nothing serves there is nothing to compare with: then only a source of which more is unusable than usable waits.
FIRST_UNUSABLE = 0.5


@dataclass(frozen=True, slots=True)
class Loss:
    """The largest share that a source lost, and in words what is too much; "" where nothing is."""

    share: float
    words: str


@dataclass(frozen=True, slots=True)
class Judged:
    """What became of one source that serves, or of a new one. name : as it serves. names : of the sources of the config
    that hold it now, of each of which a person's word is asked for."""

    name: str
    names: tuple[str, ...]
    loss: Loss

    def __str__(self) -> str:
        """Of which source it is told."""
        if self.names == (self.name,):
            return f"source {self.name}"
        return f"source{'s' if len(self.names) > 1 else ''} {', '.join(self.names)}, called {self.name} in what serves"


def judged(
    config: IndexConfig, before: Mapping[str, Holding], now: Mapping[str, Holding], limit: float
) -> list[Judged]:
    """Every source of the config beside what serves of it, under whatever name that serves."""
    kinds = {source.name: source.holds for source in config.sources}
    alone = {name: loss_of(kind, before.get(name), now.get(name, Holding()), limit) for name, kind in kinds.items()}
    suspects = [
        name
        for name, one in before.items()
        if one.rows and (alone[name].words if name in alone else name not in config.known_sources)
    ]
    moved = moved_sources(before, now, suspects, kinds) if suspects else []
    told = {one.name for one in moved}
    own = [Judged(name, (name,), loss) for name, loss in alone.items() if name not in told]
    return own + [Judged(one.name, one.names, moved_loss(kinds, one, limit)) for one in moved]


def moved_loss(kinds: Mapping[str, str], moved: Moved, limit: float) -> Loss:
    """What a source lost on its way to other names. Whatever became of its settings, its records and the bytes of its
    texts can be counted; rows of documents cannot."""
    records = all(kinds[name] == "records" for name in moved.names)
    kind = "records" if records else next(kinds[name] for name in moved.names if kinds[name] != "records")
    before, now = (replace(one, settings={"records"} if records else set()) for one in (moved.before, moved.now))
    if not records:
        now = replace(now, settings={"others"})
    loss = loss_of(kind, before, now, limit)
    if loss.words or not now.rows:
        return loss
    share, words = _text_lost(kind, before.texts, now.texts, limit)
    if share <= limit:
        return Loss(max(share, loss.share), "")
    return Loss(share, f"{words}; {_percent(limit)} may go without a person's word")


def check(session: DraftSession) -> Finding:
    """Every source of the config beside what serves of it."""
    serving, limit = session.serving, session.config.gate.shrink
    now = held(session.draft)
    before = serving_stock(session.warehouse, session.config, serving)
    note_mounted(session.config, serving, CHECK, before, now)
    accepted = accepted_shrinks(session.warehouse.history(), None if serving is None else serving.number)
    worst = 0.0
    refused: list[Judged] = []
    details = {
        source.name: _told(now.get(source.name, Holding()), before.get(source.name))
        for source in session.config.sources
    }
    for one in judged(session.config, before, now, limit):
        words = [accepted.get(name) for name in one.names]
        covered = bool(one.loss.words) and all(
            word is not None and word.shrink is not None and covers(word.shrink, now.get(name, Holding()), limit)
            for name, word in zip(one.names, words, strict=True)
        )
        for name, word in zip(one.names, words, strict=True):
            told = details[name]
            told["lost_share"] = round(max(one.loss.share, told["lost_share"]), 4)
            if one.names != (one.name,):
                told.setdefault("served_as", []).append(one.name)
            if covered and word is not None:
                told |= {"accepted_by": word.who, "accepted_at": word.at, "accepted_because": word.reason}
        if one.loss.words and not covered:
            refused.append(one)
        if not covered:
            worst = max(worst, one.loss.share)
    names = " ".join(f"--accept-shrink {name}" for name in dict.fromkeys(name for one in refused for name in one.names))
    return Finding(
        passed=not refused,
        value=worst,
        threshold=limit,
        summary="; ".join(f"{one}: {one.loss.words}" for one in refused)
        or f"no source lost more than its share: {worst:.1%} at most, {limit:.0%} is allowed",
        details={"sources": details},
        remedy=""
        if not refused
        else f"mount or restore it and build again; if it is meant, `xtr-assets build {names} --reason ...`; "
        "`gate.shrink` of the configuration sets the share",
    )


def _told(mine: Holding, theirs: Holding | None) -> dict[str, Any]:
    return {
        "rows": mine.total,
        "rows_serving": 0 if theirs is None else theirs.total,
        "text_bytes": mine.texts.total,
        "text_bytes_serving": 0 if theirs is None else theirs.texts.total,
        "files": len(mine.rows),
        "files_serving": 0 if theirs is None else len(theirs.rows),
        "unusable": mine.unusable,
        "unusable_serving": 0 if theirs is None else theirs.unusable,
        "lost_share": 0.0,
        **({"mounted": sorted(mine.mounted)} if mine.mounted else {}),
    }


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
    shares.append(_suffix_lost(before.rows, now.refused))
    if left := missing_folders(before.mounted, now.mounted, before.rows, now.rows):
        shares.append((1.0, f"nothing is left of {', '.join(left)}, mounted when what serves was built and not now"))
    share, words = max(shares, key=_share)
    if share <= limit and before.settings == now.settings:
        # Where files or rows went their text did too: text is told of where it alone did.
        texts = (_text_lost, _text_lost_by_rows)
        share, words = max((share, words), *(one(kind, before.texts, now.texts, limit) for one in texts), key=_share)
    return Loss(share, f"{words}; {_percent(limit)} may go without a person's word" if share > limit else "")


def _suffix_lost(before: Mapping[str, int], refused: Set[str]) -> tuple[float, str]:
    """Of the files of one suffix that serve, the share that is in quarantine now, and the words; of the suffix that
    lost the largest. However few of all files they are: a library that broke takes every PDF and nothing else."""
    served = Counter(PurePosixPath(path).suffix.lower() for path in before)
    lost = Counter(PurePosixPath(path).suffix.lower() for path in refused if path in before)
    shares = [
        (
            count / served[suffix],
            f"{count} of the {served[suffix]} {suffix or 'suffixless'} files that serve are in quarantine",
        )
        for suffix, count in lost.items()
        if count >= LEAST_FILES and count >= REFUSED_OF_SUFFIX * served[suffix]
    ]
    return max(shares, key=_share, default=(0.0, ""))


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
    # Of all of them: what left one may be in another.
    mine = {shard: one for shard in shard_sources(config) if (one := warehouse.snapshot(shard)) is not None}
    now = held_by_shards(warehouse, mine)
    before = serving_stock(warehouse, config, warehouse.published)
    note_mounted(config, warehouse.published, CHECK, before, now)
    lost = {name for one in judged(config, before, now, config.gate.shrink) if one.loss.words for name in one.names}
    taken = []
    for name in dict.fromkeys(one for one in sources if one in lost):
        here = now.get(name, Holding())
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
