"""Dagster definitions of the index that counts here: of $XTR_ASSETS_CONFIG, else ./xtr.yaml, else the demo's."""

import dagster as dg

from xtr_assets.config import discover_config
from xtr_assets.defs import build_index_defs

defs = dg.Definitions.merge(
    build_index_defs(discover_config()),
    # Assets that are selected by hand run in one process too: one of its own for each step opens every index, and
    # loads the encoder, again and again (7.7 s a step in place of 0.06 s).
    dg.Definitions(executor=dg.in_process_executor),
)
