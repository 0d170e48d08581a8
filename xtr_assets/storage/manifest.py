"""What the JSON files of a warehouse hold: one pydantic model each. Their JSON Schemas lie in schemas/."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from xtr_assets.core.errors import InvalidInput
from xtr_assets.core.files import FileRecord
from xtr_assets.core.token_codec import TOKEN_CODEC
from xtr_assets.core.types import BOTH_LEGS, Leg, Legs, legs_of
from xtr_assets.storage.claims import leg_problem, name_problem, row_problem, shift_problem
from xtr_assets.storage.stored_json import Count, Digest, Grown, Json, Stored, canonical_json, sha256_bytes

# The key of an encoder in warehouse.json, and of the note of the generation that brings it.
CANARY_KEY = "canary"
# The note that names the folder of a head of the user's own, below the warehouse.
HEAD_KEY = "head"


class EncoderInfo(BaseModel):
    """What an encoder says of itself; more keys are kept as they are. A leg that it does not give has dim 0."""

    model_config = ConfigDict(extra="allow", frozen=True, defer_build=True)

    name: str
    dim: Count
    token_dim: Count

    @model_validator(mode="after")
    def _gives_something(self) -> Self:
        if not self.given:
            raise ValueError("dim and token_dim are both 0, which leaves nothing to search")
        return self

    @property
    def given(self) -> Legs:
        """The legs that it gives."""
        return legs_of(self.dim, self.token_dim)

    @property
    def lone_leg(self) -> Leg | None:
        """The leg that it gives alone; None where it gives both."""
        return next(iter(self.given)) if len(self.given) == 1 else None


class Listing(Stored):
    """files.json of a sealed folder (names relative to it), or `embeddings.<fp8>.json` beside the array it lists."""

    format_version: Literal[1] = 1
    made_by: str
    files: dict[str, FileRecord]


class SegmentInfo(Stored):
    """segment.json. `content` digests shard and rows: the segment id is its beginning."""

    format_version: Literal[1] = 1
    segment_id: str
    shard: str
    content: Digest
    rows: Annotated[int, Field(ge=1)]
    batch_rows: Annotated[int, Field(ge=1)]
    files: dict[str, FileRecord]


class Shifted(Grown):
    """A segment whose rows may stand at other lines than it says. `shifts`: see core/line_shifts.py."""

    gained = ("shifts",)

    shifts: tuple[tuple[int, int, int], ...] = ()

    @model_validator(mode="after")
    def _shifts_can_be(self) -> Self:
        if problem := shift_problem(self.shifts):
            raise ValueError(problem)
        return self


# The format_version of a manifest that says what must be passed, and whose records say who made them.
GATED_VERSION: Literal[3] = 3
# That of a manifest without token embeddings, or without embeddings: earlier releases take both for granted.
LONE_LEG_VERSION: Literal[4] = 4


def format_version(segments: Iterable[Shifted]) -> Literal[1, 2]:
    """The format_version of the snapshot or manifest that lists these segments: 2 where rows stand at other lines than
    a segment says, because a release that does not know shifts would show wrong lines."""
    return 2 if any(one.shifts for one in segments) else 1


def manifest_version(segments: Iterable[Shifted], *, gated: bool, lone_leg: Leg | None) -> Literal[1, 2, 3, 4]:
    """The format_version of a manifest: the lowest that can say what it says."""
    if lone_leg is not None:
        return LONE_LEG_VERSION
    return GATED_VERSION if gated else format_version(segments)


def check_version(version: int, segments: Iterable[Shifted]) -> None:
    """ValueError unless the file that lists these segments has the format_version that they need."""
    if version != (needed := format_version(segments)):
        said = "shifts need" if needed > version else "nothing needs"
        raise ValueError(f"{said} format_version {max(needed, version)}, the file has {version}")


class SnapshotSegment(Shifted):
    """A segment of a snapshot. `dead`: half-open runs of positions, ascending."""

    segment_id: str
    rows: Annotated[int, Field(ge=1)]
    dead: tuple[tuple[int, int], ...] = ()

    @property
    def live_rows(self) -> int:
        return self.rows - sum(stop - start for start, stop in self.dead)


@dataclass(frozen=True, slots=True)
class SnapshotFile:
    """A source file as it was when its chunks were made. A dataclass: a shard may hold 100,000 of them."""

    size: int
    sha256: str


class QuarantineEntry(Stored):
    """core.types.Quarantined as it is stored."""

    source: str
    path: str
    line: int
    reason: str
    detail: str


class StaleEntry(Stored):
    """A source file that could not be read, or was refused, when the shard was last looked at; its rows stayed.

    since : when that was first so. refused : sha256 of what was refused, "" where nothing could be read.
    settings : fingerprint of the source's settings that its rows were made with.
    """

    path: str
    reason: str
    since: str
    refused: str = ""
    settings: str


class PlacedInfo(Shifted):
    """A segment of a generation at its rows."""

    segment_id: str
    shard: str
    base_row: Count
    rows: Annotated[int, Field(ge=1)]
    live_rows: Count


@dataclass(frozen=True, slots=True)
class RequiredCheck:
    """What `publish` demands of one check: a passing record, made by this version of it, about at least these files and
    these values of the profile. The rows' own files and the tombstones every record is about."""

    name: str
    version: int = 1
    subject: tuple[str, ...] = ()
    profile_keys: tuple[str, ...] = ()


class CheckRecord(Grown):
    """The verdict of one check.

    `digest` covers the sha256 of the files in `subject`, of every segment file and of the tombstones, and profile and
    recipe of what is named in `profile_keys`: a record holds for exactly these bytes. `version` is that of the check,
    `seal` digests the rest of the record and the run it belongs to. Releases before format_version 3 wrote neither.
    """

    gained = ("version", "seal")

    name: str
    passed: bool
    value: float | None
    threshold: float | None
    subject: tuple[str, ...]
    profile_keys: tuple[str, ...] = ()
    digest: Digest
    at: str
    details: dict[str, Json] = Field(default={})
    version: int | None = None
    seal: Digest | None = None

    def sealed(self, run_id: str) -> Self:
        return self.model_copy(update={"seal": self._seal(run_id)})

    def intact(self, run_id: str) -> bool:
        """Whether nobody changed it since it was recorded in the draft of this run."""
        return self.seal == self._seal(run_id)

    def _seal(self, run_id: str) -> str:
        return sha256_bytes(canonical_json([run_id, self.model_dump(mode="json", exclude={"seal"})]))


# A note: the span that published the generation, as W3C's traceparent.
TRACE_NOTE = "traceparent"


class Manifest(Grown):
    """manifest.json of a generation. `files` is everything it needs, by path relative to the warehouse.

    `required` is what it must have passed to serve, as it was when the draft was begun. A manifest with it, or with
    records that are sealed, has format_version 3. `lone_leg` is the one leg of a generation that has no other; such a
    manifest has format_version 4.
    """

    gained = ("required", "lone_leg")

    format_version: Literal[1, 2, 3, 4] = 1
    number: Annotated[int, Field(ge=1)]
    parent: int | None
    state: Literal["draft", "sealed"] = "draft"
    run_id: str
    created_at: str
    sealed_at: str | None = None
    fingerprint: Digest
    encoder: EncoderInfo
    lone_leg: Leg | None = None
    token_codec: str = TOKEN_CODEC
    snapshots: dict[str, str]
    segments: tuple[PlacedInfo, ...]
    end_row: Count
    live_rows: Count
    recipe: dict[str, Json] = Field(default={})
    profile: dict[str, Json] = Field(default={})
    notes: dict[str, Json] = Field(default={})
    required: tuple[RequiredCheck, ...] = ()
    checks: dict[str, CheckRecord] = Field(default={})
    forced: str | None = None
    files: dict[str, FileRecord] = Field(default={})

    @model_validator(mode="after")
    def _version_fits(self) -> Self:
        if self.lone_leg is not None:
            if self.format_version != LONE_LEG_VERSION:
                raise ValueError(f"one leg needs format_version {LONE_LEG_VERSION}, the file has {self.format_version}")
        elif not self.gated:
            check_version(self.format_version, self.segments)
        elif self.format_version != GATED_VERSION:
            raise ValueError(
                f"`required` and sealed records need format_version {GATED_VERSION}, the file has {self.format_version}"
            )
        return self

    @model_validator(mode="after")
    def _can_be(self) -> Self:
        segments = frozenset(one.segment_id for one in self.segments)
        placed = [(one.base_row, one.rows, one.live_rows) for one in self.segments]
        problem = name_problem(self.files, self.number, self.snapshots, segments)
        if self.lone_leg != self.encoder.lone_leg:
            said = self.encoder.lone_leg or "both legs"
            problem = problem or f"one leg, {self.lone_leg}, and an encoder of {said}"
        problem = problem or leg_problem(self.files, segments, self.fingerprint, self.legs)
        if problem := problem or row_problem(placed, self.end_row, self.live_rows):
            raise ValueError(problem)
        return self

    @property
    def legs(self) -> Legs:
        """The legs that the generation has."""
        return BOTH_LEGS if self.lone_leg is None else frozenset((self.lone_leg,))

    @property
    def gated(self) -> bool:
        """Whether it says what it must pass, or who recorded a verdict."""
        return bool(self.required) or any(record.version or record.seal for record in self.checks.values())

    def whole_bytes(self) -> bytes:
        """Its bytes, validated as a whole, in the format_version that it needs. InvalidInput where they cannot be."""
        version = manifest_version(self.segments, gated=self.gated, lone_leg=self.lone_leg)
        try:
            return self.model_validate({**self.model_dump(), "format_version": version}).to_bytes()
        except InvalidInput:
            raise
        except (TypeError, ValueError) as error:
            raise InvalidInput(f"generation {self.number}: a value of the manifest is no JSON: {error}") from error
