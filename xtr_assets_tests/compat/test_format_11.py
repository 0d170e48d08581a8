"""A set with a move that keeps what was found of all parts together, as its first release wrote it."""

import json
import shutil
from pathlib import Path

import pytest

from xtr_assets.core.errors import PublishRefused
from xtr_assets.pipeline.gate.judgments import CHECK, rivals
from xtr_assets.storage.parts.part_set import PartSet
from xtr_assets_tests.storage.sample import REQUIRED, check, draft, texts, write
from xtr_assets_tests.storage.test_set_check import asking

GOLDEN = Path(__file__).parent / "format-11"


@pytest.fixture
def parts(tmp_path: Path) -> PartSet:
    return PartSet.open(shutil.copytree(GOLDEN, tmp_path / "set"))


def test_it_is_small() -> None:
    assert sum(p.stat().st_size for p in GOLDEN.rglob("*") if p.is_file()) < 100_000


def test_it_serves_and_every_byte_verifies(parts: PartSet) -> None:
    expected = json.loads(GOLDEN.with_suffix(".json").read_text())
    published = parts.published
    assert published is not None and texts(published) == expected["a"]["1"]["texts"]
    assert parts.verify().problems == ()


def test_the_next_move_is_held_against_its_record(parts: PartSet) -> None:
    (move,) = parts.moves()
    serving = rivals(move.checks[CHECK], move.number)["what serves"]
    assert (serving.generation, serving.per_query) == (1, {"1": 0.5, "2": 1.0})
    warehouse = parts.warehouse("a")
    write(warehouse, {"late.py": ["retry later"]}, "y")
    made = draft(warehouse, required=REQUIRED)
    check(made)
    warehouse.publish(made.number)
    with pytest.raises(PublishRefused, match=f"was asked '{CHECK}'"):
        parts.publish()
    parts.publish(checks=asking())
    assert parts.number == 2 and parts.verify().ok
