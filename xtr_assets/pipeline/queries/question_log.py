"""What people asked a server, kept in two files by rotation: to measure with, to compare drafts by, to delete.

One file a log, `<index>.jsonl`, a JSON object a line; `<index>.1.jsonl` holds what was before it. Both are the owner's
alone (0600). Every process that writes, reads or deletes holds `<index>.lock` for that moment, so that several servers
may keep one log, and a deletion leaves nothing half written.
"""

import fcntl
import json
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xtr_assets.core.errors import ConfigError, StorageError
from xtr_assets.core.files import read_regular

MODES = ("hybrid", "dense", "xtr", "lexical", "exact")
# Characters of a query that a server takes, six bytes each as JSON escapes, and a filter besides.
MOST_LINE = 64 * 1024
PRIVATE_FILE, PRIVATE_FOLDER = 0o600, 0o700


@dataclass(frozen=True, slots=True)
class LoggedQuestion:
    """One text that was asked in one way. times : how often the log holds it; at : when it was asked last, ISO 8601."""

    text: str
    mode: str = "hybrid"
    where: str = ""
    times: int = 1
    at: str = ""

    @property
    def filter(self) -> dict[str, Any] | None:
        """The filter that it was asked with."""
        parsed: dict[str, Any] | None = json.loads(self.where) if self.where else None
        return parsed


class QuestionLog:
    """The log of one index. folder : where the logs lie; most_bytes : of both files together."""

    def __init__(self, folder: Path, index: str, most_bytes: int) -> None:
        self.folder, self.index, self._most_bytes = folder, index, most_bytes

    @property
    def files(self) -> tuple[Path, Path]:
        """What was asked before, and what is written now."""
        return self.folder / f"{self.index}.1.jsonl", self.folder / f"{self.index}.jsonl"

    def prepare(self) -> None:
        """Make the folder. Raises ConfigError where nothing can be kept there: better now than of every question."""
        trouble: object = f"uid {os.geteuid()} may not write there"
        try:
            self.folder.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
            if os.access(self.folder, os.W_OK | os.X_OK):
                return
        except OSError as error:
            trouble = error.strerror
        raise ConfigError(
            f"questions cannot be kept in {self.folder} ({trouble}); name a folder that can be written, by --query-log "
            "or `query_log`"
        )

    def append(self, lines: Sequence[bytes]) -> None:
        """Add lines, each a JSON object without its end of line. Raises OSError, StorageError."""
        before, now = self.files
        self.folder.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
        with self._alone():
            pending = list(lines)
            while pending:
                size = now.stat().st_size if now.exists() else 0
                fitting = _fitting(pending, self._most_bytes // 2 - size)
                if not fitting and size:
                    now.replace(before)
                    continue
                # One line alone may be longer than a file of so few bytes should be: it is not kept.
                if fitting:
                    _add(now, b"".join(line + b"\n" for line in pending[:fitting]))
                pending = pending[max(1, fitting) :]

    def read(self) -> list[LoggedQuestion]:
        """Every distinct question, the one asked most first, then the latest. Lines that are none are left out: a disk
        may have been full. Raises CorruptFile where something else stands in the place of a file."""
        if not self.folder.is_dir():
            return []
        found: dict[tuple[str, str, str], LoggedQuestion] = {}
        with self._alone():
            contents = [_bytes(path) for path in self.files]
        for line in b"\n".join(contents).splitlines():
            asked = _parsed(line)
            if asked is not None:
                key = asked.text, asked.mode, asked.where
                known = found.get(key)
                times = 1 if known is None else known.times + 1
                at = asked.at if known is None else max(known.at, asked.at)
                found[key] = LoggedQuestion(*key, times, at)
        return sorted(sorted(found.values(), key=lambda one: one.at, reverse=True), key=lambda one: -one.times)

    def texts(self) -> list[str]:
        """The distinct texts, in that order."""
        return list(dict.fromkeys(one.text for one in self.read()))

    def delete(self) -> int:
        """Delete both files; how many bytes went. Raises OSError."""
        if not self.folder.is_dir():
            return 0
        gone = 0
        with self._alone():
            for path in self.files:
                if path.is_symlink() or path.exists():
                    gone += path.lstat().st_size
                    path.unlink()
        return gone

    @contextmanager
    def _alone(self) -> Iterator[None]:
        path = self.folder / f"{self.index}.lock"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, PRIVATE_FILE)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def logged_line(text: str, mode: str, k: int, where: dict[str, Any] | None, at: str) -> bytes | None:
    """A line of the log; None where it would be too long."""
    record = {"at": at, "text": text, "mode": mode, "k": k, **({"where": where} if where else {})}
    line = json.dumps(record).encode()
    return line if len(line) <= MOST_LINE else None


def _fitting(lines: Sequence[bytes], room: int) -> int:
    """How many of the lines, from the first on, take no more than so many bytes."""
    for count, line in enumerate(lines):
        room -= len(line) + 1
        if room < 0:
            return count
    return len(lines)


def _add(path: Path, data: bytes) -> None:
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    descriptor = os.open(path, flags, PRIVATE_FILE)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise StorageError(f"{path} is no file, and the log of questions belongs there; remove it")
        if found.st_mode & 0o077:
            # Made by hand, or by a copy: others could read what people asked.
            os.fchmod(descriptor, PRIVATE_FILE)
        left = memoryview(data)
        try:
            while left:
                left = left[os.write(descriptor, left) :]
        except OSError:
            # A disk that is full took a part: the next line would stand behind half of one, and be lost with it.
            os.ftruncate(descriptor, found.st_size)
            raise
    finally:
        os.close(descriptor)


def _bytes(path: Path) -> bytes:
    try:
        return read_regular(path, path.name)
    except FileNotFoundError:
        return b""


def _parsed(line: bytes) -> LoggedQuestion | None:
    try:
        record = json.loads(line)
        text, mode, where, at = record["text"], record["mode"], record.get("where"), record.get("at")
        # Half of a character, as JSON may escape it: no server takes such a question, and no generation can keep it.
        text.encode("utf-8")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    if not isinstance(text, str) or not text.strip() or mode not in MODES or not isinstance(where, dict | None):
        return None
    if not isinstance(at, str):
        return None
    return LoggedQuestion(text, mode, json.dumps(where, sort_keys=True) if where else "", 1, at)
