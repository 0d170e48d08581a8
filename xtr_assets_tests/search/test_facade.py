"""`xa.Warehouse`: the contract's calls, by the public name."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import xtr_assets as xa
from xtr_assets.core.errors import ConfigError
from xtr_assets.storage import warehouse as stored

CONFIG = "warehouse: kept\nsources: [{name: notes, kind: text, path: .}]\n"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "xtr.yaml"
    path.write_text(CONFIG, "utf-8")
    return path


def test_a_warehouse_is_made_for_a_config(tmp_path: Path, config: Path) -> None:
    made = xa.Warehouse.create(tmp_path / "kept", config)
    assert isinstance(made, xa.Warehouse) and made.published is None
    assert xa.Warehouse.create(tmp_path / "kept", config, exist_ok=True).root == made.root


def test_a_config_of_another_folder_makes_nothing(tmp_path: Path, config: Path) -> None:
    with pytest.raises(ConfigError, match=r"`warehouse` is .*kept, the folder to make is .*other"):
        xa.Warehouse.create(tmp_path / "other", config)
    config.write_text("sources: []\n", "utf-8")
    with pytest.raises(ConfigError, match="at least 1 source"):
        xa.Warehouse.create(tmp_path / "kept", config)
    assert not (tmp_path / "other").exists() and not (tmp_path / "kept").exists()


def test_two_generations_are_asked_the_same(warehouse: stored.Warehouse) -> None:
    before, after = (one.number for one in warehouse.generations())
    opened = xa.Warehouse.open(warehouse.root)
    found = opened.diff(before, after, ["parse date", "zebra index"], k=5)
    plain = warehouse.diff(before, after)
    assert found.removed.tolist() == plain.removed.tolist() and found.kept == plain.kept
    assert [one.query for one in found.answers] == ["parse date", "zebra index"]
    with xa.open(opened, "cpu", before) as searcher:
        hits = searcher.search("parse date", 5)
    assert found.answers[0].before == tuple(hits) and len(hits) == 5
    assert found.document() == {**plain.document(), "answers": [one.document() for one in found.answers]}


@pytest.mark.parametrize("number", ["1", 1.0, True, None])
def test_what_is_no_number_of_a_generation_is_refused(warehouse: stored.Warehouse, number: Any) -> None:
    opened = xa.Warehouse.open(warehouse.root)
    steps: list[Callable[[Any], object]] = [
        opened.publish,
        opened.generation,
        lambda one: opened.withdraw(one, "why"),
        lambda one: opened.diff(1, one),
    ]
    for step in steps:
        with pytest.raises(xa.InvalidInput, match=f"generation is {number!r}; pass a whole number from 1 to"):
            step(number)
    first: Any = np.int64(1)
    assert opened.generation(first).number == 1


@pytest.mark.parametrize(("place", "shown"), [(None, "NoneType"), (3, "int"), ("", "''"), (" ", "' '")])
def test_what_names_no_place_is_refused(
    place: Any, shown: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for step in (xa.open, xa.Warehouse.open, xa.Warehouse.create, xa.PartSet.open):
        with pytest.raises(xa.InvalidInput, match=f"the warehouse is (a )?{shown}; give the path of a folder"):
            step(place)
    assert not any(tmp_path.iterdir())


def test_one_question_is_one_and_none_is_none(warehouse: stored.Warehouse) -> None:
    before, after = (one.number for one in warehouse.generations())
    opened = xa.Warehouse.open(warehouse.root)
    assert [one.query for one in opened.diff(before, after, "parse date").answers] == ["parse date"]
    assert opened.diff(before, after).answers == () and "answers" not in opened.diff(before, after).document()
    with pytest.raises(xa.GenerationError, match="is unknown"):
        opened.diff(before, 99, "parse date")


def test_an_export_is_the_same_kind_of_warehouse(warehouse: stored.Warehouse, tmp_path: Path) -> None:
    opened = xa.Warehouse.open(warehouse.root)
    serving = opened.published
    assert serving is not None
    copy = opened.export(serving.number, tmp_path / "copy")
    assert isinstance(copy, xa.Warehouse) and copy.published is not None
    assert copy.diff(serving.number, serving.number, "parse date").answers[0].overlap == 1


def test_publish_takes_the_number_alone(warehouse: stored.Warehouse, tmp_path: Path) -> None:
    serving = warehouse.published
    assert serving is not None
    copy = xa.Warehouse.open(warehouse.root).export(serving.number, tmp_path / "copy")
    assert copy.publish(serving.number).number == serving.number
