"""The Dagster instance that a command records its runs in."""

import os

import dagster as dg

from xtr_assets.core.errors import ConfigError


def open_instance() -> dg.DagsterInstance:
    """The instance of DAGSTER_HOME. ConfigError where that is not set."""
    if not os.environ.get("DAGSTER_HOME"):
        raise ConfigError("DAGSTER_HOME is not set; set it to the folder of dagster.yaml, so that builds are recorded")
    try:
        return dg.DagsterInstance.get()
    except ModuleNotFoundError as error:
        if error.name != "psycopg":
            raise
        raise ConfigError(
            "the storage of dagster.yaml is `postgresql://...`, which with sqlalchemy 2.1 needs psycopg 3, and "
            "dagster-postgres installs psycopg2; write `postgresql+psycopg2://...`"
        ) from error
