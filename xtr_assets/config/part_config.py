"""PartConfig: one part of an index of several. Nobody writes it: it follows from the index and the part's shards."""

import re
from collections.abc import Mapping

from xtr_assets.config.index_config import IndexConfig


class PartConfig(IndexConfig):
    """An index over some shards of the sources of another.

    part : its name in the set. shards : which of the shards of its sources it has. places : the part of every shard of
    the whole. index : the name of the whole, and whole_sources those of its sources, some of which may lie in other
    parts.
    """

    part: str
    shards: frozenset[str]
    places: Mapping[str, str]
    index: str
    whole_sources: tuple[str, ...]

    def keeps(self, shard: str) -> bool:
        """Whether a shard lies in this part."""
        return shard in self.shards

    @property
    def known_sources(self) -> tuple[str, ...]:
        """Those of the whole: a word about a source is for each part that has some of it."""
        return self.whole_sources

    @property
    def log_name(self) -> str:
        """Questions are asked of the whole."""
        return self.index


def part_label(part: str) -> str:
    """A part's name as a piece of names in Dagster, which take no hyphen.

    >>> part_label("part-0001")
    'part_0001'
    """
    return re.sub(r"[^a-z0-9]+", "_", part.lower()).strip("_") or "part"
