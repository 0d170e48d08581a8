"""A history that is chained, whose end warehouse.json names: what version 4 adds, as its first release wrote it."""

import json
import shutil
from pathlib import Path

import pytest

from xtr_assets.core.errors import CorruptFile
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.storage.sample import REQUIRED, texts

GOLDEN = Path(__file__).parent / "format-4"


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return Warehouse.open(shutil.copytree(GOLDEN, tmp_path / "warehouse"))


def test_it_is_small() -> None:
    assert sum(p.stat().st_size for p in GOLDEN.rglob("*") if p.is_file()) < 250_000


def test_every_generation_has_its_state_and_its_texts_and_every_byte_verifies(warehouse: Warehouse) -> None:
    expected = json.loads(GOLDEN.with_suffix(".json").read_text())
    assert {str(g.number): {"state": g.state, "texts": texts(g)} for g in warehouse.generations()} == expected
    assert {one["state"] for one in expected.values()} == {"retired", "published", "draft"}
    assert warehouse.verify().problems == ()


def test_the_history_ends_where_the_warehouse_says(warehouse: Warehouse) -> None:
    assert warehouse.info.format_version == 3 and warehouse.info.history is not None
    assert warehouse.info.history.bytes == warehouse.layout.history.stat().st_size
    assert all(entry.after for entry in warehouse.history())
    lines = warehouse.layout.history.read_bytes().splitlines(keepends=True)
    warehouse.layout.history.write_bytes(b"".join(lines[:-1]))
    with pytest.raises(CorruptFile, match=r"history\.jsonl"):
        warehouse.history()


def test_it_can_be_built_on(warehouse: Warehouse) -> None:
    made = warehouse.newest_draft()
    assert made is not None
    assert warehouse.publish(made.number, required=REQUIRED, again_reason="the same again").number == made.number
    assert warehouse.verify().ok and warehouse.history()[-1].after


@pytest.mark.parametrize("version", ["1", "2", "3"])
def test_a_golden_warehouse_of_before_is_chained_by_its_next_line(version: str, tmp_path: Path) -> None:
    warehouse = Warehouse.open(shutil.copytree(GOLDEN.with_name(f"format-{version}"), tmp_path / "w"))
    older = len(warehouse.history())
    assert not any(entry.after for entry in warehouse.history())
    published = warehouse.published
    assert published is not None
    warehouse.layout.manifest_seal(published.number).unlink()
    warehouse.rollback()
    assert [bool(entry.after) for entry in warehouse.history()] == [False] * older + [True]
    assert warehouse.verify().ok, "the seal that was lost is there again"
    lines = warehouse.layout.history.read_bytes().splitlines(keepends=True)
    warehouse.layout.history.write_bytes(b"".join(lines[1:]))
    with pytest.raises(CorruptFile, match=r"history\.jsonl line \d+: expected lines before it"):
        warehouse.history()
