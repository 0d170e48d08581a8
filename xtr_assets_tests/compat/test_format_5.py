"""A pointer with a check of its number: what version 5 adds, as its first release wrote it."""

import hashlib
import json
import shutil
from pathlib import Path

import pytest

from xtr_assets.core.errors import CorruptFile
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.storage.sample import texts

GOLDEN = Path(__file__).parent / "format-5"


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return Warehouse.open(shutil.copytree(GOLDEN, tmp_path / "warehouse"))


def test_it_is_small() -> None:
    assert sum(p.stat().st_size for p in GOLDEN.rglob("*") if p.is_file()) < 250_000


def test_every_generation_has_its_state_and_its_texts_and_every_byte_verifies(warehouse: Warehouse) -> None:
    expected = json.loads(GOLDEN.with_suffix(".json").read_text())
    assert {str(g.number): {"state": g.state, "texts": texts(g)} for g in warehouse.generations()} == expected
    assert {one["state"] for one in expected.values()} == {"retired", "published"}
    assert warehouse.verify().problems == ()


def test_the_pointer_has_its_check_and_the_warehouse_says_so(warehouse: Warehouse) -> None:
    assert warehouse.info.format_version == 4
    check = hashlib.sha256(b"1\n").hexdigest()[:16]
    assert warehouse.layout.published.read_text() == f"1 {check}\n"
    assert warehouse.published is not None and warehouse.published.number == 1


def test_another_number_under_the_check_is_refused(warehouse: Warehouse) -> None:
    warehouse.layout.published.write_bytes(b"2" + warehouse.layout.published.read_bytes()[1:])
    with pytest.raises(CorruptFile, match="PUBLISHED"):
        _ = warehouse.published


def test_it_can_be_built_on(warehouse: Warehouse) -> None:
    assert warehouse.publish(2, required=(), again_reason="the same again").number == 2
    assert warehouse.verify().ok and warehouse.info.format_version == 4


@pytest.mark.parametrize("version", ["1", "2", "3", "4"])
def test_a_golden_warehouse_of_before_gets_a_check_with_its_next_move(version: str, tmp_path: Path) -> None:
    warehouse = Warehouse.open(shutil.copytree(GOLDEN.with_name(f"format-{version}"), tmp_path / "w"))
    published = warehouse.published
    assert published is not None and warehouse.layout.published.read_bytes() == b"%d\n" % published.number
    target = warehouse.rollback().number
    assert warehouse.layout.published.read_bytes().startswith(b"%d " % target) and target != published.number
    again = Warehouse.open(warehouse.root)
    assert again.info.format_version == 4 and again.published is not None and again.published.number == target
    assert again.verify().ok
