"""An index whose steps run in processes of their own: Dagster opens the job in each of them by this module's name."""

import os
from pathlib import Path

import dagster as dg

from xtr_assets.config import parse_config
from xtr_assets.defs import build_index_defs
from xtr_assets.defs.names import DERIVED
from xtr_assets_tests.defs.conftest import CONFIG

FOLDER = "XTR_ASSETS_TEST_FOLDER"
# A process that is forked from one that has everything imported: .3 s a step in place of 3.
EXECUTOR = dg.multiprocess_executor.configured(
    {"max_concurrent": 2, "start_method": {"forkserver": {"preload_modules": [__name__]}}}
)


def rebuild() -> dg.JobDefinition:
    """From the draft to the pointer, as the job `rebuild` does in one process."""
    config = parse_config(CONFIG.format(name="small"), Path(os.environ[FOLDER]))
    keys = [dg.AssetKey(["small", name]) for name in DERIVED]
    job = dg.define_asset_job("apart", dg.AssetSelection.assets(*keys), executor_def=EXECUTOR)
    parts = dg.Definitions.merge(build_index_defs(config), dg.Definitions(jobs=[job]))
    return parts.resolve_job_def("apart")
