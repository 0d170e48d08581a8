"""Contents that the history and the remaining manifests name: a garbage collection must not forget them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from xtr_assets.core.errors import StorageError
from xtr_assets.storage.content import SETTINGS_NOTE, TakenBack, content_digest, noted_contents, taken_back
from xtr_assets.storage.history import append_history, read_history, read_published
from xtr_assets.storage.history_entry import HistoryEntry
from xtr_assets.storage.layout import Layout
from xtr_assets.storage.manifest import Manifest
from xtr_assets.storage.origin import Origin, origin_of
from xtr_assets.storage.seal import read_manifest
from xtr_assets.storage.snapshot import read_snapshot


def content_of(layout: Layout, manifest: Manifest) -> str:
    """The digest of what a generation holds; its snapshots are read and verified by their names."""
    snapshots = {shard: read_snapshot(layout, shard, version) for shard, version in manifest.snapshots.items()}
    contents = {shard: snapshot.content for shard, snapshot in snapshots.items()}
    return content_digest(manifest.fingerprint, contents, manifest.notes.get(SETTINGS_NOTE) or {})


def content_or_none(layout: Layout, number: int) -> str | None:
    """The same by number; None where the generation cannot be read."""
    try:
        return content_of(layout, read_manifest(layout, number))
    except StorageError:  # collected by an older release, or damaged: `verify` says so
        return None


def known_contents(layout: Layout, entries: Sequence[HistoryEntry]) -> dict[int, str]:
    """Generation -> content: what the history says, completed from the manifests of generations that older releases
    published, while they are there."""
    known = noted_contents(entries)
    for number in {entry.generation for entry in entries}.difference(known):
        if (found := content_or_none(layout, number)) is not None:
            known[number] = found
    return known


def all_taken_back(layout: Layout) -> dict[str, TakenBack]:
    """Contents that must not serve again by themselves, by digest."""
    entries = read_history(layout)
    return taken_back(entries, read_published(layout), known_contents(layout, entries))


def refusal_of(layout: Layout, number: int, content: str) -> TakenBack | None:
    """Who took back what this generation holds, when and why; None where nobody did."""
    entries = read_history(layout)
    known = {**known_contents(layout, entries), number: content}
    back = taken_back(entries, read_published(layout), known)
    # What served after that was let serve beside it: then it is no other release's reading of the same.
    served = max((place for place, one in enumerate(entries, 1) if one.moves and one.generation == number), default=0)
    let = taken_back(entries[:served], number, known) if served else {}
    later = {key: one for key, one in back.items() if key == content or one != let.get(key)}
    return _refusal(layout, later, content, origin_of(layout, read_manifest(layout, number)))


def withdrawal_of(layout: Layout, number: int) -> TakenBack | None:
    """Who withdrew what this generation holds, in whatever cut, when and why; None where nobody did."""
    back = refusal_of(layout, number, content_of(layout, read_manifest(layout, number)))
    return back if back is not None and back.how == "withdrawn" else None


def refusal_of_wanted(layout: Layout, content: str, origin: Origin) -> TakenBack | None:
    """The same of a generation that is to be built."""
    return _refusal(layout, all_taken_back(layout), content, origin)


def files_or_none(layout: Layout, number: int) -> str | None:
    """The digest of the files that a generation was made from; None where it cannot be read any more."""
    try:
        return origin_of(layout, read_manifest(layout, number)).files_digest
    except StorageError:  # collected, or damaged: `verify` says so
        return None


def alike(layout: Layout, number: int) -> Callable[[int], bool]:
    """Whether another generation holds what `number` holds, or was made from the same by another release."""
    contents = known_contents(layout, read_history(layout))
    held = contents.get(number) or content_or_none(layout, number)

    def holds_the_same(other: int) -> bool:
        known = contents.get(other) or content_or_none(layout, other)
        return (held is not None and held == known) or _same_origin(layout, number, other)

    return holds_the_same


def _same_origin(layout: Layout, one: int, other: int) -> bool:
    try:
        before, after = read_manifest(layout, one), read_manifest(layout, other)
        # Before snapshots are read, which list every file.
        return before.snapshots.keys() == after.snapshots.keys() and origin_of(layout, before).same_as(
            origin_of(layout, after)
        )
    except StorageError:  # collected, or damaged: `verify` says so
        return False


def _refusal(layout: Layout, back: Mapping[str, TakenBack], content: str, origin: Origin) -> TakenBack | None:
    """What was taken back under this content, or was made from the same by another release, as long as its generation
    is there; of what was withdrawn also what was made from its files by other settings or another encoder. What was
    withdrawn comes before what was rolled back. Where what serves was made from the same as well the content alone
    tells."""
    exact = back.get(content)
    # No snapshot is read where that is the answer: a sensor asks at each look while what was rolled back waits.
    better = {one.how for one in back.values()} - ({exact.how} if exact is not None else set())
    if not better or (exact is not None and exact.how == "withdrawn"):
        return exact
    if (of_files := _of_files(layout, back, origin)) is not None:
        return of_files
    serving = read_published(layout)
    if serving is not None and _made_from(layout, serving, origin):
        return exact
    alike = [one for one in back.values() if one is not exact and _made_from(layout, one.generation, origin)]
    withdrawn = next((one for one in alike if one.how == "withdrawn"), None)
    return withdrawn or exact or next(iter(alike), None)


def _of_files(layout: Layout, back: Mapping[str, TakenBack], origin: Origin) -> TakenBack | None:
    """What was withdrawn with these files, by the history alone: they serve again only after a word that it keeps."""
    banned = [one for one in back.values() if one.files is not None]
    found = next((one for one in banned if one.files == origin.files_digest), None)
    return found and replace(found, by_files=not _asked_as(layout, found.generation, origin))


def _asked_as(layout: Layout, number: int, origin: Origin) -> bool:
    """Whether a generation was made by the same encoder, settings and shards; no snapshot is read."""
    try:
        manifest = read_manifest(layout, number)
        return manifest.snapshots.keys() == origin.files.keys() and origin.asked_as(
            Origin.of(manifest.fingerprint, {}, manifest.notes)
        )
    except StorageError:
        return False


def _made_from(layout: Layout, number: int, origin: Origin) -> bool:
    try:
        manifest = read_manifest(layout, number)
        # Before its snapshots are read, which list every file.
        return manifest.snapshots.keys() == origin.files.keys() and origin_of(layout, manifest).same_as(origin)
    except StorageError:
        return False


def remember_contents(layout: Layout) -> list[int]:
    """Note in the history what generations of older releases hold, before their manifests go."""
    entries = read_history(layout)
    noted, previous = noted_contents(entries), read_published(layout)
    found = {n: content for n, content in known_contents(layout, entries).items() if n not in noted}
    for number, content in sorted(found.items()):
        append_history(layout, "remembered", number, previous=previous, who=None, content=content)
    return sorted(found)
