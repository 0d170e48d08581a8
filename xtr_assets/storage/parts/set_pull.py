"""pull of a set: the generations that the last push names, part by part, then the moves. The commit step is the moves:
before them nobody reads what came, and what serves stays as it is.
"""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from xtr_assets.core.errors import CorruptFile, StoreConflict
from xtr_assets.core.files import read_regular
from xtr_assets.storage.generation import Generation
from xtr_assets.storage.parts.joined_generation import check_named
from xtr_assets.storage.parts.part_records import PartMove, PartState
from xtr_assets.storage.parts.part_set import PartSet
from xtr_assets.storage.parts.part_set_reader import manifest_digest, naming
from xtr_assets.storage.parts.set_store import PartPushed, PushedSet, SetStore
from xtr_assets.storage.remote.download import pull
from xtr_assets.storage.warehouse import STEP_WAIT_SECONDS, Warehouse


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
    for part in chosen:
        with naming(part):
            came = _bring(opened.layout.part(part), last.parts[part], store, part, there.push.parts[part])
        files, size = files + came[0], size + came[1]
    for part in there.info.parts if parts is None else ():
        if part not in last.parts:
            with naming(part):
                came = _prepare(opened.layout.part(part), store, part)
            files, size = files + came[0], size + came[1]
    moved = opened.number != last.number
    opened.take_moves(there.info, there.moves, chosen)
    return SetPullReport(store.name, last.number, moved, tuple(chosen), files, size, 0)


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


def _bring(folder: Path, named: PartState, store: SetStore, part: str, pushed: PartPushed) -> tuple[int, int]:
    """The generation that the set names, into the part's warehouse; (files, bytes) that came."""
    warehouse = Warehouse.create(folder, exist_ok=True)
    with warehouse.lock(f"pull from {store.name}", STEP_WAIT_SECONDS):
        if named.generation in warehouse.layout.numbers():
            generation = Generation.open(warehouse.layout, named.generation)
            check_named(part, generation, named.manifest_sha256, manifest_digest(generation))
            return 0, 0
        head = store.part_head(part, pushed)
        if head.move.generations[head.move.serving].sha256 != named.manifest_sha256:
            found = f"sha256 {head.move.generations[head.move.serving].sha256}"
            raise CorruptFile(f"{store.part_store(part).name}: {head.move}", f"sha256 {named.manifest_sha256}", found)
        report = pull(warehouse.layout, store.part_store(part), head, beside=True)
        return report.files, report.bytes


def _prepare(folder: Path, store: SetStore, part: str) -> tuple[int, int]:
    """A part that the last move does not name: what its own store serves, else an empty warehouse, so that the set is
    built on here. What lies here already stays; (files, bytes) that came."""
    warehouse = Warehouse.create(folder, exist_ok=True)
    with warehouse.lock(f"pull from {store.name}", STEP_WAIT_SECONDS):
        head = None if warehouse.layout.numbers() else store.part_last(part)
        if head is None:
            return 0, 0
        report = pull(warehouse.layout, store.part_store(part), head)
        return report.files, report.bytes
