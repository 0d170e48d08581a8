"""What must be passed, who recorded it, and what was taken back: what version 3 adds, as its first release wrote it."""

import json
import shutil
from pathlib import Path

import pytest

from xtr_assets.core.errors import CorruptFile, PublishRefused
from xtr_assets.storage.manifest import Manifest
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.compat.make_golden import FIRST, THIRD
from xtr_assets_tests.storage.sample import REQUIRED, publish, texts, write

GOLDEN = Path(__file__).parent / "format-3"


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return Warehouse.open(shutil.copytree(GOLDEN, tmp_path / "warehouse"))


def test_it_is_small() -> None:
    assert sum(p.stat().st_size for p in GOLDEN.rglob("*") if p.is_file()) < 200_000


def test_every_generation_has_its_state_and_its_texts_and_every_byte_verifies(warehouse: Warehouse) -> None:
    expected = json.loads(GOLDEN.with_suffix(".json").read_text())
    assert {str(g.number): {"state": g.state, "texts": texts(g)} for g in warehouse.generations()} == expected
    assert warehouse.verify().problems == ()


def test_the_requirement_and_who_recorded_what_are_kept(warehouse: Warehouse) -> None:
    second = warehouse.generation(2)
    assert (warehouse.info.format_version, second.manifest.format_version) == (2, 3)
    assert second.manifest.required == REQUIRED
    for record in second.check_results():
        assert record.version == 1 and record.intact(second.manifest.run_id)


def test_what_was_withdrawn_and_collected_is_still_known(warehouse: Warehouse) -> None:
    assert warehouse.layout.numbers() == [1, 2]
    write(warehouse, THIRD)
    with pytest.raises(PublishRefused, match=r"what generation 3 held, which was withdrawn .*made to be withdrawn"):
        publish(warehouse)
    write(warehouse, FIRST)
    assert publish(warehouse).number == 5


def test_a_requirement_in_a_file_of_an_earlier_version_is_refused(warehouse: Warehouse) -> None:
    data = warehouse.generation(2).manifest.to_bytes()
    with pytest.raises(CorruptFile, match="need format_version 3, the file has 1"):
        Manifest.from_bytes(data.replace(b'"format_version": 3', b'"format_version": 1'), "a file")
