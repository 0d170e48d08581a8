import sqlite3
from pathlib import Path

from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from xtr_assets.defs.sqlite import events_synced_at_the_end


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
