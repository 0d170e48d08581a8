"""A twentieth of the campaign of `make damage`: three files of every kind, each with a damage of its own."""

from pathlib import Path

import pytest

from xtr_assets_tests.damage.kinds import PATTERNS, by_kind, files_of
from xtr_assets_tests.damage.stock import Stock, make_stock
from xtr_assets_tests.damage.trial import attempt

# Trials take the kinds in turn: three of each.
TRIALS = [(0, trial) for trial in range(3 * len(PATTERNS))]
# (seed, trial) of the campaign that once ended in a traceback or in a message without the file's name.
FAILED = [(0, 265), (0, 401), (0, 540), (0, 1288), (1, 1), (1, 13), (1, 136), (2, 172), (2, 281), (2, 353)]


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Stock:
    return make_stock(tmp_path_factory.mktemp("damage"))


def test_the_warehouse_has_a_file_of_every_kind(stock: Stock) -> None:
    assert set(by_kind(files_of(stock.warehouse))) == set(PATTERNS)
    assert all(stock.known.values()), "a question without an answer shows nothing"


@pytest.mark.parametrize(("seed", "trial"), TRIALS + FAILED)
def test_a_damaged_file_is_refused_by_name_or_does_no_harm(
    stock: Stock, seed: int, trial: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XTR_ASSETS_CACHE", str(tmp_path / "cache"))
    outcome = attempt(stock, seed, trial, tmp_path)
    assert not outcome.bad, str(outcome)
