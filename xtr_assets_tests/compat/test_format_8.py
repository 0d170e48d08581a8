"""A warehouse that the command of an earlier release built: names in their first wording, and a change taken back."""

import json
import shutil
from pathlib import Path

import pytest

import xtr_assets as xa
from xtr_assets.search.query_encoder import QueryEncoder
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.storage.sample import texts

GOLDEN = Path(__file__).parent / "format-8"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return Path(shutil.copytree(GOLDEN, tmp_path / "warehouse"))


def test_it_is_small() -> None:
    assert sum(p.stat().st_size for p in GOLDEN.rglob("*") if p.is_file()) < 700_000


def test_every_generation_has_its_state_and_its_texts_and_every_byte_verifies(path: Path) -> None:
    warehouse = Warehouse.open(path)
    expected = json.loads((GOLDEN.parent / "format-8.json").read_text())
    assert {str(g.number): {"state": g.state, "texts": texts(g)} for g in warehouse.generations()} == expected
    assert warehouse.verify().problems == ()


def test_names_in_another_wording_score_as_they_did(path: Path) -> None:
    with xa.open(path, "cpu") as searcher:
        hit = searcher.search("wait for a free slot", 2)[0]
    assert hit.symbol == "put"
    assert (hit.score, hit.scores["name"]) == pytest.approx((2.55824, 0.54306), abs=1e-4)


def test_its_words_are_asked_as_they_were(path: Path) -> None:
    """Its files have no language, and JavaScript is written of two words there."""
    generation = Warehouse.open(path).published
    assert generation is not None
    (asked,) = QueryEncoder("cpu").encode(generation, ["JavaScript in C++"], ["lexical"])
    assert asked.terms == ("javascript", "java", "script", "in", "c")
