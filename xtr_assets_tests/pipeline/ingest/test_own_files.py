"""A source whose folder holds the warehouse too: what a build writes there is never read as a source."""

from pathlib import Path

import pytest

from xtr_assets.config import parse_config
from xtr_assets.pipeline.gate.source_agrees import check
from xtr_assets.pipeline.ingest.intake import skipped_files
from xtr_assets.pipeline.ingest.scan import scan
from xtr_assets.sources import open_source
from xtr_assets.storage.parts.part_set import PartSet
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.pipeline.gate.conftest import World, records

CONFIG = """\
name: here
sources: [{name: papers, kind: records, path: ., metadata: [year]}]
encoder: {kind: hashing, dim: 64, token_dim: 32}
"""


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path, parse_config(CONFIG, tmp_path), Warehouse.create(tmp_path / "warehouse"))
    made.write("papers.jsonl", records(range(9)))
    made.write("deep/more.jsonl", records(range(20, 24)))
    return made


def test_nothing_that_a_build_writes_is_a_record(world: World) -> None:
    """The history is JSONL, the segments and the id map are Parquet."""
    world.publish()
    assert list(world.warehouse.root.rglob("*.parquet")) and list(world.warehouse.root.rglob("*.jsonl"))
    (again,) = scan(world.warehouse, world.config)
    assert not again.changed and set(again.files) == {"papers.jsonl", "deep/more.jsonl"}
    found = check(world.session())
    assert found.passed, found.details["faults"]


def test_another_warehouse_and_a_set_of_parts_are_passed_over(world: World) -> None:
    Warehouse.create(world.folder / "deep" / "other")
    PartSet.create(world.folder / "set").add("one")
    for folder in ("deep/other", "deep/other/segments/a", "set", "set/parts/one"):
        world.write(f"{folder}/stray.jsonl", records(range(40, 42)))
    (source,) = world.config.sources
    assert open_source(source).listing().files == ["deep/more.jsonl", "papers.jsonl"]
    found = check(world.build())
    assert found.passed, found.details["faults"]


def test_a_folder_that_only_sounds_like_one_is_read(world: World) -> None:
    world.write("deep/warehouse.json", "{}")
    world.write("set/parts.json", "{}")
    world.write("set/moves.jsonl", records(range(40, 42)))
    (source,) = world.config.sources
    assert open_source(source).listing().files == ["deep/more.jsonl", "papers.jsonl", "set/moves.jsonl"]
    found = check(world.build())
    assert found.passed, found.details["faults"]


def test_files_of_the_warehouse_and_of_dagster_are_not_told_as_skipped(world: World) -> None:
    world.publish()
    world.write("notes.txt", "read by no source")
    world.write("history/runs.db", b"")
    assert skipped_files(world.config) == {".db": 1, ".txt": 1}
    world.write("dagster.yaml", "")
    assert skipped_files(world.config) == {".txt": 1, ".yaml": 1}
    for name in ("xtr.yaml", "definitions.py"):
        world.write(name, "")
    assert skipped_files(world.config) == {".txt": 1}
