"""An instance of Dagster that cannot be opened is told in a line, and nothing is left in that of another user."""

import os
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest
from sqlalchemy.exc import OperationalError

from xtr_assets.core.errors import ConfigError, StorageError
from xtr_assets.defs.home_instance import database_trouble, open_instance


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("named", ["relative", "/nowhere/at/all", "{home}/file", "~nobody-of-that-name/d"])
def test_a_home_that_is_none_is_named(home: Path, monkeypatch: pytest.MonkeyPatch, named: str) -> None:
    (home / "file").touch()
    monkeypatch.setenv("DAGSTER_HOME", named.format(home=home))
    with pytest.raises(ConfigError, match=r"\$DAGSTER_HOME is .*(make the folder|write the folder out)"):
        open_instance()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b"nonsense: 1", "nonsense"),
        (b"a: [1\n b", "line 2"),
        (b"\xff\xfe", "codec"),
        (b"storage: {sqlite: {base_dir: {env: NEVER_SET}}}", "NEVER_SET"),
    ],
)
def test_a_wrong_file_is_told_in_a_line(home: Path, text: bytes, told: str) -> None:
    (home / "dagster.yaml").write_bytes(text)
    with pytest.raises(ConfigError, match=f"in {home} cannot be opened: .*{told}.*; correct its dagster.yaml"):
        open_instance()


@pytest.mark.parametrize("name", ["what?", "a%20b", "per%cent"])
def test_a_folder_that_dagster_misreads_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Its databases would lie in `what`, in `a b`, or nowhere."""
    (tmp_path / name).mkdir()
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / name))
    with pytest.raises(ConfigError, match=r"elsewhere than in .*; rename the folder, or set DAGSTER_HOME"):
        open_instance()
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_other_signs_in_the_name_of_a_folder_are_fine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "100% of #1 [a]@b:c;&'"
    home.mkdir()
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    with open_instance() as instance:
        assert instance.get_runs_count() == 0
    assert (home / "history" / "runs.db").is_file() and [path.name for path in tmp_path.iterdir()] == [home.name]


def _not_his(name: str) -> Callable[..., bool]:
    return lambda path, mode, **_: Path(path).name != name


@pytest.mark.parametrize("name", ["history/runs.db", "schedules/schedules.db", "history/runs/index.db-shm"])
def test_databases_of_another_user_are_not_opened(home: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """SQLite leaves an empty log and an index of this user's beside them, and their owner could not build any more."""
    path = home / name
    path.parent.mkdir(parents=True)
    path.touch()
    monkeypatch.setattr(os, "access", _not_his(path.name))
    monkeypatch.setattr(dg.DagsterInstance, "get", _never)
    with pytest.raises(StorageError, match=rf"{name} cannot be written by this user.*set DAGSTER_HOME"):
        open_instance()


def test_what_lies_beside_another_storage_is_not_looked_at(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "history").mkdir()
    (home / "history" / "runs.db").touch()
    (home / "dagster.yaml").write_text("storage: {postgres: {}}\n")
    monkeypatch.setattr(os, "access", _not_his("runs.db"))
    monkeypatch.setattr(dg.DagsterInstance, "get", lambda: "opened")
    assert str(open_instance()) == "opened"


def test_what_a_database_said_is_found_in_what_wrapped_it() -> None:
    said = OperationalError("SELECT 1", {}, ConnectionError("connection refused\nis it up?"))
    wrapped = RuntimeError("too many retries")
    wrapped.__cause__ = said
    assert database_trouble(wrapped) == "connection refused is it up?"
    assert database_trouble(RuntimeError("something else")) is None


def _never() -> None:
    raise AssertionError("the databases were opened")
