import json
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from xtr_assets.core.errors import InvalidInput
from xtr_assets.core.recipe_shortlist import DensePlan, plan_dense
from xtr_assets.core.row_store import RowVectors, VectorPart
from xtr_assets.index.dense.recipe_benchmark import DenseChoice, Measured, _cheapest, choose_dense, scaled
from xtr_assets_tests.index.dense.dense_data import clustered, one_thread, queries_near

DATA = clustered(4000)
ROWS = RowVectors([VectorPart(0, DATA.astype(np.float16))], 32)
LIVE = np.ones(4000, np.bool_)
QUERIES = queries_near(DATA, 60)


@pytest.fixture(scope="module", autouse=True)
def threads() -> Iterator[None]:
    with one_thread():
        yield


def plans(*recipes: str, rows: int = 4000) -> list[DensePlan]:
    return [plan_dense(rows, 32, recipe=recipe) for recipe in recipes]


@pytest.fixture(scope="module")
def choice() -> DenseChoice:
    return choose_dense(ROWS, LIVE, plans("IVF32,PQ16x4fsr", "IVF32,Flat", "HNSW16"), QUERIES, 0.9)


def test_every_candidate_is_built_tuned_and_timed_beside_its_estimate(choice: DenseChoice) -> None:
    assert [one.built for one in choice.measured] == ["IVF32,PQ16x4fsr", "IVF32,Flat", "HNSW16"]
    for one in choice.measured:
        assert (one.rows, one.met) == (4000, True)
        assert one.recall >= 0.9
        assert one.cpu_us > 0
        assert one.cpu_us_at_rows == one.cpu_us
        assert one.estimate.memory_bytes == pytest.approx(one.memory_bytes, rel=0.1)
    assert choice.plan.recipe in {one.built for one in choice.measured}
    assert "us of CPU a query at recall 0.900, measured; others: " in choice.plan.reason
    assert choice.cpu_seconds > 0


def test_a_choice_is_json_and_words(choice: DenseChoice) -> None:
    read = json.loads(json.dumps(choice.as_json()))
    assert read["plan"]["recipe"] == choice.plan.recipe
    assert len(read["measured"]) == 3
    assert str(choice).startswith(f"{choice.plan.recipe}: ")
    assert str(choice).count("\n") == 3


def test_more_rows_than_the_sample_are_extrapolated_and_lists_scaled() -> None:
    choice = choose_dense(ROWS, LIVE, plans("IVF32,SQ8", "IVF32,Flat"), QUERIES, 0.9, sample_rows=1000)
    assert [one.built for one in choice.measured] == ["IVF16,SQ8", "IVF16,Flat"]
    assert all(one.rows == 1000 and one.cpu_us_at_rows >= one.cpu_us for one in choice.measured)
    assert "extrapolated from 1000 rows" in choice.plan.reason


def test_dead_rows_are_not_measured() -> None:
    live = LIVE.copy()
    live[1000:] = False
    choice = choose_dense(ROWS, live, plans("Flat", "IVF8,Flat", rows=1000), QUERIES, 0.9)
    assert {one.rows for one in choice.measured} == {1000}


def test_one_candidate_is_the_choice_and_costs_nothing() -> None:
    both = plans("Flat", "SQ8")
    choice = choose_dense(ROWS, LIVE, both, QUERIES, memory_budget=both[1].memory_bytes)
    assert (choice.plan.recipe, choice.measured, choice.cpu_seconds) == ("SQ8", (), 0.0)
    with pytest.raises(InvalidInput, match=r"1000 bytes holds none of \['Flat', 'SQ8'\]"):
        choose_dense(ROWS, LIVE, both, QUERIES, memory_budget=1000)


def measured(recipe: str, cost: float, recall: float = 0.95, *, met: bool = True) -> Measured:
    plan = plan_dense(4000, 32, recipe=recipe)
    return Measured(plan, recipe, 4000, plan, 1, 1.0, {}, met, recall, cost, cost)


def test_a_later_candidate_must_be_clearly_cheaper_and_meet_the_goal() -> None:
    first, alike, cheap = measured("SQ8", 100.0), measured("Flat", 90.0), measured("HNSW16", 80.0)
    assert _cheapest([first, alike]) is first
    assert _cheapest([first, alike, cheap]) is cheap
    missed = measured("IVF8,Flat", 10.0, 0.8, met=False)
    assert _cheapest([first, missed]) is first
    assert _cheapest([missed, replace(missed, recall=0.7)]) is missed


@pytest.mark.parametrize(
    ("recipe", "rows", "built"),
    [
        ("IVF64,Flat", 1000, "IVF32,Flat"),
        ("IVF64_HNSW16,SQ8", 250, "IVF16_HNSW16,SQ8"),
        ("IVF64,Flat", 4000, "IVF64,Flat"),
        ("HNSW16", 250, "HNSW16"),
    ],
)
def test_lists_are_scaled_by_the_root_of_the_rows(recipe: str, rows: int, built: str) -> None:
    assert scaled(plan_dense(4000, 32, recipe=recipe), rows) == built
