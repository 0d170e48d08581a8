"""The generations of several parts as one: row r of a part is row `base + r`. Read only, and nowhere a file of its own.

Whatever reads rows through segments sees the segments of all parts, each at its place.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from xtr_assets.core.errors import CorruptFile, GenerationError, StorageError
from xtr_assets.core.types import Mask
from xtr_assets.storage.generation import Generation, PlacedSegment, State
from xtr_assets.storage.layout import Layout, PartsLayout
from xtr_assets.storage.manifest import CheckRecord, Manifest
from xtr_assets.storage.parts.move_chain import last_move
from xtr_assets.storage.parts.part_records import PartMove
from xtr_assets.storage.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class JoinedPart:
    """A part at its place: its rows are `base_row` to `end_row - 1` of the set."""

    name: str
    generation: Generation
    base_row: int

    @property
    def end_row(self) -> int:
        return self.base_row + self.generation.end_row


class JoinedGeneration(Generation):
    """What a move serves, as one generation whose number is that of the move.

    `manifest` tells of all parts what is theirs together: segments at their rows, snapshots, live rows, verdicts of the
    whole, and those of parts under "<part>: <check>". Encoder, recipe and profile in it are those of the first part;
    each part keeps its own.
    """

    def __init__(self, layout: PartsLayout, move: PartMove, parts: Sequence[tuple[str, Generation]]) -> None:
        placed, base = [], 0
        for name, generation in parts:
            placed.append(JoinedPart(name, generation, base))
            base += generation.end_row
        self.parts = tuple(placed)
        self.set_layout, self.move = layout, move
        super().__init__(Layout(layout.root), move.number, _joined_manifest(move, self.parts, base))

    @property
    def sealed(self) -> bool:
        return True

    @property
    def state(self) -> State:
        """Withdrawn where one of its parts is."""
        if any(part.generation.state == "withdrawn" for part in self.parts):
            return "withdrawn"
        last = last_move(self.set_layout)
        return "published" if last is not None and last[0].number == self.number else "retired"

    @property
    def forced(self) -> str | None:
        return self.move.forced

    @cached_property
    def segments(self) -> tuple[PlacedSegment, ...]:
        return tuple(
            replace(one, base_row=part.base_row + one.base_row)
            for part in self.parts
            for one in part.generation.segments
        )

    @cached_property
    def live(self) -> Mask:
        live = np.concatenate([part.generation.live for part in self.parts])
        live.setflags(write=False)
        return live

    def snapshots(self) -> dict[str, Snapshot]:
        return {shard: one for part in self.parts for shard, one in part.generation.snapshots().items()}

    def path(self, name: str, *, full: bool | None = None) -> Path:
        """A file of the first part that has it: models, which parts of one encoder share."""
        return self._owner(name).path(name, full=full)

    def file_name(self, name: str) -> str:
        return self._owner(name).file_name(name)

    def has_file(self, name: str) -> bool:
        """Whether every part has it."""
        return all(part.generation.has_file(name) for part in self.parts)

    def bytes(self) -> int:
        return sum(part.generation.bytes() for part in self.parts)

    @contextmanager
    def pin(self) -> Iterator["JoinedGeneration"]:
        """Keep every part's collection from its generation. CorruptFile where a part holds another one of that number
        by now."""
        with ExitStack() as stack:
            for part in self.parts:
                try:
                    stack.enter_context(part.generation.pin())
                except StorageError as error:
                    raise GenerationError(f"part {part.name}: {error}") from error
            yield self

    def _owner(self, name: str) -> Generation:
        for part in self.parts:
            if part.generation.has_file(name):
                return part.generation
        raise GenerationError(f"no part of move {self.number} has a file {name!r}; build the parts again")


def check_named(name: str, generation: Generation, wanted: str, found: str) -> None:
    """CorruptFile where a part's manifest is not the one that a move names."""
    if found != wanted:
        path = generation.layout.relative(generation.layout.manifest(generation.number))
        raise CorruptFile(f"parts/{name}/{path}", f"sha256 {wanted}, which the move names", f"sha256 {found}")


def _joined_manifest(move: PartMove, parts: Sequence[JoinedPart], end_row: int) -> Manifest:
    manifests = [part.generation.manifest for part in parts]
    segments = tuple(
        one.model_copy(update={"base_row": part.base_row + one.base_row})
        for part in parts
        for one in part.generation.manifest.segments
    )
    checks: dict[str, CheckRecord] = {
        f"{part.name}: {name}": record for part in parts for name, record in part.generation.manifest.checks.items()
    }
    return manifests[0].model_copy(
        update={
            "number": move.number,
            "parent": None,
            "created_at": move.at,
            "sealed_at": move.at,
            "forced": move.forced,
            "snapshots": {shard: version for one in manifests for shard, version in one.snapshots.items()},
            "segments": segments,
            "end_row": end_row,
            "live_rows": sum(one.live_rows for one in manifests),
            "checks": {**checks, **move.checks},
            "required": (),
            "files": {},
        }
    )
