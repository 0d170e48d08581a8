"""An upstream Dagster asset as a place: each partition that is materialized is a file, an asset without any is one."""

import hashlib
import json
from collections.abc import Mapping
from io import BytesIO
from typing import Any, BinaryIO
from urllib.parse import quote

from xtr_assets.config import SourceConfig
from xtr_assets.core.errors import SourceError
from xtr_assets.core.types import FileState
from xtr_assets.sources.asset_reader import AssetReader, Materialization, lent_reader
from xtr_assets.sources.file_scan import Listing
from xtr_assets.sources.globs import Globs

# What a path keeps of a partition as it is; the slash would make folders.
UNQUOTED = "|:+ ,=@"


class AssetPlace:
    """The materializations of an asset. What it was at the last look is what is read, or nothing is."""

    def __init__(self, config: SourceConfig) -> None:
        assert config.asset is not None, config
        self.config, self.asset = config, config.asset
        self._seen: dict[str, tuple[str, Materialization]] | None = None

    def path(self, partition: str) -> str:
        """What a partition is called in the index; "" for an asset without any."""
        return f"{self.asset}/{quote(partition, safe=UNQUOTED)}" if partition else self.asset

    def listing(self, globs: Globs) -> Listing:  # noqa: ARG002 (an asset has no patterns)
        """A path for each partition. SourceError where none of them was ever materialized."""
        found, wanted = self._now(), self.config.partitions
        if wanted is not None and found.keys() == {""}:
            raise SourceError(
                f"{self._named} is not partitioned, and `partitions` names {', '.join(wanted)}; remove `partitions`"
            )
        taken = {name: one for name, one in found.items() if wanted is None or name in wanted}
        lacking = [name for name in wanted or () if name not in taken]
        if lacking or not taken:
            what = f"the partition {lacking[0]!r} of {self._named}" if lacking else self._named
            raise SourceError(
                f"{what} was never materialized, so that there is nothing to index; materialize it (`dg launch "
                f"--assets {self.asset}`, or in the UI) in the instance that this build is recorded in"
            )
        self._seen = {self.path(name): (name, one) for name, one in taken.items()}
        return Listing(sorted(self._seen))

    def stamp(self, globs: Globs, now_ns: int) -> str | None:  # noqa: ARG002
        """Asking Dagster is the look itself."""
        return None

    def state(self, path: str, known: FileState | None, now_ns: int, most: int | None) -> FileState | None:  # noqa: ARG002
        """By the version of its materialization: the value is not loaded."""
        held = (self._seen or {}).get(path)
        if held is None:
            return None
        name, found = held
        digest = hashlib.sha256(json.dumps([self.asset, name, found.version]).encode()).hexdigest()
        if known is not None and known.refused == digest:
            return known
        return FileState(path, 0, found.written_ns, digest)

    def changed(self, path: str, state: FileState) -> bool:  # noqa: ARG002
        """Never: a value that was replaced while it was read is not taken (AssetRecords)."""
        return False

    def file(self, path: str, globs: Globs, most: int | None) -> "AssetValue":  # noqa: ARG002
        """The stored value. SourceError where it cannot be had."""
        if self._seen is None:
            self.listing(globs)
        held = (self._seen or {}).get(path)
        if held is None:
            raise FileNotFoundError(path)
        return AssetValue(self.described(path), self._reader.load(self.asset, held[0]))

    def described(self, path: str) -> str:
        """For a person: the source, the asset, the partition."""
        name = (self._seen or {}).get(path, ("",))[0]
        return f"{self._named}, partition {name!r}" if name else self._named

    def alone(self, path: str) -> bool:
        """Whether the source has this path and no other."""
        return (self._seen or {}).keys() == {path}

    def stands(self, path: str) -> bool:
        """Whether the asset is still what it was when it was looked at: a value that was replaced in the meantime may
        be half of one and half of the other, and is said to be another than it is."""
        held = (self._seen or {}).get(path)
        return held is not None and self._now().get(held[0]) == held[1]

    def _now(self) -> Mapping[str, Materialization]:
        return self._reader.materializations(self.asset)

    @property
    def _named(self) -> str:
        return f"source {self.config.name}: the asset {self.asset}"

    @property
    def _reader(self) -> AssetReader:
        reader = lent_reader()
        if reader is None:
            raise SourceError(
                f"{self._named} is read where Dagster is at work: by the index' jobs and sensors in a code location, "
                "and by `xtr-assets build` in the asset's project; a run of `materialize` or `execute_in_process` is "
                "in none"
            )
        return reader


class AssetValue:
    """A loaded value in the place of a file: it has no bytes, only records. named : for a person."""

    suffix, size = "", 0

    def __init__(self, named: str, value: Any) -> None:
        self.named, self.value = named, value

    def read_bytes(self) -> bytes:
        """Nothing: records are read from the value itself."""
        return b""

    def open(self) -> BinaryIO:
        """The same."""
        return BytesIO()
