"""A set of parts in an object store: a store of each part below parts/, and numbered pushes that name them together."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from xtr_assets.core.errors import PUSH_AGAIN, CorruptFile, WarehouseNotFound
from xtr_assets.core.files import FileRecord
from xtr_assets.storage.parts.part_records import LARGEST_MOVE, Part, PartMove, SetInfo
from xtr_assets.storage.remote.address import STORE_NAME, store_address
from xtr_assets.storage.remote.move import move_name, read_move
from xtr_assets.storage.remote.object_bucket import Missing
from xtr_assets.storage.remote.object_store import MIRROR, Head, ObjectStore, Overtaken
from xtr_assets.storage.remote.set_or_warehouse import holds_set
from xtr_assets.storage.stored_json import Digest, Stored, sha256_bytes

PREFIX = "pushes/"
_NAME = re.compile(r"pushes/([0-9]{8})\.json")

PushNumber = Annotated[int, Field(ge=1, le=LARGEST_MOVE)]


class PartPushed(Stored):
    """Of a part: the move of its own store in which the generation that serves by the set served there, or which holds
    it beside what serves."""

    move: PushNumber
    sha256: Digest


class SetPush(Stored):
    """pushes/00000007.json: what of the set is in the store. The last one counts; its creation is the commit step.

    before : sha256 of the push before; token : drawn by who made it, so that two never write the same bytes
    moves : every move of the set, oldest first, as files; info : parts.json; parts : those of the last move
    Version 2 says that a part's generation need not serve in the move that is named of its store.
    """

    format_version: Literal[1, 2] = 1
    number: PushNumber
    before: Digest | None
    at: str
    who: str
    token: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    moves: tuple[FileRecord, ...]
    info: FileRecord
    parts: dict[Part, PartPushed]

    @model_validator(mode="after")
    def _can_be(self) -> Self:
        if (self.before is None) != (self.number == 1):
            raise ValueError("the first push has nothing before it, and no other")
        if not self.moves:
            raise ValueError("it names no move of the set")
        return self

    def __str__(self) -> str:
        return f"push {self.number} (by {self.who} on {self.at}, {len(self.moves)} moves)"


@dataclass(frozen=True, slots=True)
class PushedSet:
    """A push that was read: its bytes' sha256, the moves with their bytes, and parts.json."""

    push: SetPush
    sha256: str
    moves: tuple[tuple[PartMove, bytes], ...]
    info: SetInfo

    @property
    def last(self) -> PartMove:
        return self.moves[-1][0]


@dataclass(frozen=True, slots=True)
class SetStore:
    """root : of the set; part_store : the store of a part."""

    root: ObjectStore
    part_store: Callable[[str], ObjectStore]

    @classmethod
    def at(cls, address: str | Path, missing: Missing = "refused") -> "SetStore":
        """The store that a URL or a folder names."""
        place = str(store_address(address))
        return cls(ObjectStore.at(place, missing), lambda part: ObjectStore.at(f"{place}/parts/{part}", missing))

    @property
    def name(self) -> str:
        return self.root.name

    def holds(self) -> bool:
        """Whether a set was pushed there."""
        return holds_set(self.root)

    def last(self) -> PushedSet | None:
        """The last push; None before the first. CorruptFile where the chain of pushes or of moves is broken, or what it
        names was lost."""
        try:
            return self.read_last()
        except Overtaken as error:
            raise CorruptFile(self.name, "every file that its last push names", str(error), PUSH_AGAIN) from None

    def read_last(self) -> PushedSet | None:
        """The same; Overtaken where what it names was lost."""
        if self.root.described() is None:
            return None
        last = self._last_number()
        if not last:
            return None
        before = None
        for number in range(max(1, last - 1), last + 1):
            push, data = self._push(number)
            if number == last and push.before != before:
                raise CorruptFile(self._named(number), f"a push after sha256 {before}", f"{push.before}", MIRROR)
            before = sha256_bytes(data)
        assert before is not None
        return self._read(push, before)

    def wanted(self) -> PushedSet:
        """The last push. WarehouseNotFound where there is none."""
        found = self.last()
        if found is None:
            raise WarehouseNotFound(f"no set of parts at {self.name}; `xtr-assets push` of an index of parts makes one")
        return found

    def pushes(self) -> list[bytes]:
        """The bytes of every push, oldest first, each held against the one before. CorruptFile where one is missing."""
        found: list[bytes] = []
        for number in range(1, self._last_number() + 1):
            push, data = self._push(number)
            before = sha256_bytes(found[-1]) if found else None
            if push.before != before:
                raise CorruptFile(self._named(number), f"a push after sha256 {before}", f"{push.before}", MIRROR)
            found.append(data)
        return found

    def pushed_after(self, number: int) -> bool:
        """Whether there is a push after this one: one small request."""
        return self.root.bucket.stat(f"{PREFIX}{number + 1:08d}.json") is not None

    def append(self, push: SetPush) -> bool:
        """The commit step. False where somebody else's push of that number is there."""
        return self.append_bytes(push.number, push.to_bytes())

    def append_bytes(self, number: int, data: bytes) -> bool:
        """The same for a push of another store, as it is."""
        name = f"{PREFIX}{number:08d}.json"
        return self.root.bucket.create(name, data) or self.root.small(name) == data

    def part_head(self, part: str, pushed: PartPushed) -> Head:
        """The move of a part's store that a push names. CorruptFile where it is another one."""
        store = self.part_store(part)
        data = store.small(move_name(pushed.move))
        if data is None or sha256_bytes(data) != pushed.sha256:
            found = "none" if data is None else f"sha256 {sha256_bytes(data)}"
            name = f"{store.name}/{move_name(pushed.move)}"
            raise CorruptFile(name, f"the move of sha256 {pushed.sha256}", found, MIRROR)
        return store.as_head(read_move(data, pushed.move), data)

    def part_last(self, part: str) -> Head | None:
        """The last move of a part's store, which no push of the set need name; None where none was pushed."""
        if self.root.bucket.stat(f"parts/{part}/{STORE_NAME}") is None:
            return None
        return self.part_store(part).head()

    def _last_number(self) -> int:
        """That of the last push; 0 where there is none. What a listing does not show yet is asked for."""
        listed = (_number(one.name) for one in self.root.bucket.listed(PREFIX))
        last = max((number for number in listed if number is not None), default=0)
        while self.pushed_after(last):
            last += 1
        return last

    def _push(self, number: int) -> tuple[SetPush, bytes]:
        name = self._named(number)
        data = self.root.small(f"{PREFIX}{number:08d}.json")
        if data is None:
            raise CorruptFile(name, "a push, as there is a later one", "none", MIRROR)
        push = SetPush.from_bytes(data, name)
        if push.number != number:
            raise CorruptFile(name, f"push {number}", f"push {push.number}", MIRROR)
        return push, data

    def _read(self, push: SetPush, digest: str) -> PushedSet:
        info = SetInfo.from_bytes(self.root.bytes_of(push.info, "parts.json"), f"{self.name}: parts.json")
        moves = tuple(self._moves(push))
        last, data = moves[-1]
        if info.moved is None or (info.moved.number, info.moved.sha256) != (last.number, sha256_bytes(data)):
            raise CorruptFile(f"{self.name}: parts.json", f"that move {last.number} is the last", f"{info.moved}")
        if set(push.parts) != set(last.parts):
            raise CorruptFile(self._named(push.number), f"the parts {', '.join(last.parts)}", ", ".join(push.parts))
        return PushedSet(push, digest, moves, info)

    def _moves(self, push: SetPush) -> Iterator[tuple[PartMove, bytes]]:
        before = None
        for number, record in enumerate(push.moves, start=1):
            name = f"{self.name}: move {number} of the set"
            data = self.root.bytes_of(record, name)
            move = PartMove.from_bytes(data, name)
            if (move.number, move.before) != (number, before):
                raise CorruptFile(name, f"move {number} after sha256 {before}", f"move {move.number}")
            before = record.sha256
            yield move, data

    def _named(self, number: int) -> str:
        return f"{self.name}/{PREFIX}{number:08d}.json"


def _number(name: str) -> int | None:
    found = _NAME.fullmatch(name)
    return int(found[1]) or None if found else None
