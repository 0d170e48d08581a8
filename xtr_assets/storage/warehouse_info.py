"""warehouse.json: the versions, the encoders, and where the history ends."""

from collections.abc import Mapping
from typing import Literal, Self

from pydantic import Field, model_validator

from xtr_assets.core.files import FileRecord
from xtr_assets.core.token_codec import TOKEN_CODEC
from xtr_assets.storage.layout import Layout
from xtr_assets.storage.manifest import EncoderInfo
from xtr_assets.storage.stored_json import Grown, canonical_json, read_stored, sha256_bytes

# From this format_version on warehouse.json names the end of its history.
CHAINED_VERSION: Literal[3] = 3
# From this one on PUBLISHED may hold a check of its number.
CHECKED_POINTER_VERSION: Literal[4] = 4
# The lowest one in which an encoder may have one leg.
LONE_LEG_ENCODER_VERSION: Literal[5] = 5
# From this one on a line of the history may name the files of what was withdrawn.
WITHDRAWN_FILES_VERSION: Literal[6] = 6


class WarehouseInfo(Grown):
    """warehouse.json. `encoders` holds every encoder that a generation here was made with, by fingerprint.

    Version 2 says that lines of the history name contents, which a release that reads version 1 would call damaged.
    Version 3 has `history`, length and sha256 of history.jsonl as it was after its last line, and `check`, a digest of
    the rest of the file. Version 4 says that PUBLISHED has a check, which a release before would call damage. Version 5
    says that an encoder has a dim of 0: it gives one leg. Version 6 says that a line of the history has `files`, which
    a release before would call damage.
    """

    gained = ("history", "check")

    format_version: Literal[1, 2, 3, 4, 5, 6] = 1
    created_at: str
    token_codec: str = TOKEN_CODEC
    encoders: dict[str, EncoderInfo] = Field(default_factory=dict)
    history: FileRecord | None = None
    check: str = ""

    @model_validator(mode="after")
    def _version_fits(self) -> Self:
        if (self.history is not None) != (self.format_version >= CHAINED_VERSION):
            raise ValueError(f"from format_version {CHAINED_VERSION} on it names its history, before it does not")
        lone = [one.name for one in self.encoders.values() if one.lone_leg is not None]
        if lone and self.format_version < LONE_LEG_ENCODER_VERSION:
            raise ValueError(
                f"encoder {lone[0]} gives one leg, which needs format_version {LONE_LEG_ENCODER_VERSION}, the file has "
                f"{self.format_version}"
            )
        # Without a check it was edited by hand, as a message may ask for; the next writer adds one.
        if self.history is not None and self.check not in ("", self._digest()):
            raise ValueError(f"check {self._digest()} by its contents, the file says {self.check!r}")
        return self

    def with_encoders(self, encoders: Mapping[str, EncoderInfo], end: FileRecord) -> Self:
        """The same with these, in the version that they need. `end` : where the history ends, if it is not said yet."""
        if all(one.lone_leg is None for one in encoders.values()):
            return self.model_copy(update={"encoders": dict(encoders)})
        version = max(self.format_version, LONE_LEG_ENCODER_VERSION)
        update = {"encoders": dict(encoders), "format_version": version, "history": self.history or end}
        return self.model_copy(update=update)

    def to_bytes(self) -> bytes:
        """The file, with its check where its version has one."""
        checked = {} if self.history is None else {"check": self._digest()}
        return canonical_json({**self.model_dump(mode="json", exclude={"check"}), **checked})

    def _digest(self) -> str:
        return sha256_bytes(canonical_json(self.model_dump(mode="json", exclude={"check"})))[:16]


def read_info(layout: Layout) -> WarehouseInfo:
    """warehouse.json as it is now."""
    return read_stored(WarehouseInfo, layout.warehouse_json, layout.warehouse_json.name)
