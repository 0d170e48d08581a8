"""What it cost to ingest the shards of a draft: told by the materializations of the runs that did it."""

from datetime import datetime
from typing import Any

import dagster as dg

from xtr_assets.build.cost_report import INGEST
from xtr_assets.defs.site import Site
from xtr_assets.storage.generations import Generation

# Step -> the asset whose materializations report it, and what adds up over shards and runs.
STEPS = {
    "chunks": ("chunks", ("seconds", "cpu_seconds", "bytes", "added", "changed", "deleted")),
    "encode": ("embeddings", ("seconds", "cpu_seconds", "bytes", "encoded", "resumed", "reused", "tokens")),
}
# Runs looked at for each step: a shard is seldom ingested more than a few times between two generations.
MOST_RUNS = 1000


def ingest_costs(
    context: dg.AssetExecutionContext, site: Site, draft: Generation, parent: Generation | None
) -> dict[str, dict[str, Any]]:
    """Costs of the runs that ingested the changed shards since the parent was begun, by step; empty where none was.

    After a change of the encoder every shard was ingested. Runs of another Dagster instance are not seen; `runs` says
    how many were.
    """
    before = {} if parent is None or parent.fingerprint != draft.fingerprint else parent.manifest.snapshots
    shards = [shard for shard, version in draft.manifest.snapshots.items() if before.get(shard) != version]
    if not shards:
        return {}
    since = None if parent is None else datetime.fromisoformat(parent.manifest.created_at).timestamp()
    found = {}
    for step, (asset, names) in STEPS.items():
        wanted = dg.AssetRecordsFilter(asset_key=site.names.key(asset), asset_partitions=shards, after_timestamp=since)
        records = context.instance.fetch_materializations(wanted, limit=MOST_RUNS).records
        sums: dict[str, Any] = {"runs": len(records), **dict.fromkeys(names, 0)}
        for record in records:
            materialization = record.asset_materialization
            values = {} if materialization is None else materialization.metadata
            for name in names:
                value = values[name].value if name in values else 0
                sums[name] += value if isinstance(value, int | float) else 0
        found[f"{INGEST}{step}"] = {**sums, "seconds": round(sums["seconds"], 4)}
    return found
