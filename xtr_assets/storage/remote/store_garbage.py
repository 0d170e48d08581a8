"""Collection in a store: what no kept generation names goes. A move announces it, so that no push is cut in the middle.

A push that saw the store before the announcement cannot end, and looks again: it finds what was removed and sends it
anew. One that comes after waits until the collection has ended, or its time is over; a collection that is late stops.
"""

import time
import uuid
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from xtr_assets.core.errors import InvalidInput, StoreConflict, StoreError, StoreUnreachable
from xtr_assets.core.files import FileRecord
from xtr_assets.storage.content import withdrawn_among
from xtr_assets.storage.history import published_stack, whoami
from xtr_assets.storage.history_entry import HistoryEntry
from xtr_assets.storage.lock import now
from xtr_assets.storage.manifest import Manifest
from xtr_assets.storage.remote.address import GRACE_HOURS
from xtr_assets.storage.remote.block_lists import list_records
from xtr_assets.storage.remote.bucket import Found
from xtr_assets.storage.remote.lease import Held, leased, leased_manifests
from xtr_assets.storage.remote.move import Move, move_name, read_move
from xtr_assets.storage.remote.object_store import Head, ObjectStore, Overtaken, file_name, side_by_side
from xtr_assets.storage.remote.passed_time import Moment
from xtr_assets.telemetry.progress import bar

# A collection that did not end within this time is taken for dead. It stops a minute before by itself, which is more
# than a request takes.
COLLECT_SECONDS = 900.0
STOP_SECONDS = COLLECT_SECONDS - 120.0
# Pushes look this often whether a collection has ended.
LOOK_SECONDS = 2.0
ROUNDS = 10


@dataclass(frozen=True, slots=True)
class StoreReport:
    """kept : generations that stay; leased : those of them that stay only because somebody reads them, or did within
    the grace time; named : only because moves of a set of parts name them; generations : those that go; objects,
    bytes : what was removed, or would be with `dry_run`."""

    store: str
    kept: tuple[int, ...]
    leased: tuple[int, ...]
    named: tuple[int, ...]
    generations: tuple[int, ...]
    objects: int
    bytes: int
    dry_run: bool


@dataclass(frozen=True, slots=True)
class _Plan:
    head: Head
    kept: dict[int, FileRecord]
    leased: tuple[int, ...]
    named: tuple[int, ...]
    doomed: list[Found]
    ended_leases: list[str]


# sha256 of manifests that stay, asked for when it is decided.
Names = Callable[[], Collection[str]]


def collect_store(
    store: ObjectStore,
    keep: int = 3,
    *,
    grace_hours: float = GRACE_HOURS,
    dry_run: bool = False,
    names: Names = frozenset,
) -> StoreReport:
    """Keep `keep` generations: the one that serves, those that a rollback would go to, then the newest; and those that
    somebody reads or that served within the grace time. Withdrawn ones go first. Moves stay, for ever.

    names : the manifests that a set of parts names. Who makes it name another one holds a lease meanwhile.
    """
    if keep < 1 or not grace_hours >= 0:
        raise InvalidInput(f"keep is {keep} and the grace time {grace_hours} h; 1 or more and 0 or more are allowed")
    if store.described() is None:
        raise StoreError(f"{store.name} is no store (no store.json); `xtr-assets push` makes one")
    if not dry_run:
        store.found()
    with leased(store, "collection", None, may_fail=dry_run) as lease:
        for _ in range(ROUNDS):
            head = store.head()
            if head is None:
                raise StoreError(
                    f"{store.name} has no move yet; a push that died left files there, the next one goes on"
                )
            try:
                plan = _planned(store, head, keep, timedelta(hours=grace_hours), lease, dry_run, names)
            except Overtaken as error:
                # Another collection took it since the head was read.
                if not store.later(head.move.number):
                    raise error.lost(head.move) from None
                continue
            if dry_run:
                return _report(store, plan, plan.doomed, dry_run=True)
            if wait_for_collection(store, plan.head, lease, time.sleep):
                continue
            for name in plan.ended_leases:
                store.bucket.remove(name)
            begun = Moment()
            if not plan.doomed and set(plan.kept) == set(plan.head.move.generations):
                return _report(store, plan, [], dry_run=False)
            announced = _move(plan.head.move, plan.head.sha256, "collecting", plan.kept)
            if not store.append(announced):
                continue
            if _wanted_since(store, plan, lease, names):
                # Somebody who came between the look and the move saw it there. Nothing is removed yet: it stays.
                last = store.head()
                if last is not None and last.move == announced:
                    # All that there was, block lists among it.
                    whole = announced.model_copy(update={"blocks": plan.head.move.blocks})
                    store.append(_move(whole, last.sha256, "collected", plan.head.move.generations))
                continue
            try:
                removed = _removed(store, plan.doomed, begun)
            except StoreUnreachable:
                # A request may still be under way: pushes wait until the time of this collection is over.
                raise
            except StoreError:
                # Who may remove nothing has ended, and nobody need wait for it.
                if (last := store.head()) is not None and last.move == announced:
                    store.append(_move(announced, last.sha256, "collected", plan.kept))
                raise
            last = store.head()
            if last is not None and last.move == announced:
                store.append(_move(announced, last.sha256, "collected", plan.kept))
            elif last is not None:
                _refuse_late(store, last, removed)
            return _report(store, plan, removed, dry_run=False)
    raise StoreConflict(f"{store.name} moved {ROUNDS} times while it was looked through; collect when nobody pushes")


def _refuse_late(store: ObjectStore, head: Head, removed: list[Found]) -> None:
    """StoreError where a push that took this collection for dead names what was removed after all: a host may stand
    still between its look at the clock and a request."""
    move = head.move
    needed = {file_name(one) for one in (move.history, move.info, *move.generations.values())}
    # Of a generation whose manifest went too nothing else is known.
    with suppress(Overtaken):
        needed.update(needed_files(store, head, move.generations))
    lost = [one.name for one in removed if one.name in needed and store.bucket.stat(one.name) is None]
    if lost:
        raise StoreError(
            f"{store.name}: this collection stood still for so long that it was taken for dead, and removed {lost[0]} "
            f"and {len(lost) - 1} more objects that {head.move} names; `xtr-assets push` from there again: it sends "
            "them anew"
        )


def wait_for_collection(store: ObjectStore, head: Head, lease: Held, sleep: Callable[[float], None]) -> bool:
    """Wait while a collection removes files; whether the head is another one now. False at once where there is none,
    and where it did not end in its time."""
    if head.move.action != "collecting":
        return False
    while lease.now() - head.modified < timedelta(seconds=COLLECT_SECONDS):
        if store.later(head.move.number):
            return True
        sleep(LOOK_SECONDS)
    return store.later(head.move.number)


def needed_files(store: ObjectStore, head: Head, kept: dict[int, FileRecord]) -> dict[str, FileRecord]:
    """Object name -> record of everything that these generations need, and of the head's history and info."""
    records = [head.move.history, head.move.info, *kept.values()]
    for number, record in kept.items():
        name = f"generations/{number}/manifest.json"
        records += Manifest.from_bytes(store.bytes_of(record, name), name).files.values()
    records += list_records(store, head.move, kept)
    return {file_name(one): one for one in records}


def unneeded(listed: Iterable[Found], needed: Iterable[str], before: datetime) -> list[Found]:
    """Objects that nothing needs and that were written before this time."""
    names = set(needed)
    return [one for one in listed if one.name not in names and one.modified < before]


def _planned(
    store: ObjectStore, head: Head, keep: int, grace: timedelta, lease: Held, dry_run: bool, names: Names
) -> _Plan:
    clock = datetime.now(head.modified.tzinfo) if dry_run else lease.now()
    entries = history_entries(store.bytes_of(head.move.history, "history.jsonl"))
    chosen = _chosen(head.move, entries, keep)
    manifests, ended = leased_manifests(store, clock)
    recent = _recent(store, head, clock - grace)
    held = {n for n, one in head.move.generations.items() if one.sha256 in manifests or n in recent} - chosen
    # Asked after the leases: whoever let his go has written by then what names it.
    by_set = set(names())
    named = {n for n, one in head.move.generations.items() if one.sha256 in by_set} - chosen - held
    kept = {number: one for number, one in sorted(head.move.generations.items()) if number in chosen | held | named}
    doomed = unneeded(store.files(), needed_files(store, head, kept), clock - grace)
    return _Plan(head, kept, tuple(sorted(held)), tuple(sorted(named)), doomed, ended)


def _wanted_since(store: ObjectStore, plan: _Plan, lease: Held, names: Names) -> bool:
    """Whether a generation that is to go got a lease, or a name, since it was planned."""
    manifests, _ = leased_manifests(store, lease.now())
    wanted = manifests | set(names())
    return any(one.sha256 in wanted for n, one in plan.head.move.generations.items() if n not in plan.kept)


def history_entries(data: bytes) -> list[HistoryEntry]:
    """The lines of a history that was compared with its record."""
    lines = data.splitlines()
    return [HistoryEntry.from_bytes(line, f"history.jsonl line {index}") for index, line in enumerate(lines, start=1)]


def _chosen(move: Move, entries: list[HistoryEntry], keep: int) -> set[int]:
    there = move.generations
    withdrawn = set(withdrawn_among(entries, move.serving, there)) - {move.serving}
    stack = reversed(published_stack(entries, move.serving))
    order = [move.serving, *(n for n in (*stack, *sorted(there, reverse=True)) if n in there and n not in withdrawn)]
    return set(list(dict.fromkeys(order))[:keep])


def _recent(store: ObjectStore, head: Head, since: datetime) -> set[int]:
    """What served at that time or later: a reader may have begun with it."""
    found = {head.move.serving}
    move, modified = head.move, head.modified
    while modified >= since and move.number > 1:
        name = move_name(move.number - 1)
        there = store.bucket.stat(name)
        if there is None:
            raise StoreError(f"{store.name}: {name} is gone; mirror from a copy before anything is collected")
        move, modified = read_move(store.bucket.read(name, 0, there.bytes), move.number - 1), there.modified
        found.add(move.serving)
    return found


def _removed(store: ObjectStore, doomed: list[Found], begun: Moment) -> list[Found]:
    with bar(len(doomed), "collecting") as progress:

        def one(found: Found) -> Found | None:
            if begun.passed() > STOP_SECONDS:
                return None
            store.bucket.remove(found.name)
            progress(1)
            return found

        return [found for found in side_by_side(one, doomed) if found is not None]


def _move(last: Move, sha256: str, action: str, kept: dict[int, FileRecord]) -> Move:
    blocks = {number: one for number, one in last.blocks.items() if number in kept}
    update = {
        "format_version": 2 if blocks else 1,
        "blocks": blocks,
        "number": last.number + 1,
        "before": sha256,
        "action": action,
        "at": now(),
        "who": whoami(),
        "token": uuid.uuid4().hex,
        "generations": kept,
    }
    return last.model_copy(update=update)


def _report(store: ObjectStore, plan: _Plan, removed: list[Found], *, dry_run: bool) -> StoreReport:
    gone = tuple(sorted(set(plan.head.move.generations) - set(plan.kept)))
    total = sum(one.bytes for one in removed)
    return StoreReport(store.name, tuple(plan.kept), plan.leased, plan.named, gone, len(removed), total, dry_run)
