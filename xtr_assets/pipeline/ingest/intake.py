"""Intake of the sources: chunks, quarantine, stale files, and files that no source reads."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from xtr_assets.config import IndexConfig, SourceConfig
from xtr_assets.core.errors import ConfigError, ProviderError, SourceError
from xtr_assets.core.suffix_counts import told_suffixes
from xtr_assets.sources import open_source
from xtr_assets.storage.manifest import QuarantineEntry, StaleEntry
from xtr_assets.storage.snapshot import Snapshot
from xtr_assets.storage.warehouse import Warehouse

# Folders that an instance of Dagster keeps beside its dagster.yaml.
INSTANCE = ("history", "logs", "schedules", "storage")
# What `xtr-assets init` writes into the folder of one's documents.
PROJECT = ("xtr.yaml", "definitions.py", "workspace.yaml", "dagster.yaml")
# Of what is left out so many are named; the rest is where WHERE_LISTED says.
FIRST = 3
# And so many suffixes that no source reads.
SUFFIXES = 5
WHERE_LISTED = "`xtr-assets status --json`, or the view `quarantine` of the catalog"


@dataclass(frozen=True)
class Intake:
    """What was left out of the shards as they were last ingested.

    quarantine : files and records whose content cannot be used. stale : files that could not be read, by shard; rows
    that they had stay. skipped : files that lie where sources look and that none of them reads, by suffix.
    """

    quarantine: tuple[QuarantineEntry, ...] = ()
    stale: tuple[tuple[str, StaleEntry], ...] = ()
    skipped: Mapping[str, int] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """JSON-able; the whole of it."""
        return {
            "quarantine": [entry.model_dump() for entry in self.quarantine],
            "stale": [{"shard": shard, **entry.model_dump(exclude={"settings"})} for shard, entry in self.stale],
            "skipped": dict(self.skipped),
        }

    def sentences(self) -> list[str]:
        """What a person is told: how many, the first few, and where the others are."""
        said = []
        if self.quarantine:
            first = "; ".join(f"{_place(entry)} ({entry.reason})" for entry in self.quarantine[:FIRST])
            files = len({(entry.source, entry.path) for entry in self.quarantine})
            count = _counted(len(self.quarantine), "file or record", "files or records")
            said.append(f"quarantine: {count} of {_counted(files, 'file', 'files')} cannot be used: {first}")
        waiting = [entry for entry in self.quarantine if entry.reason == "not-installed"]
        if waiting:
            said.append(f"not installed: {_counted(len(waiting), 'file', 'files')} wait for it: {waiting[0].detail}")
        if self.stale:
            first = "; ".join(f"{entry.path} ({entry.reason})" for _, entry in self.stale[:FIRST])
            count = _counted(len(self.stale), "file", "files")
            said.append(f"stale: {count} could not be read, what was indexed of them stays: {first}")
        if len(self.quarantine) > FIRST or len(self.stale) > FIRST:
            said.append(f"all of them: {WHERE_LISTED}")
        if self.skipped:
            said.append(f"skipped: no source reads {told_suffixes(self.skipped, SUFFIXES)}")
        return said


def intake_of(warehouse: Warehouse, config: IndexConfig | None, served: Mapping[str, Snapshot] | None = None) -> Intake:
    """The intake of the config's shards as they were last ingested; of a generation's where no config is known."""
    served = served or {}
    names = served if config is None else configured_shards(warehouse, config)
    known = {shard: warehouse.snapshot(shard) or served.get(shard) for shard in sorted(names)}
    found = [(shard, one) for shard, one in known.items() if one is not None]
    return Intake(
        tuple(entry for _, one in found for entry in one.quarantine),
        tuple((shard, entry) for shard, one in found for entry in one.stale),
        {} if config is None else skipped_files(config),
    )


def configured_shards(warehouse: Warehouse, config: IndexConfig) -> set[str]:
    """Every shard of the config; of a source that cannot be opened here those that were ingested."""
    return {name for one in config.sources for name in _shards(one, warehouse) if config.keeps(name)}


def shards_named(source: str, shards: Iterable[str]) -> list[str]:
    """Those of the shards that are of the source: its name, which has no hyphen, stands before the first one.

    >>> shards_named("docs", ["docs-00of02", "docs-01of02", "docs_old"])
    ['docs-00of02', 'docs-01of02']
    """
    return [shard for shard in shards if shard.partition("-")[0] == source]


def _shards(source: SourceConfig, warehouse: Warehouse) -> Sequence[str]:
    """The shards of a source; where what reads it is not installed here, or is no source, those that were ingested."""
    try:
        return open_source(source).shards()
    except (SourceError, ProviderError, ConfigError):
        return shards_named(source.name, warehouse.shards())


def skipped_files(config: IndexConfig) -> dict[str, int]:
    """How many files lie where sources look, by suffix, and are read by none of them; "no suffix" for those without.

    A source that is gone, or whose reader is not installed here, tells of nothing here: the scan says so.
    """
    read: set[str] = set()
    beside: set[str] = set()
    submodules = 0
    for source in config.sources:
        if source.kind == "asset":
            continue  # Nothing lies beside it.
        try:
            listing = open_source(source).listing()
        except (SourceError, ProviderError):
            continue
        root = f"{source.path}@{source.ref}"
        if source.own or source.stored:
            root = str(source.path or source.name)
        elif source.kind != "git":
            root = str(source.folder.parent if source.folder.is_file() else source.folder)
        submodules += len(listing.submodules)
        read.update(f"{root}/{path}" for path in listing.files)
        own = _own_names(Path(root)) if PurePosixPath(root).is_absolute() else ()
        beside.update(f"{root}/{path}" for path in listing.other if path.split("/")[0] not in own)
    suffixes = (PurePosixPath(path).suffix.lower() or "no suffix" for path in beside - read)
    counts = Counter(suffixes) + Counter({"submodule": submodules})
    return dict(sorted(counts.items()))


def _own_names(root: Path) -> tuple[str, ...]:
    """What lies in a folder because it is a project, or an instance of Dagster, too."""
    instance = INSTANCE if (root / "dagster.yaml").is_file() else ()
    return (*instance, *PROJECT) if (root / "xtr.yaml").is_file() else instance


def _place(entry: QuarantineEntry) -> str:
    return f"{entry.path}:{entry.line}" if entry.line else entry.path


def _counted(count: int, one: str, many: str) -> str:
    return f"{count:,} {one if count == 1 else many}"
