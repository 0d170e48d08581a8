"""What a generation holds, named by a digest, and which contents somebody took back."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from xtr_assets.config import DenseConfig, RecallConfig
from xtr_assets.storage.history import read_history, read_published, stack_moves
from xtr_assets.storage.history_entry import HistoryEntry
from xtr_assets.storage.layout import Layout
from xtr_assets.storage.stored_json import canonical_json, sha256_bytes

# The note of a manifest that keeps the settings of the index it was built with.
SETTINGS_NOTE = "settings"

How = Literal["rolled back", "withdrawn"]


@dataclass(frozen=True, slots=True)
class TakenBack:
    """That a content is not to serve, and the line of the history that says so. `generation` held it then; `content` is
    what the history names it by. `files` digests the files that it was made from, where nothing made from them is to
    serve, whatever the settings: `also` are the generations that were. `by_files` says that these are what it has in
    common with what was asked for."""

    content: str
    generation: int
    how: How
    at: str
    who: str
    reason: str | None
    files: str | None = None
    also: tuple[int, ...] = ()
    by_files: bool = False

    @property
    def digest(self) -> str:
        """What a person's word lets serve again: these files, or this content."""
        return self.files if self.by_files and self.files is not None else self.content

    @property
    def held(self) -> str:
        """What `generation` has in common with what was asked for, in words."""
        return "was made from the same files" if self.by_files else "held exactly this"

    def __str__(self) -> str:
        why = f" ({self.reason})" if self.reason else ""
        return f"{self.how} on {self.at} by {self.who}{why}"


def content_digest(fingerprint: str, contents: Mapping[str, str], settings: Mapping[str, Any]) -> str:
    """sha256 over what a generation is made of: encoder, content of each shard's snapshot, settings.

    Segments, rows, training, number and formats have no part in it: a compaction, a retrain, a full build or an import
    give the same content the same digest. So does another release, unless it cuts files or encodes texts otherwise:
    what is the same then is told by its origin (storage/origin.py).
    """
    return sha256_bytes(canonical_json([fingerprint, dict(contents), settings_that_count(settings)]))


def settings_that_count(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Of the settings of an index those that its content is told by."""
    # The fingerprint says all that matters of the encoder. A value that is the default counts as not said: a release
    # that adds a setting must not make what was withdrawn look new.
    kept: dict[str, Any] = {"queries": settings.get("queries")}
    for name, default in (("recall", RecallConfig()), ("dense", DenseConfig())):
        plain = default.model_dump(mode="json")
        said = settings.get(name) or {}
        kept[name] = {key: value for key, value in said.items() if key not in plain or plain[key] != value}
    if chosen := (settings.get("names") or {}).get("chosen"):
        kept["names"] = chosen
    return kept


def noted_contents(entries: Iterable[HistoryEntry]) -> dict[int, str]:
    """Generation -> content, where the history says it."""
    return {entry.generation: entry.content for entry in entries if entry.content is not None}


def key_of(number: int, contents: Mapping[int, str]) -> str:
    """What names a generation's content; its number where nobody knows the content any more."""
    return contents.get(number, f"generation {number}")


def taken_back(
    entries: Sequence[HistoryEntry], published: int | None, contents: Mapping[int, str]
) -> dict[str, TakenBack]:
    """Contents that were rolled back or withdrawn, and that nobody allowed since, by `key_of`.

    A rollback takes back what served and all that lies above its target, but for what the target holds itself. Serving
    again, which needs somebody's word, takes a content off the list; only `allowed` does so for what was withdrawn. A
    word about files leaves the contents that were withdrawn with them, made by the settings of then.
    """
    back: dict[str, TakenBack] = {}
    for entry, left in stack_moves(entries, published):
        key = key_of(entry.generation, contents)
        if entry.action == "withdrawn":
            said = entry.at, entry.who, entry.reason, entry.files, entry.also
            back[key] = TakenBack(key, entry.generation, "withdrawn", *said)
        elif entry.action == "allowed" and entry.files is not None:
            back = {key: replace(one, files=None) if one.files == entry.files else one for key, one in back.items()}
        elif entry.action == "allowed":
            back.pop(key, None)
        for number in left:
            one = key_of(number, contents)
            if one not in back or back[one].how != "withdrawn":
                back[one] = TakenBack(one, number, "rolled back", entry.at, entry.who, entry.reason)
        if entry.moves and key in back and back[key].how != "withdrawn":
            del back[key]
    return back


def rolled_back(entries: Sequence[HistoryEntry], published: int | None) -> dict[int, TakenBack]:
    """Generations that a rollback left and that did not serve since, by number: also those that hold what its target
    holds, which another release made in its own way."""
    left: dict[int, TakenBack] = {}
    contents = noted_contents(entries)
    for entry, numbers in stack_moves(entries, published):
        for number in numbers:
            content = key_of(number, contents)
            left[number] = TakenBack(content, number, "rolled back", entry.at, entry.who, entry.reason)
        if entry.moves:
            left.pop(entry.generation, None)
    return left


def withdrawn_generations(layout: Layout, numbers: Iterable[int]) -> dict[int, TakenBack]:
    """Those of the numbers that were withdrawn, by the history alone: it is asked at every look at a state."""
    return withdrawn_among(read_history(layout), read_published(layout), numbers)


def withdrawn_among(
    entries: Sequence[HistoryEntry], published: int | None, numbers: Iterable[int]
) -> dict[int, TakenBack]:
    """The same of the lines of a history: which line withdrew each, or what was made from the same files."""
    contents = noted_contents(entries)
    withdrawn = {key: one for key, one in taken_back(entries, published, contents).items() if one.how == "withdrawn"}
    with_files = {n: replace(one, by_files=True) for one in withdrawn.values() if one.files for n in one.also}
    found = {n: withdrawn.get(key_of(n, contents)) or with_files.get(n) for n in numbers}
    return {n: one for n, one in found.items() if one is not None}
