"""Which part of an index each shard belongs to, and the configuration of each part. Nothing is written here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xtr_assets.config import IndexConfig, PartConfig, PartsConfig, QueriesConfig, SourceConfig, part_label
from xtr_assets.core.errors import ConfigError, StorageError
from xtr_assets.core.part_places import fill_parts
from xtr_assets.sources import open_source
from xtr_assets.storage.layout import PartsLayout
from xtr_assets.storage.parts.part_records import SetInfo
from xtr_assets.storage.parts.part_set import PartSet
from xtr_assets.storage.parts.part_set_reader import PartSetReader, holds_parts


@dataclass(frozen=True)
class PartPlan:
    """An index of parts.

    root : the folder of the set. configs : by part, in the order in which parts came to be. unused : parts of the set
    of whose shards the configuration has none any more.
    """

    root: Path
    max_chunks: int
    configs: Mapping[str, PartConfig]
    unused: tuple[str, ...]

    @property
    def places(self) -> dict[str, str]:
        """Shard -> part."""
        return {shard: part for part, config in self.configs.items() for shard in sorted(config.shards)}

    def settled(self) -> PartSet:
        """The set with every shard at its place, made where there is none. InvalidInput where a shard is elsewhere."""
        opened = PartSet.create(self.root, most_chunks=self.max_chunks, exist_ok=True)
        opened.settle(self.places, self.max_chunks)
        return opened

    def overfull(self) -> list[str]:
        """A sentence for each part that serves more than `max_chunks`, with what to do."""
        found = []
        for part, config in self.configs.items():
            rows = _rows(PartSetReader.open(self.root), part) if holds_parts(self.root) else 0
            if rows > self.max_chunks:
                remedy = (
                    f"move one of its {len(config.shards)} shards: `xtr-assets parts move SET SHARD PART`"
                    if len(config.shards) > 1
                    else "split its source by more `shards`"
                )
                found.append(
                    f"part {part} serves {rows:,} chunks, `parts.max_chunks` is {self.max_chunks:,}: {remedy}, or "
                    "raise the limit"
                )
        return found


def plan_parts(config: IndexConfig) -> PartPlan:
    """The parts of an index whose configuration has `parts`: where a shard was placed before, else by their number.

    The same for the same configuration and set. ConfigError where two parts would be called alike in Dagster.
    """
    settings = config.parts
    assert settings is not None
    units = [(source, unit) for source in config.sources for unit in _units(source)]
    info = PartSetReader.open(config.warehouse).info if holds_parts(config.warehouse) else SetInfo(created_at="")
    known = {shard: one.part for shard, one in info.shards.items()}
    full = _full(config.warehouse, info.parts, settings)
    places = fill_parts([unit for _, unit in units], known, info.parts, settings.shards, full)
    order = [*info.parts, *dict.fromkeys(part for part in places.values() if part not in info.parts)]
    used = [part for part in order if part in places.values()]
    labels = [part_label(part) for part in used]
    if doubled := sorted({one for one in labels if labels.count(one) > 1}):
        raise ConfigError(f"two parts of {config.warehouse} are both {doubled[0]} in Dagster; rename the folder of one")
    configs = {part: _part(config, part, places) for part in used}
    return PartPlan(config.warehouse, settings.max_chunks, configs, tuple(one for one in info.parts if one not in used))


def _units(source: SourceConfig) -> Sequence[tuple[str, ...]]:
    """Shards that lie together. Files go to a shard by a hash of their path, so that each shard stands for itself; an
    asset without listed partitions, and a source of somebody's own, are looked at as a whole."""
    shards = tuple(open_source(source).shards())
    whole = source.own or (source.kind == "asset" and source.partitions is None)
    return [shards] if whole else [(shard,) for shard in shards]


def _part(config: IndexConfig, part: str, places: Mapping[str, str]) -> PartConfig:
    shards = frozenset(shard for shard, own in places.items() if own == part)
    sources = tuple(one for source in config.sources if (one := _narrowed(source, shards)) is not None)
    fields: dict[str, Any] = {name: getattr(config, name) for name in IndexConfig.model_fields}
    fields |= {
        "name": f"{config.name}_{part_label(part)}",
        "warehouse": PartsLayout(config.warehouse).part(part),
        "parts": None,
        "sources": sources,
        # The set is judged: right answers lie in any part.
        "queries": None if config.queries is None else QueriesConfig(path=config.queries.path),
    }
    # The whole was checked; checking a part again would vouch for its encoder a second time.
    own: dict[str, Any] = {"part": part, "shards": shards, "places": places, "index": config.name}
    own["whole_sources"] = config.known_sources
    return PartConfig.model_construct(**fields, **own)


def _narrowed(source: SourceConfig, shards: frozenset[str]) -> SourceConfig | None:
    """The source as a part sees it: None where none of its shards lies there."""
    if not shards.intersection(open_source(source).shards()):
        return None
    if source.partitions is None:
        return source
    kept = tuple(one for one in source.partitions if f"{source.name}-{one}" in shards)
    return source.model_copy(update={"partitions": kept})


def _full(root: Path, parts: tuple[str, ...], settings: PartsConfig) -> tuple[str, ...]:
    """The newest part, where it takes no more: an older one takes nothing anyway."""
    return parts[-1:] if parts and _rows(PartSetReader.open(root), parts[-1]) >= settings.max_chunks else ()


def _rows(opened: PartSetReader, part: str) -> int:
    """Chunks that a part serves; 0 where nobody can tell: whoever needs the part says why."""
    try:
        published = opened.warehouse(part).published
    except StorageError:
        return 0
    return 0 if published is None else published.live_rows
