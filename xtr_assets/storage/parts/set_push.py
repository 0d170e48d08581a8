"""push of a set: what its last move names of every part, then the moves. Nothing of it serves before the next push of
the set is there, whole.
"""

import time
import uuid
from collections.abc import Callable, Collection, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from xtr_assets.core.errors import GenerationError, PublishRefused, StoreConflict, StoreError
from xtr_assets.core.files import FileRecord, read_regular
from xtr_assets.storage.generation import Generation
from xtr_assets.storage.history import read_published, whoami
from xtr_assets.storage.layout import Layout
from xtr_assets.storage.lock import now
from xtr_assets.storage.parts.part_records import PartMove, PartState
from xtr_assets.storage.parts.part_set_reader import PartSetReader, naming
from xtr_assets.storage.parts.set_store import PartPushed, PushedSet, SetPush, SetStore
from xtr_assets.storage.remote.lease import leased
from xtr_assets.storage.remote.lost_files import send_lost, serves_withdrawn
from xtr_assets.storage.remote.move import move_name, read_move
from xtr_assets.storage.remote.object_store import Head, ObjectStore, Overtaken
from xtr_assets.storage.remote.set_or_warehouse import refuse_set_over_warehouse
from xtr_assets.storage.remote.upload import LocalState, PushReport, push
from xtr_assets.storage.stored_json import sha256_bytes

# A push that meets another one looks again so often.
ROUNDS = 10
# Moves of a part's store that are looked through, newest first, for one in which a generation served: rollbacks of the
# set go back three moves.
MOVES_BACK = 50


@dataclass(frozen=True, slots=True)
class SetPushReport:
    """What a push of a set came to. move : that of the set which serves in the store; push : the number that says so.

    moved : whether this call wrote it; files, bytes : what went over the line, of all parts, or would
    """

    store: str
    move: int
    push: int
    moved: bool
    files: int
    bytes: int
    dry_run: bool


@dataclass(frozen=True, slots=True)
class LocalSet:
    """What a push says, as it was when it began: every move with its bytes, and parts.json."""

    moves: tuple[tuple[PartMove, bytes], ...]
    info: bytes

    @classmethod
    def of(cls, opened: PartSetReader) -> "LocalSet":
        """GenerationError before the first move; CorruptFile where the chain is broken."""
        moves = opened.moves()
        if not moves:
            raise GenerationError(f"nothing is published together in {opened.root}; `xtr-assets parts publish` first")
        layout = opened.layout
        files = [read_regular(layout.move(one.number), layout.relative(layout.move(one.number))) for one in moves]
        info = read_regular(layout.parts_json, layout.parts_json.name)
        return cls(tuple(zip(moves, files, strict=True)), info)

    @property
    def records(self) -> tuple[FileRecord, ...]:
        return tuple(FileRecord(len(data), sha256_bytes(data)) for _, data in self.moves)

    @property
    def info_record(self) -> FileRecord:
        return FileRecord(len(self.info), sha256_bytes(self.info))


def push_set(
    opened: PartSetReader,
    state: LocalSet,
    store: SetStore,
    *,
    dry_run: bool = False,
    who: str | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> SetPushReport:
    """Every part's named generation into the store of that part, then the push. StoreConflict where the store's moves
    are not the beginning of those here.

    Dying in the middle leaves files, and moves of single parts, that no push of the set names: whoever reads the set
    sees the push before. The next push goes on. Of what is pushed already the same push sends anew what was lost there.
    """
    last, files, size = state.moves[-1][0], 0, 0
    part_store = cache(store.part_store)
    if not dry_run:
        store.root.found()
    for _ in range(ROUNDS):
        there = _last(store, state, dry_run)
        if there is not None and (there.push.moves, there.push.info) == (state.records, state.info_record):
            for part, named in last.parts.items():
                with naming(part):
                    head = store.part_head(part, there.push.parts[part])
                    layout = Layout(opened.layout.part(part))
                    lost = send_lost(layout, named.generation, part_store(part), head, dry_run=dry_run)
                files, size = files + len(lost), size + sum(one.bytes for one in lost.values())
            return SetPushReport(store.name, last.number, there.push.number, False, files, size, dry_run)
        if there is None:
            refuse_set_over_warehouse(store.root)
        refuse_parted(state, there, store)
        for part, named in last.parts.items():
            with naming(part):
                report = _push_part(opened.layout.part(part), named, part_store(part), dry_run, who, sleep)
            if report is not None:
                files, size = files + report.files, size + report.bytes
        number = 1 if there is None else there.push.number + 1
        if dry_run:
            return SetPushReport(store.name, last.number, number, True, files, size, dry_run)
        _put_moves(store, state, () if there is None else there.push.moves)
        with ExitStack() as leases:
            held = {part: _held(part_store(part), named, leases) for part, named in last.parts.items()}
            # A large push takes hours: what a part withdrew since it went there must not serve there either.
            for part, named in last.parts.items():
                with naming(part):
                    _refuse_withdrawn(Layout(opened.layout.part(part)), named)
            # What a collection took meanwhile is pushed again.
            if None not in held.values() and store.append(_made(state, there, held, who)):
                return SetPushReport(store.name, last.number, number, True, files, size, dry_run)
    raise StoreConflict(f"{store.name} was pushed to {ROUNDS} times meanwhile; find out who else writes there")


def _last(store: SetStore, state: LocalSet, dry_run: bool) -> PushedSet | None:
    """The last push. What it names of the set itself is sent anew where the store lost it."""
    try:
        return store.read_last()
    except Overtaken as error:
        if dry_run:
            raise StoreError(f"{error}; `xtr-assets push` sends it anew where it is here") from None
        _put_moves(store, state, ())
    return store.last()


def _put_moves(store: SetStore, state: LocalSet, there: Collection[FileRecord]) -> None:
    """Every move but those that are there, and parts.json, under their digests."""
    for record, (move, data) in zip(state.records, state.moves, strict=True):
        if record not in there:
            store.root.put_bytes(data, f"move {move.number} of the set")
    store.root.put_bytes(state.info, "parts.json")


def refuse_parted(state: LocalSet, there: PushedSet | None, store: SetStore) -> None:
    """StoreConflict unless the store's moves are the beginning of those here."""
    theirs = () if there is None else there.push.moves
    mine = state.records
    for number, (own, other) in enumerate(zip(mine, theirs, strict=False), start=1):
        if own != other:
            assert there is not None
            raise StoreConflict(
                f"{store.name} and this set went different ways. There: {there.moves[number - 1][0]}, by {there.push}. "
                f"Here: {state.moves[number - 1][0]}. Whoever pushed first won. Pull into a new folder, build there, "
                "and push that"
            )
    if len(theirs) > len(mine):
        assert there is not None
        raise StoreConflict(
            f"{store.name} is ahead of this set: {there.moves[len(mine)][0]}, by {there.push}; `xtr-assets pull` "
            "brings it here"
        )


def _push_part(
    folder: Path,
    named: PartState,
    store: ObjectStore,
    dry_run: bool,
    who: str | None,
    sleep: Callable[[float], None],
) -> PushReport | None:
    """Have the generation that the set names in the part's store: it serves there, or lies beside what does. None where
    it does already."""
    layout = Layout(folder)
    head = None if store.described() is None else store.head()
    if head is not None and _holds(head, named):
        return None
    _refuse_withdrawn(layout, named)
    state = LocalState.as_of(layout, named.generation)
    if state.record.sha256 != named.manifest_sha256:
        raise GenerationError(
            f"generation {named.generation} has the manifest {state.record.sha256}, the set's move names "
            f"{named.manifest_sha256}; `xtr-assets verify` says more"
        )
    # With what its history says since, where the store has less of it.
    if read_published(layout) == named.generation and (head is None or not state.is_within(head, store)):
        state = LocalState.of(layout)
    return push(layout, state, store, beside=True, dry_run=dry_run, who=who, sleep=sleep)


def _refuse_withdrawn(layout: Layout, named: PartState) -> None:
    """PublishRefused where a part withdrew what the set names of it. One that is not here can withdraw nothing here."""
    there = layout.manifest(named.generation).is_file()
    if there and Generation.open(layout, named.generation).state == "withdrawn":
        raise PublishRefused(serves_withdrawn(named.generation))


def _held(store: ObjectStore, named: PartState, leases: ExitStack) -> tuple[PartPushed, bool] | None:
    """The newest move of a part's store in which just this generation serves, else the last one, which holds it; and
    whether it serves there. None where it is gone. From now on no collection takes it."""
    leases.enter_context(leased(store, f"push of the set, generation {named.generation}", named.manifest_sha256))
    head = store.head()
    if head is None or not _holds(head, named):
        return None
    for back in range(head.move.number, max(0, head.move.number - MOVES_BACK), -1):
        data = store.small(move_name(back))
        if data is not None and read_move(data, back).serving == named.generation:
            return PartPushed(move=back, sha256=sha256_bytes(data)), True
    return PartPushed(move=head.move.number, sha256=head.sha256), False


def _holds(head: Head, named: PartState) -> bool:
    record = head.move.generations.get(named.generation)
    return record is not None and record.sha256 == named.manifest_sha256


def _made(
    state: LocalSet, there: PushedSet | None, held: Mapping[str, tuple[PartPushed, bool] | None], who: str | None
) -> SetPush:
    found = {part: one for part, one in held.items() if one is not None}
    return SetPush(
        # Releases that read version 1 alone bring what serves in the move, and would take it for damaged.
        format_version=1 if all(serves for _, serves in found.values()) else 2,
        number=1 if there is None else there.push.number + 1,
        before=None if there is None else there.sha256,
        at=now(),
        who=who or whoami(),
        token=uuid.uuid4().hex,
        moves=state.records,
        info=state.info_record,
        parts={part: pushed for part, (pushed, _) in found.items()},
    )
