"""Which configuration counts: an xtr.yaml, a component of a Dagster project, or the packaged demo."""

import os
from importlib.resources import files
from pathlib import Path

from xtr_assets.config.component_file import is_component, read_component
from xtr_assets.config.dagster_project import project_of
from xtr_assets.config.index_config import IndexConfig, parse_config, read_config_file
from xtr_assets.core.cache_place import named_path
from xtr_assets.core.errors import ConfigError

CONFIG_NAME = "xtr.yaml"
CONFIG_VARIABLE = "XTR_ASSETS_CONFIG"


def load_config(path: Path) -> IndexConfig:
    """The index of an xtr.yaml, or of a component's defs.yaml. Raises ConfigError where it is missing or wrong."""
    return read_component(path).index if is_component(path) else read_config_file(path)


def demo_config(folder: Path) -> IndexConfig:
    """The packaged index over the Python standard library, its warehouse in `folder`."""
    return parse_config(files("xtr_assets").joinpath("demo.yaml").read_bytes(), folder, "demo.yaml")


def config_file(explicit: Path | None, folder: Path) -> Path | None:
    """The config that counts: the one named, else $XTR_ASSETS_CONFIG, else xtr.yaml in `folder`, else the component of
    the Dagster project that `folder` lies in, else none. ConfigError where the project has several, or `folder` is
    closed to this user."""
    if explicit is not None:
        return explicit
    if named := os.environ.get(CONFIG_VARIABLE):
        return named_path(named, CONFIG_VARIABLE)
    here = folder / CONFIG_NAME
    try:
        if here.is_file():
            return here
    except PermissionError as error:
        raise ConfigError(
            f"this user may not look into {folder}, so that no {CONFIG_NAME} is found there; run this in another "
            "folder, or name one with --config"
        ) from error
    project = project_of(folder)
    found = [] if project is None else [path for path in project.component_files() if is_component(path)]
    if len(found) > 1:
        names = ", ".join(os.path.relpath(path, folder) for path in found)
        raise ConfigError(f"this Dagster project has {len(found)} indexes; name one of {names} with --config")
    return found[0] if found else None


def discover_config(explicit: Path | None = None, folder: Path | None = None) -> IndexConfig:
    """The config that counts (see `config_file`), or the demo's where there is none. `folder` is the current one.

    ConfigError where a folder above has an xtr.yaml: who stands in a part of a project does not mean the demo.
    """
    folder = Path.cwd() if folder is None else folder
    found = config_file(explicit, folder)
    if found is not None:
        if explicit is None and not found.is_file():
            raise ConfigError(f"no config at {found}, which ${CONFIG_VARIABLE} names; correct or unset it")
        return load_config(found)
    above = next((one / CONFIG_NAME for one in folder.absolute().parents if (one / CONFIG_NAME).is_file()), None)
    if above is not None:
        named = os.path.relpath(above, folder)
        raise ConfigError(f"no {CONFIG_NAME} is in this folder, and one above it; go there, or say --config {named}")
    return demo_config(folder)
