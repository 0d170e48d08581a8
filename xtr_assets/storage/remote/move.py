"""moves/00000042.json: where the pointer of a store went, each move with the sha256 of the one before."""

import re
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from xtr_assets.core.errors import CorruptFile
from xtr_assets.core.files import FileRecord
from xtr_assets.storage.layout import LARGEST_NUMBER
from xtr_assets.storage.stored_json import Count, Digest, Grown, Stored

PREFIX = "moves/"
# A move names a manifest for each generation kept: hundreds of bytes each. What is larger is damage.
MOST_BYTES = 4 * 2**20
_NAME = re.compile(r"moves/([0-9]{8})\.json")

Number = Annotated[int, Field(ge=1, le=LARGEST_NUMBER)]


class Store(Stored):
    """store.json: that this is a store, and which. A mirror is written by `mirror` alone."""

    format_version: Literal[1] = 1
    store: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    created_at: str
    mirror_of: str | None = None


class Move(Grown):
    """A move. The last one is the pointer: it says all that a reader needs to know of the store.

    action : `pushed`; `collecting`, from when on `generations` are all that is kept and the rest is being removed; and
        `collected`, that this has ended
    token : drawn by who made it, so that two writers never write the same bytes
    serving : the generation that serves; generations : the manifest of each that the store holds
    history, info : history.jsonl and warehouse.json of who pushed
    blocks : by generation the document of its block lists (block_lists.py); a move without any is version 1
    """

    gained: ClassVar[tuple[str, ...]] = ("blocks",)

    format_version: Literal[1, 2] = 1
    number: Annotated[int, Field(ge=1, le=99_999_999)]
    before: Digest | None
    action: Literal["pushed", "collecting", "collected"]
    at: str
    who: str
    token: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    serving: Number
    generations: dict[Number, FileRecord]
    history: FileRecord
    info: FileRecord
    lines: Count
    blocks: dict[Number, FileRecord] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _can_be(self) -> Self:
        if (self.before is None) != (self.number == 1):
            raise ValueError("the first move has nothing before it, and no other")
        if self.serving not in self.generations:
            raise ValueError(f"generation {self.serving} serves and is not among those that the store holds")
        if (self.format_version == 2) != bool(self.blocks) or not self.blocks.keys() <= self.generations.keys():
            raise ValueError("a move has version 2 where it names block lists, and names those of what the store holds")
        return self

    def __str__(self) -> str:
        return f"move {self.number} ({self.action} on {self.at} by {self.who}, generation {self.serving} serves)"


def move_name(number: int) -> str:
    return f"{PREFIX}{number:08d}.json"


def move_number(name: str) -> int | None:
    """The number in an object's name; None where it is the name of no move, whatever a listing says."""
    found = _NAME.fullmatch(name)
    return int(found[1]) or None if found else None


def read_move(data: bytes, number: int) -> Move:
    """Parse the bytes of move `number`. CorruptFile, UnknownFormat."""
    name = move_name(number)
    move = Move.from_bytes(data, name)
    if move.number != number:
        raise CorruptFile(name, f"move {number}", f"move {move.number}")
    return move
