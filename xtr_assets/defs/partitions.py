"""Shards as partitions: what the configuration says, known as soon as the definitions are loaded."""

import dagster as dg

from xtr_assets.config import IndexConfig
from xtr_assets.core.errors import ConfigError
from xtr_assets.pipeline.ingest.scan import shard_sources


def shard_partitions(config: IndexConfig) -> dg.StaticPartitionsDefinition:
    """The partitions of `chunks`, `embeddings` and `token_embeddings`: every shard of every source.

    No file is looked at, and no instance is written to: a shard can be launched in a project that nothing ran in yet.
    """
    return dg.StaticPartitionsDefinition(list(shard_sources(config)))


def shard_of(context: dg.AssetExecutionContext, config: IndexConfig) -> str:
    """The shard of a run, which is its partition. ConfigError for a run without one, or of a range, as a job of the
    project's own begins that has assets with partitions and without."""
    if context.has_partition_key:
        shard: str = context.partition_key
        return shard
    found = f"{len(context.partition_keys)} partitions" if context.has_partition_key_range else "no partition"
    made = ", ".join(sorted(key.to_user_string() for key in context.selected_asset_keys))
    raise ConfigError(
        f"the run has {found}, and each shard has a run of its own that makes {made}; launch it with one of "
        f"{', '.join(shard_sources(config))}, or a backfill of the assets that have partitions"
    )
