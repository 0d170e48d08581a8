"""Dagster definitions of an index: assets, checks, jobs, sensors, resources. The only importer of dagster.

Loaded on first use: a build that finds nothing to do needs no Dagster, whose import is a third of it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xtr_assets.defs.factory import build_index_defs, build_project_defs
    from xtr_assets.defs.resources import EncoderResource, SearchResource, WarehouseResource

_MODULES = {
    "EncoderResource": "resources",
    "SearchResource": "resources",
    "WarehouseResource": "resources",
    "build_index_defs": "factory",
    "build_project_defs": "factory",
}

__all__ = ["EncoderResource", "SearchResource", "WarehouseResource", "build_index_defs", "build_project_defs"]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"xtr_assets.defs.{_MODULES[name]}"), name)
