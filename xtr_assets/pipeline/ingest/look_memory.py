"""What the last look of this process found: where nothing can have changed since, it need not be found again.

The sensors look every few seconds. A full look at 100,000 files takes two seconds of CPU; asking the system for their
sizes and times takes a tenth of that. Only what was found unchanged, and whole, is remembered.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from xtr_assets.config import SourceConfig
from xtr_assets.core.errors import SourceError
from xtr_assets.pipeline.ingest.scan import ShardScan, scan_shard
from xtr_assets.sources import Source
from xtr_assets.sources.tree_stamp import Stamped
from xtr_assets.storage.warehouse import Warehouse

# Files whose states are kept, over all shards: 0.4 kB each. What is beyond is looked at in full.
MOST_FILES = 1_000_000

_State = tuple[int, ...] | None


@dataclass(frozen=True)
class _Look:
    stamp: str
    settings: tuple[str, SourceConfig]
    stands: tuple[_State, _State]
    scan: ShardScan


class LookMemory:
    """Looks by warehouse and shard."""

    def __init__(self) -> None:
        self._looks: dict[tuple[Path, str], _Look] = {}

    def scans(
        self, warehouse: Warehouse, shards: Iterable[tuple[str, Source]]
    ) -> tuple[list[ShardScan], list[SourceError]]:
        """Every shard as it is now, and the errors of sources that cannot be looked at."""
        scans: list[ShardScan] = []
        errors: list[SourceError] = []
        stamps: dict[int, tuple[str | None, int]] = {}
        for shard, source in shards:
            if id(source) not in stamps:
                now_ns = time.time_ns()
                stamps[id(source)] = source.stamp(now_ns) if isinstance(source, Stamped) else None, now_ns
            try:
                scans.append(self._scan(warehouse, shard, source, *stamps[id(source)]))
            except SourceError as error:
                errors.append(error)
        return scans, errors

    def _scan(self, warehouse: Warehouse, shard: str, source: Source, stamp: str | None, stamped_ns: int) -> ShardScan:
        # Before the scan: what is written while it looks makes the next look a full one.
        # Which files are a source's no fingerprint says: `include` decides none of their chunks.
        settings = source.fingerprint(), source.config
        key, stands = (warehouse.root, shard), _stands(warehouse, shard)
        known = self._looks.get(key)
        if stamp is not None and known is not None and (known.stamp, known.settings, known.stands) == (
            stamp, settings, stands,
        ):  # fmt: skip
            # Nothing changed until the stamp, which the shards of a source share: another may have been scanned since.
            return replace(known.scan, source=source, looked_ns=stamped_ns)
        self._looks.pop(key, None)
        found = scan_shard(warehouse, shard, source)
        # What could not be read may be readable now, which no size or time says.
        whole = not found.changed and not any(state.unread for state in found.files.values())
        if stamp is not None and whole and self._files() + len(found.files) <= MOST_FILES:
            self._looks[key] = _Look(stamp, settings, stands, found)
        return found

    def _files(self) -> int:
        return sum(len(one.scan.files) for one in self._looks.values())


def _stands(warehouse: Warehouse, shard: str) -> tuple[_State, _State]:
    """What changes when somebody moves the shard's snapshot or its hints."""
    layout = warehouse.layout
    return _state(layout.current(shard)), _state(layout.scan_hints(shard))


def _state(path: Path) -> _State:
    try:
        found = path.lstat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
