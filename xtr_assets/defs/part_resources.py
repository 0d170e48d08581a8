"""Resources of an index of parts: the set, and each part's warehouse, every shard at its place before it is written."""

from xtr_assets.defs.resources import MarkedResource, WarehouseResource
from xtr_assets.storage.layout import Layout
from xtr_assets.storage.parts.part_set import PartSet
from xtr_assets.storage.parts.part_set_reader import refuse_exchanged, warn_of_empty
from xtr_assets.storage.warehouse import Warehouse


class PartSetResource(MarkedResource):
    """A set of parts, by its folder; made when it is first written to. places : shard -> part, as the definitions have
    it. index : whose; "" is anybody's."""

    path: str
    index: str = ""
    places: dict[str, str]
    max_chunks: int

    def open(self) -> PartSet:
        """The set. InvalidInput where a shard was placed elsewhere since the definitions were loaded."""
        warn_of_empty(self.path)
        opened = PartSet.create(self.path, most_chunks=self.max_chunks, exist_ok=True)
        opened.settle(self.places, self.max_chunks)
        return opened

    def mark_layout(self) -> Layout:
        """That of the set's own folder."""
        return Layout(self.open().root)


class PartResource(WarehouseResource):
    """The warehouse of one part. `path` is the folder of the set."""

    part: str
    places: dict[str, str]
    max_chunks: int

    def open(self) -> Warehouse:
        """The part's warehouse, in a set in which its shards are placed. StorageError where that of another part is in
        its place."""
        opened = PartSetResource(path=self.path, places=self.places, max_chunks=self.max_chunks).open()
        made = opened.warehouse(self.part)
        refuse_exchanged(opened, self.part)
        return made
