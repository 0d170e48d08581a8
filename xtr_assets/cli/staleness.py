"""How far a generation's shards are behind their sources: files compared by content, nothing chunked or encoded."""

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xtr_assets.cli.locate import HOME_VARIABLE, known_home
from xtr_assets.core.errors import ProviderError, SourceError

if TYPE_CHECKING:
    from xtr_assets.config import IndexConfig
    from xtr_assets.core.types import FileState
    from xtr_assets.sources.asset_reader import AssetReader
    from xtr_assets.storage.snapshot import Snapshot
    from xtr_assets.storage.warehouse import Warehouse


@dataclass(frozen=True)
class Behind:
    """Files of the source that differ from the snapshot.

    settings : the source's own settings changed, or how this release reads it, so that every file is chunked again.
    error : why the source could not be looked at; the counts say nothing then.
    """

    added: int = 0
    changed: int = 0
    moved: int = 0
    deleted: int = 0
    settings: bool = False
    error: str | None = None

    def document(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self)

    def __str__(self) -> str:
        if self.error:
            return self.error
        counts = {"added": self.added, "changed": self.changed, "moved": self.moved, "deleted": self.deleted}
        said = [f"{count} {name}" for name, count in counts.items() if count]
        if self.settings:
            said.append("settings or release changed")
        return ", ".join(said) or "up to date"


def compare(snapshot: "Snapshot | None", files: "Mapping[str, FileState]", fingerprint: str) -> Behind:
    """What a build would have to look at, where `files` is the source as it is now."""
    from xtr_assets.core.file_diff import diff_files
    from xtr_assets.core.types import FileState

    before = {} if snapshot is None else {p: FileState(p, f.size, 0, f.sha256) for p, f in snapshot.files.items()}
    changes = diff_files(before, files)
    settings = snapshot is not None and snapshot.source_fingerprint != fingerprint
    return Behind(len(changes.added), len(changes.changed), len(changes.moved), len(changes.deleted), settings=settings)


def behind(config: "IndexConfig", warehouse: "Warehouse", snapshots: "Mapping[str, Snapshot]") -> dict[str, Behind]:
    """By shard: those of the configured sources, and those in the generation that no source has any more.

    Of a source that is a Dagster asset the instance is asked for what was materialized since; where none is at hand,
    it is unknown.
    """
    from xtr_assets.pipeline.ingest.intake import shards_named
    from xtr_assets.pipeline.ingest.scan import files_of
    from xtr_assets.sources import open_source
    from xtr_assets.sources.asset_reader import lending

    found: dict[str, Behind] = {}
    reader, lack = _asset_reader(config)
    with lending(reader):
        for one in config.sources:
            try:
                source = open_source(one)
            except (SourceError, ProviderError) as error:
                # What reads it is not installed here: what else there is to say does not depend on it.
                found |= dict.fromkeys(shards_named(one.name, snapshots) or [one.name], Behind(error=str(error)))
                continue
            for shard in filter(config.keeps, source.shards()):
                try:
                    files = files_of(warehouse, shard, source, warehouse.known_files(shard))
                    fingerprint = source.fingerprint()
                except (SourceError, ProviderError) as error:
                    why = str(error) if one.kind != "asset" else f"unknown: {lack or error}"
                    found[shard] = Behind(error=why)
                else:
                    found[shard] = compare(snapshots.get(shard), files, fingerprint)
    for shard in snapshots.keys() - found.keys():
        found[shard] = Behind(deleted=len(snapshots[shard].files))
    return found


def _asset_reader(config: "IndexConfig") -> "tuple[AssetReader | None, str]":
    """Who reads the assets that are sources, or why nobody can; neither where there are none, or somebody reads."""
    from xtr_assets.sources.asset_reader import lent_reader

    if lent_reader() is not None or all(source.kind != "asset" for source in config.sources):
        return None, ""
    here = Path.cwd().resolve()
    home = known_home([here, *here.parents], here)
    if home is None:
        return None, f"no Dagster instance is at hand; run this in the asset's project, or set {HOME_VARIABLE}"
    os.environ[HOME_VARIABLE] = str(home)
    from xtr_assets.defs.home_instance import open_instance
    from xtr_assets.defs.project_definitions import shell_reader

    try:
        return shell_reader(config, open_instance(), here), ""
    except Exception as error:  # Dagster's own among them: what else status has to say does not depend on it
        return None, f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
