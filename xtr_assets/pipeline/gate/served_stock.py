"""What serves of the sources of an index, for its next generation to be held against.

Of a part that is what would lie in it as the shards are cut and placed now, wherever it lay before: a shard that moved
to another part was not lost by this one, and the part that has it now is asked for all of it.
"""

from collections.abc import Mapping

from xtr_assets.config import IndexConfig, PartConfig
from xtr_assets.pipeline.gate.source_stock import Holding, held, held_in_place, source_name
from xtr_assets.sources import open_source
from xtr_assets.sources.base import FileSource, shard_of
from xtr_assets.storage.generation import Generation
from xtr_assets.storage.layout import Layout, PartsLayout
from xtr_assets.storage.parts.move_chain import last_move
from xtr_assets.storage.parts.part_set_reader import PartSetReader, holds_parts
from xtr_assets.storage.warehouse import Warehouse


def serving_stock(warehouse: Warehouse, config: IndexConfig, serving: Generation | None) -> Mapping[str, Holding]:
    """By source. serving : what the warehouse serves. StorageError where another part cannot be read that has some."""
    if not isinstance(config, PartConfig):
        return {} if serving is None else held(serving)
    cuts = _cuts(config)

    def here(shard: str, path: str) -> bool:
        if shard in config.places:
            return config.places[shard] == config.part
        shards = cuts.get(source_name(shard))
        # What is cut no more, and not by paths, is told of where it served.
        return shards is None or config.keeps(shards[shard_of(path, len(shards))])

    own = frozenset() if serving is None else frozenset(serving.manifest.snapshots)
    if own == config.shards and serving is not None:
        return held(serving)
    served = [] if serving is None else [(serving, own)]
    for generation in _others(warehouse, config):
        # A shard that is placed elsewhere, or whose source has nothing here, holds nothing of this part.
        wanted = {
            shard
            for shard in generation.manifest.snapshots
            if shard not in own and (config.keeps(shard) or (shard not in config.places and source_name(shard) in cuts))
        }
        if wanted:
            served.append((generation, frozenset(wanted)))
    return held_in_place(served, here)


def _cuts(config: PartConfig) -> dict[str, tuple[str, ...]]:
    """The shards of sources that are cut by path."""
    opened = [open_source(source) for source in config.sources]
    return {one.config.name: tuple(one.shards()) for one in opened if isinstance(one, FileSource)}


def _others(warehouse: Warehouse, config: PartConfig) -> list[Generation]:
    """What the set serves of the other parts."""
    root = warehouse.layout.root.parent.parent
    if not holds_parts(root):
        return []
    layout: PartsLayout = PartSetReader.open(root).layout
    last = last_move(layout)
    named = {} if last is None else last[0].parts
    return [
        Generation.open(Layout(layout.part(part)), state.generation)
        for part, state in named.items()
        if part != config.part
    ]
