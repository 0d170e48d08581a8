"""Whether a source lost too much of what serves: a half-mounted folder, an emptied export, a mass quarantine.

Both sides are counted from the rows and snapshots of the two generations themselves, never from the diff that built
the draft. A person's word lets one shrink pass: it is kept in the history with who and why, and ends with the
generation that served then.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from xtr_assets.config import IndexConfig
from xtr_assets.core.errors import ConfigError
from xtr_assets.core.file_diff import UNREAD_SHA256
from xtr_assets.pipeline.gate.finding import Finding
from xtr_assets.pipeline.ingest.scan import shard_sources
from xtr_assets.pipeline.plan.draft_session import DraftSession
from xtr_assets.storage.generation import Generation
from xtr_assets.storage.history import accepted_shrinks
from xtr_assets.storage.history_entry import AcceptedShrink
from xtr_assets.storage.snapshot import Snapshot
from xtr_assets.storage.warehouse import Warehouse

# A person deletes a file or four by hand, and a record or nine; nobody should be asked about that, however small the
# source is. What fails (a mount, an export, a decoder) takes more, or everything, which is always asked about.
LEAST_FILES = 5
LEAST_RECORDS = 10
# Half of so many files at once is what a mount takes, not a person.
HALVED_FILES = 4
# Where nothing serves there is nothing to compare with: then only a source of which more is unusable than usable waits.
FIRST_UNUSABLE = 0.5


@dataclass(slots=True)
class Holding:
    """What a generation holds of one source.

    rows : live rows by path. unusable : places in quarantine (files, or records of a source of records) and files that
    were never read. settings : fingerprints of the source's settings that its shards were made with.
    """

    rows: dict[str, int] = field(default_factory=dict)
    unusable: int = 0
    settings: set[str] = field(default_factory=set)

    @property
    def total(self) -> int:
        return sum(self.rows.values())


@dataclass(frozen=True, slots=True)
class Loss:
    """The largest share that a source lost, and in words what is too much; "" where nothing is."""

    share: float
    words: str


def check(session: DraftSession) -> Finding:
    """Every source of the config beside what serves of it."""
    serving, limit = session.serving, session.config.gate.shrink
    now = held(session.draft)
    before = {} if serving is None else held(serving)
    accepted = accepted_shrinks(session.warehouse.history(), None if serving is None else serving.number)
    worst = 0.0
    refused: list[tuple[str, Loss]] = []
    details: dict[str, dict[str, Any]] = {}
    for source in session.config.sources:
        mine, theirs = now.get(source.name, Holding()), before.get(source.name)
        loss = loss_of(source.kind, theirs, mine, limit)
        word = accepted.get(source.name)
        covered = word is not None and word.shrink is not None and covers(word.shrink, mine)
        details[source.name] = {
            "rows": mine.total,
            "rows_serving": 0 if theirs is None else theirs.total,
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


def held(generation: Generation) -> dict[str, Holding]:
    """What a generation holds, by source."""
    return _holdings([generation.chunk_table(["source", "path"])], generation.snapshots())


def _holdings(tables: Iterable[pa.Table], snapshots: Mapping[str, Snapshot]) -> dict[str, Holding]:
    found: dict[str, Holding] = {}
    for table in tables:
        counts = table.select(["source", "path"]).group_by(["source", "path"]).aggregate([([], "count_all")])
        for row in counts.to_pylist():
            rows = found.setdefault(row["source"], Holding()).rows
            rows[row["path"]] = rows.get(row["path"], 0) + row["count_all"]
    for shard, snapshot in snapshots.items():
        holding = found.setdefault(source_name(shard), Holding())
        holding.settings.add(snapshot.source_fingerprint)
        unread = {one.path for one in snapshot.stale if snapshot.files[one.path].sha256 == UNREAD_SHA256}
        # A file that gave nothing has an entry of its own besides those of its records.
        places = {(entry.path, entry.line) for entry in snapshot.quarantine if entry.reason != "no-records"}
        holding.unusable += len(unread) + len(places)
    return found


def source_name(shard: str) -> str:
    """The source that a shard is of.

    >>> source_name("docs-03of08"), source_name("docs")
    ('docs', 'docs')
    """
    return re.sub(r"-\d+of\d+$", "", shard)


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
    share, words = max(shares, key=lambda one: one[0])
    return Loss(share, f"{words}; {_percent(limit)} may go without a person's word" if share > limit else "")


def by_hand(lost: int, files: int) -> bool:
    """Whether a person may have deleted so many of so many files: a few, and not half of a folder of four or more.

    >>> [by_hand(lost, files) for lost, files in ((1, 2), (2, 3), (2, 4), (4, 40), (4, 8), (5, 100))]
    [True, True, False, True, False, False]
    """
    return lost < LEAST_FILES and not (files >= HALVED_FILES and 2 * lost >= files)


def _rows_lost(kind: str, before: Mapping[str, int], now: Mapping[str, int]) -> tuple[float, str]:
    """The share of rows that went, and the words; files that a person may have deleted by hand are left out."""
    deleted = max(len(before) - len(now), 0)
    gone = sorted((rows for path, rows in before.items() if path not in now), reverse=True)
    allowed = sum(gone[:deleted]) if by_hand(deleted, len(before)) else 0
    base = sum(before.values()) - allowed
    lost = base - sum(now.values())
    if lost < LEAST_RECORDS:
        return 0.0, ""
    # One document may be rewritten to half its length; an export is one file, and its records count.
    shrunk = sum(now.get(path, 0) < rows for path, rows in before.items()) - (deleted if allowed else 0)
    if kind != "records" and shrunk < LEAST_FILES:
        return 0.0, ""
    return lost / base, f"{base - lost} of {base} rows are left, {_percent(lost / base)} are missing"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def covers(word: AcceptedShrink, now: Holding) -> bool:
    """Whether what was accepted allows this: no less of the source, and no more of it unusable."""
    return now.total >= word.rows and len(now.rows) >= word.files and now.unusable <= word.unusable


def check_sources(config: IndexConfig, sources: Sequence[str]) -> None:
    """ConfigError where the config has no source of a name."""
    names = [source.name for source in config.sources]
    if unknown := sorted(set(sources).difference(names)):
        raise ConfigError(f"no source is called {unknown[0]!r}; the configuration has {', '.join(names)}")


def accept(warehouse: Warehouse, config: IndexConfig, sources: Sequence[str], reason: str | None) -> list[str]:
    """Keep a person's word for sources that lost too much, as the shards stand now; the names of those that had.

    Raises ConfigError for a source that the config does not have.
    """
    check_sources(config, sources)
    kinds = {source.name: source.kind for source in config.sources}
    wanted = [shard for shard, source in shard_sources(config).items() if source.config.name in sources]
    mine = {shard: one for shard in wanted if (one := warehouse.snapshot(shard)) is not None}
    now = _holdings(_live_tables(warehouse, mine), mine)
    serving = warehouse.published
    before = {} if serving is None else held(serving)
    taken = []
    for name in dict.fromkeys(sources):
        here = now.get(name, Holding())
        if loss_of(kinds[name], before.get(name), here, config.gate.shrink).words:
            shrink = AcceptedShrink(source=name, rows=here.total, files=len(here.rows), unusable=here.unusable)
            warehouse.accept_shrink(shrink, reason=reason)
            taken.append(name)
    return taken


def _live_tables(warehouse: Warehouse, snapshots: Mapping[str, Snapshot]) -> Iterable[pa.Table]:
    for snapshot in snapshots.values():
        for one in snapshot.segments:
            table = warehouse.segment(one.segment_id).chunks()
            yield table.filter(pa.array(~snapshot.dead_mask(one.segment_id)))
