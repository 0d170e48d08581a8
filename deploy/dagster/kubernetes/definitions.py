"""The project in a cluster: which runs go to nodes with a GPU, and which to those with memory."""

import os
from pathlib import Path

import dagster as dg

from xtr_assets.config import load_config
from xtr_assets.defs import build_index_defs

GPU = {
    "container_config": {
        "resources": {"limits": {"nvidia.com/gpu": 1, "memory": "16Gi"}, "requests": {"cpu": "4", "memory": "16Gi"}}
    },
    "pod_spec_config": {
        "node_selector": {"pool": "gpu"},
        "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}],
    },
}
# A build of 5,000,000 chunks takes 53 GB at its peak by `xtr-assets plan --chunks 5e6`; docs/sizing.md says more.
MEMORY = {
    "container_config": {"resources": {"limits": {"memory": "64Gi"}, "requests": {"cpu": "8", "memory": "64Gi"}}},
    "pod_spec_config": {"node_selector": {"pool": "memory"}},
}

defs = dg.Definitions.merge(
    build_index_defs(
        load_config(Path(os.environ["XTR_ASSETS_CONFIG"])),
        run_tags={
            "ingest": {"dagster-k8s/config": GPU},
            **{job: {"dagster-k8s/config": MEMORY} for job in ("rebuild", "retrain", "compact", "tune")},
        },
    ),
    dg.Definitions(executor=dg.in_process_executor),
)
