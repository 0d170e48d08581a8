"""Where things are: the config that counts, its warehouse, the Dagster home."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from xtr_assets.core.errors import GenerationError, InvalidInput, WarehouseNotFound

if TYPE_CHECKING:
    from xtr_assets.config import IndexConfig
    from xtr_assets.storage.generation import Generation
    from xtr_assets.storage.parts.part_set import PartSet
    from xtr_assets.storage.remote.store_cache import CacheOptions
    from xtr_assets.storage.warehouse import Warehouse

HOME_VARIABLE = "DAGSTER_HOME"
HOME_FILE = "dagster.yaml"


@dataclass(frozen=True)
class Place:
    """An index on this machine. `config` is None where only a warehouse was named: nothing is known of its sources.
    `file` is where it was read; the demo's has none."""

    warehouse: Path
    config: "IndexConfig | None"
    file: Path | None = None


def find_place(config: Path | None, warehouse: Path | None) -> Place:
    """The index a command is about (see `xtr_assets.config.config_file`); --warehouse alone needs no config."""
    from xtr_assets.config import config_file, discover_config

    file = config_file(config, Path.cwd())
    if warehouse is not None and file is None:
        return Place(warehouse, None)
    found = discover_config(config)
    if warehouse is None or warehouse.resolve() == found.warehouse.resolve():
        return Place(found.warehouse, found, file)
    # Another warehouse than the config's: its shards cannot be held against these sources, unless it was named too.
    return Place(warehouse, None if config is None else found)


def open_searchable(place: Place, cache: "CacheOptions | None" = None, *, cold: bool = False) -> "Warehouse | PartSet":
    """`open_warehouse`, or the set of parts that lies there."""
    return part_set(place) or open_warehouse(place, cache, cold=cold)


def part_set(place: Place) -> "PartSet | None":
    """The set of parts that lies there; None where a warehouse does, or nothing yet."""
    from xtr_assets.storage.parts.part_set import PartSet
    from xtr_assets.storage.parts.part_set_reader import holds_parts

    return PartSet.open(place.warehouse) if holds_parts(place.warehouse) else None


def part_configs(place: Place) -> "Mapping[str, IndexConfig]":
    """By part, what the configuration says of it; nothing where none is known."""
    if place.config is None or place.config.parts is None:
        return {}
    from xtr_assets.pipeline.plan.part_plan import plan_parts

    return plan_parts(place.config).configs


def open_warehouse(place: Place, cache: "CacheOptions | None" = None, *, cold: bool = False) -> "Warehouse":
    """The warehouse, or an error that says how one comes to be. That of a store is read through its cache; `cold`:
    before all of what serves is there."""
    from xtr_assets.storage.remote.address import address_of
    from xtr_assets.storage.warehouse import Warehouse

    here = address_of(place.warehouse) is None
    if here and not place.warehouse.exists():
        if place.file is not None:
            raise WarehouseNotFound(
                f"no warehouse at {shown(place.warehouse)}; `xtr-assets build` makes it, as {shown(place.file)} says, "
                "and `--warehouse` names another"
            )
        raise WarehouseNotFound(
            f"no warehouse at {shown(place.warehouse)}; `xtr-assets demo` makes one over the standard library, "
            "`xtr-assets init` and `xtr-assets build` one over documents of your own, `--warehouse` names another"
        )
    if here:
        return Warehouse.open(place.warehouse)
    from xtr_assets.storage.remote.store_cache import open_place

    return open_place(place.warehouse, cache, cold=cold)


def cache_options(folder: Path | None, size: str | None) -> "CacheOptions | None":
    """What --cache and --cache-size say; None for nothing."""
    if folder is None and size is None:
        return None
    from xtr_assets.storage.remote.store_cache import CacheOptions, cache_size

    try:
        return CacheOptions(folder, None if size is None else cache_size(size))
    except InvalidInput as error:
        raise typer.BadParameter(str(error), param_hint="--cache-size") from error


def asked_generation(opened: "Warehouse", number: int | None) -> "Generation":
    """The generation of that number, the published one where none is named. Raises GenerationError."""
    found = opened.published if number is None else opened.generation(number)
    if found is None:
        raise GenerationError(f"nothing is published in {opened.root}; `xtr-assets build` first, or name --generation")
    return found


def dagster_home(folders: Iterable[Path], otherwise: Path) -> tuple[Path, bool]:
    """The folder of the Dagster instance, and whether its dagster.yaml was written just now.

    $DAGSTER_HOME, else what the Dagster project of `otherwise` says it is (its .env, which `dg` reads), else the first
    of `folders` that holds a dagster.yaml, else the project's root or `otherwise`, which gets one: so that `build` and
    `dg dev` speak of the same instance, and none is made among the definitions.
    """
    if (known := known_home(folders, otherwise)) is not None:
        return known, False
    from xtr_assets.config import project_of
    from xtr_assets.core.files import write_atomic

    project = project_of(otherwise)
    otherwise = otherwise if project is None else project.root
    write_atomic(otherwise / HOME_FILE, template(HOME_FILE).encode())
    return otherwise.resolve(), True


def known_home(folders: Iterable[Path], otherwise: Path) -> Path | None:
    """The same for who only looks: None where there is no instance yet."""
    if named := os.environ.get(HOME_VARIABLE):
        return Path(named)
    from xtr_assets.config import project_of

    project = project_of(otherwise)
    if project is not None:
        folders = [project.root, *folders]
        if named := _from_env_file(project.root / ".env"):
            return (project.root / Path(named).expanduser()).resolve()
    return next((folder.resolve() for folder in folders if (folder / HOME_FILE).is_file()), None)


def _from_env_file(path: Path) -> str | None:
    if not path.is_file():
        return None
    from dotenv import dotenv_values

    return dotenv_values(path).get(HOME_VARIABLE)


def template(name: str) -> str:
    """The text of a file that `init` writes."""
    return files("xtr_assets").joinpath("templates", name).read_text("utf-8")


def shown(path: Path) -> str:
    """A path as people write it: relative to the current folder where it lies inside. A store by its address."""
    from xtr_assets.storage.remote.address import address_of

    if (address := address_of(path)) is not None:
        return str(address)
    try:
        return str(path.resolve().relative_to(Path.cwd().resolve()))
    except ValueError:
        return str(path)
