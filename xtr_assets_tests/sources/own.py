"""A source of somebody's own, as the page of sources shows it: notes that a service keeps, one chunk a paragraph."""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

from xtr_assets.config import SourceConfig
from xtr_assets.core.errors import SourceError
from xtr_assets.core.ids import chunk_id
from xtr_assets.core.types import Chunk, FileState, Quarantined
from xtr_assets.sources.base import shard_of
from xtr_assets.sources.file_scan import Listing

NOTES: dict[str, str] = {
    f"team/{n}": f"Note {n} of the team.\n\nThe ferry number {n} leaves at noon." for n in range(12)
}
NO_FACTORY = 3


class Notes:
    """`NOTES` stands for the service."""

    def __init__(self, config: SourceConfig, greeting: str = "") -> None:
        self.config, self.greeting = config, greeting

    def shards(self) -> tuple[str, ...]:
        count = self.config.shards
        named = tuple(f"{self.config.name}-{n:02d}of{count:02d}" for n in range(count))
        return named if count > 1 else (self.config.name,)

    def fingerprint(self) -> str:
        return hashlib.sha256(f"notes 1 {self.greeting} {self.config.max_chars}".encode()).hexdigest()

    def listing(self) -> Listing:
        return Listing(sorted(NOTES))

    def scan(self, shard: str, known: Mapping[str, FileState]) -> dict[str, FileState]:
        shards = self.shards()
        if shard not in shards:
            raise SourceError(f"no shard {shard}")
        mine = [path for path in sorted(NOTES) if shards[shard_of(path, len(shards))] == shard]
        return {path: FileState(path, len(NOTES[path]), 0, self._digest(path)) for path in mine}

    def _digest(self, path: str) -> str:
        return hashlib.sha256(NOTES[path].encode()).hexdigest()

    def read(self, path: str) -> Iterator[Chunk | Quarantined]:
        name = self.config.name
        if path not in NOTES:
            yield Quarantined(name, path, 0, "unreadable", "no such note")
            return
        for n, text in enumerate(NOTES[path].split("\n\n"), 1):
            yield Chunk(chunk_id(name, path, str(n)), name, path, str(n), "note", 0, n, n, "", text)

    def reread(self, path: str) -> str:
        return NOTES[path]


def incomplete(config: SourceConfig) -> Any:
    return object()
