"""`nothing_vanished`: no source lost too much (a half-mounted folder, an emptied export, a mass quarantine).

Files, rows and text of both sides are counted from the rows and snapshots of the two generations themselves, never
from the diff that built the draft. A person's word lets one shrink pass: it is kept in the history with who and why,
and ends with the generation that served then.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from xtr_assets.config import IndexConfig
from xtr_assets.core.errors import ConfigError, PublishRefused
from xtr_assets.pipeline.gate.field_measures import fields_lost
from xtr_assets.pipeline.gate.finding import Finding
from xtr_assets.pipeline.gate.loss_measures import (
    LEAST_FILES,
    LEAST_RECORDS,
    STRAY,
    by_hand,
    percent,
    rows_lost,
    rows_repeated,
    share_of,
    suffix_lost,
    text_lost,
    text_lost_by_rows,
    text_replaced,
)
from xtr_assets.pipeline.gate.mounted_folders import missing_folders, note_mounted
from xtr_assets.pipeline.gate.moved_sources import Moved, moved_sources
from xtr_assets.pipeline.gate.served_stock import serving_stock
from xtr_assets.pipeline.gate.slow_loss import begin_anew, note_most, slowly_lost, told_of_most
from xtr_assets.pipeline.gate.source_stock import Holding, held, held_by_shards
from xtr_assets.pipeline.ingest.scan import shard_sources
from xtr_assets.pipeline.plan.draft_session import DraftSession
from xtr_assets.storage.generation import Generation
from xtr_assets.storage.history import accepted_shrinks
from xtr_assets.storage.history_entry import AcceptedShrink
from xtr_assets.storage.warehouse import Warehouse

CHECK = "nothing_vanished"
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


@dataclass(frozen=True, slots=True)
class Shown:
    """What a draft that was refused held of each source, as its check recorded it."""

    draft: int
    sources: Mapping[str, AcceptedShrink]

    def refuse_less(self, name: str, now: Holding, limit: float) -> None:
        """PublishRefused where a source holds less by now than somebody saw of it, or more of it cannot be used."""
        then = self.sources.get(name)
        if then is None or not covers(then, now, limit):
            seen = "nothing" if then is None else _counted(then.files, then.rows, then.text_bytes, then.unusable)
            raise PublishRefused(
                f"source {name} holds {_counted(len(now.rows), now.total, now.texts.total, now.unusable)} by now, and "
                f"draft {self.draft}, which {CHECK} refused, had {seen} of it: nothing was accepted; look at what the "
                "next refusal says, and accept that by a new run"
            )


def _counted(files: int, rows: int, text_bytes: int, unusable: int) -> str:
    return f"{files} files, {rows} rows, {text_bytes} bytes of text and {unusable} unusable"


def judged(
    config: IndexConfig, before: Mapping[str, Holding], now: Mapping[str, Holding], limit: float
) -> list[Judged]:
    """Every source of the config beside what serves of it, under whatever name that serves."""
    kinds = {source.name: source.holds for source in config.sources}
    alone = losses(kinds, before, now, limit)
    suspects = [
        name
        for name, one in before.items()
        if one.rows and (alone[name].words if name in alone else name not in config.known_sources)
    ]
    moved = moved_sources(before, now, suspects, kinds) if suspects else []
    told = {one.name for one in moved}
    own = [Judged(name, (name,), loss) for name, loss in alone.items() if name not in told]
    return own + [Judged(one.name, one.names, moved_loss(kinds, one, limit)) for one in moved]


def losses(
    kinds: Mapping[str, str], before: Mapping[str, Holding], now: Mapping[str, Holding], limit: float
) -> dict[str, Loss]:
    """What each source of `kinds` lost, by name."""
    most = STRAY * sum(one.total for one in before.values())
    found = {}
    for name, kind in kinds.items():
        then, here = before.get(name), now.get(name, Holding())
        if then is not None and 0 < then.total <= most and _deleted(kind, then, here):
            found[name] = Loss(0.0, "")
        else:
            found[name] = loss_of(kind, then, here, limit)
    return found


def _deleted(kind: str, before: Holding, now: Holding) -> bool:
    """Whether a person may have deleted all files of a source. One that is there and gives no row is no such file."""
    if kind == "records" or now.files or not by_hand(len(before.rows), len(before.rows)):
        return False
    return not missing_folders(before.mounted, now.mounted, before.rows, now.rows)


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
    share, words = text_lost(kind, before.texts, now.texts, limit)
    if share <= limit:
        return Loss(max(share, loss.share), "")
    return Loss(share, f"{words}; {percent(limit)} may go without a person's word")


def check(session: DraftSession) -> Finding:
    """Every source of the config beside what serves of it."""
    serving, limit = session.serving, session.config.gate.shrink
    now = held(session.draft)
    before = _stock_before(session.warehouse, session.config, serving, now)
    kinds = {source.name: source.holds for source in session.config.sources}
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
                begin_anew(now.setdefault(name, Holding()), kinds[name])
            elif one.names != (one.name,) and not one.loss.words:
                # What went to another source is there: the next build has none of it to find.
                begin_anew(now[name], kinds[name])
        if one.loss.words and not covered:
            refused.append(one)
        if not covered:
            worst = max(worst, one.loss.share)
    for name, told in details.items():
        told |= told_of_most(now.get(name, Holding()), kinds[name])
    names = " ".join(f"--accept-shrink {name}" for name in dict.fromkeys(name for one in refused for name in one.names))
    emptied = [name for name, one in before.items() if name in kinds and one.rows and not now.get(name, Holding()).rows]
    lost = [f"no source lost more than its share: {worst:.1%} at most, {limit:.0%} is allowed"]
    return Finding(
        passed=not refused,
        value=worst,
        threshold=limit,
        summary="; ".join(
            [f"{one}: {one.loss.words}" for one in refused]
            or [*lost, *(f"source {name} holds nothing any more" for name in emptied)]
        ),
        details={"sources": details},
        remedy=""
        if not refused
        else f"mount or restore it and build again; if it is meant, `xtr-assets build {names} --reason ...` "
        "(in Dagster: `rebuild` with `accept_shrink`); `gate.shrink` of the configuration sets the share",
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
        known = 0 if before is None else before.unusable
        if known and now.unusable - known < least:
            # It was let pass as what serves was published: each later build of the other sources would ask again.
            return Loss(0.0, "")
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
        words = f"{files} of {len(before.rows)} files are left, {percent(share)} are missing"
        shares.append((0.0, "") if by_hand(lost_files, len(before.rows)) else (share, words))
    if before.settings == now.settings:
        shares.append(rows_lost(kind, before.rows, now.rows))
    served = len(before.rows) if unit == "files" else before.total
    jump = unusable - (before.unusable / (before.unusable + served) if before.unusable else 0.0)
    if jump > 0 and now.unusable - before.unusable >= least:
        shares.append((jump, f"{now.unusable} {unit} cannot be used, {before.unusable} of what serves could not"))
    shares.append(suffix_lost(before.rows, now.refused))
    if left := missing_folders(before.mounted, now.mounted, before.rows, now.rows):
        shares.append((1.0, f"nothing is left of {', '.join(left)}, mounted when what serves was built and not now"))
    shares.append(slowly_lost(kind, now, limit))
    shares.append(rows_repeated(kind, before.texts, now.texts, limit))
    share, words = max(shares, key=share_of)
    if share <= limit and before.settings == now.settings:
        # Where files or rows went their text did too: text is told of where it alone did.
        texts = (text_lost, text_lost_by_rows, fields_lost)
        share, words = max((share, words), *(one(kind, before.texts, now.texts, limit) for one in texts), key=share_of)
        if share <= limit:
            share, words = max((share, words), text_replaced(kind, before.texts, now.texts, limit), key=share_of)
    return Loss(share, f"{words}; {percent(limit)} may go without a person's word" if share > limit else "")


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


def _stock_before(
    warehouse: Warehouse, config: IndexConfig, serving: Generation | None, now: Mapping[str, Holding]
) -> Mapping[str, Holding]:
    """What serves holds by source; both sides get what the record of the check says of what went before."""
    before = serving_stock(warehouse, config, serving)
    note_mounted(config, serving, CHECK, before, now)
    note_most(config, serving, CHECK, before, now)
    return before


def shown_by(warehouse: Warehouse, at: str) -> Shown | None:
    """What the newest draft held that this check refused beside what serves, by then; None where it refused none."""
    serving = warehouse.published
    parent = None if serving is None else serving.number
    for draft in reversed(warehouse.generations()):
        record = draft.manifest.checks.get(CHECK)
        if draft.sealed or draft.parent != parent or record is None or record.passed or record.at > at:
            continue
        sources = record.details.get("sources", {})
        return Shown(draft.number, {name: _held_then(name, told) for name, told in sources.items()})
    return None


def _held_then(name: str, told: Mapping[str, Any]) -> AcceptedShrink:
    counts = {count: told.get(count, 0) for count in ("rows", "files", "unusable", "text_bytes")}
    return AcceptedShrink(source=name, **counts)


def accept(
    warehouse: Warehouse,
    config: IndexConfig,
    sources: Sequence[str],
    reason: str | None,
    *,
    who: str | None = None,
    shown: Shown | None = None,
) -> list[str]:
    """Keep a person's word for sources that lost too much, as the shards stand now; the names of those that had.

    shown : what the person saw of them, where that was not now: PublishRefused where one holds less by now. Raises
    ConfigError for a source that the config does not have.
    """
    check_sources(config, sources)
    # Of all of them: what left one may be in another.
    mine = {shard: one for shard in shard_sources(config) if (one := warehouse.snapshot(shard)) is not None}
    now = held_by_shards(warehouse, mine)
    before = _stock_before(warehouse, config, warehouse.published, now)
    lost = {name for one in judged(config, before, now, config.gate.shrink) if one.loss.words for name in one.names}
    taken = [name for name in dict.fromkeys(sources) if name in lost]
    if shown is not None:
        for name in taken:
            shown.refuse_less(name, now.get(name, Holding()), config.gate.shrink)
    for name in taken:
        here = now.get(name, Holding())
        shrink = AcceptedShrink(
            source=name,
            rows=here.total,
            files=len(here.rows),
            unusable=here.unusable,
            # A little less than was shown is edited text, and no measure of what may go after it.
            text_bytes=max(here.texts.total, 0 if shown is None else shown.sources[name].text_bytes),
        )
        warehouse.accept_shrink(shrink, reason=reason, who=who)
    return taken
