"""A part of the campaign of `make damage`: a file of every kind, each with a damage of its own; the others are long."""

from pathlib import Path

import pytest

from xtr_assets.storage.digests import VerifyReport
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.damage import trial
from xtr_assets_tests.damage.kinds import PATTERNS, by_kind, files_of
from xtr_assets_tests.damage.stock import Stock, make_stock
from xtr_assets_tests.damage.trial import attempt

# Trials take the kinds in turn: one of each, and in the long run another, and a third of some.
TRIALS: list[tuple[int, int, str | None]] = [(0, number, None) for number in range(100)]
LONG = [pytest.param(*one, marks=pytest.mark.long) for one in TRIALS[len(PATTERNS) :]]
# (seed, trial) of the campaign that once ended in a traceback or in a message without the file's name, when the kinds
# were fewer.
FAILED = [
    *((0, 265, "snapshot"), (0, 401, "snapshot"), (0, 540, "tokens listing"), (0, 1288, "tokens listing")),
    *((1, 1, "NEXT"), (1, 13, "manifest"), (1, 136, "CURRENT")),
    *((2, 172, "PUBLISHED"), (2, 281, "embeddings listing"), (2, 353, "manifest")),
]
# Of an export, by the kinds that an import reads first or last.
EXPORTED = ["manifest", "history", "PUBLISHED", "word lists", "name vectors"]


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Stock:
    return make_stock(tmp_path_factory.mktemp("damage"))


def test_the_warehouse_has_a_file_of_every_kind(stock: Stock) -> None:
    assert set(by_kind(files_of(stock.warehouse))) == set(PATTERNS)
    # Words alone find nothing where no text has any of them.
    silent = [key for key, hits in stock.known.items() if not hits]
    assert silent in ([], [("lexical", "nothing like it")]), "a question without an answer shows nothing"


@pytest.mark.parametrize(("seed", "number", "kind"), [*TRIALS[: len(PATTERNS)], *FAILED, *LONG])
def test_a_damaged_file_is_refused_by_name_or_does_no_harm(
    stock: Stock, seed: int, number: int, kind: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XTR_ASSETS_CACHE", str(tmp_path / "cache"))
    outcome = attempt(stock, seed, number, tmp_path, kind=kind)
    assert not outcome.bad, str(outcome)


def test_damage_that_verify_does_not_see_is_no_harmless_one(
    stock: Stock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It counted as harmless wherever the answers were those of before."""
    monkeypatch.setattr(Warehouse, "verify", lambda *_, **__: VerifyReport(1, 1, ()))
    monkeypatch.setattr(trial, "answers", lambda *_: stock.known)
    outcome = attempt(stock, 0, 0, tmp_path, kind="id_map")
    assert outcome.bad and outcome.verdict == "wrong", str(outcome)


@pytest.mark.parametrize("kind", EXPORTED)
def test_a_damaged_export_is_refused_by_name_or_does_no_harm(
    stock: Stock, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XTR_ASSETS_CACHE", str(tmp_path / "cache"))
    outcome = attempt(stock, 0, 0, tmp_path, kind=kind, exported=True)
    assert not outcome.bad, str(outcome)
