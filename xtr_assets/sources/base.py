"""The protocol of a source, and what every source of files shares: shards, scanning, fingerprint, quarantine."""

import hashlib
import json
import logging
import stat
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol

from xtr_assets.config import SourceConfig
from xtr_assets.core.chunking import CHUNKER_VERSION
from xtr_assets.core.errors import ConfigError, SourceError
from xtr_assets.core.types import Chunk, FileState, Quarantined
from xtr_assets.sources.file_scan import Listing, file_state, list_files, unread_state
from xtr_assets.sources.globs import Globs
from xtr_assets.sources.text_decoder import Undecodable
from xtr_assets.sources.tree_stamp import tree_stamp

log = logging.getLogger(__name__)

Reason = Literal[
    "unreadable",  # the file or folder cannot be opened or read
    "undecodable",  # its bytes are no text in the encoding it has or declares
    "null-bytes",  # it decodes, and holds what no text holds: most likely binary
    "unparsable",  # no Python, no Parquet, no JSON, no document
    "invalid-record",  # a record without a usable id or text
    "duplicate-id",  # an id that an earlier record of the file has
    "truncated",  # records that end in the midst of one: what follows is lost
    "too-large",  # it is larger than `max_file_bytes`: not looked into
    "encrypted",  # a document that opens with a password
    "no-text",  # a document of pictures alone
    "beyond-limits",  # reading it takes more depth, pages, memory or time than any document should
    "not-installed",  # the library that reads it is not there: its detail has the command
    "no-records",  # a file of records that holds none that can be used
]

# What says that a file as a whole is not what it should be: where it has rows from before, these stay. All other
# reasons are about content, and content that is bad has no rows.
NOT_TAKEN: frozenset[str] = frozenset({"unreadable", "truncated", "no-records"})


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


class FileSource(ABC):
    """A source that is a folder, or a single file, on this machine."""

    suffixes: ClassVar[tuple[str, ...]]

    def __init__(self, config: SourceConfig) -> None:
        self.config = config
        self.globs = Globs(config.include, config.exclude, self.suffixes, config.name)

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
        }
        return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()

    def stamp(self, now_ns: int) -> str | None:
        """Equal only where a scan would find the same (sources/tree_stamp.py); None where nobody can tell."""
        return tree_stamp(self.config.path, self.globs, now_ns)

    def settings(self) -> dict[str, Any]:
        """What else decides the chunks of this kind of source."""
        return {}

    def scan(self, shard: str, known: Mapping[str, FileState]) -> dict[str, FileState]:
        """The files of a shard now, in order of path.

        A file whose size and time (`file_state`) are those in `known` keeps its sha256 unread; every other file is
        read. Files that cannot be read are listed too, as stale, and so are folders that cannot be listed, with what
        was known below them: a folder that is closed for a day must not cost its chunks. A shard may be empty, a source
        may not.
        """
        shards = self.shards()
        if shard not in shards:
            raise SourceError(f"source {self.config.name} has no shard {shard!r}; it has {', '.join(shards)}")
        now_ns = time.time_ns()
        folder, listing = self._listing()
        found: dict[str, FileState] = {}
        for path in listing.files:
            if shards[shard_of(path, len(shards))] == shard:
                state = file_state(folder, path, known.get(path), now_ns, self.config.most_bytes)
                if state is not None:
                    found[path] = state
        for closed, why in listing.closed.items():
            below = {path: state for path, state in known.items() if path.startswith(f"{closed}/")}
            for path, state in below.items():
                if self.globs.matches(path):
                    found[path] = unread_state(path, f"{closed}: {why}", state)
            if shards[shard_of(closed, len(shards))] == shard:
                found[closed] = unread_state(closed, why, known.get(closed))
        return {path: found[path] for path in sorted(found)}

    def read(self, path: str) -> Iterator[Chunk | Quarantined]:
        file = self._file(path)
        try:
            status = file.stat()
            mode, most = status.st_mode, self.config.most_bytes
            if stat.S_ISDIR(mode):
                yield self.refuse(path, 0, "unreadable", "the folder cannot be listed; check its permissions")
            elif not stat.S_ISREG(mode):
                yield self.refuse(path, 0, "unreadable", "not a regular file (a pipe, a socket or a device)")
            elif most is not None and status.st_size > most:
                detail = (
                    f"{status.st_size:,} bytes, `max_file_bytes` allows {most:,}; raise it, split or exclude the file"
                )
                yield self.refuse(path, 0, "too-large", detail)
            else:
                yield from self.read_file(path, file)
        except Undecodable as error:
            yield self.refuse(path, error.line, error.reason, error.detail)
        except FileNotFoundError:
            detail = "no file of this name: deleted since the scan, a link to nothing, or a name that is no UTF-8"
            yield self.refuse(path, 0, "unreadable", detail)
        except OSError as error:
            yield self.refuse(path, 0, "unreadable", error.strerror or str(error))
        except Exception as error:
            # Parsers of ours and of others, on content from anywhere: what they raise is said of the file, and the
            # next one is read. What was indexed of it before stays, as of every file that cannot be read.
            log.exception("source %s: %s cannot be read", self.config.name, path)
            yield self.refuse(path, 0, "unreadable", f"{type(error).__name__}: {error!s:.200}")

    @abstractmethod
    def read_file(self, path: str, file: Path) -> Iterator[Chunk | Quarantined]:
        """`read` for a regular file; may raise OSError and Undecodable."""

    def refuse(self, path: str, line: int, reason: Reason, detail: str) -> Quarantined:
        return Quarantined(self.config.name, path, line, reason, detail)

    def _file(self, path: str) -> Path:
        return self.config.path if self._single() else self.config.path / path

    def _single(self) -> bool:
        return self.config.path.is_file()

    def listing(self) -> Listing:
        return self._listing()[1]

    def _listing(self) -> tuple[Path, Listing]:
        """(folder the paths are relative to, the paths). Raises SourceError for a source that is gone or empty."""
        name, root = self.config.name, self.config.path
        try:
            single, there = self._single(), root.exists()
        except OSError as error:
            raise SourceError(
                f"source {name} cannot be looked at: {root} ({error.strerror}); check the permissions of the folders "
                "above it, and whether its disk is well"
            ) from error
        if single:
            if self.config.shards > 1 or self.config.include or self.config.exclude:
                raise ConfigError(
                    f"`path` of source {name} is one file, {root}, while `shards`, `include` and `exclude` choose "
                    "among the files of a folder; remove them, or make `path` the folder"
                )
            return root.parent, Listing([root.name])
        if not there:
            raise SourceError(
                f"source {name} is gone: nothing at {root}; mount or restore it, correct `path`, or remove the source "
                "from the configuration to drop its chunks"
            )
        try:
            listing = list_files(root, self.globs)
        except OSError as error:
            raise SourceError(
                f"source {name}: {root} cannot be listed ({error.strerror}); check that it is a folder that this "
                "user may read"
            ) from error
        if not listing.files and not listing.closed:
            raise SourceError(
                f"source {name}: {root} is there, but no file in it matches include {list(self.globs.include)} "
                f"and exclude {list(self.globs.exclude)}; mount or restore it, correct the patterns, or remove the "
                "source from the configuration to drop its chunks"
            )
        return root, listing


def shard_of(path: str, count: int) -> int:
    """Number of the shard of a path: the same on every machine and in every run.

    >>> shard_of("guide/install.md", 4)
    3
    """
    digest = hashlib.blake2b(path.encode("utf-8"), digest_size=8).digest()
    return int.from_bytes(digest, "little") % count
