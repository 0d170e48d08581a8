"""What a generation built now would hold, and what that is called."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xtr_assets.pipeline.plan.index_settings import noted_settings
from xtr_assets.storage.content import SETTINGS_NOTE, TakenBack, content_digest, rolled_back
from xtr_assets.storage.generation import Generation
from xtr_assets.storage.history import read_history, read_published
from xtr_assets.storage.origin import SOURCES_NOTE, Origin
from xtr_assets.storage.remembrance import refusal_of_wanted
from xtr_assets.storage.snapshot import Snapshot
from xtr_assets.storage.warehouse import Warehouse

# By warehouse, what was asked last of what was taken back, and the answer. While something waits a sensor asks at each
# look, and snapshots that list every file are read for it: 0.24 CPU s of 20,000 files.
_answered: dict[Path, tuple[tuple[object, ...], TakenBack | None]] = {}


@dataclass(frozen=True)
class Wanted:
    """What a generation built now would hold: the current snapshot of each shard, and the settings. `sources` digests
    what the configuration says of the sources."""

    snapshots: Mapping[str, Snapshot]
    settings: Mapping[str, Any]
    fingerprint: str
    sources: str

    @property
    def versions(self) -> dict[str, str]:
        """Shard -> data version."""
        return {shard: snapshot.data_version for shard, snapshot in self.snapshots.items()}

    @property
    def digest(self) -> str:
        """32 hex digits that name what is wanted."""
        held = [self.versions, self.settings, self.fingerprint]
        return hashlib.sha256(json.dumps(held, sort_keys=True).encode()).hexdigest()[:32]

    @property
    def content(self) -> str:
        """What a generation built now would hold, as the history names it: the same for every layout and training."""
        contents = {shard: snapshot.content for shard, snapshot in self.snapshots.items()}
        return content_digest(self.fingerprint, contents, self.settings)

    @property
    def notes(self) -> dict[str, Any]:
        """What its manifest notes of that."""
        return {SETTINGS_NOTE: self.settings, SOURCES_NOTE: self.sources}

    def taken_back(self, warehouse: Warehouse) -> TakenBack | None:
        """Who took back what it would hold, when and why; None where nobody did."""
        layout = warehouse.layout
        entries = read_history(layout)
        last = entries[-1].check if entries else ""
        asked = self.digest, self.sources, read_published(layout), tuple(layout.numbers()), len(entries), last
        known = _answered.get(layout.root)
        if known is None or known[0] != asked:
            origin = Origin.of(self.fingerprint, self.snapshots, self.notes)
            known = _answered[layout.root] = asked, refusal_of_wanted(layout, self.content, origin)
        return known[1]

    def rolled_back(self, warehouse: Warehouse) -> TakenBack | None:
        """The rollback that left a generation which is just this, though what serves since holds the same: another
        release made that, in other formats or ranked otherwise. None where none did."""
        left = rolled_back(read_history(warehouse.layout), read_published(warehouse.layout))
        # The manifests of all generations are read where there was a rollback alone.
        for generation in reversed(warehouse.generations() if left else ()):
            if generation.number in left and self.made(generation):
                return left[generation.number]
        return None

    def allow_again(self, warehouse: Warehouse, reason: str, *, who: str | None = None) -> list[TakenBack]:
        """Let it serve again, and what was taken back of it: of the same files more than one content may have been, and
        the files."""
        allowed = []
        while (back := self.taken_back(warehouse)) is not None:
            warehouse.allow_again(back.digest, reason, who=who)
            allowed.append(back)
        return allowed

    def made(self, generation: Generation) -> bool:
        """Whether a generation is just this: same content in each shard, same encoder, same settings."""
        manifest = generation.manifest
        if manifest.fingerprint != self.fingerprint or noted_settings(generation) != self.settings:
            return False
        if manifest.snapshots == self.versions:
            return True
        if set(manifest.snapshots) != set(self.snapshots):
            return False
        # Another layout of the same content is no reason to build: contents, not segments, are what is searched.
        there = generation.snapshots()
        return all(there[shard].content == snapshot.content for shard, snapshot in self.snapshots.items())
