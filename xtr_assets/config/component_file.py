"""An index that is configured in a Dagster project: the attributes of a component `xtr_assets.RetrievalIndex`.

Dagster resolves them with all it knows. The shell reads the same file without Dagster, whose import takes as long as
three searches: templates may then use the environment and the project's folder.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from xtr_assets.config.dagster_project import DagsterProject, project_of
from xtr_assets.config.index_config import IndexConfig, read_config_file
from xtr_assets.core.errors import ConfigError
from xtr_assets.core.field_problem import problems, shown
from xtr_assets.core.yaml_document import read_yaml_documents

COMPONENT_TYPE = "xtr_assets.RetrievalIndex"
# What the component has beside the fields of a configuration: a file that holds those, and what Dagster shows and runs.
DAGSTER_FIELDS = ("config", "prefix", "owners", "tags", "group", "schedules", "automation", "run_tags")
# The fields that a person writes; that queries come from the log is written as `queries: log`.
INDEX_FIELDS = tuple(name for name in IndexConfig.model_fields if name != "queries_from_log")


@dataclass(frozen=True, slots=True)
class Component:
    """An index of a Dagster project. prefix : what its jobs, sensors and resources are called by there."""

    index: IndexConfig
    prefix: str
    project: DagsterProject | None


def is_component(path: Path) -> bool:
    """Whether a file declares our component; said of its text, no template in it is looked at."""
    try:
        text = path.read_text("utf-8-sig")
        return re.search(rf"^type:\s*[\"']?{re.escape(COMPONENT_TYPE)}\b", text, re.M) is not None
    except (OSError, ValueError):
        return False


def read_component(path: Path) -> Component:
    """The index of a component's file. Raises ConfigError."""
    # `dg scaffold` appends to a file that is there: of its documents one is meant.
    documents = read_yaml_documents(path.read_bytes(), path.name)
    types = [one.get("type") if isinstance(one, dict) else one for one in documents]
    if (count := types.count(COMPONENT_TYPE)) != 1:
        if count:
            raise ConfigError(f"{path.name} declares {count} indexes, and the shell reads one; give each its own file")
        raise ConfigError(
            f"{path.name} has the type {', '.join(map(shown, types or [None]))}, {COMPONENT_TYPE} is wanted; name "
            "another file"
        )
    loaded = documents[types.index(COMPONENT_TYPE)]
    folder = path.resolve().parent
    project = project_of(folder)
    attributes = loaded.get("attributes") or {}
    if not isinstance(attributes, dict):
        raise ConfigError(f"{path.name}: `attributes` is {shown(attributes)}; give a mapping of fields")
    # Dagster refuses them too; what is passed over here would be built with a default.
    strange = [name for name in attributes if name not in (*INDEX_FIELDS, *DAGSTER_FIELDS)]
    if strange:
        faults = ({"type": "extra_forbidden", "loc": ("attributes", one), "input": attributes[one]} for one in strange)
        raise ConfigError(f"{path.name}: {problems(faults)}")
    rendered = _rendered(attributes, _scope(project), f"{path.name}: attributes")
    index = component_index(rendered, folder, project, path.name)
    return Component(index, component_prefix(rendered, index), project)


def component_index(
    attributes: Mapping[str, Any], folder: Path, project: DagsterProject | None, origin: str
) -> IndexConfig:
    """The configuration that attributes come to, templates resolved; relative paths are taken from `folder`, that of
    their file. Raises ConfigError, with a ValidationError as its cause where a field is wrong."""
    inline = {name: attributes[name] for name in INDEX_FIELDS if attributes.get(name) is not None}
    named = attributes.get("config")
    if named is not None:
        if inline:
            raise ConfigError(
                f"{origin}: `config` names {shown(named)}, which says it all; remove {', '.join(inline)}, or `config`"
            )
        index = read_config_file(folder / Path(str(named)).expanduser())
    else:
        inline.setdefault("name", default_name(folder))
        if project is not None:
            inline.setdefault("warehouse", str(project.root / "warehouse" / str(inline["name"])))
        try:
            index = IndexConfig.model_validate(inline).resolved(folder)
        except ValidationError as error:
            raise ConfigError(f"{origin}: {problems(dict(item) for item in error.errors())}") from error
    if project is not None and index.warehouse.resolve().is_relative_to(project.definitions.resolve()):
        raise ConfigError(
            f"{origin}: the warehouse {index.warehouse} lies in {project.definitions}, all of which Dagster reads at "
            'each load; write "{{ context.project_root }}/warehouse/' + index.name + '"'
        )
    return index


def component_prefix(attributes: Mapping[str, Any], index: IndexConfig) -> str:
    """What goes before the names of jobs, sensors, schedules and resources: `NAME_` unless another is given, so that
    two components of a project do not meet. ConfigError where Dagster takes no such names."""
    given = attributes.get("prefix")
    prefix = f"{index.name}_" if given is None else str(given)
    if re.fullmatch("[A-Za-z0-9_]*", prefix) is None:
        raise ConfigError(f'`prefix` is {prefix!r}: give letters, digits and underscores, or "" for none')
    return prefix


def default_name(folder: Path) -> str:
    """The index' name where none is given: that of the component's folder.

    >>> default_name(Path("defs/hand-book"))
    'hand_book'
    """
    name = re.sub(r"[^a-z0-9]+", "_", folder.name.lower()).strip("_")[:40]
    return name if re.match("[a-z]", name) else "docs"


class _Environment:
    """`env.NAME` and `env("NAME", "otherwise")`, as Dagster's templates have them."""

    def __getattr__(self, name: str) -> str | None:
        if name.startswith(("_", "jinja")):
            raise AttributeError(name)
        return os.environ.get(name)

    def __call__(self, name: str, otherwise: str | None = None) -> str | None:
        return os.environ.get(name, otherwise)


def _scope(project: DagsterProject | None) -> dict[str, Any]:
    scope: dict[str, Any] = {"env": _Environment()}
    return scope if project is None else {**scope, "context": {"project_root": str(project.root)}}


def _rendered(value: Any, scope: Mapping[str, Any], place: str) -> Any:
    """The value with its templates filled in."""
    if isinstance(value, dict):
        return {key: _rendered(one, scope, f"{place}.{key}") for key, one in value.items()}
    if isinstance(value, list):
        return [_rendered(one, scope, f"{place}.{number}") for number, one in enumerate(value)]
    if not isinstance(value, str) or not re.search(r"{{|{%|{#", value):
        return value
    from jinja2 import StrictUndefined, Undefined
    from jinja2.nativetypes import NativeEnvironment
    from jinja2.sandbox import SandboxedEnvironment

    # A file of a folder that somebody merely stands in must not run code of its own.
    class Sandbox(SandboxedEnvironment, NativeEnvironment):
        pass

    try:
        found = Sandbox(undefined=StrictUndefined).from_string(value).render(scope)
    except Exception as error:
        # Whatever an expression comes to: a division by zero, an item that a list lacks.
        raise ConfigError(_unfilled(place, value, str(error))) from error
    if found is None:
        raise ConfigError(nothing(place, value))
    if isinstance(found, Undefined):
        raise ConfigError(_unfilled(place, value, "undefined"))
    return found


def nothing(place: str, template: object) -> str:
    """A template that came to nothing is not the same as a field that was left out: another warehouse is none."""
    return f"{place} is {shown(template)}, which is nothing here; set the environment variable, or remove the field"


def _unfilled(place: str, template: str, why: str) -> str:
    return (
        f"{place} is {shown(template)}, which the shell cannot fill in ({why}): it knows env.NAME and "
        "context.project_root; put the fields into an xtr.yaml that `config` names"
    )
