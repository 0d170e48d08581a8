"""push of a set: what its last move names of every part, then the moves. Nothing of it serves before the next push of
the set is there, whole.
"""

import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from xtr_assets.core.errors import GenerationError, PublishRefused, StoreConflict
from xtr_assets.core.files import FileRecord, read_regular
from xtr_assets.storage.generation import Generation
from xtr_assets.storage.history import read_published, whoami
from xtr_assets.storage.layout import Layout
from xtr_assets.storage.lock import now
from xtr_assets.storage.parts.part_records import PartMove, PartState
from xtr_assets.storage.parts.part_set_reader import PartSetReader, naming
from xtr_assets.storage.parts.set_store import PartPushed, PushedSet, SetPush, SetStore
from xtr_assets.storage.remote.move import move_name, read_move
from xtr_assets.storage.remote.object_store import ObjectStore
from xtr_assets.storage.remote.upload import LocalState, push
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
    sees the push before. The next push goes on.
    """
    last, files, size = state.moves[-1][0], 0, 0
    if not dry_run:
        store.root.found()
    for _ in range(ROUNDS):
        there = store.last()
        if there is not None and (there.push.moves, there.push.info) == (state.records, state.info_record):
            return SetPushReport(store.name, last.number, there.push.number, False, files, size, dry_run)
        refuse_parted(state, there, store)
        pushed: dict[str, PartPushed] = {}
        for part, named in last.parts.items():
            with naming(part):
                report = _push_part(opened.layout.part(part), named, store.part_store(part), dry_run, who, sleep)
            files, size = files + report.files, size + report.bytes
            pushed[part] = report.pushed
        number = 1 if there is None else there.push.number + 1
        if dry_run:
            return SetPushReport(store.name, last.number, number, True, files, size, dry_run)
        for record, (move, data) in zip(state.records, state.moves, strict=True):
            if there is None or record not in there.push.moves:
                store.root.put_bytes(data, f"move {move.number} of the set")
        store.root.put_bytes(state.info, "parts.json")
        if store.append(_made(state, there, pushed, who)):
            return SetPushReport(store.name, last.number, number, True, files, size, dry_run)
    raise StoreConflict(f"{store.name} was pushed to {ROUNDS} times meanwhile; find out who else writes there")


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


@dataclass(frozen=True, slots=True)
class _PartReport:
    pushed: PartPushed
    files: int
    bytes: int


def _push_part(
    folder: Path,
    named: PartState,
    store: ObjectStore,
    dry_run: bool,
    who: str | None,
    sleep: Callable[[float], None],
) -> _PartReport:
    """Have the generation that the set names served in some move of the part's store."""
    layout = Layout(folder)
    found = None if store.described() is None else _served_in(store, named)
    if found is not None:
        return _PartReport(found, 0, 0)
    if Generation.open(layout, named.generation).state == "withdrawn":
        raise PublishRefused(
            f"generation {named.generation} was withdrawn and serves in the set; `xtr-assets parts rollback`, or "
            "publish without it, then push"
        )
    serving = read_published(layout)
    state = LocalState.of(layout) if serving == named.generation else LocalState.as_of(layout, named.generation)
    if state.record.sha256 != named.manifest_sha256:
        raise GenerationError(
            f"generation {named.generation} has the manifest {state.record.sha256}, the set's move names "
            f"{named.manifest_sha256}; `xtr-assets verify` says more"
        )
    report = push(layout, state, store, dry_run=dry_run, who=who, sleep=sleep)
    if dry_run:
        return _PartReport(PartPushed(move=report.move, sha256="0" * 64), report.files, report.bytes)
    data = store.small(move_name(report.move)) or b""
    return _PartReport(PartPushed(move=report.move, sha256=sha256_bytes(data)), report.files, report.bytes)


def _served_in(store: ObjectStore, named: PartState) -> PartPushed | None:
    """The newest move of a part's store in which just this generation serves; None where there is none."""
    head = store.head()
    if head is None or head.move.generations.get(named.generation, FileRecord(0, "")).sha256 != named.manifest_sha256:
        return None  # It was never there, or is collected.
    number = head.move.number
    for back in range(number, max(0, number - MOVES_BACK), -1):
        data = store.small(move_name(back))
        if data is not None and read_move(data, back).serving == named.generation:
            return PartPushed(move=back, sha256=sha256_bytes(data))
    return None


def _made(state: LocalSet, there: PushedSet | None, pushed: Mapping[str, PartPushed], who: str | None) -> SetPush:
    return SetPush(
        number=1 if there is None else there.push.number + 1,
        before=None if there is None else there.sha256,
        at=now(),
        who=who or whoami(),
        token=uuid.uuid4().hex,
        moves=state.records,
        info=state.info_record,
        parts=dict(pushed),
    )
