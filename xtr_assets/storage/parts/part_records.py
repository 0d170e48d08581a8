"""The files of a set of parts: parts.json, moves/00000042.json, and pinned.json in the folder of each part."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from xtr_assets.core.part_places import MOST_CHUNKS
from xtr_assets.storage.layout import LARGEST_NUMBER
from xtr_assets.storage.manifest import CheckRecord
from xtr_assets.storage.stored_json import Count, Digest, Grown, Stored

# Eight digits in the name of its file.
LARGEST_MOVE = 99_999_999
# The format_version of a move with records of checks.
CHECKED_VERSION = 2

Number = Annotated[int, Field(ge=1, le=LARGEST_NUMBER)]
MoveNumber = Annotated[int, Field(ge=1, le=LARGEST_MOVE)]
Part = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.\-]{0,120}$")]


class MoveEnd(Stored):
    """A move that was made: none that is earlier is ever taken for the last one."""

    number: MoveNumber
    sha256: Digest


class ShardPlace(Stored):
    """Where a shard lies. chunks : how many it was said to have when it was placed, 0 where nobody said."""

    part: Part
    chunks: Count = 0


class SetInfo(Stored):
    """parts.json. parts : in the order in which they were added; shards : the part of each that was placed or served;
    moved : how far the moves went, None before the first."""

    format_version: Literal[1] = 1
    created_at: str
    most_chunks: Annotated[int, Field(ge=1)] = MOST_CHUNKS
    parts: tuple[Part, ...] = ()
    shards: dict[str, ShardPlace] = Field(default={})
    moved: MoveEnd | None = None

    @model_validator(mode="after")
    def _can_be(self) -> Self:
        if len(set(self.parts)) != len(self.parts):
            raise ValueError("a part stands twice in `parts`")
        strange = sorted({place.part for place in self.shards.values()} - set(self.parts))
        if strange:
            raise ValueError(f"shards lie in the part {strange[0]!r}, which is none of `parts`")
        return self


class PartState(Stored):
    """What a move says of a part. manifest_sha256 : no other generation of that number is the one that it names."""

    generation: Number
    manifest_sha256: Digest
    live_rows: Count
    shards: tuple[str, ...]


class PartMove(Grown):
    """A move: the generation of every part. The one of the highest number serves.

    before : sha256 of the move before; to : of a rollback, the move whose generations serve again; forced : why it was
        made past the gate of the set, again : why it names what was rolled back; checks : what was found of all parts
        together, by name. A move with any has format_version 2.
    """

    gained = ("checks",)

    format_version: Literal[1, 2] = 1
    number: MoveNumber
    before: Digest | None
    action: Literal["published", "rolled_back"]
    to: MoveNumber | None = None
    at: str
    who: str
    reason: str | None = None
    forced: str | None = None
    again: str | None = None
    fingerprint: Digest
    parts: dict[Part, PartState]
    checks: dict[str, CheckRecord] = Field(default={})

    @model_validator(mode="after")
    def _can_be(self) -> Self:
        if (self.before is None) != (self.number == 1):
            raise ValueError("the first move has nothing before it, and no other")
        if (self.action == "rolled_back") != (self.to is not None) or (self.to or 0) >= self.number:
            raise ValueError("a rollback says to which earlier move, and nothing else does")
        if not self.parts:
            raise ValueError("it names no part")
        if (self.format_version == CHECKED_VERSION) != bool(self.checks):
            raise ValueError(f"checks need format_version {CHECKED_VERSION}, the file has {self.format_version}")
        return self

    def with_checks(self, checks: Mapping[str, CheckRecord], forced: str | None) -> Self:
        """The same with what was found of all parts together, in the lowest version that says it."""
        version = CHECKED_VERSION if checks else 1
        fields = {**self.model_dump(), "format_version": version, "checks": dict(checks), "forced": forced}
        return type(self).model_validate(fields)

    @property
    def named(self) -> dict[str, str]:
        """Part -> sha256 of the manifest: what serves by it."""
        return {name: part.manifest_sha256 for name, part in self.parts.items()}

    @property
    def live_rows(self) -> int:
        return sum(part.live_rows for part in self.parts.values())

    def document(self) -> dict[str, Any]:
        """JSON-able, without what checks keep for the next move to compare with."""
        told = {"name", "passed", "value", "threshold"}
        checks = [
            {**one.model_dump(include=told), "summary": one.details.get("summary", "")} for one in self.checks.values()
        ]
        return {**self.model_dump(mode="json", exclude={"checks"}), "checks": checks}

    def __str__(self) -> str:
        return f"move {self.number} ({self.action.replace('_', ' ')} on {self.at} by {self.who})"


class Pins(Stored):
    """pinned.json in a part: the generations that moves of its set name. A collection leaves them alone."""

    format_version: Literal[1] = 1
    generations: tuple[Number, ...]
