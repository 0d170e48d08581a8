"""A set of two parts with three moves, as its first release wrote it."""

import json
import shutil
from pathlib import Path

import pytest

from xtr_assets.storage.parts.part_set import PartSet
from xtr_assets.storage.parts.pins import pinned_by_moves
from xtr_assets_tests.storage.sample import REQUIRED, check, draft, texts, write
from xtr_assets_tests.storage.test_set_check import asking

GOLDEN = Path(__file__).parent / "format-10"


@pytest.fixture
def parts(tmp_path: Path) -> PartSet:
    return PartSet.open(shutil.copytree(GOLDEN, tmp_path / "set"))


def test_it_is_small() -> None:
    assert sum(p.stat().st_size for p in GOLDEN.rglob("*") if p.is_file()) < 300_000


def test_every_part_has_its_generations_and_every_byte_verifies(parts: PartSet) -> None:
    expected = json.loads(GOLDEN.with_suffix(".json").read_text())
    held = {
        part: {str(g.number): {"state": g.state, "texts": texts(g)} for g in parts.warehouse(part).generations()}
        for part in parts.info.parts
    }
    assert held == expected and sorted(held) == ["a", "b"]
    assert parts.verify().problems == ()


def test_its_moves_say_what_serves(parts: PartSet) -> None:
    moves = [(one.action, {name: state.generation for name, state in one.parts.items()}) for one in parts.moves()]
    assert moves == [
        ("published", {"a": 1, "b": 1}),
        ("published", {"a": 2, "b": 1}),
        ("rolled_back", {"a": 1, "b": 1}),
    ]
    assert parts.number == 3 and pinned_by_moves(parts.warehouse("a").layout) == {1}


def test_it_can_be_built_on(parts: PartSet) -> None:
    warehouse = parts.warehouse("b")
    write(warehouse, {"late.py": ["retry later"]}, "y")
    made = draft(warehouse, required=REQUIRED)
    check(made)
    warehouse.publish(made.number)
    parts.publish(again_reason="with a change of the other part")
    assert parts.number == 4 and parts.verify().ok
    # A record of the whole begins with the move that has one.
    assert parts.publish(checks=asking()).number == 5 and parts.verify().ok
    assert [move.format_version for move in parts.moves()] == [1, 1, 1, 1, 2]
