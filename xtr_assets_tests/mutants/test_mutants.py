"""No fault is published: four mutants here, all of them with `XTR_ASSETS_MUTANTS=1 pytest -m mutants`, or as a table
with `make mutants`."""

import os
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from xtr_assets.core import errors
from xtr_assets.defs import in_process
from xtr_assets.pipeline.gate.registry import CHECKS
from xtr_assets_tests.life import steps
from xtr_assets_tests.long_cases import kept
from xtr_assets_tests.mutants import __main__
from xtr_assets_tests.mutants.catalogue import CONTROLS, MUTANTS
from xtr_assets_tests.mutants.fault import Mutant, Run, fitting, in_code
from xtr_assets_tests.mutants.trial import Bases, attempt

BY_NAME = {one.name: one for one in MUTANTS}
# Of sorts that lie far apart, 4 CPU s each; the rest is planted by the long run. What is missing in FAISS is planted in
# test_whole_rows.py and test_new_row_recall.py too.
CHOSEN: tuple[tuple[str, Run], ...] = (
    ("half of a mount is away", "incremental"),
    ("the pointer gets another number", "incremental"),
    ("tokens cut after two a text", "full"),
    ("half of the added rows are missing in FAISS", "incremental"),
)
ALL = tuple((one.name, run) for one in MUTANTS for run in one.runs) if "XTR_ASSETS_MUTANTS" in os.environ else ()


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bases]:
    yield Bases(tmp_path_factory.mktemp("mutants"))


def assert_stopped(mutant: Mutant, run: Run, bases: Bases) -> None:
    """A harmful fault is stopped, by a check that is there for it; what serves is what served before."""
    outcome = attempt(mutant, run, bases)
    if mutant.equivalent:
        assert not outcome.harm, f"not equivalent ({mutant.equivalent}): {outcome.harm}"
        assert outcome.published or set(outcome.stopped_by) & mutant.stopped_by, outcome.message
        return
    assert not (outcome.published and outcome.harm), f"published: {outcome.harm}"
    if not outcome.published:
        assert outcome.unchanged, "something else serves"
        stops = set(outcome.stopped_by)
        assert stops & (mutant.stopped_by | {"xtr_recall_new_rows", "dense_recall_new_rows"}), outcome.message


@pytest.mark.parametrize(("name", "run"), kept(CHOSEN, CHOSEN[:3]))
def test_a_fault_is_not_published(name: str, run: Run, bases: Bases) -> None:
    assert_stopped(BY_NAME[name], run, bases)


def test_the_same_corpus_without_a_fault_is(bases: Bases) -> None:
    (control,) = (one for one in CONTROLS if not one.lists and not one.files and one.recipe == "auto")
    outcome = attempt(control, "incremental", bases)
    assert outcome.published
    assert not outcome.harm


@pytest.mark.mutants
@pytest.mark.skipif(not ALL, reason="XTR_ASSETS_MUTANTS=1 plants every fault, minutes")
@pytest.mark.parametrize(("name", "run"), ALL)
def test_no_fault_is_published(name: str, run: Run, bases: Bases) -> None:
    assert_stopped(BY_NAME[name], run, bases)


def test_every_fault_fits_the_code_that_it_is_planted_in(tmp_path: Path) -> None:
    """Code moves: a fault in what is there no more, or is called otherwise by now, shows only in the long run."""
    misfits, fitted = [], 0
    for mutant in (*CONTROLS, *MUTANTS):
        for plant in in_code(mutant.plant):
            try:
                with plant(tmp_path):
                    fitted += 1
            except Exception as error:
                misfits.append(f"{mutant.place}: {mutant.name}: {type(error).__name__} {error}")
    assert not misfits and fitted > 200, "\n".join(misfits)


def test_a_fault_that_does_not_fit_is_told() -> None:
    def original(one: int, two: int = 0, *, three: int) -> int:
        return one + two + three

    assert fitting(original, original) is original
    for new in (lambda one: one, lambda one, two, four, *, three: one, lambda one, two: one, lambda one, *, three: one):
        with pytest.raises(TypeError):
            fitting(original, new)


def test_a_fault_that_breaks_the_code_it_is_planted_in_is_told_and_ends_no_campaign(
    bases: Bases, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: object, **__: object) -> None:
        raise AttributeError("the attribute is called otherwise by now")

    monkeypatch.setattr(steps, "build", gone)
    outcome = attempt(CONTROLS[0], "full", bases)
    assert outcome.stopped_by == ("AttributeError",) and __main__._kind(outcome) == "BROKEN"


def test_words_that_choose_no_fault_are_refused() -> None:
    with pytest.raises(SystemExit, match="no mutant has nothing like it"):
        __main__.main(["nothing like it"])


def test_names_differ_and_what_is_said_to_stop_them_exists() -> None:
    assert len(BY_NAME) == len(MUTANTS) >= 60
    known = {check.name for check in CHECKS if check.blocking}
    for mutant in MUTANTS:
        unknown = mutant.stopped_by - known - {"publish"}
        assert all(hasattr(errors, name) for name in unknown), (mutant.name, unknown)
        assert mutant.stopped_by or mutant.equivalent, mutant.name
    places = {one.place for one in MUTANTS}
    assert places >= {"sources", "encoding", "storage", "FAISS", "postings", "exact lists", "queries", "hydration"}
    assert places >= {"filters", "import", "publish", "config", "compaction", "catalog", "id map"}


def test_a_fault_is_not_published_through_dagster(bases: Bases) -> None:
    name = "FAISS ids of added rows are shifted"
    corpus = bases.copy("incremental", "auto", lists=False)
    with dg.DagsterInstance.ephemeral() as instance, BY_NAME[name].plant(corpus.folder):
        result = in_process.build(corpus.config, instance)
    assert not result.published
    assert {one.name for one in result.failed if one.blocking} & BY_NAME[name].stopped_by
    assert result.generation == 1, "another generation serves"
