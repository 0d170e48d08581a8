"""What a set of parts holds and which generations serve together: reading takes no lock and waits for nobody."""

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Self

from xtr_assets.core.arguments import whole
from xtr_assets.core.errors import CorruptFile, GenerationError, PublishRefused, StorageError, WarehouseNotFound
from xtr_assets.core.files import read_regular
from xtr_assets.storage.generation import Generation
from xtr_assets.storage.history import read_history
from xtr_assets.storage.layout import Layout, PartsLayout
from xtr_assets.storage.links import refuse_linked
from xtr_assets.storage.parts.joined_generation import JoinedGeneration, check_named
from xtr_assets.storage.parts.move_chain import all_moves, last_move, read_set
from xtr_assets.storage.parts.part_records import PartMove, PartState, SetInfo
from xtr_assets.storage.remote.address import address_of, refuse_address
from xtr_assets.storage.stored_json import sha256_bytes
from xtr_assets.storage.warehouse import Warehouse

if TYPE_CHECKING:
    from xtr_assets.storage.parts.set_diff import SetDiff

log = logging.getLogger(__name__)


def holds_parts(path: str | Path) -> bool:
    """Whether a folder is a set of parts. An object store is none."""
    return address_of(path) is None and os.path.lexists(PartsLayout(Path(path)).parts_json)


def warn_of_empty(folder: str | Path) -> None:
    """Log that what is to be built begins in an empty folder that somebody made: a mount point looks so while its disk
    is away, and a new index there knows nothing of what was withdrawn in the one below it."""
    try:
        empty = not any(Path(folder).iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return
    if empty:
        log.warning(
            "%s is an empty folder: a new index begins there, at generation 1. Where there was one before, its disk is "
            "not mounted: end this, mount it and build again",
            folder,
        )


def built_warehouse(path: str | Path) -> Warehouse:
    """The warehouse of an index, which its first build makes. WarehouseNotFound where it is a part that a set serves:
    it was there, and one in its place would lack its history, and hide it once its disk is back. StorageError where
    that of another part is in its place."""
    folder = Path(path).absolute()
    root = folder.parent.parent
    # Not by `part`, which takes no name but one of a part: a warehouse may be called anything.
    below_set = folder.parent == PartsLayout(root).parts and holds_parts(root)
    if below_set and Layout(folder).warehouse_json.exists():
        refuse_exchanged(PartSetReader.open(root), folder.name)
    elif below_set:
        opened = PartSetReader.open(root)
        last = last_move(opened.layout)
        if last is not None and folder.name in last[0].parts:
            try:
                return opened.part_warehouse(folder.name)
            except WarehouseNotFound as error:
                raise WarehouseNotFound(
                    f"{error} {last[0]} names it: mount it, or restore it from a copy (`xtr-assets pull --part`); "
                    f"where it is lost `xtr-assets parts remove {root.name} {folder.name}` makes room for a new one"
                ) from error
    warn_of_empty(folder)
    return Warehouse.create(path, exist_ok=True)


def refuse_exchanged(opened: "PartSetReader", part: str) -> None:
    """StorageError where the folder of a part holds the warehouse of another one, as disks that are mounted in each
    other's place do: by which manifests its history knows. A build would fill it with this part's shards."""
    last = last_move(opened.layout)
    if last is None or (own := last[0].parts.get(part)) is None:
        return
    folder = opened.layout.part(part)
    try:
        noted = {one.manifest_sha256 for one in read_history(Layout(folder))}
    except StorageError:  # whoever builds is told of that
        return
    there = [name for name, state in last[0].parts.items() if state.manifest_sha256 in noted]
    if there and own.manifest_sha256 not in noted:
        raise StorageError(
            f"part {part}: the warehouse of part {there[0]} lies at {folder}, by {last[0]}; mount the disk of each "
            "part in its own place"
        )


class PartSetReader:
    """What a set says of itself; `PartSet` is this and all that writes."""

    def __init__(self, layout: PartsLayout) -> None:
        self.layout = layout

    @classmethod
    def open(cls, path: str | Path) -> Self:
        """The set in a folder. WarehouseNotFound where there is none, UnknownFormat for another release's."""
        refuse_address(path)
        layout = PartsLayout(Path(path).absolute())
        if not holds_parts(path):
            raise WarehouseNotFound(f"no set of parts at {path} (no parts.json); `xtr-assets parts init` makes one")
        for one in (layout.parts_json, layout.moves, layout.parts, layout.writer_lock):
            refuse_linked(Layout(layout.root), one)
        read_set(layout)
        return cls(layout)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.root)!r})"

    @property
    def root(self) -> Path:
        """The folder, absolute."""
        return self.layout.root

    @property
    def info(self) -> SetInfo:
        """parts.json as it is now."""
        return read_set(self.layout)

    def follow(self, stop: Callable[[], bool] | None = None) -> None:
        """As `Warehouse.follow`: a folder of its own follows nobody."""

    def warehouse(self, part: str) -> Warehouse:
        """The warehouse of a part: it is built, published and rolled back as any other. WarehouseNotFound naming it."""
        if part not in (names := self.info.parts):
            raise WarehouseNotFound(f"no part {part!r} in {self.root}; there are: {', '.join(names) or 'none'}")
        return self.part_warehouse(part)

    def part_warehouse(self, part: str) -> Warehouse:
        """The same of a part that moves name, whether it was taken out since or not."""
        folder = self.layout.part(part)
        refuse_linked(Layout(self.root), folder)
        try:
            return Warehouse.open(folder)
        except WarehouseNotFound as error:
            raise WarehouseNotFound(
                f"part {part}: no warehouse at {folder} (no warehouse.json); is its disk mounted?"
            ) from error

    # -- moves --------------------------------------------------------------------------------------------------------

    def moves(self) -> list[PartMove]:
        """Every move, oldest first, held against each other."""
        return all_moves(self.layout)

    @property
    def number(self) -> int | None:
        """The number of the move that serves; None before the first. One file is read."""
        last = last_move(self.layout)
        return None if last is None else last[0].number

    @property
    def published(self) -> JoinedGeneration | None:
        """What serves: the generations of the last move. Raises naming the part that has not what the move names."""
        while (last := last_move(self.layout)) is not None:
            try:
                joined = self._joined(last[0])
                if joined.state == "withdrawn":
                    log.warning("%s serves a generation that its part withdrew; roll the set back, or publish", last[0])
                return joined
            except (GenerationError, CorruptFile):
                # Another process may have moved on, and a part collected what was named, between the two reads.
                if last_move(self.layout) == last:
                    raise
        return None

    def generation(self, number: int) -> JoinedGeneration:
        """What move `number` serves. GenerationError for an unknown one, and for one whose generations are gone."""
        moves = self.moves()
        if type(number) is not int:
            number = whole(number, "the number of a move")
        if not 1 <= number <= len(moves):
            raise unknown_move(number, len(moves))
        return self._joined(moves[number - 1])

    def generations(self) -> list[JoinedGeneration]:
        """Every move whose generations are all there, oldest first."""
        found = []
        for move in self.moves():
            try:
                found.append(self._joined(move))
            except StorageError:
                continue
        return found

    def diff(self, before: int, after: int) -> "SetDiff":
        """What differs between two moves: chunks, settings, verdicts, of the whole and by part. GenerationError for an
        unknown move, and for one whose generations are gone."""
        from xtr_assets.storage.parts.set_diff import diff_moves

        return diff_moves(self.generation(before), self.generation(after))

    def _joined(self, move: PartMove) -> JoinedGeneration:
        found = []
        for name, state in move.parts.items():
            with naming(name):
                refuse_linked(Layout(self.root), self.layout.part(name))
                generation = self._generation(name, state.generation)
                check_named(name, generation, state.manifest_sha256, manifest_digest(generation))
                found.append((name, generation))
        return JoinedGeneration(self.layout, move, found)

    def _generation(self, part: str, number: int) -> Generation:
        try:
            return Generation.open(Layout(self.layout.part(part)), number)
        except GenerationError:
            try:
                self.part_warehouse(part)
            except WarehouseNotFound as error:
                # Not this generation alone is away.
                raise GenerationError(str(error)) from error
            raise


def unknown_move(number: int, there: int) -> GenerationError:
    return GenerationError(f"move {number} is unknown; there are 1 to {there}" if there else "no move yet")


def manifest_digest(generation: Generation) -> str:
    path = generation.layout.manifest(generation.number)
    return sha256_bytes(read_regular(path, generation.layout.relative(path)))


def part_state(generation: Generation) -> PartState:
    """What a move says of a part that serves this."""
    manifest = generation.manifest
    return PartState(
        generation=generation.number,
        manifest_sha256=manifest_digest(generation),
        live_rows=manifest.live_rows,
        shards=tuple(sorted(manifest.snapshots)),
    )


@contextmanager
def naming(part: str) -> Iterator[None]:
    """Errors of the block say of which part they are."""
    try:
        yield
    except CorruptFile as error:
        path = f"parts/{part}/{error.path.removeprefix(f'parts/{part}/')}"
        raise CorruptFile(path, error.expected, error.found, error.remedy) from error
    except PublishRefused as error:
        raise PublishRefused(_named(part, error)) from error
    except GenerationError as error:
        raise GenerationError(_named(part, error)) from error


def _named(part: str, error: Exception) -> str:
    return str(error) if str(error).startswith("part ") else f"part {part}: {error}"
