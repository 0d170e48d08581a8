"""What `check_source` asks of a source: generators of breaches, a sentence each."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, get_args

from xtr_assets.core.errors import SourceError
from xtr_assets.core.file_diff import UNREAD_SHA256
from xtr_assets.core.types import Chunk, FileState, Quarantined
from xtr_assets.sources.base import Reason, Source, shard_of

# Files that are read: a spread of them, so that a large source is checked in seconds.
FILES = 200
_HEX = re.compile(r"[0-9a-f]{64}")
_INT63 = 1 << 63
NOWHERE = "no such file of this source"


@dataclass
class Looked:
    """A source, and what it gave, each asked once and kept for the checks that follow."""

    source: Source
    states: dict[str, dict[str, FileState]] = field(default_factory=dict)
    items: dict[str, list[Chunk | Quarantined]] = field(default_factory=dict)

    def scanned(self) -> dict[str, dict[str, FileState]]:
        if not self.states:
            self.states = {shard: self.source.scan(shard, {}) for shard in self.source.shards()}
        return self.states

    def files(self) -> dict[str, FileState]:
        return {path: state for shard in self.scanned().values() for path, state in shard.items()}

    def read(self) -> dict[str, list[Chunk | Quarantined]]:
        if not self.items:
            paths = sorted(path for path, state in self.files().items() if not state.unread)
            # At even distances from the first to the last: of 399 files every second one, not the first 200.
            count = min(FILES, len(paths))
            chosen = [paths[nth * (len(paths) - 1) // max(1, count - 1)] for nth in range(count)]
            self.items = {path: list(self.source.read(path)) for path in chosen}
        return self.items

    def chunks(self) -> Iterator[tuple[str, Chunk]]:
        for path, items in self.read().items():
            yield from ((path, one) for one in items if isinstance(one, Chunk))


def _shards(looked: Looked) -> Iterator[str]:
    """Shards are called as docs/configuration.md says."""
    config = looked.source.config
    count, digits = config.shards, max(2, len(str(config.shards)))
    numbered = [f"{config.name}-{n:0{digits}d}of{count:0{digits}d}" for n in range(count)]
    wanted = tuple(numbered) if count > 1 else (config.name,)
    if tuple(looked.source.shards()) != wanted:
        yield f"shards() is {looked.source.shards()}, with `shards: {count}` it is {wanted}"


def _fingerprint(looked: Looked) -> Iterator[str]:
    said = looked.source.fingerprint()
    if not (isinstance(said, str) and _HEX.fullmatch(said)):
        yield f"fingerprint() is {said!r:.80}; give 64 hex characters (a sha256)"
    looked.read()
    if looked.source.fingerprint() != said:
        yield "fingerprint() is another after the files were read; it tells of settings, not of files"


def _files(looked: Looked) -> Iterator[str]:
    """Paths and states."""
    held = looked.files()
    if not held:
        yield "it has no file; one that is gone or empty raises SourceError"
    for path, state in held.items():
        if not isinstance(state, FileState) or state.path != path:
            yield f"scan()[{path!r}] is {state!r:.120}; give a FileState of that path"
        elif path.startswith("/") or path != path.strip("/") or {"", ".", ".."} & set(path.split("/")):
            yield f"{path!r} is no relative path with / between its parts"
        elif path.encode("utf-8", "replace").decode() != path:
            yield f"{path!r} is no UTF-8"
        elif not state.unread and (not _HEX.fullmatch(state.sha256) or state.sha256 == UNREAD_SHA256):
            yield f"{path}: sha256 is {state.sha256!r:.80}; give 64 hex characters that differ where its content does"
        elif state.size < 0:
            yield f"{path}: size is {state.size}"


def _placed(looked: Looked) -> Iterator[str]:
    """Each file is in the shard that its hash says, and in no other."""
    shards = looked.source.shards()
    for shard, held in looked.scanned().items():
        for path in held:
            if (right := shards[shard_of(path, len(shards))]) != shard:
                yield f"{path} is in shard {shard}, its hash says {right} (`xtr_assets.sources.base.shard_of`)"


def _listed(looked: Looked) -> Iterator[str]:
    """`listing` and `scan` agree."""
    listing = looked.source.listing()
    if listing.files != sorted(set(listing.files)):
        yield "listing().files is not sorted, or has a path twice"
    held = {path for path, state in looked.files().items() if not state.unread or path not in listing.closed}
    if missing := sorted(held ^ set(listing.files)):
        yield f"scan and listing differ: {missing[0]} is in one of them alone"


def _settled(looked: Looked) -> Iterator[str]:
    """What did not change is told alike, whatever was known of it."""
    for shard, held in looked.scanned().items():
        again = looked.source.scan(shard, held)
        if _told(again) != _told(held):
            path = next(iter(sorted(_told(again).items() ^ _told(held).items())))[0]
            yield f"{path}: another scan tells of it otherwise; where nothing changed, nothing is another"
        ghost = FileState(NOWHERE, 1, 0, "1" * 64)
        if NOWHERE in looked.source.scan(shard, {**held, NOWHERE: ghost}):
            yield "a file that is known from before and is not there is still listed; leave it out"
        for path, state in list(held.items())[:1]:
            other = FileState(path, state.size + 1, 1, "2" * 64)
            if looked.source.scan(shard, {**held, path: other})[path].sha256 == "2" * 64:
                yield f"{path}: what was known of it is given back though its content is another"


def _told(states: Mapping[str, FileState]) -> dict[str, tuple[str, str]]:
    return {path: (state.sha256, state.unread) for path, state in states.items()}


def _strange_shard(looked: Looked) -> Iterator[str]:
    try:
        looked.source.scan("no shard of it", {})
    except SourceError:
        return
    yield "scan of a shard that it does not have gives files; raise SourceError"


def _chunks(looked: Looked) -> Iterator[str]:
    """Columns of every chunk."""
    name, most = looked.source.config.name, looked.source.config.max_chars
    count = 0
    for path, one in looked.chunks():
        count += 1
        where = f"{path}: {one.symbol!r} part {one.part}"
        if (one.source, one.path) != (name, path):
            yield f"{where}: source and path are {one.source!r} and {one.path!r}"
        if not (isinstance(one.chunk_id, int) and 0 <= one.chunk_id < _INT63):
            yield f"{where}: chunk_id is {one.chunk_id!r}; `xtr_assets.core.ids.chunk_id` makes one of its place"
        if not one.text.strip() or len(one.text) > most:
            yield f"{where}: {len(one.text)} characters, 1 to {most} are allowed, white space alone is none"
        if not 0 <= one.start_line <= one.end_line or one.part < 0 or not one.kind:
            yield f"{where}: lines {one.start_line} to {one.end_line}, part {one.part}, kind {one.kind!r}"
        yield from (f"{where}: {told}" for told in _text_faults(one))
    if not count:
        yield "not one file gives a chunk"


def _text_faults(one: Chunk) -> Iterator[str]:
    for column in ("symbol", "kind", "title", "text", "metadata"):
        value = getattr(one, column)
        if not isinstance(value, str) or "\0" in value or value.encode("utf-8", "replace").decode() != value:
            yield f"{column} is {value!r:.60}; give text without NUL and half characters"
            return
    try:
        held = json.loads(one.metadata)
        canonical = json.dumps(held, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    except ValueError:
        held = canonical = None
    if not isinstance(held, dict) or canonical != one.metadata:
        yield f"metadata is {one.metadata!r:.80}; give a JSON object with sorted keys and no spaces, {{}} for none"


def _ids(looked: Looked) -> Iterator[str]:
    """No two chunks have one id."""
    seen: dict[int, str] = {}
    for path, one in looked.chunks():
        where = f"{path}: {one.symbol!r} part {one.part}"
        if one.chunk_id in seen:
            yield f"{where} has the chunk_id of {seen[one.chunk_id]}"
        seen[one.chunk_id] = where


def _quarantined(looked: Looked) -> Iterator[str]:
    for path, items in looked.read().items():
        for one in items:
            if isinstance(one, Quarantined) and (one.path != path or one.reason not in get_args(Reason)):
                reasons = ", ".join(get_args(Reason))
                yield f"{path}: quarantine of {one.path!r} for {one.reason!r}; reasons are {reasons}"
            elif not isinstance(one, Chunk | Quarantined):
                yield f"{path}: read() gives a {type(one).__name__}; give Chunk and Quarantined"


def _repeated(looked: Looked) -> Iterator[str]:
    """A file gives the same each time."""
    for path, items in looked.read().items():
        if list(looked.source.read(path)) != items:
            yield f"{path} gives other chunks when it is read again"


def _unknown(looked: Looked) -> Iterator[str]:
    found = list(looked.source.read(NOWHERE))
    if not found or not all(isinstance(one, Quarantined) and one.reason == "unreadable" for one in found):
        yield f"read of a file that is not there gives {found!r:.80}; give one Quarantined, `unreadable`"


def reread(looked: Looked) -> Iterator[str]:
    """The second reading that the gate judges by: the text of the chunks together, from another method."""
    again: Callable[[str], Any] = getattr(looked.source, "reread")  # noqa: B009 (the built-in kinds have none)
    for path, items in looked.read().items():
        if any(isinstance(one, Quarantined) for one in items):
            continue
        chunks = [one for one in items if isinstance(one, Chunk)]
        chunks.sort(key=lambda one: (one.start_line, one.end_line, one.symbol, one.part))
        found, said = _letters("".join(one.text for one in chunks)), _letters(str(again(path)))
        if found != said:
            yield (
                f"{path}: its chunks, in the order of their lines, hold {len(found)} letters, reread() gives "
                f"{len(said)} or others; both are all of its text, white space apart"
            )


def _letters(text: str) -> str:
    return "".join(text.split())


def reopened(looked: Looked, reopen: Callable[[], Source]) -> Iterator[str]:
    """Opened once more it says the same."""
    other = reopen()
    if other is looked.source:
        yield "`reopen` gave the very same source; open a new one"
        return
    if other.fingerprint() != looked.source.fingerprint():
        yield "opened again it has another fingerprint: every file would be chunked again at each build"
    for shard, held in looked.scanned().items():
        if _told(other.scan(shard, {})) != _told(held):
            yield f"opened again the files of shard {shard} are others"
    for path, items in looked.read().items():
        if list(other.read(path)) != items:
            yield f"opened again {path} gives other chunks"


CHECKS: dict[str, Callable[[Looked], Iterator[str]]] = {
    "shards": _shards,
    "fingerprint": _fingerprint,
    "files": _files,
    "placed": _placed,
    "listed": _listed,
    "settled": _settled,
    "strange_shard": _strange_shard,
    "chunks": _chunks,
    "ids": _ids,
    "quarantined": _quarantined,
    "repeated": _repeated,
    "unknown": _unknown,
}
