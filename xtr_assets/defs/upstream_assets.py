"""Upstream assets as sources: what is stored of them, by the instance and the definitions that they stand in."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

import dagster as dg

from xtr_assets.config import IndexConfig
from xtr_assets.core.errors import SourceError
from xtr_assets.sources.asset_reader import AssetReader, Materialization

# On materializations whose data version somebody gave: with the same one the value is the same. The version that
# Dagster makes itself is no such word: it is that of the code and of the inputs, whatever was fetched from elsewhere.
GIVEN_TAG, VERSION_TAG = "dagster/data_version_is_user_provided", "dagster/data_version"
# Records of materializations fetched at a time, of an asset of many partitions.
FETCHED = 500


def upstream_deps(config: IndexConfig) -> list[dg.AssetDep]:
    """What `chunks` depends on, so that lineage shows it."""
    deps: dict[dg.AssetKey, dg.AssetDep] = {}
    for source in config.sources:
        if source.asset is None:
            continue
        key = dg.AssetKey.from_user_string(source.asset)
        listed = source.partitions
        # Dagster's own guess is the partition of the same name, which days and shards have not.
        mapping = dg.AllPartitionMapping() if listed is None else dg.SpecificPartitionsPartitionMapping(list(listed))
        # Of two sources over one asset the first says which partitions.
        deps.setdefault(key, dg.AssetDep(key, partition_mapping=mapping))
    return list(deps.values())


class DagsterReader(AssetReader):
    """Reads the assets of definitions by their own IO managers. where : what the definitions are, for a person."""

    def __init__(self, repository: dg.RepositoryDefinition, instance: dg.DagsterInstance, where: str) -> None:
        self._repository, self._instance, self._where = repository, instance, where

    def materializations(self, asset: str) -> Mapping[str, Materialization]:
        """The latest ones. Of partitions, those that the asset still has."""
        key = dg.AssetKey.from_user_string(asset)
        partitions = self._spec(key).partitions_def
        if partitions is None:
            latest = self._instance.fetch_materializations(key, limit=1).records
            return {"": _materialization(latest[0])} if latest else {}
        ids = self._instance.get_latest_storage_id_by_partition(key, dg.DagsterEventType.ASSET_MATERIALIZATION)
        there = set(partitions.get_partition_keys(dynamic_partitions_store=self._instance))
        wanted = sorted(number for partition, number in ids.items() if partition in there)
        found = {}
        for start in range(0, len(wanted), FETCHED):
            part = wanted[start : start + FETCHED]
            chosen = dg.AssetRecordsFilter(asset_key=key, storage_ids=part)
            for record in self._instance.fetch_materializations(chosen, limit=len(part)).records:
                found[str(record.partition_key)] = _materialization(record)
        return found

    def load(self, asset: str, partition: str) -> Any:
        """The stored value."""
        key = dg.AssetKey.from_user_string(asset)
        self._spec(key)
        try:
            return self._repository.load_asset_value(key, instance=self._instance, partition_key=partition or None)
        except Exception as error:
            of = f"the partition {partition!r} of the asset {asset}" if partition else f"the asset {asset}"
            raise SourceError(
                f"{of} is materialized, and its IO manager gives no value of it ({type(error).__name__}: "
                f"{str(error)[:300]}); let it return its value to an IO manager that keeps it where this process can "
                "read it"
            ) from error

    def _spec(self, key: dg.AssetKey) -> dg.AssetSpec:
        known = self._repository.assets_defs_by_key
        if key in known:
            return known[key].specs_by_key[key]
        named = key.to_user_string()
        near = get_close_matches(named, [one.to_user_string() for one in known], 3)
        elsewhere = bool(self._instance.fetch_materializations(key, limit=1).records)
        if elsewhere:
            raise SourceError(
                f"the asset {named} is materialized, and not by {self._where}: another code location has it. Say here "
                f'how it is stored: `dg.AssetSpec("{named}", metadata={{"dagster/io_manager_key": "NAME"}})` among the '
                "definitions, with that IO manager among the resources"
            )
        raise SourceError(
            f"there is no asset {named} in {self._where}; correct `asset` of the source"
            + (f": {' or '.join(near)}?" if near else "")
        )


def _materialization(record: dg.EventLogRecord) -> Materialization:
    event = record.asset_materialization
    tags = {} if event is None or event.tags is None else event.tags
    written_ns = int(record.timestamp * 1e9)
    # What is reported without a run has no other version than the one that was given.
    if GIVEN_TAG in tags or (VERSION_TAG in tags and not record.run_id):
        return Materialization(f"version {tags.get(VERSION_TAG)}", written_ns)
    return Materialization(f"run {record.run_id} at {record.timestamp!r}", written_ns)
