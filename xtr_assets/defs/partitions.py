"""Shards as partitions: what the configuration says, known as soon as the definitions are loaded."""

import dagster as dg

from xtr_assets.config import IndexConfig
from xtr_assets.pipeline.ingest.scan import shard_sources


def shard_partitions(config: IndexConfig) -> dg.StaticPartitionsDefinition:
    """The partitions of `chunks`, `embeddings` and `token_embeddings`: every shard of every source.

    No file is looked at, and no instance is written to: a shard can be launched in a project that nothing ran in yet.
    """
    return dg.StaticPartitionsDefinition(list(shard_sources(config)))
