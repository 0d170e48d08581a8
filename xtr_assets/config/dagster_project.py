"""The Dagster project that a folder belongs to, as far as the shell has to know it: root, definitions, own instance."""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# What `dg` takes for a project's root, and where the table of the project stands in it.
ROOT_FILES = ("dg.toml", "pyproject.toml")
COMPONENT_FILES = ("defs.yaml", "defs.yml", "component.yaml")
# A folder of definitions is a handful of levels deep; the walk ends well before a mistaken root would take seconds.
MOST_FILES = 10_000


@dataclass(frozen=True, slots=True)
class DagsterProject:
    """root : the folder of pyproject.toml or dg.toml. definitions : the folder whose files Dagster loads.
    code_location : the module that Dagster loads."""

    root: Path
    definitions: Path
    code_location: str = "definitions"

    def component_files(self) -> list[Path]:
        """Files of components, in order; none where the folder is missing."""
        found = []
        for number, path in enumerate(self.definitions.rglob("*")):
            if number == MOST_FILES:
                break
            if path.name in COMPONENT_FILES and path.is_file():
                found.append(path)
        return sorted(found)


def project_of(folder: Path) -> DagsterProject | None:
    """The project that a folder lies in; None where no parent says it is one."""
    for parent in (folder.resolve(), *folder.resolve().parents):
        for name in ROOT_FILES:
            table = _project_table(parent / name)
            if table is not None:
                return DagsterProject(parent, _definitions(parent, table), _code_location(parent, table))
    return None


def _project_table(path: Path) -> dict[str, Any] | None:
    try:
        loaded: Any = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        # No project says so in a file that is none; what else is wrong with it, its own tools say.
        return None
    for key in ("project",) if path.name == "dg.toml" else ("tool", "dg", "project"):
        loaded = loaded.get(key) if isinstance(loaded, dict) else None
    return loaded if isinstance(loaded, dict) else None


def _definitions(root: Path, table: dict[str, Any]) -> Path:
    """`dg`'s own rule: the module named, else `defs` of the root module; below src/ or beside it."""
    module = _root_module(root, table)
    parts = str(table.get("defs_module") or f"{module}.defs").split(".")
    places = [root.joinpath("src", *parts), root.joinpath(*parts)]
    return next((place for place in places if place.is_dir()), places[0])


def _code_location(root: Path, table: dict[str, Any]) -> str:
    return str(table.get("code_location_target_module") or f"{_root_module(root, table)}.definitions")


def _root_module(root: Path, table: dict[str, Any]) -> str:
    return str(table.get("root_module") or root.name.replace("-", "_"))
