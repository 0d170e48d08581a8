"""Faults between an upstream asset and its rows, each planted in one function: `source_agrees` refuses the draft."""

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from xtr_assets.config import IndexConfig, parse_config
from xtr_assets.pipeline.gate import source_agrees
from xtr_assets.pipeline.gate.finding import Finding
from xtr_assets.pipeline.ingest.scan import note_unchanged, scan, write_chunks
from xtr_assets.pipeline.plan.draft_session import DraftSession
from xtr_assets.sources.asset_reader import lending
from xtr_assets.sources.record_rows import InvalidRecord
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.asset_project import FolderReader
from xtr_assets_tests.fixtures import ENCODER, encode
from xtr_assets_tests.mutants.fault import Plant, replaced

ROWS, PARTITIONS, LONG_AGO = 24, 6, 1_700_000_000
CONFIG = """
name: assets
sources: [{name: tickets, kind: asset, asset: shop/tickets, metadata: [team], shards: 2}]
encoder: {kind: hashing, dim: 64, token_dim: 32}
"""


@dataclass
class World:
    """An asset of six partitions, tables and lists of records in turns, and the warehouse made of it."""

    folder: Path

    @property
    def config(self) -> IndexConfig:
        return parse_config(CONFIG, self.folder)

    def write(self, number: int, told: str = "opens") -> None:
        rows = [
            {"_id": f"t{number}-{n}", "title": f"Ticket {n}", "text": f"Gate {n} of {number} {told}.", "team": n % 3}
            for n in range(ROWS)
        ]
        folder = self.folder / "asset"
        folder.mkdir(exist_ok=True)
        path = folder / f"day{number}.{'parquet' if number % 2 else 'jsonl'}"
        if number % 2:
            pq.write_table(pa.Table.from_pylist(rows), path)
        else:
            path.write_text("\n".join(map(json.dumps, rows)), "utf-8")
        # Of what was materialized just before the look nothing is concluded.
        os.utime(path, (LONG_AGO, LONG_AGO))

    def build(self, plant: Plant | None = None) -> Finding:
        """Ingest, with a fault in it where one is given, and look at the draft without it."""
        warehouse = Warehouse.create(self.config.warehouse, exist_ok=True)
        with lending(FolderReader(self.folder / "asset")):
            if plant is None:
                self._ingest(warehouse)
            else:
                with plant(self.folder):
                    self._ingest(warehouse)
            found = {shard: one.data_version for shard in warehouse.shards() if (one := warehouse.snapshot(shard))}
            draft = warehouse.draft("run", encoder=ENCODER.describe(), fingerprint=ENCODER.fingerprint, snapshots=found)
            return source_agrees.check(DraftSession(warehouse, draft, self.config))

    def _ingest(self, warehouse: Warehouse) -> None:
        scans = list(scan(warehouse, self.config))
        note_unchanged(warehouse, scans)
        for one in scans:
            if one.changed:
                write_chunks(warehouse, one, one.touched)
        for segment in warehouse.segments():
            encode(segment)


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path)
    for number in range(PARTITIONS):
        made.write(number)
    return made


def rows(alter: Callable[[list[Any]], list[Any]]) -> Plant:
    """What is read of a value is altered."""

    def make(original: Any) -> Any:
        def read(*given: Any) -> Iterator[Any]:
            yield from alter(list(original(*given)))

        return read

    return replaced("sources.asset_rows:asset_rows", make)


def _with(row: Any, **changed: Any) -> Any:
    return replace(row, values={**row.values, **changed})


def _of_another_partition(original: Any) -> Any:
    def file(self: Any, path: str, *given: Any) -> Any:
        first = min(self._seen)
        return original(self, first if path.endswith("3.parquet") else path, *given)

    return file


def _one_fewer(original: Any) -> Any:
    def listing(self: Any, globs: Any) -> Any:
        found = original(self, globs)
        found.files[:] = found.files[:-1]
        return found

    return listing


def _no_shard(original: Any) -> Any:
    def shard_at(self: Any, path: str, shards: tuple[str, ...]) -> str:
        return "none" if path.endswith("5.parquet") else original(self, path, shards)

    return shard_at


MUTANTS: dict[str, Plant] = {
    "each ninth row is lost": rows(lambda found: [one for n, one in enumerate(found) if n % 9 != 4]),
    "the last row is lost": rows(lambda found: found[:-1]),
    "a text is cut": rows(lambda found: [*found[:-1], _with(found[-1], text=found[-1].values["text"][:-4])]),
    "titles are those of the row before": rows(
        lambda found: [_with(one, title=found[n - 1].values["title"]) for n, one in enumerate(found)]
    ),
    "texts are those of the row before": rows(
        lambda found: [_with(one, text=found[n - 1].values["text"]) for n, one in enumerate(found)]
    ),
    "the title is taken for the text": rows(lambda found: [_with(one, text=one.values["title"]) for one in found]),
    "metadata are those of the row before": rows(
        lambda found: [_with(one, team=found[n - 1].values["team"]) for n, one in enumerate(found)]
    ),
    "metadata are lost": rows(
        lambda found: [replace(one, values={k: v for k, v in one.values.items() if k != "team"}) for one in found]
    ),
    "keys are numbers of rows": rows(lambda found: [_with(one, _id=one.line) for one in found]),
    "rows are counted from 0": rows(lambda found: [replace(one, line=one.line - 1) for one in found]),
    "rows are said to be invalid": rows(
        lambda found: [*found[:-2], *(InvalidRecord(one.line, "invalid-record", "planted") for one in found[-2:])]
    ),
    "a partition is read for another": replaced("sources.asset_place:AssetPlace.file", _of_another_partition),
    "a partition is not listed": replaced("sources.asset_place:AssetPlace.listing", _one_fewer),
    "a partition lies in no shard": replaced("sources.asset_records:AssetRecords.shard_at", _no_shard),
    "paths are those of another asset": replaced(
        "sources.asset_place:AssetPlace.path", lambda original: lambda self, name: f"lent/{original(self, name)}"
    ),
}


def test_nothing_planted_passes(world: World) -> None:
    found = world.build()
    assert found.passed, found.summary
    assert found.details["rows_compared"] == ROWS * PARTITIONS


@pytest.mark.parametrize("name", MUTANTS)
def test_a_fault_in_the_first_ingest_is_refused(world: World, name: str) -> None:
    assert not world.build(MUTANTS[name]).passed


def test_a_materialization_that_is_not_seen_is_refused(world: World) -> None:
    """The fault of an incremental build: what is known is taken for what there is."""
    assert world.build().passed
    world.write(2, "shuts")

    def blind(original: Any) -> Any:
        return lambda self, path, known, *rest: known or original(self, path, known, *rest)

    found = world.build(replaced("sources.asset_place:AssetPlace.state", blind))
    assert not found.passed
    assert "shop/tickets/day2.jsonl: its bytes are others than those it is said to have" in found.summary
    assert world.build().passed
