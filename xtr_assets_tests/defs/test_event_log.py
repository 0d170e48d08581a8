import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Column, Integer, MetaData, String, Table, create_engine, event, text
from sqlalchemy.pool import NullPool

from xtr_assets.defs.event_log import events_synced_at_the_end


def write(path: Path, value: int) -> int:
    """As Dagster does: an engine and a connection for one event. Returns `PRAGMA synchronous`."""
    engine = create_engine(f"sqlite:///{path}", poolclass=NullPool)
    with engine.connect() as connection, connection.begin():
        connection.execute(text("CREATE TABLE IF NOT EXISTS events (value INTEGER)"))
        connection.execute(text(f"INSERT INTO events VALUES ({value})"))
        return int(connection.execute(text("PRAGMA synchronous")).scalar_one())


def wal_mode(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
    connection.close()


def test_the_log_is_kept_while_the_block_runs_and_copied_back_at_its_end(tmp_path: Path) -> None:
    path, log = tmp_path / "runs.db", tmp_path / "runs.db-wal"
    wal_mode(path)
    write(path, 1)
    assert not log.exists()  # The last connection copied it back.
    with events_synced_at_the_end():
        assert write(path, 2) == 1  # NORMAL
        assert log.stat().st_size > 0
        assert write(path, 3) == 1
    assert not log.exists()
    assert write(path, 4) == 2  # FULL again
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT value FROM events").fetchall() == [(1,), (2,), (3,), (4,)]
    connection.close()


def test_each_file_is_kept_open_and_one_in_memory_is_left_alone(tmp_path: Path) -> None:
    files = [tmp_path / "a.db", tmp_path / "b.db"]
    for path in files:
        wal_mode(path)
    with events_synced_at_the_end():
        for path in files:
            write(path, 1)
        engine = create_engine("sqlite://")
        with engine.connect() as connection:
            assert connection.execute(text("SELECT 1")).scalar_one() == 1
        engine.dispose()
        assert all(Path(f"{path}-wal").exists() for path in files)
    assert not any(Path(f"{path}-wal").exists() for path in files)


def test_a_new_file_has_its_log_from_the_first_statement_on(tmp_path: Path) -> None:
    path = tmp_path / "new.db"
    with events_synced_at_the_end():
        write(path, 1)
        assert Path(f"{path}-wal").stat().st_size > 0
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("SELECT value FROM events").fetchall() == [(1,)]


def test_engines_share_connections_and_compiled_statements_and_read_what_others_wrote(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    table = Table("events", MetaData(), Column("id", Integer, primary_key=True), Column("name", String))
    opened, compiled = [], []

    def insert(name: str) -> int:
        engine = create_engine(f"sqlite:///{path}", poolclass=NullPool)
        event.listen(engine, "connect", lambda connection, _: opened.append(id(connection)))
        with engine.connect() as connection, connection.begin():
            result = connection.execute(table.insert().values(name=name))
            compiled.append(id(result.context.compiled))
            key: Any = result.inserted_primary_key
            return int(key[0])

    with events_synced_at_the_end():
        table.metadata.create_all(create_engine(f"sqlite:///{path}", poolclass=NullPool))
        assert [insert(name) for name in ("a", "b", "c")] == [1, 2, 3]
        with closing(sqlite3.connect(path)) as other:
            other.execute("INSERT INTO events (name) VALUES ('d')")
            other.commit()
        assert insert("e") == 5
        assert len(set(opened)) == 1
        assert len(set(compiled)) == 1
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(insert, "f").result() == 6
        assert len(set(opened)) == 2
    assert insert("g") == 7


def test_what_a_connection_left_uncommitted_is_rolled_back_before_the_next_one(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    with events_synced_at_the_end():
        write(path, 1)
        with create_engine(f"sqlite:///{path}", poolclass=NullPool).connect() as connection:
            connection.execute(text("INSERT INTO events VALUES (2)"))
        write(path, 3)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT value FROM events").fetchall() == [(1,), (3,)]


def test_a_later_build_of_the_process_finds_what_an_earlier_one_compiled_for_another_file(tmp_path: Path) -> None:
    table = Table("numbers", MetaData(), Column("id", Integer, primary_key=True), Column("value", Integer))
    compiled: list[object] = []
    for number, name in enumerate(("one.db", "one.db", "other.db")):
        engine = create_engine(f"sqlite:///{tmp_path / name}", poolclass=NullPool)
        with events_synced_at_the_end():
            table.metadata.create_all(engine)
            with engine.connect() as connection, connection.begin():
                result = connection.execute(table.insert().values(value=number))
                compiled.append(result.context.compiled)
    assert len({id(one) for one in compiled}) == 1
    for name, held in (("one.db", [0, 1]), ("other.db", [2])):
        with closing(sqlite3.connect(tmp_path / name)) as stored:
            assert [value for (value,) in stored.execute("SELECT value FROM numbers ORDER BY id")] == held


def test_each_folder_of_migrations_is_read_once_while_the_block_runs(tmp_path: Path) -> None:
    def read(folder: Path) -> ScriptDirectory:
        config = Config()
        config.set_main_option("script_location", str(folder))
        return ScriptDirectory.from_config(config)

    one, other = tmp_path / "one", tmp_path / "other"
    for folder in (one, other):
        (folder / "versions").mkdir(parents=True)
    with events_synced_at_the_end():
        first = read(one)
        assert read(one) is first
        assert read(other).dir == str(other)
        with events_synced_at_the_end():
            assert read(one) is first
        # The block inside ended it for this one, too: right, and no longer remembered.
        assert read(one) is not read(one)
    assert read(one) is not read(one)
    assert read(one).dir == str(one)
    with events_synced_at_the_end():
        assert read(one) is first
