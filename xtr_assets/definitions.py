"""Dagster definitions of the index that counts here: of $XTR_ASSETS_CONFIG, else ./xtr.yaml, else the demo's."""

from xtr_assets.config import discover_config
from xtr_assets.defs import build_index_defs

defs = build_index_defs(discover_config())
