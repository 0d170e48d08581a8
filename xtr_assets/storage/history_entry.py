"""A line of history.jsonl: what happened to which generation, who did it, when and why."""

from typing import Literal, Self

from xtr_assets.storage.manifest import Digest, Grown, canonical_json, sha256_bytes


class HistoryEntry(Grown):
    """A line of history.jsonl. `previous` is what was published before, `check` digests the rest of the line.

    `content` names what the generation holds (storage/content.py), so that it is known when the generation is gone.
    `remembered` adds it to lines that lack it, `imported` says that a generation came from elsewhere, `allowed` that
    somebody lets a content that was taken back serve again.
    """

    gained = ("content",)

    at: str
    action: Literal["published", "rolled_back", "withdrawn", "recovered", "remembered", "imported", "allowed"]
    generation: int
    previous: int | None
    who: str
    reason: str | None = None
    forced: bool = False
    manifest_sha256: str | None = None
    content: Digest | None = None
    check: str = ""

    @property
    def moves(self) -> bool:
        """Whether the pointer moved to its generation."""
        return self.action in ("published", "rolled_back", "recovered")

    def signed(self) -> Self:
        return self.model_copy(update={"check": self._digest()})

    def intact(self) -> bool:
        return self.check == self._digest()

    def _digest(self) -> str:
        return sha256_bytes(canonical_json(self.model_dump(mode="json", exclude={"check"})))[:16]
