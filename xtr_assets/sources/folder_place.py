"""A folder, or a single file, of this machine."""

import stat
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from xtr_assets.config import SourceConfig
from xtr_assets.core.errors import ConfigError, NothingMatches, SourceError
from xtr_assets.core.types import FileState
from xtr_assets.sources.bounded_read import unread_digest
from xtr_assets.sources.file_scan import Listing, file_state, list_files
from xtr_assets.sources.globs import Globs, folded
from xtr_assets.sources.place import LocalFile, Refused, too_large
from xtr_assets.sources.tree_stamp import tree_stamp

# Kind `code` reads sixty suffixes: a message names so many of a list.
MOST_NAMED = 5


class FolderPlace:
    """Files below `path`, or the one that it is."""

    def __init__(self, config: SourceConfig) -> None:
        self.config, self.root = config, config.folder

    def stamp(self, globs: Globs, now_ns: int) -> str | None:
        return tree_stamp(self.root, globs, now_ns)

    def state(self, path: str, known: FileState | None, now_ns: int, most: int | None) -> FileState | None:
        """A file whose size and time (`file_state`) are those in `known` keeps its sha256 unread; any other is read."""
        return file_state(self._folder(), path, known, now_ns, most)

    def changed(self, path: str, state: FileState) -> bool:
        """By its content, where size and time cannot tell; what is larger than any limit was not read."""
        most = 0 if state.sha256 == unread_digest(state.size) else None
        now = file_state(self._folder(), path, state, time.time_ns(), most)
        return now is None or bool(now.unread) or now.sha256 != state.sha256

    def file(self, path: str, globs: Globs, most: int | None) -> LocalFile:  # noqa: ARG002
        file = self._file(path)
        status = file.stat()
        mode = status.st_mode
        if stat.S_ISDIR(mode):
            raise Refused("unreadable", "the folder cannot be listed; check its permissions")
        if not stat.S_ISREG(mode):
            raise Refused("unreadable", "not a regular file (a pipe, a socket or a device)")
        if most is not None and status.st_size > most:
            raise too_large(status.st_size, most)
        return LocalFile(file)

    def _folder(self) -> Path:
        return self.root.parent if self._single() else self.root

    def _file(self, path: str) -> Path:
        return self.root if self._single() else self.root / path

    def _single(self) -> bool:
        return self.root.is_file()

    def listing(self, globs: Globs) -> Listing:
        name, root = self.config.name, self.root
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
            return Listing([root.name])
        if not there:
            raise SourceError(
                f"source {name} is gone: nothing at {root}; {_meant(root)}mount or restore it, correct `path`, or "
                "remove the source from the configuration to drop its chunks"
            )
        try:
            listing = list_files(root, globs)
        except OSError as error:
            raise SourceError(
                f"source {name}: {root} cannot be listed ({error.strerror}); check that it is a folder that this "
                "user may read"
            ) from error
        if not listing.files and not listing.closed:
            raise nothing_matches(self.config, str(root), globs, listing)
        return listing


def _meant(root: Path) -> str:
    """What a path that is not there was most likely meant to say."""
    if "\\" in root.name:
        return "/ stands between folders here; "
    if any(letter in root.name for letter in "*?["):
        return "`path` is one folder or file, patterns belong to `include`; "
    return ""


def nothing_matches(config: SourceConfig, where: str, globs: Globs, listing: Listing) -> NothingMatches:
    """For a place that is there and holds no file of the source. `listing` : what it does hold."""
    field = "kind" if config.kind == config.holds else "holds"
    asked = f"matches `include` ({_few(globs.include)})"
    if not config.include:
        asked = f"has a suffix that {field} `{config.holds}` reads ({_few(globs.suffixes)})"
    left_out = f" outside of `exclude` ({_few(globs.exclude)})" if globs.exclude else ""
    wrong = "`path`, `include` or `exclude`" if config.include or globs.exclude else f"`path` or `{field}`"
    return NothingMatches(
        f"source {config.name}: {where} is there, but no file in it {asked}{left_out}; {_counted(listing)}; mount or "
        f"restore it, correct {wrong}, or remove the source from the configuration to drop its chunks",
        len(listing.other),
        listing.left_out,
    )


def _counted(listing: Listing) -> str:
    """How many files lie there: of which suffixes, the most frequent first, and left out by a person."""
    told = []
    if listing.other:
        counts = Counter(PurePosixPath(folded(path)).suffix or "without a suffix" for path in listing.other)
        shown = [f"{suffix} {count:,}" for suffix, count in counts.most_common(MOST_NAMED)]
        more = f", {len(counts) - MOST_NAMED} other suffixes" if len(counts) > MOST_NAMED else ""
        told.append(f"files of other suffixes that lie there: {len(listing.other):,} ({', '.join(shown)}{more})")
    if listing.left_out:
        told.append(f"files that `include` or `exclude` leave out: {listing.left_out:,}")
    return "; ".join(told) or "no other file lies where it looks"


def _few(patterns: Sequence[str]) -> str:
    more = f" and {len(patterns) - MOST_NAMED} more" if len(patterns) > MOST_NAMED else ""
    return ", ".join(patterns[:MOST_NAMED]) + more
