"""Shards as dynamic partitions: registered where the config has them, retired where it no longer has."""

from collections.abc import Iterable

import dagster as dg

from xtr_assets.defs.names import Names


def shard_partitions(names: Names) -> dg.DynamicPartitionsDefinition:
    """The partitions of `chunks`, `embeddings` and `token_embeddings`."""
    return dg.DynamicPartitionsDefinition(name=names.shards)


def reconcile(instance: dg.DagsterInstance, names: Names, shards: Iterable[str]) -> tuple[list[str], list[str]]:
    """Make the instance's partitions these shards. Returns (added, retired)."""
    add, retire = difference(instance, names, shards)
    if add:
        instance.add_dynamic_partitions(names.shards, add)
    for shard in retire:
        instance.delete_dynamic_partition(names.shards, shard)
    return add, retire


def difference(instance: dg.DagsterInstance, names: Names, shards: Iterable[str]) -> tuple[list[str], list[str]]:
    """(shards that are no partition yet, partitions that are no shard any more)."""
    wanted, there = list(shards), instance.get_dynamic_partitions(names.shards)
    return [s for s in wanted if s not in there], [s for s in there if s not in wanted]
