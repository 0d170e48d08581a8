"""Which parts a set has, and which shard lies in which of them."""

from collections.abc import Mapping

from xtr_assets.core.errors import InvalidInput
from xtr_assets.core.part_places import place_shards
from xtr_assets.storage.layout import Layout
from xtr_assets.storage.links import refuse_linked
from xtr_assets.storage.parts.part_records import SetInfo, ShardPlace
from xtr_assets.storage.parts.part_set_writer import PartSetWriter
from xtr_assets.storage.warehouse import Warehouse


class ShardPlacement(PartSetWriter):
    """A set to which parts come and shards are placed. What serves does not change by it."""

    def add(self, part: str) -> Warehouse:
        """Make an empty part, or take in the warehouse that lies at parts/<part>. Nothing of it is seen before a move
        names it."""
        with self._writing(f"adding part {part}"):
            info = self._recovered()
            folder = self.layout.part(part)
            refuse_linked(Layout(self.root), folder)
            if part in info.parts:
                raise InvalidInput(f"part {part!r} is in the set already")
            made = Warehouse.create(folder, exist_ok=True)
            self._write(info.model_copy(update={"parts": (*info.parts, part)}))
            return made

    def remove(self, part: str) -> None:
        """Take a part and its shards out of the set; its folder stays. What serves goes on: the next publish leaves it
        out, and asks for a reason to."""
        with self._writing(f"taking out part {part}"):
            info = self._recovered()
            if part not in info.parts:
                raise InvalidInput(f"no part {part!r}; there are: {', '.join(info.parts) or 'none'}")
            shards = {shard: place for shard, place in info.shards.items() if place.part != part}
            parts = tuple(one for one in info.parts if one != part)
            self._write(info.model_copy(update={"parts": parts, "shards": shards}))

    def place(self, sizes: Mapping[str, int]) -> dict[str, str]:
        """The part of each shard, given its chunks: where it was placed before, else where there is room. Parts that
        are needed are added."""
        with self._writing("placing shards"):
            info = self._recovered()
            known = {shard: place.part for shard, place in info.shards.items()}
            placed = place_shards(sizes, known, self._held(info), info.parts, info.most_chunks)
            for part in dict.fromkeys(placed.values()):
                if part not in info.parts:
                    self.add(part)
            fresh = {shard: ShardPlace(part=part, chunks=sizes[shard]) for shard, part in placed.items()}
            self._write(self.info.model_copy(update={"shards": {**info.shards, **fresh}}))
            return {shard: placed.get(shard) or known[shard] for shard in sizes}

    def settle(self, places: Mapping[str, str], most_chunks: int) -> None:
        """Keep in which part each shard is, and how many chunks a part takes. Parts that are needed are added, in this
        order. InvalidInput where a shard was placed in another part before: `reassign` is how it moves."""

        def lacking(info: SetInfo) -> dict[str, str]:
            known = {shard: one.part for shard, one in info.shards.items()}
            for shard, part in places.items():
                if known.get(shard, part) != part:
                    raise InvalidInput(
                        f"shard {shard!r} was placed in part {known[shard]}, and part {part} wants it; load the "
                        "definitions again where they are older than that, or move it: `xtr-assets parts move`"
                    )
            return {shard: part for shard, part in places.items() if shard not in known}

        info = self.info
        if not lacking(info) and info.most_chunks == most_chunks:
            return
        with self._writing("placing shards"):
            new = lacking(self._recovered())
            for part in dict.fromkeys(new.values()):
                if part not in self.info.parts:
                    self.add(part)
            shards = {**self.info.shards, **{shard: ShardPlace(part=part) for shard, part in new.items()}}
            self._write(self.info.model_copy(update={"shards": shards, "most_chunks": most_chunks}))

    def reassign(self, shard: str, part: str) -> str:
        """Let a shard belong to another part, which is made where there is none; gives the part that it was in. Both
        are built then, and serve so by one move. What serves does not change."""
        with self._writing(f"moving shard {shard}"):
            info = self._recovered()
            if shard not in info.shards:
                known = ", ".join(sorted(info.shards)) or "none"
                raise InvalidInput(f"no shard {shard!r} was placed in {self.root}; there are: {known}")
            if part not in info.parts:
                self.add(part)
            shards = {**self.info.shards, shard: ShardPlace(part=part, chunks=info.shards[shard].chunks)}
            self._write(self.info.model_copy(update={"shards": shards}))
            return info.shards[shard].part

    def _held(self, info: SetInfo) -> dict[str, int]:
        """Chunks of each part: of a shard that was built what serves, else what was said of it."""
        served = {name: self._served_rows(name) for name in info.parts}
        held = {name: sum(rows.values()) for name, rows in served.items()}
        for shard, place in info.shards.items():
            if shard not in served[place.part]:
                held[place.part] += place.chunks
        return held

    def _served_rows(self, part: str) -> dict[str, int]:
        published = self.warehouse(part).published
        rows: dict[str, int] = {}
        for one in published.manifest.segments if published is not None else ():
            rows[one.shard] = rows.get(one.shard, 0) + one.live_rows
        return rows
