"""The protocol of a source, and what every source of files shares: shards, scanning, fingerprint, quarantine."""

import hashlib
import json
import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Protocol

from xtr_assets.config import SourceConfig
from xtr_assets.core.chunking import CHUNKER_VERSION
from xtr_assets.core.errors import SourceError
from xtr_assets.core.types import Chunk, FileState, Quarantined
from xtr_assets.sources.file_scan import Listing, unread_state, why_unread
from xtr_assets.sources.folder_place import FolderPlace
from xtr_assets.sources.globs import NO_NAMES, Globs, KnownNames
from xtr_assets.sources.place import Place, Refused, SourceFile
from xtr_assets.sources.reason import NOT_TAKEN, Reason
from xtr_assets.sources.text_decoder import Undecodable

__all__ = ["NOT_TAKEN", "FileSource", "Reason", "Source", "shard_of"]

log = logging.getLogger(__name__)


class Source(Protocol):
    """Where chunks come from. A path is relative to the source's root, with / between its parts."""

    config: SourceConfig

    def shards(self) -> tuple[str, ...]:
        """The Dagster partitions of the source: its name, or `name-00of04` and so on by hash of path."""

    def fingerprint(self) -> str:
        """Hex sha256 of everything but the files that decides the chunks."""

    def scan(self, shard: str, known: Mapping[str, FileState]) -> dict[str, FileState]:
        """The files of a shard now, stale ones among them (FileState). Raises SourceError where the source has gone."""

    def read(self, path: str) -> Iterator[Chunk | Quarantined]:
        """The chunks of one file, and what of it could not be used; a reason in NOT_TAKEN speaks of the whole file.
        Never raises for the file's content."""

    def listing(self) -> Listing:
        """Every file of the source, whatever its shard, and what lies beside them. SourceError as `scan`."""


@dataclass(frozen=True)
class _Looked:
    """A listing, and its files by shard."""

    listing: Listing
    files: Mapping[str, list[str]]


class FileSource(ABC):
    """A source of files, wherever they lie."""

    suffixes: ClassVar[tuple[str, ...]]
    names: ClassVar[KnownNames] = NO_NAMES

    def __init__(self, config: SourceConfig, place: Place | None = None) -> None:
        self.config = config
        self.place: Place = FolderPlace(config) if place is None else place
        self.globs = Globs(config.include, config.exclude, self.suffixes, config.name, self.names)
        self._looked: _Looked | None = None
        self._one_listing = False

    def shards(self) -> tuple[str, ...]:
        count, name = self.config.shards, self.config.name
        if count == 1:
            return (name,)
        width = max(2, len(str(count)))
        return tuple(f"{name}-{number:0{width}d}of{count:0{width}d}" for number in range(count))

    def fingerprint(self) -> str:
        config = self.config
        settings = {
            "chunker": CHUNKER_VERSION,
            "kind": config.kind,
            "name": config.name,
            "max_chars": config.max_chars,
            "max_file_bytes": config.most_bytes,
            **self.settings(),
            **({} if config.kind == config.holds else {"holds": config.holds}),
        }
        return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()

    def stamp(self, now_ns: int) -> str | None:
        """Equal only where a scan would find the same (sources/tree_stamp.py); None where nobody can tell."""
        return self.place.stamp(self.globs, now_ns)

    def settings(self) -> dict[str, Any]:
        """What else decides the chunks of this kind of source."""
        return {}

    def scan(self, shard: str, known: Mapping[str, FileState]) -> dict[str, FileState]:
        """The files of a shard now, in order of path.

        What is as it is in `known` is not read again. Files that cannot be read are listed too, as stale, and so are
        folders that cannot be listed, with what was known below them: a folder that is closed for a day must not cost
        its chunks. A shard may be empty, a source may not.
        """
        shards = self.shards()
        if shard not in shards:
            raise SourceError(f"source {self.config.name} has no shard {shard!r}; it has {', '.join(shards)}")
        now_ns = time.time_ns()
        looked = self._look(shards)
        listing = looked.listing
        found: dict[str, FileState] = {}
        for path in looked.files.get(shard, ()):
            state = self.place.state(path, known.get(path), now_ns, self.most_bytes(path))
            if state is not None:
                found[path] = state
        if listing.closed:
            mine = {path: why for path, why in listing.closed.items() if self.shard_at(path, shards) == shard}
            closed = {path: unread_state(path, why, known.get(path)) for path, why in mine.items()}
            # What was read counts: a name that is no UTF-8 is told in escapes, which may be the very name of another.
            found = {**dict(self._below_closed(listing, known)), **closed, **found}
        return {path: found[path] for path in sorted(found)}

    def _below_closed(self, listing: Listing, known: Mapping[str, FileState]) -> Iterator[tuple[str, FileState]]:
        """What is known of files below folders that cannot be listed."""
        for path, state in known.items():
            above = path
            while above := above.rpartition("/")[0]:
                if (why := listing.closed.get(above)) is not None and self.globs.matches(path):
                    yield path, unread_state(path, f"{above}: {why}", state)

    @contextmanager
    def one_listing(self) -> Iterator[None]:
        """Within the block every scan is of one listing, the first: four shards of 10,000 files are listed once, which
        takes 0.08 CPU s each time. The state of each file is looked at by each scan."""
        self._one_listing = True
        try:
            yield
        finally:
            self._looked, self._one_listing = None, False

    def _look(self, shards: tuple[str, ...]) -> _Looked:
        if self._looked is not None:
            return self._looked
        listing, files = self.listing(), dict[str, list[str]]()
        for path in listing.files:
            files.setdefault(self.shard_at(path, shards), []).append(path)
        looked = _Looked(listing, files)
        self._looked = looked if self._one_listing else None
        return looked

    def shard_at(self, path: str, shards: tuple[str, ...]) -> str:
        """That of the shards which a path is in."""
        return shards[shard_of(path, len(shards))]

    def read(self, path: str) -> Iterator[Chunk | Quarantined]:
        try:
            yield from self.read_file(path, self.place.file(path, self.globs, self.most_bytes(path)))
        except Refused as error:
            yield self.refuse(path, 0, error.reason, error.detail)
        except Undecodable as error:
            yield self.refuse(path, error.line, error.reason, error.detail)
        except FileNotFoundError:
            detail = "no file of this name: deleted since the scan, a link to nothing, or a name that is no UTF-8"
            yield self.refuse(path, 0, "unreadable", detail)
        except OSError as error:
            yield self.refuse(path, 0, "unreadable", why_unread(error))
        except Exception as error:
            # Parsers of ours and of others, on content from anywhere: what they raise is said of the file, and the
            # next one is read. What was indexed of it before stays, as of every file that cannot be read.
            log.exception("source %s: %s cannot be read", self.config.name, path)
            yield self.refuse(path, 0, "unreadable", f"{type(error).__name__}: {error!s:.200}")

    def state_read(self, path: str, state: FileState) -> FileState:
        """What to keep of a file of which `scan` told `state`, now that it has been read. Where it may hold other bytes
        by now nobody knows which were read: it gets a sha256 that no file has, so that the next scan reads it again."""
        if not self.place.changed(path, state):
            return state
        return replace(state, mtime_ns=0, sha256=hashlib.sha256(f"{state.sha256}, changed".encode()).hexdigest())

    def most_bytes(self, path: str) -> int | None:  # noqa: ARG002
        """The largest file of a name that is read; None for any."""
        return self.config.most_bytes

    @abstractmethod
    def read_file(self, path: str, file: SourceFile) -> Iterator[Chunk | Quarantined]:
        """`read` for a regular file; may raise OSError and Undecodable."""

    def refuse(self, path: str, line: int, reason: Reason, detail: str) -> Quarantined:
        return Quarantined(self.config.name, path, line, reason, detail)

    def listing(self) -> Listing:
        return self.place.listing(self.globs)


def shard_of(path: str, count: int) -> int:
    """Number of the shard of a path: the same on every machine and in every run.

    >>> shard_of("guide/install.md", 4)
    3
    """
    digest = hashlib.blake2b(path.encode("utf-8"), digest_size=8).digest()
    return int.from_bytes(digest, "little") % count
