"""How far a generation's shards are behind their sources: files compared by content, nothing chunked or encoded."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from xtr_assets.core.errors import ProviderError, SourceError

if TYPE_CHECKING:
    from xtr_assets.config import IndexConfig
    from xtr_assets.core.types import FileState
    from xtr_assets.storage.snapshot import Snapshot
    from xtr_assets.storage.warehouse import Warehouse


@dataclass(frozen=True)
class Behind:
    """Files of the source that differ from the snapshot.

    settings : the source's own settings changed, so that every file is chunked again.
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
            said.append("settings changed")
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
    """By shard: those of the configured sources, and those in the generation that no source has any more."""
    from xtr_assets.pipeline.ingest.scan import shard_sources

    found: dict[str, Behind] = {}
    for shard, source in shard_sources(config).items():
        try:
            files, fingerprint = source.scan(shard, warehouse.known_files(shard)), source.fingerprint()
        except (SourceError, ProviderError) as error:
            found[shard] = Behind(error=str(error))
        else:
            found[shard] = compare(snapshots.get(shard), files, fingerprint)
    for shard in snapshots.keys() - found.keys():
        found[shard] = Behind(deleted=len(snapshots[shard].files))
    return found
