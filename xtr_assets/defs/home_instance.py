"""The Dagster instance that a command records its runs in."""

import os
import sqlite3
from pathlib import Path
from urllib.parse import unquote

import dagster as dg
import yaml
from sqlalchemy.exc import DBAPIError

from xtr_assets.core.cache_place import named_path
from xtr_assets.core.errors import ConfigError, StorageError

HOME = "DAGSTER_HOME"
# Fields of dagster.yaml that name another database than the files below its folder.
_ELSEWHERE = ("storage", "run_storage", "event_log_storage", "schedule_storage")
_DATABASES = ("history/runs.db", "history/runs/index.db", "schedules/schedules.db")
_MOST_WORDS = 600


def open_instance() -> dg.DagsterInstance:
    """The instance of DAGSTER_HOME. ConfigError where that is not set, or names none that can be used; StorageError
    where its database is another user's. What a database says is raised as it is (see `database_trouble`)."""
    if not (named := os.environ.get(HOME)):
        raise ConfigError(f"{HOME} is not set; set it to the folder of dagster.yaml, so that builds are recorded")
    home = named_path(named, HOME)
    if not (home.is_absolute() and home.is_dir()):
        raise ConfigError(
            f"${HOME} is {named}, and Dagster takes the absolute path of a folder that is there; make the folder, or "
            "correct or unset the variable"
        )
    if _own_databases(home):
        _refuse_misread(home)
        _refuse_unwritable(home)
    try:
        return dg.DagsterInstance.get()
    except Exception as error:
        if isinstance(error, ModuleNotFoundError) and error.name == "psycopg":
            raise ConfigError(
                "the storage of dagster.yaml is `postgresql://...`, which with sqlalchemy 2.1 needs psycopg 3, and "
                "dagster-postgres installs psycopg2; write `postgresql+psycopg2://...`"
            ) from error
        if database_trouble(error) is not None:
            raise
        said = " ".join(str(error).split()) or type(error).__name__
        told = said if len(said) <= _MOST_WORDS else f"{said[:_MOST_WORDS]}..."
        raise ConfigError(
            f"the Dagster instance in {home} cannot be opened: {told}; correct its dagster.yaml, or set {HOME} to "
            "another folder"
        ) from error


def database_trouble(error: BaseException) -> str | None:
    """What a database said, in whatever libraries wrapped it; None where it was something else."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, DBAPIError):
            return " ".join(str(cause.orig).split())
        if isinstance(cause, sqlite3.DatabaseError):
            return str(cause)
        cause = cause.__cause__ or cause.__context__
    return None


def _own_databases(home: Path) -> bool:
    """Whether they are files below the folder, as without a word of dagster.yaml."""
    try:
        document = yaml.safe_load((home / "dagster.yaml").read_bytes())
    except (OSError, ValueError, yaml.YAMLError):
        return True  # Dagster says what is wrong with it.
    return not (isinstance(document, dict) and any(field in document for field in _ELSEWHERE))


def _refuse_misread(home: Path) -> None:
    """Dagster makes an address of the path as it is: what follows a `?` were no part of it, and `%20` a space, so that
    the databases would lie elsewhere, all in one file."""
    path = str(home.absolute())
    if "?" in path or unquote(path) != path:
        raise ConfigError(
            f"Dagster would keep its databases elsewhere than in {path}: it reads a `?`, and a `%` before two hex "
            f"digits, as an address has them; rename the folder, or set {HOME} to another one"
        )


def _refuse_unwritable(home: Path) -> None:
    """Before SQLite opens them: it would leave files of this user beside them, with which their owner could not write
    them any more."""
    for name in _DATABASES:
        for path in (home / name, home / f"{name}-wal", home / f"{name}-shm"):
            if path.exists() and not os.access(path, os.W_OK):
                raise StorageError(
                    f"{path} cannot be written by this user, and a build is recorded there: SQLite lets its owner "
                    f"alone write, whatever the umask says; set {HOME} to a folder of this user's own, or run as the "
                    "owner"
                )
