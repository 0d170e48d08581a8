"""The definitions of the project that a shell stands in: where the assets of sources are found outside of Dagster."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import dagster as dg

from xtr_assets.config import IndexConfig
from xtr_assets.config.dagster_project import DagsterProject, project_of
from xtr_assets.core.errors import ConfigError
from xtr_assets.defs.upstream_assets import DagsterReader
from xtr_assets.sources.asset_reader import has_assets


def shell_reader(config: IndexConfig, instance: dg.DagsterInstance, folder: Path) -> DagsterReader | None:
    """A reader of the assets that the index' sources name; None where they name none.

    The definitions are those of the module that a source names, else those of the Dagster project around `folder`.
    ConfigError where there are none, or they cannot be loaded.
    """
    if not has_assets(config):
        return None
    project = project_of(folder)
    named = [source.definitions for source in config.sources if source.definitions is not None]
    if len(set(named)) > 1:
        raise ConfigError(
            f"the sources name the definitions {' and '.join(sorted(set(named)))}; an index reads the assets of one "
            "code location: name one of them"
        )
    if not named and project is None:
        raise ConfigError(
            "a source is a Dagster asset, and no Dagster project lies around this folder; build inside the project, "
            "set `definitions` of the source to the module that has them, or let Dagster build (`dg launch --job ...`)"
        )
    module = named[0] if named else _module_of(project)
    return DagsterReader(_repository(module, project), instance, f"the definitions of {module}")


def _module_of(project: DagsterProject | None) -> str:
    assert project is not None
    return project.code_location


def _repository(name: str, project: DagsterProject | None) -> dg.RepositoryDefinition:
    try:
        with _importable(project):
            repository: dg.RepositoryDefinition = _definitions_of(import_module(name)).get_repository_def()
            return repository
    except ConfigError:
        raise
    except Exception as error:
        raise ConfigError(
            f"the definitions of {name}, where the asset of a source stands, cannot be loaded: {type(error).__name__}: "
            f"{str(error)[:300]}; `dg check defs` says more, `definitions` of the source names another module"
        ) from error


def _definitions_of(module: ModuleType) -> Any:
    """The one object of definitions that a module has; what makes some, as `@dg.definitions` does, is called."""
    found = [one for one in vars(module).values() if isinstance(one, dg.Definitions)]
    made = [one for one in vars(module).values() if type(one).__name__ == "LazyDefinitions"]
    if len(found) + len(made) != 1:
        raise ConfigError(
            f"{module.__name__} has {len(found) + len(made)} objects of Dagster definitions, one is wanted; set "
            "`definitions` of the source to a module that has one"
        )
    return found[0] if found else made[0]()


@contextmanager
def _importable(project: DagsterProject | None) -> Iterator[None]:
    """With the project's own folders to import from, as `dg` has them, installed or not."""
    added = [] if project is None else [str(one) for one in (project.root / "src", project.root) if one.is_dir()]
    sys.path[:0] = added
    try:
        yield
    finally:
        for one in added:
            sys.path.remove(one)
