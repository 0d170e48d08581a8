"""Costs of ingesting the shards of a draft, read from the materializations of the runs that did it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import dagster as dg

from xtr_assets.core.name_text import Naming
from xtr_assets.defs.assets.embeddings import names_suffix
from xtr_assets.defs.context import Site
from xtr_assets.pipeline.cost_report import INGEST
from xtr_assets.pipeline.plan.index_settings import named_shards, shards_named_in
from xtr_assets.storage.generation import Generation

# Step -> the assets whose materializations report it, alike, of which an index has at least one; and what adds up over
# shards and runs.
STEPS = {
    "chunks": (("chunks",), ("seconds", "cpu_seconds", "bytes", "added", "changed", "deleted")),
    "encode": (
        ("embeddings", "token_embeddings"),
        ("seconds", "cpu_seconds", "bytes", "encoded", "resumed", "reused", "named", "tokens"),
    ),
}
# Where Dagster keeps the data version of a materialization.
DATA_VERSION_TAG = "dagster/data_version"
# Runs looked at for each step: a shard is seldom ingested more than a few times between two generations.
MOST_RUNS = 1000


def ingest_costs(
    context: dg.AssetExecutionContext, site: Site, draft: Generation, parent: Generation | None
) -> dict[str, dict[str, Any]]:
    """Costs of the runs that ingested the changed shards since the parent was begun, by step; empty where none was.

    After a change of the encoder every shard was ingested. Where nothing but names is new (a source got them, or this
    release words them otherwise) what was chunked stays, and names are what was encoded. Runs of another Dagster
    instance are not seen; `runs` says how many were.
    """
    before: Mapping[str, str] = {}
    renamed: Mapping[str, Naming] = {}
    if parent is not None and parent.fingerprint == draft.fingerprint:
        before = parent.manifest.snapshots
        same = shards_named_in(parent, site.config)
        renamed = {shard: naming for shard, naming in named_shards(site.config).items() if shard not in same}
    versions = draft.manifest.snapshots
    shards = [shard for shard, version in versions.items() if before.get(shard) != version or shard in renamed]
    if not shards:
        return {}
    since = None if parent is None else datetime.fromisoformat(parent.manifest.created_at).timestamp()
    found = {}
    for step, (assets, names) in STEPS.items():
        asset = site.there(assets)[0]
        wanted = dg.AssetRecordsFilter(asset_key=site.names.key(asset), asset_partitions=shards, after_timestamp=since)
        records = context.instance.fetch_materializations(wanted, limit=MOST_RUNS).records
        made = [one.asset_materialization for one in records if one.asset_materialization is not None]
        counted = [one for one in made if not _of_parent(one, before, renamed)]
        sums: dict[str, Any] = {"runs": len(counted), **dict.fromkeys(names, 0)}
        for materialization in counted:
            values = materialization.metadata
            for name in names:
                value = values[name].value if name in values else 0
                sums[name] += value if isinstance(value, int | float) else 0
        found[f"{INGEST}{step}"] = {**sums, "seconds": round(sums["seconds"], 4)}
    return found


def _of_parent(
    materialization: dg.AssetMaterialization, before: Mapping[str, str], renamed: Mapping[str, Naming]
) -> bool:
    """Whether it made what the parent holds of the shard, and was counted there: `created_at` is in whole seconds."""
    shard, tags = materialization.partition or "", materialization.tags or {}
    version, _, encoded = str(tags.get(DATA_VERSION_TAG, "")).partition("-")
    if shard in renamed and encoded.endswith(names_suffix(renamed[shard])):
        return False
    return version == before.get(shard)
