"""Lexical postings in the segments, and a generation of before there were any: as their first release wrote them."""

import json
import shutil
from pathlib import Path

import pytest

import xtr_assets as xa
from xtr_assets.core.errors import GenerationError
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.storage.sample import texts

GOLDEN = Path(__file__).parent / "format-6"
ANSWERS = {
    "gather": ["def gather(*coros): runs all", "the connection was refused, the gatherers left"],
    "asyncio.gather": ["def gather(*coros): runs all", "the connection was refused, the gatherers left"],
    "+gather": ["def gather(*coros): runs all"],
    '"connection was refused"': ["the connection was refused, the gatherers left"],
    "CAFE": ["größe des café 数据库"],
    "数据": ["größe des café 数据库"],
    "stop": [],
    "ConnectionRefused": ["the connection was refused, the gatherers left"],
    "HTTP_404": [],
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return Path(shutil.copytree(GOLDEN, tmp_path / "warehouse"))


def test_it_is_small() -> None:
    assert sum(p.stat().st_size for p in GOLDEN.rglob("*") if p.is_file()) < 500_000


def test_every_generation_has_its_state_and_its_texts_and_every_byte_verifies(path: Path) -> None:
    warehouse = Warehouse.open(path)
    expected = json.loads(GOLDEN.with_suffix(".json").read_text())
    assert {str(g.number): {"state": g.state, "texts": texts(g)} for g in warehouse.generations()} == expected
    assert warehouse.verify().problems == ()


def test_words_are_found_as_their_first_release_found_them(path: Path) -> None:
    with xa.open(path, "cpu") as searcher:
        found = {query: [hit.text for hit in searcher.search(query, 5, "lexical")] for query in ANSWERS}
        assert found == ANSWERS
        (hit,) = searcher.search("CAFE", 5, "lexical")
        assert hit.score == hit.scores["lexical"] == pytest.approx(1.37067, abs=1e-4)


def test_a_generation_of_before_opens_and_names_the_remedy(path: Path) -> None:
    with xa.open(path, "cpu", generation=1) as searcher:
        assert len(searcher.search("gather", 5, "dense")) == 3
        assert [hit.symbol for hit in searcher.search("+gather", 5)] == ["gather"], "texts are read where no list is"
        with pytest.raises(GenerationError, match=r"generation 1 has no lexical index.*xtr-assets build"):
            searcher.search("gather", 5, "lexical")


def test_what_is_collected_takes_no_words_that_are_needed(path: Path) -> None:
    warehouse = Warehouse.open(path)
    warehouse.collect(1)
    assert [one.number for one in warehouse.generations()] == [3]
    assert warehouse.verify().problems == ()
    with xa.open(path, "cpu") as searcher:
        assert [hit.text for hit in searcher.search("gather", 5, "lexical")] == ANSWERS["gather"]
