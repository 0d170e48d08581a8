"""Kind `asset`: the records that an upstream Dagster asset holds, one chunk each, or several if it is long."""

from collections.abc import Iterator
from typing import Any, ClassVar

from xtr_assets.config import SourceConfig
from xtr_assets.core.errors import SourceError
from xtr_assets.core.types import Chunk, Quarantined
from xtr_assets.sources.asset_place import AssetPlace, AssetValue
from xtr_assets.sources.asset_rows import asset_rows
from xtr_assets.sources.place import SourceFile
from xtr_assets.sources.record_rows import InvalidRecord, Row
from xtr_assets.sources.records import Records


class AssetRecords(Records):
    """An asset is a path, its partitions are paths below it; a record's line is its number, from 1.

    What cannot be read is a SourceError: the run of the shard fails, and says why, and what was ingested stays. A
    partition that holds no records, beside others that do, is quarantined, or stale where it had some.
    """

    suffixes: ClassVar[tuple[str, ...]] = ()

    def __init__(self, config: SourceConfig) -> None:
        self.asset = AssetPlace(config)
        super().__init__(config, self.asset)

    def shards(self) -> tuple[str, ...]:
        partitions = self.config.partitions
        return super().shards() if partitions is None else tuple(f"{self.config.name}-{name}" for name in partitions)

    def shard_at(self, path: str, shards: tuple[str, ...]) -> str:
        partitions = self.config.partitions
        if partitions is None:
            return super().shard_at(path, shards)
        by_path = {self.asset.path(name): shard for name, shard in zip(partitions, shards, strict=True)}
        return by_path[path]

    def _may_hold_workbooks(self) -> bool:
        return False

    def settings(self) -> dict[str, Any]:
        return {**super().settings(), "asset": self.config.asset}

    def read(self, path: str) -> Iterator[Chunk | Quarantined]:
        try:
            value = self.asset.file(path, self.globs, None)
        except FileNotFoundError:
            yield self.refuse(path, 0, "unreadable", "no partition of this name is materialized any more")
            return
        for item in self.read_file(path, value):
            if isinstance(item, Quarantined) and item.reason == "no-records" and self.asset.alone(path):
                raise SourceError(
                    f"{value.named} is empty of records: {item.detail.removesuffix(' (0 bytes)')}; what was ingested "
                    "of it stays. Materialize it with records, or remove the source from the configuration"
                )
            yield item
        if not self.asset.stands(path):
            raise SourceError(
                f"{value.named} was materialized again while it was read; nothing of it was taken, build again"
            )

    def rows(self, file: SourceFile) -> Iterator[Row | InvalidRecord]:
        assert isinstance(file, AssetValue), file
        return asset_rows(file.value, *self.columns(), file.named)
