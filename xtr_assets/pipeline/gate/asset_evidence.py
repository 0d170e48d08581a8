"""An upstream asset opened again: loaded anew by its IO manager, read by another library where there is one.

Nothing of `sources` is called but the reader that Dagster lends: keys, versions and values are taken apart here, and
`record_evidence` holds the records against the rows.
"""

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyarrow as pa

from xtr_assets.config import SourceConfig
from xtr_assets.core.errors import SourceError
from xtr_assets.pipeline.gate.folder_evidence import UNKNOWN, Held, before
from xtr_assets.pipeline.gate.record_evidence import Records, cell
from xtr_assets.sources.asset_reader import AssetReader, lent_reader
from xtr_assets.storage.snapshot import Snapshot


@dataclass(slots=True)
class AssetValues:
    """The materializations of a source's asset now. files : by path, when it was materialized."""

    config: SourceConfig
    reader: AssetReader | None = None
    files: dict[str, int] = field(default_factory=dict)
    partitions: dict[str, str] = field(default_factory=dict)
    records: Records = field(default_factory=dict)

    def was_so(self, path: str, looked_ns: int) -> bool:
        """Whether a value is as old as the look at its shard."""
        return before(self.files.get(path, UNKNOWN), looked_ns)

    @contextmanager
    def reading(self, path: str, recorded: str) -> Iterator[tuple[Path, str]]:
        """Loads a value; nothing lies at the path, `records` has what was read. With the digest that it has now, ""
        where it was replaced while it was read, which says nothing. OSError where it cannot be had."""
        if self.reader is None or path not in self.partitions:
            raise FileNotFoundError(path)
        partition = self.partitions[path]
        found = self._digest(partition)
        if found == recorded:
            try:
                value = self.reader.load(str(self.config.asset), partition)
                self.records = _records_of(value, _columns(self.config))
            except Exception as error:
                raise OSError(0, f"{type(error).__name__}: {error!s:.200}") from error
        yield Path(path), found if found == self._digest(partition) else ""

    def _digest(self, partition: str) -> str:
        assert self.reader is not None
        asset = str(self.config.asset)
        latest = self.reader.materializations(asset).get(partition)
        version = "" if latest is None else latest.version
        return sha256(json.dumps([asset, partition, version]).encode()).hexdigest()


def asset_values_of(config: SourceConfig) -> AssetValues:
    """None where no reader is lent, or the asset has gone."""
    held, reader, wanted = AssetValues(config), lent_reader(), config.partitions
    if reader is None:
        return held
    try:
        latest = reader.materializations(str(config.asset))
    except SourceError:
        return held
    held.reader = reader
    for partition, one in latest.items():
        if wanted is None or partition in wanted:
            path = _path(config, partition)
            held.files[path], held.partitions[path] = one.written_ns, partition
    return held


def asset_faults(held: Held, values: AssetValues) -> Iterator[str]:
    """What was materialized before the look and is not held, and what is held of another asset."""
    known = {path for one in held.snapshots.values() for path in one.files}
    known |= {entry.path for one in held.snapshots.values() for entry in one.stale}
    looked = held.looked.values()
    for path in values.files:
        if path not in known and looked and values.was_so(path, min(looked)):
            yield f"{held.config.name}/{path}: it is materialized, and the generation has no such value"
    own = str(held.config.asset)
    for path in sorted(known):
        if path != own and not path.startswith(f"{own}/"):
            yield f"{held.config.name}/{path}: it is of another asset than {own}"


def partition_faults(config: SourceConfig, shard: str, snapshot: Snapshot) -> Iterator[str]:
    """Whether the shard of a partition has that one and no other."""
    right = _path(config, shard.removeprefix(f"{config.name}-"))
    for path in snapshot.files:
        if path != right:
            yield f"{path} lies in shard {shard}, which is that of {right}"


def _path(config: SourceConfig, partition: str) -> str:
    return f"{config.asset}/{quote(partition, safe='|:+ ,=@')}" if partition else str(config.asset)


def _columns(config: SourceConfig) -> list[str]:
    return list(dict.fromkeys(name for name in (config.id, config.title, config.text, *config.metadata) if name))


def _records_of(value: Any, columns: list[str]) -> Records:
    """By number, from 1, each record, read when it is asked for: of pandas and polars by their own columns, of all else
    that is Arrow's cell by cell; other records as they come."""
    if not isinstance(value, pa.Table):
        if callable(getattr(value, "iter_rows", None)) and hasattr(value, "height"):
            return {number + 1: partial(value.row, number, named=True) for number in range(value.height)}
        if hasattr(value, "itertuples") and hasattr(value, "columns"):
            return _of_pandas(value, columns)
        if not any(hasattr(value, name) for name in ("__arrow_c_stream__", "__arrow_c_array__")):
            records = [dict(one) if isinstance(one, Mapping) else one for one in value]
            return {number: partial(lambda one: one, record) for number, record in enumerate(records, 1)}
        value = pa.table(value)
    held = {name: value.column(name) for name in columns if name in value.schema.names}
    return {
        number + 1: partial(lambda at: {name: cell(column[at]) for name, column in held.items()}, number)
        for number in range(value.num_rows)
    }


def _of_pandas(value: Any, columns: list[str]) -> Records:
    # What the index is called is a column to Arrow.
    frame = value.reset_index() if any(value.index.names) else value
    held = {name: frame[name].tolist() for name in columns if name in frame.columns}
    return {
        number + 1: partial(lambda at: {name: _known(column[at]) for name, column in held.items()}, number)
        for number in range(len(frame))
    }


def _known(value: Any) -> Any:
    """None for what pandas calls missing."""
    missing = type(value).__name__ in ("NAType", "NaTType") or (isinstance(value, float) and math.isnan(value))
    return None if missing else value
