"""pull of a set: the generations that the last push names, part by part, then the moves. The commit step is the moves:
before them nobody reads what came, and what serves stays as it is.
"""

import logging
from collections.abc import Collection
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from xtr_assets.core.errors import CorruptFile, LinkRefused, StorageError, StoreConflict, StoreError
from xtr_assets.core.files import read_regular
from xtr_assets.storage.generation import Generation
from xtr_assets.storage.history import whole_history
from xtr_assets.storage.parts.joined_generation import check_named
from xtr_assets.storage.parts.part_records import PartMove, PartState
from xtr_assets.storage.parts.part_set import PartSet
from xtr_assets.storage.parts.part_set_reader import manifest_digest, naming
from xtr_assets.storage.parts.set_store import PartPushed, PushedSet, SetStore
from xtr_assets.storage.remote.ancestry import ancestry
from xtr_assets.storage.remote.download import pull
from xtr_assets.storage.remote.object_store import Head, ObjectStore, Overtaken
from xtr_assets.storage.warehouse import STEP_WAIT_SECONDS, Warehouse

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SetPullReport:
    """What a pull of a set came to. move : that of the set which serves here now; moved : whether this call moved it.

    parts : whose generations are here; files, bytes : what came over the line; ahead : moves that are here and not in
    the store, and that a push brings there
    """

    store: str
    move: int
    moved: bool
    parts: tuple[str, ...]
    files: int
    bytes: int
    ahead: int


def pull_set(folder: str | Path, store: SetStore, parts: Collection[str] | None = None) -> SetPullReport:
    """Serve here what the store's set serves. `parts` : bring the generations of these alone, and the moves: for a host
    that serves a part, or, with none, for a front.

    StoreConflict where the moves here are not the beginning of those there; WarehouseNotFound where there are none.
    """
    there = store.wanted()
    last = there.last
    strange = sorted(set(parts or ()) - set(last.parts))
    if strange:
        raise StoreConflict(f"{store.name} has no part {strange[0]}; there are {', '.join(last.parts)}")
    # Looked at first: no folder is made for what cannot come.
    opened = PartSet.create(folder, most_chunks=there.info.most_chunks, exist_ok=True)
    ahead = _ahead(opened, there, store)
    chosen = [part for part in last.parts if parts is None or part in parts]
    files = size = 0
    if ahead:
        return SetPullReport(store.name, opened.number or 0, False, tuple(chosen), 0, 0, ahead)
    # What came is held till the moves pin it: a part that serves something else by now might collect it.
    with ExitStack() as held:
        for part in chosen:
            with naming(part):
                came = _bring(opened.layout.part(part), last.parts[part], store, part, there.push.parts[part], held)
            files, size = files + came[0], size + came[1]
        # All of it, so that the set is built on: parts that the last move does not name among them.
        for part in dict.fromkeys((*chosen, *there.info.parts)) if parts is None else ():
            with naming(part):
                came = _go_on(opened.layout.part(part), store, part)
            files, size = files + came[0], size + came[1]
        before = opened.number
        # Compared again: a pull takes hours, and somebody may have published here meanwhile.
        ahead = opened.take_moves(there.info, there.moves, chosen, lambda: _ahead(opened, there, store))
    serving = (opened.number or 0) if ahead else last.number
    return SetPullReport(store.name, serving, not ahead and before != last.number, tuple(chosen), files, size, ahead)


def _ahead(opened: PartSet, there: PushedSet, store: SetStore) -> int:
    """Moves here beyond those of the store. StoreConflict where the two parted."""
    # By the files, one by one: a pull that died may have left some of them.
    for number in opened.layout.move_numbers():
        if number > len(there.moves):
            break
        other, data = there.moves[number - 1]
        path = opened.layout.move(number)
        own = read_regular(path, opened.layout.relative(path))
        if own != data:
            here = PartMove.from_bytes(own, opened.layout.relative(path))
            raise StoreConflict(
                f"{store.name} and this set went different ways. There: {other}, by {there.push}. Here: {here}. Pull "
                "into a new folder, and build there what only this one has"
            )
    return max(0, (opened.number or 0) - len(there.moves))


def _bring(
    folder: Path, named: PartState, store: SetStore, part: str, pushed: PartPushed, held: ExitStack
) -> tuple[int, int]:
    """The generation that the set names, into the part's warehouse, where it is held; (files, bytes) that came."""
    warehouse = Warehouse.create(folder, exist_ok=True)
    with warehouse.lock(f"pull from {store.name}", STEP_WAIT_SECONDS):
        if named.generation in warehouse.layout.numbers():
            generation = Generation.open(warehouse.layout, named.generation)
            check_named(part, generation, named.manifest_sha256, manifest_digest(generation))
            held.enter_context(generation.pin())
            return 0, 0
        head = store.part_head(part, pushed)
        found = head.move.generations.get(named.generation)
        if found is None or found.sha256 != named.manifest_sha256:
            told = f"generation {named.generation} of sha256 {named.manifest_sha256}"
            raise CorruptFile(f"{store.part_store(part).name}: {head.move}", told, f"{found}")
        report = pull(warehouse.layout, store.part_store(part), head, number=named.generation, beside=True)
        held.enter_context(Generation.open(warehouse.layout, named.generation).pin())
        return report.files, report.bytes


def _go_on(folder: Path, store: SetStore, part: str) -> tuple[int, int]:
    """What the part's own store serves, where that went on from what is here: what is built here is then pushed as what
    follows that. What lies here already stays; (files, bytes) that came."""
    warehouse = Warehouse.create(folder, exist_ok=True)
    with warehouse.lock(f"pull from {store.name}", STEP_WAIT_SECONDS):
        head = store.part_last(part)
        if head is None or not _goes_on(warehouse, store.part_store(part), head):
            return 0, 0
        try:
            report = pull(warehouse.layout, store.part_store(part), head)
        except (CorruptFile, LinkRefused, StoreError):
            raise
        except StorageError as error:
            # The set serves without it: a draft here of that number, or the same text encoded on two machines.
            log.warning("part %s stays behind its store, and what is built on it cannot be pushed: %s", part, error)
            return 0, 0
        return report.files, report.bytes


def _goes_on(warehouse: Warehouse, store: ObjectStore, head: Head) -> bool:
    try:
        theirs = store.bytes_of(head.move.history, "history.jsonl")
    except Overtaken:
        return True  # A collection, and a move since: the pull reads the head anew.
    return ancestry(whole_history(warehouse.layout), theirs).relation == "behind"
