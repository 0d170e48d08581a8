import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from xtr_assets.core.errors import InvalidInput
from xtr_assets.core.types import Floats
from xtr_assets.index import DenseIndex
from xtr_assets.index.dense.tuner import confirmation, stricter
from xtr_assets.index.exact_scan import exact_dense
from xtr_assets_tests.index.dense.dense_data import queries_near

pytestmark = pytest.mark.usefixtures("threads")


def test_a_profile_can_be_applied_and_reset(vectors: Any) -> None:
    index = DenseIndex.build(vectors, "IVF24,PQ8x4fs")
    tuned = index.profile
    assert tuned["recall"] >= 0.95
    assert index.apply("nprobe=9,k_factor=3")["nprobe"] == 9
    assert index.profile["rescore"] == 30
    assert index.profile["recall"] == 0.0
    assert index.reset() == tuned == index.profile
    index.restore({**tuned, "nprobe": 7, "goal": 0.0, "recall": 0.0})
    assert index.profile["nprobe"] == 7 and index.reset() == tuned
    assert index.tune(goal=stricter(0.95)).profile.as_json() == tuned


def test_reset_goes_back_to_what_it_was_opened_with(vectors: Any, tmp_path: Path) -> None:
    index = DenseIndex.build(vectors, "IVF24,Flat")
    index.apply("nprobe=11")
    index.save(tmp_path / "index")
    with DenseIndex.load(tmp_path / "index", "cpu") as opened:
        assert opened.profile["nprobe"] == 11
        opened.apply("nprobe=2")
        opened.tune(goal=0.99)
        assert opened.reset()["nprobe"] == 11
    assert index.reset()["recall"] >= 0.95 and index.profile["nprobe"] != 11


def test_tuning_meets_a_higher_goal_with_no_fewer_probes(vectors: Any, queries: Floats) -> None:
    index = DenseIndex.build(vectors, "IVF24,Flat")
    exact = exact_dense(index.vectors, index.present, queries, 10)[1]
    low = index.tune(queries, exact, goal=0.5)
    high = index.tune(queries, exact, goal=0.99)
    assert low.met
    assert low.profile.nprobe <= high.profile.nprobe
    assert low.lower_bound >= 0.5
    recalls = [recall for _, recall, _ in high.curve]
    assert recalls == sorted(recalls)


def test_a_goal_that_cannot_be_met_says_so_and_keeps_the_best(vectors: Any, queries: Floats) -> None:
    index = DenseIndex.build(vectors, "IVF24,Flat")
    unreachable = np.full((len(queries), 10), 2_999_999)
    result = index.tune(queries, unreachable, goal=0.9)
    assert not result.met
    assert result.profile.recall == 0.0


def test_a_profile_that_other_queries_contradict_gives_way_to_a_dearer_one(vectors: Any, queries: Floats) -> None:
    index = DenseIndex.build(vectors, "IVF24,Flat")
    easy = vectors[::100].copy()
    alone = index.tune(easy, goal=0.9)
    others = queries_near(vectors, 200, seed=9) + 0.3
    assert index.confirm(others, goal=0.9).mean < 0.9
    both = index.tune(easy, goal=0.9, confirm=others)
    assert both.met
    assert both.confirmed is not None
    assert both.confirmed.mean >= 0.9
    assert both.confirmed.queries == 200
    assert both.profile.nprobe > alone.profile.nprobe
    assert index.confirm(others, goal=0.9) == both.confirmed


def test_what_no_setting_confirms_is_not_met(monkeypatch: pytest.MonkeyPatch, vectors: Any, queries: Floats) -> None:
    index = DenseIndex.build(vectors, "IVF24,PQ4x4fs")
    shifted = np.roll(queries, 1, axis=0)
    monkeypatch.setattr(index, "_exact", lambda asked, k: np.full((len(asked), k), 2_999_999))
    exact = exact_dense(index.vectors, index.present, queries, 10)[1]
    result = index.tune(queries, exact, goal=0.9, confirm=shifted)
    assert not result.met
    assert result.confirmed is not None
    assert not result.confirmed.passed
    assert result.profile.recall >= 0.9


def test_an_inherited_profile_is_confirmed_and_not_tuned_again(vectors: Any, queries: Floats) -> None:
    index = DenseIndex.build(vectors, "IVF24,PQ8x4fs")
    index.tune(queries, goal=0.9)
    before = index.profile
    again = index.tune(queries, goal=0.9, keep=True)
    assert (again.how, again.curve, index.profile) == ("confirmed", (), before)
    assert again.confirmed is not None
    assert again.confirmed.mean >= 0.9
    index.apply("nprobe=1,rescore=10")
    assert index.tune(queries, goal=0.9, keep=True).how == "tuned"
    higher = index.tune(queries, goal=0.999, keep=True)
    assert higher.how == "tuned"
    assert index.profile["goal"] == 0.999


def test_a_confirmation_is_the_mean_and_its_bound_by_hand() -> None:
    found = np.array([[0, 1], [2, 9], [4, 5], [6, 7]])
    exact = np.array([[0, 1], [2, 3], [4, 5], [6, 7]])
    one = confirmation(found, exact, goal=0.875)
    assert (one.queries, one.mean, one.passed) == (4, 0.875, True)
    # t(0.95, 3) = 2.3534, standard deviation 0.25 over the root of 4.
    assert one.lower_bound == pytest.approx(0.875 - 2.3534 * 0.125, abs=1e-3)
    assert not confirmation(found, exact, goal=0.876).passed


@pytest.mark.parametrize("recipe", ["Flat", "IVF24,SQ8", "IVF24,PQ8x4fs", "HNSW16"])
def test_a_tuning_is_json(recipe: str, vectors: Any, queries: Floats) -> None:
    index = DenseIndex.build(vectors, recipe)
    result = index.tune(queries, goal=0.9, confirm=queries_near(vectors, 30, seed=4))
    read = json.loads(json.dumps(result.as_json()))
    assert read["profile"] == index.profile
    assert read["met"]
    assert [one["probes"] for one in read["curve"]] == [step for step, _, _ in result.curve]


@pytest.mark.parametrize("recipe", ["HNSW8_SQ8", "IVF2,SQ8", "Flat"])
def test_an_index_that_lost_every_row_can_be_tuned(recipe: str) -> None:
    vectors = np.random.default_rng(0).normal(size=(40, 16)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    index = DenseIndex.build(vectors, recipe=recipe)
    index.remove(np.arange(40))
    assert index.tune(vectors[:5]).met
    with pytest.raises(InvalidInput, match=r"0 rows in .* to draw tuning queries from; add rows, or pass queries"):
        index.tune()
    assert (index.search(vectors[:2], 3)[1] == -1).all()
