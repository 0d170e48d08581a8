"""A line of history.jsonl: what happened to which generation, who did it, when and why."""

from typing import Literal, Self

from xtr_assets.core.errors import InvalidInput
from xtr_assets.storage.stored_json import Count, Digest, Grown, canonical_json, sha256_bytes


def check_reason(reason: str | None, word: str, kept_in: str = "the history") -> None:
    """Raise InvalidInput for a reason that says nothing, or that no file of JSON can hold; where None is given nobody
    asked for one."""
    if reason is None:
        return
    if not reason.strip():
        raise InvalidInput(f"{word} needs a reason; it is kept in {kept_in}")
    try:
        reason.encode()
    except UnicodeEncodeError as error:
        raise InvalidInput(
            f"the reason of {word} is {reason[:60]!r}, with half of a character or bytes that are no UTF-8; it is kept "
            f"in {kept_in}: write it in UTF-8"
        ) from error


class AcceptedShrink(Grown):
    """What a person accepted of a source beside the generation that served then: that it holds no less than this.
    `text_bytes` is 0 in lines of releases that counted no text."""

    gained = ("text_bytes",)

    source: str
    rows: Count
    files: Count
    unusable: Count
    text_bytes: Count = 0


class HistoryEntry(Grown):
    """A line of history.jsonl. `previous` is what was published before, `check` digests the rest of the line.

    `after` is the sha256 of every byte of the file before the line: none can be left out or changed unseen. Lines of
    releases before version 3 of warehouse.json have none.

    `content` names what the generation holds (storage/content.py), so that it is known when the generation is gone.
    `remembered` adds it to lines that lack it, `imported` says that a generation came from elsewhere, `allowed` that
    somebody lets a content that was taken back serve again. `accepted_shrink` moves nothing either: `generation` is the
    one that served then (0 for none), and `shrink` what was accepted. Nor does
    `accepted_history`: somebody goes on with a history that lost lines. `files` of a withdrawal digests the files that
    the generation was made from, and `also` names the other ones that were made from these; neither is there where
    what served then was made from the same. `allowed` with `files` lets these serve again, but for the contents that
    were withdrawn with them.
    """

    gained = ("content", "shrink", "after", "files", "also")

    at: str
    action: Literal[
        "published",
        "rolled_back",
        "withdrawn",
        "recovered",
        "remembered",
        "imported",
        "allowed",
        "accepted_shrink",
        "accepted_history",
    ]
    generation: int
    previous: int | None
    who: str
    reason: str | None = None
    forced: bool = False
    manifest_sha256: str | None = None
    content: Digest | None = None
    shrink: AcceptedShrink | None = None
    after: Digest | None = None
    files: Digest | None = None
    also: tuple[Count, ...] = ()
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
