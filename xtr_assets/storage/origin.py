"""What a generation was made from: files, encoder and settings, whichever release cut the files into chunks."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from xtr_assets.storage.content import SETTINGS_NOTE, settings_that_count
from xtr_assets.storage.layout import Layout
from xtr_assets.storage.manifest import Manifest
from xtr_assets.storage.snapshot import Snapshot, read_snapshot
from xtr_assets.storage.stored_json import canonical_json, sha256_bytes

# The note of a manifest that keeps a digest of what configuration and code of somebody's own say of its sources.
SOURCES_NOTE = "sources"


@dataclass(frozen=True)
class Origin:
    """What a generation was made from.

    files : of each shard, path -> sha256; without those that wait for a library: who installs it asks for them
    settings : those of the index that count for its content
    encoder : its settings; None where nothing notes them
    sources : the digest of what people say of the sources; None where an earlier release noted none
    """

    fingerprint: str
    files: Mapping[str, Mapping[str, str]]
    settings: Mapping[str, Any]
    encoder: Any
    sources: str | None

    @classmethod
    def of(cls, fingerprint: str, snapshots: Mapping[str, Snapshot], notes: Mapping[str, Any]) -> "Origin":
        """By the snapshots and the notes of a generation, or of one that is to be built."""
        settings = notes.get(SETTINGS_NOTE) or {}
        files = {shard: _taken(held) for shard, held in snapshots.items()}
        kept = settings_that_count(settings)
        return cls(fingerprint, files, kept, settings.get("encoder"), notes.get(SOURCES_NOTE))

    @cached_property
    def files_digest(self) -> str:
        """sha256 over path and sha256 of every file, however the sources are called and cut into shards."""
        return sha256_bytes(canonical_json(sorted(pair for held in self.files.values() for pair in held.items())))

    def same_as(self, other: "Origin") -> bool:
        """Whether both were made from the same, though another release may have cut or encoded one of them otherwise.

        Where one alone says nothing of its sources an earlier release made it, and they count as the same: nobody can
        tell. Of two that say nothing the contents tell.
        """
        return self.asked_as(other) and self.files == other.files

    def asked_as(self, other: "Origin") -> bool:
        """Whether both were made by the same encoder, settings and sources, whatever the files."""
        if self.sources is None and other.sources is None:
            return False
        encoded = self.fingerprint == other.fingerprint or (self.encoder is not None and self.encoder == other.encoder)
        sources = self.sources == other.sources or None in (self.sources, other.sources)
        return encoded and sources and self.settings == other.settings


def _taken(snapshot: Snapshot) -> dict[str, str]:
    waiting = {entry.path for entry in snapshot.quarantine if entry.reason == "not-installed"}
    return {path: one.sha256 for path, one in snapshot.files.items() if path not in waiting}


def origin_of(layout: Layout, manifest: Manifest) -> Origin:
    """That of a generation; its snapshots are read and verified by their names."""
    snapshots = {shard: read_snapshot(layout, shard, version) for shard, version in manifest.snapshots.items()}
    return Origin.of(manifest.fingerprint, snapshots, manifest.notes)
