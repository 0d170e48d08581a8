"""A file that could not be read, and a withdrawal that names its files: as their first release wrote them."""

import json
import shutil
from pathlib import Path

import pytest

from xtr_assets.core.errors import PublishRefused
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.compat.make_golden import THIRD
from xtr_assets_tests.storage.sample import REQUIRED, check, draft, texts, write

GOLDEN = Path(__file__).parent / "format-9"


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return Warehouse.open(shutil.copytree(GOLDEN, tmp_path / "warehouse"))


def test_it_is_small() -> None:
    assert sum(p.stat().st_size for p in GOLDEN.rglob("*") if p.is_file()) < 250_000


def test_every_generation_has_its_state_and_its_texts_and_every_byte_verifies(warehouse: Warehouse) -> None:
    expected = json.loads(GOLDEN.with_suffix(".json").read_text())
    assert {str(g.number): {"state": g.state, "texts": texts(g)} for g in warehouse.generations()} == expected
    assert [one["state"] for one in expected.values()] == ["retired", "published", "withdrawn"]
    assert "title zebra" in expected["2"]["texts"], "the rows of what cannot be read stay"
    assert warehouse.verify().problems == ()


def test_the_file_that_could_not_be_read_is_said(warehouse: Warehouse) -> None:
    snapshot = warehouse.generation(2).snapshots()["s"]
    assert snapshot.format_version == 3 and [one.path for one in snapshot.stale] == ["notes.md"]


def test_what_was_withdrawn_is_known_by_its_files(warehouse: Warehouse) -> None:
    assert warehouse.info.format_version == 6
    warehouse.collect(keep=1)
    write(warehouse, THIRD, source_fingerprint="v2")
    made = draft(warehouse)
    check(made)
    with pytest.raises(PublishRefused, match="was made from the same files as generation 3, which was withdrawn"):
        warehouse.publish(made.number, required=REQUIRED)
