"""Dagster definitions of an index: assets, checks, jobs, sensors, resources. The only importer of dagster."""

from xtr_assets.defs.factory import build_index_defs, build_project_defs
from xtr_assets.defs.resources import EncoderResource, SearchResource, WarehouseResource

__all__ = ["EncoderResource", "SearchResource", "WarehouseResource", "build_index_defs", "build_project_defs"]
