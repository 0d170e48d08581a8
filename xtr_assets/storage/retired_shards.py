"""Shards that no source has any more: since when what serves is built without them, and when their rows may go.

A shard that was just taken out of a configuration may be back in an hour, and one that a generation never had may be
encoded right now by whoever reads a newer configuration. So a generation notes which shards its parent served that it
does not, and a collection lets go of those alone, some days after nobody wanted them any more.
"""

import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime

from xtr_assets.core.errors import StorageError
from xtr_assets.core.files import fsync_dir
from xtr_assets.storage.layout import Layout
from xtr_assets.storage.lock import now
from xtr_assets.storage.manifest import Manifest
from xtr_assets.storage.seal import is_sealed, read_manifest
from xtr_assets.storage.snapshot import current_version, looked_at

# The note of a generation: shards that served and were not wanted any more as it was begun, and since when (ISO 8601).
RETIRED_NOTE = "retired"
# A configuration that is wrong over a holiday must cost no encoding.
GRACE_DAYS = 7.0
DAY_NS = 86_400 * 1_000_000_000


def retired_since(layout: Layout, before: Manifest | None, wanted: Collection[str]) -> dict[str, str]:
    """What the next generation notes after `before`, which serves, where it has the `wanted` shards: those that it left
    out, those of a generation that was rolled back, and those that left before a release that notes it, where an older
    generation has them. A shard whose rows went is noted no more."""
    lone = [shard for shard in _there(layout) if shard not in wanted]
    if before is None or not lone:
        return {}
    left = {**dict.fromkeys((*before.snapshots, *_sealed(layout)), now()), **_noted(before)}
    return {shard: left[shard] for shard in lone if shard in left}


def _sealed(layout: Layout) -> Iterator[str]:
    """The shards of every generation that is there whole."""
    for number in layout.numbers():
        with suppress(StorageError):  # `verify` tells of a damaged one
            if is_sealed(layout, number):
                yield from read_manifest(layout, number).snapshots


def unused(layout: Layout, staying: Iterable[Manifest], wanted: Collection[str]) -> tuple[str, ...]:
    """Shards with rows of their own that are not wanted, and that none of these generations has."""
    held = {shard for manifest in staying for shard in manifest.snapshots}
    return tuple(shard for shard in _there(layout) if shard not in wanted and shard not in held)


def forsaken(layout: Layout, serving: Manifest, shards: Iterable[str]) -> tuple[str, ...]:
    """Those of the shards that served once and that nobody wanted, chunked or looked at for GRACE_DAYS."""
    noted, least = _noted(serving), time.time_ns() - int(GRACE_DAYS * DAY_NS)
    return tuple(one for one in shards if one in noted and _wanted_last(layout, one, noted[one]) <= least)


def forget_left(layout: Layout, serving: Collection[str], earlier: Mapping[str, str] | None) -> None:
    """Take away the pointers of shards that are not among those that serve, where they are at what served `earlier`
    (shard -> data version), or wherever they are (None). Runs under the commit lock."""
    for path in sorted(layout.shards.glob("*/CURRENT")):
        shard, version = path.parent.name, path.read_text("ascii", "replace").strip()
        if shard not in serving and (earlier is None or version == earlier.get(shard)):
            path.unlink()
            fsync_dir(path.parent)


def _wanted_last(layout: Layout, shard: str, since: str) -> int:
    """When somebody wanted a shard last, in ns since the epoch."""
    version = current_version(layout, shard)
    looked = looked_at(layout, shard, version) if version is not None else 0
    written = layout.current(shard).stat().st_mtime_ns
    return max(int(datetime.fromisoformat(since).timestamp() * 1e9), looked, written)


def _noted(manifest: Manifest) -> Mapping[str, str]:
    """An import may note anything: what is no moment counts as not noted."""
    noted = manifest.notes.get(RETIRED_NOTE)
    return {shard: at for shard, at in noted.items() if _is_moment(at)} if isinstance(noted, dict) else {}


def _is_moment(at: object) -> bool:
    try:
        return isinstance(at, str) and datetime.fromisoformat(at).tzinfo is not None
    except ValueError:
        return False


def _there(layout: Layout) -> Iterator[str]:
    return (path.parent.name for path in sorted(layout.shards.glob("*/CURRENT")))
