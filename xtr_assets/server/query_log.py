"""The query log of a server: what is asked goes through the redaction hook into a file, behind the answers."""

import logging
import threading
from collections import deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from xtr_assets.core.errors import ConfigError
from xtr_assets.core.factory_name import PYTHON, named_object
from xtr_assets.pipeline.queries.question_log import QuestionLog, logged_line
from xtr_assets.server.witness import Told
from xtr_assets.telemetry import metrics

log = logging.getLogger(__name__)

# Given a text, what is kept of it; None keeps nothing.
Redact = Callable[[str], str | None]
# Questions between two writings: a second at 1,000 a second. What comes beyond is dropped and counted.
WAITING = 1000
# How long the end of a server waits for the writer: a hook that hangs, or who holds the log, must not hold it up.
LEAVE_SECONDS = 5.0
# A question is in the file after so long.
FLUSH_SECONDS = 1.0


class QueryLog:
    """A witness that writes. `start` and `close` around its use.

    logs : the log of each index by its name; questions to other indexes are kept nowhere. redact : called in the
    writer's thread, one text at a time. A question of which it raises, or returns no text, is not kept; with it filters
    are not kept at all, which it does not see.
    """

    def __init__(self, logs: Mapping[str, QuestionLog], redact: Redact | None = None) -> None:
        self._logs, self._redact = dict(logs), redact
        self._waiting: deque[tuple[str, str, Told]] = deque()
        self._changed = threading.Condition()
        self._stopping = False
        self._troubles: dict[str, str] = {}
        self._thread: threading.Thread | None = None

    def tell(self, told: Told) -> None:
        """Keep the question in mind until it is written."""
        name = told.index.name
        if name not in self._logs or not told.text.strip():
            return
        with self._changed:
            full = len(self._waiting) >= WAITING
            if not full:
                self._waiting.append((name, datetime.now(UTC).isoformat("T", "seconds"), told))
        if full:
            _count(name, "dropped")

    def start(self) -> None:
        """Begin to write."""
        self._thread = threading.Thread(target=self._run, name="xtr-query-log", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Write what waits, and stop."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(LEAVE_SECONDS)

    def flush(self) -> None:
        """Write what waits. Never raises: what cannot be written is counted, and gone."""
        with self._changed:
            taken, self._waiting = list(self._waiting), deque()
        by_index: dict[str, list[bytes]] = {}
        for name, at, told in taken:
            line = self._line(name, at, told)
            if line is not None:
                by_index.setdefault(name, []).append(line)
        for name, lines in by_index.items():
            try:
                self._logs[name].append(lines)
            except Exception as error:
                # Not once a second, for as long as a disk is full: the counter goes on.
                if self._troubles.get(name) != (trouble := f"{type(error).__name__}: {error}"):
                    self._troubles[name] = trouble
                    # What a disk says needs no traceback; anything else is a mistake of ours.
                    trace = None if isinstance(error, OSError) else error
                    log.error("%d questions of index %s were not logged: %s", len(lines), name, trouble, exc_info=trace)
                _count(name, "failed", len(lines))
            else:
                if self._troubles.pop(name, None) is not None:
                    log.info("questions of index %s are logged again", name)
                _count(name, "written", len(lines))

    def _run(self) -> None:
        stopping = False
        while not stopping:
            with self._changed:
                stopping = self._stopping or self._changed.wait_for(lambda: self._stopping, FLUSH_SECONDS)
            self.flush()

    def _line(self, name: str, at: str, told: Told) -> bytes | None:
        text: object = told.text
        if self._redact is not None:
            try:
                text = self._redact(told.text)
            except Exception as error:
                # Never the message: it may quote the text.
                log.error("the redaction hook raised %s: the question is not logged", type(error).__name__)
                _count(name, "failed")
                return None
        if text is None or (isinstance(text, str) and not text.strip()):
            _count(name, "withheld")
            return None
        if not isinstance(text, str):
            log.error("the redaction hook returned a %s: the question is not logged", type(text).__name__)
            _count(name, "failed")
            return None
        question = told.question
        where: Any = None if self._redact is not None else question.where
        line = logged_line(text, question.mode, question.k, where, at)
        if line is None:
            _count(name, "dropped")
        return line


def find_redact(named: str) -> Redact:
    """The function of `python:module:function`. Raises ConfigError: a hook that is not there keeps a server from
    starting, not texts from being redacted."""
    try:
        if not named.startswith(PYTHON) or not named.removeprefix(PYTHON).partition(":")[2]:
            raise ImportError("it is written python:module:function")
        held = named_object(named)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"`redact` is {named!r}, which cannot be imported ({error}); correct the name") from error
    if not callable(held):
        raise ConfigError(f"`redact` is {named!r}, which is a {type(held).__name__}; name a function")
    function: Redact = held
    return function


def _count(index: str, outcome: str, number: int = 1) -> None:
    metrics.QUERY_LOG.labels(index, outcome).inc(number)
