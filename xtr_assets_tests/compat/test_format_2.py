"""Rows that stand at other lines than their segment says: what version 2 adds, as its first release wrote it."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from xtr_assets.core.errors import CorruptFile, UnknownFormat
from xtr_assets.storage.catalog import connect
from xtr_assets.storage.generation import Generation
from xtr_assets.storage.manifest import Manifest
from xtr_assets.storage.row_hydration import Hydrator
from xtr_assets.storage.snapshot import Snapshot
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets.storage.warehouse_info import WarehouseInfo
from xtr_assets_tests.compat.make_golden import ABOVE, FIRST
from xtr_assets_tests.storage.sample import publish, texts, write

GOLDEN = Path(__file__).parent / "format-2"
# text -> (first line, last line) before and after a row was written above.
LINES = [
    {"decode reads a document": (1, 2), "scan finds the next value": (2, 3), "title zebra": (1, 2)},
    {
        "dump writes a document": (1, 2),
        "decode reads a document": (2, 3),
        "scan finds the next value": (3, 4),
        "title zebra": (1, 2),
    },
]


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return Warehouse.open(shutil.copytree(GOLDEN, tmp_path / "warehouse"))


def lines_of(generation: Generation) -> list[dict[str, tuple[int, int]]]:
    """The lines of each live text as a hit shows them, as a table of chunks, and as the catalog says."""
    hits = Hydrator(generation).rows(np.flatnonzero(generation.live).tolist())
    table = generation.chunk_table(["text", "start_line", "end_line"]).to_pylist()
    with connect(generation) as connection:
        listed = connection.execute("SELECT text, start_line, end_line FROM chunks").fetchall()
    return [
        *({row["text"]: (row["start_line"], row["end_line"]) for row in rows} for rows in (hits, table)),
        {text: (start, end) for text, start, end in listed},
    ]


def test_it_is_small() -> None:
    assert sum(p.stat().st_size for p in GOLDEN.rglob("*") if p.is_file()) < 200_000


def test_every_generation_has_its_state_and_its_texts_and_every_byte_verifies(warehouse: Warehouse) -> None:
    expected = json.loads(GOLDEN.with_suffix(".json").read_text())
    assert {str(g.number): {"state": g.state, "texts": texts(g)} for g in warehouse.generations()} == expected
    assert warehouse.verify().problems == ()


def test_lines_are_those_of_the_generation(warehouse: Warehouse) -> None:
    for generation, expected in zip(warehouse.generations(), LINES, strict=True):
        assert lines_of(generation) == [expected] * 3


def test_only_what_names_shifts_has_the_second_version(warehouse: Warehouse) -> None:
    first, second = warehouse.generations()
    assert (first.manifest.format_version, second.manifest.format_version) == (1, 2)
    assert [one.shifts for one in second.manifest.segments] == [((0, 2, 1),), ()]
    assert b"shifts" not in first.manifest.to_bytes()
    assert first.manifest.snapshots != second.manifest.snapshots
    assert {s.format_version for g in (first, second) for s in g.snapshots().values()} == {1, 2}
    assert json.loads(warehouse.layout.warehouse_json.read_bytes())["format_version"] == 1


def test_it_can_be_built_on_and_rows_come_back_to_their_lines(warehouse: Warehouse) -> None:
    change = write(warehouse, FIRST)
    assert (change.kept, change.added, change.changed, change.deleted) == (3, 0, 0, 1)
    assert change.snapshot.format_version == 1
    generation = publish(warehouse)
    assert lines_of(generation) == [LINES[0]] * 3


def test_a_compaction_writes_the_lines_that_hold(warehouse: Warehouse) -> None:
    shard = warehouse.snapshot("s")
    assert shard is not None
    warehouse.compact({"s": (tuple(one.segment_id for one in shard.segments),)})
    generation = publish(warehouse)
    assert {one.format_version for one in generation.snapshots().values()} == {1}
    assert lines_of(generation) == [LINES[1]] * 3
    assert write(warehouse, ABOVE).new_segment is None


def test_a_later_version_is_refused_naming_both(warehouse: Warehouse) -> None:
    data = warehouse.generations()[1].manifest.to_bytes().replace(b'"format_version": 2', b'"format_version": 7')
    three = "1 and 2 and 3"
    for model, read in ((Manifest, f"{three} and 4"), (Snapshot, three), (WarehouseInfo, f"{three} and 4 and 5 and 6")):
        with pytest.raises(UnknownFormat, match=f"format_version 7, this release reads {read};"):
            model.from_bytes(data, "a file")


def test_shifts_in_a_file_of_the_first_version_are_refused(warehouse: Warehouse) -> None:
    second = warehouse.generations()[1]
    for stored in (second.manifest, second.snapshots()["s"]):
        data = stored.to_bytes().replace(b'"format_version": 2', b'"format_version": 1')
        with pytest.raises(CorruptFile, match="shifts need format_version 2"):
            type(stored).from_bytes(data, "a file")
