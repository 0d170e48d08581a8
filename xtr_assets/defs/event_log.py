"""Dagster's SQLite files during a build: opened once, statements compiled once, synced to the disk at the end."""

import sqlite3
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, ClassVar

from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import event
from sqlalchemy.engine import Connection, Dialect, Engine
from sqlalchemy.pool import NullPool
from sqlalchemy.util import LRUCache

# What the arguments of sqlite3.connect say of a database that is no file.
MEMORY = ":memory:"
# How many compiled statements a process keeps: what SQLAlchemy keeps of an engine.
STATEMENTS = 500
# How alembic reads a folder of migrations.
_READ = vars(ScriptDirectory)["from_config"]
# What it read, by the file of its configuration and the folder. Packages do not change under a process.
_MIGRATIONS: dict[tuple[str | None, str | None], ScriptDirectory] = {}


@contextmanager
def events_synced_at_the_end() -> Iterator[None]:
    """Have SQLite sync its log when the block ends, in place of after each of some hundred events.

    Dagster makes an engine for each event, with a connection that it closes; with the last connection of a file SQLite
    copies its write-ahead log back and syncs both. So connections are kept for the next engine, and commits are not
    synced one by one (`synchronous=NORMAL`); and engines share one dialect and the statements it compiled. A build of
    one changed file took 0.5 CPU s and half of its waiting less by the first, and 0.5 CPU s by the second. No file can
    be damaged by that; a power failure in the block may lose events of the last seconds. What serves is written in the
    warehouse, whose own files are synced each. Other databases than SQLite are left as they are.
    """
    kept, statements = _Connections(), _Statements()
    with ExitStack() as stack:
        stack.callback(kept.close)
        for name, listener in (("do_connect", kept.connect), ("engine_connect", statements.share)):
            event.listen(Engine, name, listener)
            stack.callback(event.remove, Engine, name, listener)
        stack.enter_context(_migrations_read_once())
        yield


@contextmanager
def _migrations_read_once() -> Iterator[None]:
    """Have alembic read each folder of migrations once in a process: Dagster asks it for the newest one at every file
    that it opens, one for each run, and a hundred modules were executed each time. Of two blocks at the same time the
    one that ends first ends it for both, which costs time only."""

    def once(config: Config) -> ScriptDirectory:
        key = config.config_file_name, config.get_main_option("script_location")
        if key not in _MIGRATIONS:
            _MIGRATIONS[key] = _READ.__func__(ScriptDirectory, config)
        return _MIGRATIONS[key]

    ScriptDirectory.from_config = staticmethod(once)  # type: ignore[method-assign]
    try:
        yield
    finally:
        ScriptDirectory.from_config = _READ  # type: ignore[method-assign]


class _Connections:
    """Connections of SQLite files that outlive the engines they were opened for. Each stays with its thread."""

    def __init__(self) -> None:
        self._all: list[_Kept] = []
        self._idle: dict[Any, list[_Kept]] = defaultdict(list)
        self._guard = threading.Lock()

    def connect(self, dialect: Dialect, _: Any, arguments: list[Any], options: dict[str, Any]) -> Any:
        """An idle connection of the same file, or a new one; None, for SQLAlchemy to connect, where it is no file."""
        if (dialect.name, dialect.driver) != ("sqlite", "pysqlite") or not arguments or arguments[0] in ("", MEMORY):
            return None
        with self._guard:
            idle = self._idle[threading.get_ident(), *arguments, repr(sorted(options.items()))]
            if idle:
                return idle.pop()
        fresh = not Path(arguments[0]).exists()
        # Closed by whoever leaves the block; used by the thread that opened it alone.
        opened = sqlite3.connect(*arguments, **{**options, "check_same_thread": False, "factory": _Kept})
        opened.idle = idle
        with self._guard:
            self._all.append(opened)
        if fresh:
            # As Dagster does, but only once its twenty tables are there, each synced by itself.
            opened.execute("PRAGMA journal_mode=WAL")
        opened.execute("PRAGMA synchronous=NORMAL")
        return opened

    def close(self) -> None:
        """Close all: SQLite copies the logs back and syncs."""
        for one in self._all:
            one.close_file()


class _Kept(sqlite3.Connection):
    """A connection whose `close` leaves the file open and the connection to the next who connects."""

    idle: "list[_Kept]"

    def close(self) -> None:
        if self in self.idle:
            return
        if self.in_transaction:
            self.rollback()
        self.idle.append(self)

    def close_file(self) -> None:
        super().close()


class _Statements:
    """One dialect and its compiled statements for all engines of a kind: an engine of its own for each event compiles
    each statement anew, which takes longer than running it. They are of no file: later builds of a process, those of
    `watch`, find what the first one compiled."""

    _dialects: ClassVar[dict[tuple[str, str], Dialect]] = {}
    _compiled: ClassVar[LRUCache[Any, Any]] = LRUCache(STATEMENTS)

    def share(self, connection: Connection) -> None:
        """Let a new connection use them."""
        kind = connection.dialect.name, connection.dialect.driver
        # An engine with a pool is kept by whoever made it, and has a cache of its own.
        if kind == ("sqlite", "pysqlite") and isinstance(connection.engine.pool, NullPool):
            connection.dialect = self._dialects.setdefault(kind, connection.dialect)
            connection.execution_options(compiled_cache=self._compiled)
