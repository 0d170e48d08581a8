"""push: what a warehouse serves, with its history, into a store. The commit step is the creation of the next move."""

import hashlib
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from xtr_assets.core.errors import GenerationError, PublishRefused, StoreConflict
from xtr_assets.core.files import FileRecord, read_regular
from xtr_assets.storage.content import withdrawn_among
from xtr_assets.storage.digests import check_size
from xtr_assets.storage.generation import Generation
from xtr_assets.storage.history import read_history, read_published, whoami, whole_history
from xtr_assets.storage.known_encoders import encoder_for
from xtr_assets.storage.layout import Layout
from xtr_assets.storage.lock import now
from xtr_assets.storage.manifest import Manifest
from xtr_assets.storage.publish import refuse_withdrawn
from xtr_assets.storage.remote.ancestry import ancestry, till_served
from xtr_assets.storage.remote.block_lists import listed
from xtr_assets.storage.remote.kept_files import kept_files, refuse_other_bytes
from xtr_assets.storage.remote.lease import Held, leased
from xtr_assets.storage.remote.list_pass import ListPass, put_lists
from xtr_assets.storage.remote.move import Move
from xtr_assets.storage.remote.object_store import Head, ObjectStore, Overtaken, side_by_side
from xtr_assets.storage.remote.set_or_warehouse import refuse_warehouse_over_set
from xtr_assets.storage.remote.store_garbage import history_entries, wait_for_collection
from xtr_assets.storage.seal import read_manifest, refuse_altered
from xtr_assets.storage.stored_json import sha256_bytes
from xtr_assets.storage.warehouse_info import WarehouseInfo, read_info
from xtr_assets.telemetry.progress import bar

# A push that meets a collection, or another push of the same, looks again; others end it at the first time.
ROUNDS = 10


@dataclass(frozen=True, slots=True)
class PushReport:
    """files, bytes : what went over the line, or would (`dry_run`); there : files that the store had.

    move : the number of the move that says so; moved : whether this push wrote it, or the store had it already
    """

    store: str
    generation: int
    move: int
    moved: bool
    files: int
    bytes: int
    there: int
    dry_run: bool


@dataclass(frozen=True, slots=True)
class LocalState:
    """What a push says, as it was when it began."""

    number: int
    manifest: Manifest
    manifest_bytes: bytes
    history: bytes
    info: bytes

    @classmethod
    def of(cls, layout: Layout) -> "LocalState":
        """What serves. GenerationError where nothing does; CorruptFile, PublishRefused where it must not."""
        number = read_published(layout)
        if number is None:
            raise GenerationError(
                f"nothing is published in {layout.root}, so that there is nothing to push; `xtr-assets build` first"
            )
        read_history(layout)
        refuse_withdrawn(layout, number)
        refuse_altered(layout, number)
        manifest = read_manifest(layout, number)
        encoder_for(read_info(layout), manifest)
        data = read_regular(layout.manifest(number), layout.relative(layout.manifest(number)))
        info = read_regular(layout.warehouse_json, layout.warehouse_json.name)
        return cls(number, manifest, data, whole_history(layout), info)

    @classmethod
    def as_of(cls, layout: Layout, number: int) -> "LocalState":
        """What served when the pointer stood at a generation last: its history ends there. For a set of parts, whose
        move names it. GenerationError where it never served; PublishRefused where it was withdrawn since."""
        read_history(layout)
        refuse_withdrawn(layout, number)
        refuse_altered(layout, number)
        manifest = read_manifest(layout, number)
        encoder_for(read_info(layout), manifest)
        data = read_regular(layout.manifest(number), layout.relative(layout.manifest(number)))
        history = till_served(whole_history(layout), number)
        if not history:
            raise GenerationError(f"generation {number} of {layout.root} never served, so that it cannot be pushed")
        return cls(number, manifest, data, history, read_regular(layout.warehouse_json, layout.warehouse_json.name))

    def is_within(self, head: Head, store: ObjectStore) -> bool:
        """Whether the store went on from here: its history has more after the end of this one."""
        if head.move.history.bytes <= len(self.history):
            return False
        return store.bytes_of(head.move.history, "history.jsonl").startswith(self.history)

    @property
    def record(self) -> FileRecord:
        """That of the manifest."""
        return FileRecord(len(self.manifest_bytes), sha256_bytes(self.manifest_bytes))

    @property
    def end(self) -> FileRecord:
        """That of the history."""
        return FileRecord(len(self.history), sha256_bytes(self.history))


def push(
    layout: Layout,
    state: LocalState,
    store: ObjectStore,
    *,
    beside: bool = False,
    dry_run: bool = False,
    who: str | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> PushReport:
    """Every file that the store lacks, then the move. StoreConflict where somebody else moved meanwhile.

    Each file is asked for, also of what a move there names already: what was removed by no collection is sent anew.

    beside : bring the generation also where the store went on since. It holds it then, and serves on what it does: a
    set of parts names it. PublishRefused where the store's history says that it was withdrawn.
    Dying in the middle leaves files that nothing names; the next push finds them, or a collection.
    """
    if dry_run:
        head = store.head() if store.described() is not None else None
        try:
            return _planned(layout, state, store, head, beside)
        except Overtaken as error:
            raise error if head is None else error.lost(head.move) from None
    store.found()
    sent: dict[str, FileRecord] = {}
    with (
        Generation.open(layout, state.number).pin(),
        leased(store, f"push of generation {state.number}", state.record.sha256) as lease,
    ):
        for _ in range(ROUNDS):
            head = store.head()
            try:
                done = _tried(layout, state, store, head, lease, sent, beside, who, sleep)
            except Overtaken as error:
                if head is None or not store.later(head.move.number):
                    raise error if head is None else error.lost(head.move) from None
                continue
            if done is not None:
                return done
    raise StoreConflict(
        f"{store.name} moved {ROUNDS} times while generation {state.number} was pushed; find out who else writes "
        "there, and push again"
    )


def _tried(
    layout: Layout,
    state: LocalState,
    store: ObjectStore,
    head: Head | None,
    lease: Held,
    sent: dict[str, FileRecord],
    beside: bool,
    who: str | None,
    sleep: Callable[[float], None],
) -> PushReport | None:
    """The push after this head; None where it is another one by now. Overtaken where a file that it names is gone."""
    aside, there = _standing(state, head, store, beside)
    if head is not None and not there and wait_for_collection(store, head, lease, sleep):
        return None
    if not there:
        refuse_other_bytes(state.manifest, kept_files(layout, store, head), store)
    made = send_files(layout, state.number, state.manifest.files, store, sent, lease)
    blocks = put_lists(layout, state.manifest.files, state.number, store, head, made)
    _put_records(state, store)
    if head is not None and there:
        # Whatever was lost of it came anew: objects that a rule of the bucket, or a person, removed.
        return _report(store, state, head.move.number, False, sent)
    aside_of = head if aside else None
    move = _move(state, head, who, blocks) if aside_of is None else _beside(state, aside_of, store, who, blocks)
    # A large push takes hours: what was withdrawn meanwhile must not serve there either.
    refuse_withdrawn(layout, state.number)
    return _report(store, state, move.number, True, sent) if store.append(move) else None


def refuse_apart(own: bytes, head: Head | None, store: ObjectStore) -> None:
    """StoreConflict unless the store's history is the beginning of the own one."""
    if head is None or _begins(own, head.move.history):
        return
    theirs = store.bytes_of(head.move.history, "history.jsonl")
    found = ancestry(own, theirs)
    if found.relation == "behind":
        raise StoreConflict(
            f"{store.name} is ahead of this warehouse: {found.their_word}, by {head.move}; here there is nothing that "
            "it lacks. `xtr-assets pull` brings it here"
        )
    raise StoreConflict(
        f"{store.name} and this warehouse went different ways. There: {found.their_word}, by {head.move}. Here: "
        f"{found.own_word}. Whoever moved first won. Pull into a new folder, build there again (texts that the store "
        "has are not encoded again), and push that"
    )


def _begins(own: bytes, end: FileRecord) -> bool:
    return len(own) >= end.bytes and hashlib.sha256(own[: end.bytes]).hexdigest() == end.sha256


def _is_there(head: Head, state: LocalState) -> bool:
    move = head.move
    return (
        (move.history, move.serving) == (state.end, state.number)
        and move.generations[move.serving] == state.record
        and move.info == FileRecord(len(state.info), sha256_bytes(state.info))
        # A release that made no block lists pushed it: this one adds them.
        and (move.serving in move.blocks or not any(listed(*one) for one in state.manifest.files.items()))
    )


def _standing(state: LocalState, head: Head | None, store: ObjectStore, beside: bool) -> tuple[bool, bool]:
    """Whether the generation is to lie beside what serves in the store, and whether it is there already.

    StoreConflict where the store's history is another one; PublishRefused where the generation was withdrawn there.
    """
    if head is not None and beside and state.is_within(head, store):
        entries = history_entries(store.bytes_of(head.move.history, "history.jsonl"))
        if withdrawn_among(entries, head.move.serving, [state.number]):
            raise PublishRefused(
                f"generation {state.number} was withdrawn in {store.name}; `xtr-assets pull` brings its history here"
            )
        return True, head.move.generations.get(state.number) == state.record
    if head is not None and _is_there(head, state):
        return False, True
    if head is None:
        refuse_warehouse_over_set(store)
    refuse_apart(state.history, head, store)
    return False, False


def _put_records(state: LocalState, store: ObjectStore) -> None:
    store.put_bytes(state.info, "warehouse.json")
    store.put_bytes(state.history, "history.jsonl")
    store.put_bytes(state.manifest_bytes, f"generations/{state.number}/manifest.json")


def send_files(
    layout: Layout,
    number: int,
    wanted: Mapping[str, FileRecord],
    store: ObjectStore,
    sent: dict[str, FileRecord],
    lease: Held,
) -> dict[str, bytes]:
    """Send what the store lacks of a generation's files, which is noted in `sent`. The block lists of what was sent, by
    the sha256 of the file."""
    total = sum(one.bytes for one in wanted.values())
    made: dict[str, bytes] = {}

    with bar(total, f"pushing generation {number}") as progress:

        def one(item: tuple[str, FileRecord]) -> None:
            name, record = item
            lease.renew()
            if not store.has(record, name):
                path = layout.resolve(name)
                check_size(path, record, name)
                pass_ = ListPass() if listed(name, record) else None
                store.put_file(path, record, name, None if pass_ is None else pass_.begin)
                sent[name] = record
                if pass_ is not None:
                    made[record.sha256] = pass_.finish()
            progress(record.bytes)

        side_by_side(one, sorted(wanted.items()))
    return made


def _move(state: LocalState, head: Head | None, who: str | None, blocks: FileRecord | None) -> Move:
    before = {} if head is None else head.move.generations
    lists = {} if head is None else {number: one for number, one in head.move.blocks.items() if number != state.number}
    if blocks is not None:
        lists[state.number] = blocks
    return Move(
        format_version=2 if lists else 1,
        number=1 if head is None else head.move.number + 1,
        before=None if head is None else head.sha256,
        action="pushed",
        at=now(),
        who=who or whoami(),
        token=uuid.uuid4().hex,
        serving=state.number,
        generations={**before, state.number: state.record},
        history=state.end,
        info=FileRecord(len(state.info), sha256_bytes(state.info)),
        lines=state.history.count(b"\n"),
        blocks=lists,
    )


def _beside(state: LocalState, head: Head, store: ObjectStore, who: str | None, blocks: FileRecord | None) -> Move:
    """What the head says, and one generation more."""
    there = WarehouseInfo.from_bytes(store.bytes_of(head.move.info, "warehouse.json"), "warehouse.json")
    own = WarehouseInfo.from_bytes(state.info, "warehouse.json")
    info = there.with_encoders({**own.encoders, **there.encoders}, head.move.history)
    update = {
        "generations": {**head.move.generations, state.number: state.record},
        "history": head.move.history,
        "info": head.move.info if info == there else store.put_bytes(info.to_bytes(), "warehouse.json"),
        "serving": head.move.serving,
        "lines": head.move.lines,
    }
    return _move(state, head, who, blocks).model_copy(update=update)


def _planned(layout: Layout, state: LocalState, store: ObjectStore, head: Head | None, beside: bool) -> PushReport:
    _, there = _standing(state, head, store, beside)
    if not there:
        refuse_other_bytes(state.manifest, kept_files(layout, store, head, dry_run=True), store)
    for name, record in state.manifest.files.items():
        check_size(layout.resolve(name), record, name)
    found = side_by_side(lambda item: store.has(item[1], item[0]), state.manifest.files.items())
    lacking = {name: record for (name, record), has in zip(state.manifest.files.items(), found, strict=True) if not has}
    if head is not None and there:
        return _report(store, state, head.move.number, False, lacking, dry_run=True)
    return _report(store, state, 1 if head is None else head.move.number + 1, True, lacking, dry_run=True)


def _report(
    store: ObjectStore,
    state: LocalState,
    move: int,
    moved: bool,
    sent: dict[str, FileRecord],
    *,
    dry_run: bool = False,
) -> PushReport:
    total = sum(one.bytes for one in sent.values())
    there = len(state.manifest.files) - len(sent)
    return PushReport(store.name, state.number, move, moved, len(sent), total, there, dry_run)
