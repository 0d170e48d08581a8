from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xtr_assets.core.errors import InvalidInput
from xtr_assets.core.recall import recall_at_k
from xtr_assets.core.row_store import RowVectors, VectorPart
from xtr_assets.core.types import Floats, Ints, Mask
from xtr_assets.index import DenseIndex
from xtr_assets.index.exact_scan import exact_dense
from xtr_assets_tests.index.dense.dense_data import clustered, queries_near, share

RECIPES = (
    "Flat",
    "SQ8",
    "IVF24,Flat",
    "IVF24,SQ8",
    "IVF24,SQ4",
    "PCA24,IVF24,SQ8",
    "IVF24,PQ8x4fs",
    "IVF24,PQ8x4fsr",
    "IVF24_HNSW16,SQfp16",
    "HNSW16",
    "HNSW16_SQ8",
)


pytestmark = pytest.mark.usefixtures("threads")


@pytest.fixture(scope="module", params=RECIPES)
def index(request: pytest.FixtureRequest, vectors: Any) -> DenseIndex:
    return DenseIndex.build(vectors, request.param)


@pytest.fixture
def small(request: pytest.FixtureRequest) -> Callable[[str], DenseIndex]:
    """A fresh index that a test may change."""
    return lambda recipe: DenseIndex.build(clustered(600), recipe)


def reference(index: DenseIndex, queries: Floats, k: int, allowed: Mask | None = None) -> tuple[Floats, Ints]:
    live = index.present if allowed is None else index.present & allowed
    return exact_dense(index.vectors, live, queries, k)


def test_recall_meets_the_goal_on_queries_it_was_not_tuned_on(index: DenseIndex, queries: Floats) -> None:
    _, rows = index.search(queries, 10)
    _, exact = reference(index, queries, 10)
    assert recall_at_k(rows, exact).mean() >= 0.93
    assert index.recipe in RECIPES


def test_scores_are_the_inner_products_of_the_stored_halves(index: DenseIndex, vectors: Any, queries: Floats) -> None:
    scores, rows = index.search(queries, 5)
    stored = vectors.astype(np.float16).astype(np.float64)
    np.testing.assert_allclose(scores, np.einsum("qkd,qd->qk", stored[rows], queries), atol=2e-6)
    assert (np.diff(scores, axis=1) <= 0).all()
    assert scores.dtype == np.float32
    assert rows.dtype == np.int64


@pytest.mark.parametrize("part", [0.9, 0.3, 0.02, 0.001])
def test_a_filter_is_kept_at_any_selectivity_and_costs_no_recall(
    index: DenseIndex, queries: Floats, part: float
) -> None:
    allowed = share(3000, part)
    k = 10
    scores, rows = index.search(queries, k, allowed=allowed)
    assert allowed[rows[rows >= 0]].all()
    possible = min(k, int(allowed.sum()))
    assert ((rows >= 0).sum(axis=1) == possible).all()
    assert recall_at_k(rows, reference(index, queries, k, allowed)[1]).mean() >= 0.93
    assert np.isneginf(scores[:, possible:]).all()


def test_a_filter_far_from_every_query_still_fills_the_answer(index: DenseIndex, vectors: Any, queries: Floats) -> None:
    # The allowed rows are those least like the first query: they lie in the lists that are read last.
    allowed = np.zeros(3000, np.bool_)
    allowed[np.argsort(vectors @ queries[0])[:900]] = True
    _, rows = index.search(queries[:1], 10, allowed=allowed)
    assert allowed[rows].all()
    assert len(np.unique(rows)) == 10


def test_more_results_than_rows_are_padded(index: DenseIndex, queries: Floats) -> None:
    scores, rows = index.search(queries[:3], 3100)
    assert (np.sort(rows, axis=1)[:, 100:] == np.arange(3000)).all()
    assert (rows[:, 3000:] == -1).all()
    assert np.isneginf(scores[:, 3000:]).all()
    assert np.isfinite(scores[:, :3000]).all()


def test_nothing_asked_gives_empty_answers(index: DenseIndex) -> None:
    scores, rows = index.search(np.empty((0, 32), np.float32), 7)
    assert scores.shape == rows.shape == (0, 7)


def test_nothing_allowed_gives_pads(index: DenseIndex, queries: Floats) -> None:
    scores, rows = index.search(queries[:2], 3, allowed=np.zeros(3000, np.bool_))
    assert (rows == -1).all()
    assert np.isneginf(scores).all()


def test_one_query_gets_the_answer_it_gets_in_a_batch(index: DenseIndex, queries: Floats) -> None:
    batch = index.search(queries, 10)
    for number in (0, 17, 39):
        single = index.search(queries[number : number + 1], 10)
        np.testing.assert_array_equal(single[1][0], batch[1][number])
        np.testing.assert_array_equal(single[0][0], batch[0][number])


def test_threads_get_the_answers_of_one_thread(index: DenseIndex, queries: Floats) -> None:
    expected = index.search(queries, 10)[1]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda number: index.search(queries[number : number + 1], 10)[1][0], range(40)))
    np.testing.assert_array_equal(np.stack(answers), expected)


@pytest.mark.parametrize(
    ("call", "complaint"),
    [
        ({"queries": np.ones((1, 1, 32), np.float32)}, r"queries have shape \(1, 1, 32\)"),
        ({"queries": np.full((1, 32), np.nan, np.float32)}, "query 0 holds NaN"),
        ({"k": -2}, "k is -2; pass a whole number from 1"),
        ({"nprobe": 0}, "nprobe is 0; pass a whole number of at least 1"),
        ({"rescore": -1}, "rescore is -1"),
        ({"ef_search": 1 << 20}, "allowed: 1 to 16384"),
        ({"allowed": np.ones(7, np.bool_)}, r"`allowed` has 7 entries; bool \(3000,\) is needed"),
        ({"allowed": np.ones(3000, np.int8)}, "`allowed` is int8"),
        ({"parameters": "nprobes=3"}, "'nprobes' is unknown; allowed: efSearch"),
        ({"parameters": "nprobe=many"}, "nprobe is 'many'; a whole number is needed"),
        ({"parameters": "k_factor=2,rescore=30"}, "exclude each other"),
    ],
)
def test_a_wrong_call_is_refused_with_the_value_and_what_is_allowed(
    index: DenseIndex, call: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(InvalidInput, match=complaint):
        index.search(**{"queries": np.ones((1, 32), np.float32), "k": 3, **call})


def test_more_probes_than_lists_are_refused_with_the_range(vectors: Any) -> None:
    index = DenseIndex.build(vectors, "IVF24,Flat")
    with pytest.raises(InvalidInput, match="nprobe = 25 is out of range for IVF24,Flat; allowed: 1 to 24"):
        index.search(vectors[:1], 3, nprobe=25)


def test_every_probe_finds_every_neighbour(vectors: Any, queries: Floats) -> None:
    index = DenseIndex.build(vectors, "IVF24,Flat")
    np.testing.assert_array_equal(index.search(queries, 10, nprobe=24)[1], reference(index, queries, 10)[1])
    np.testing.assert_array_equal(
        index.search(queries, 10, parameters="nprobe=24")[1], index.search(queries, 10, nprobe=24)[1]
    )


def test_a_deeper_rerank_finds_no_less(vectors: Any, queries: Floats) -> None:
    index = DenseIndex.build(vectors, "IVF24,PQ8x4fs")
    exact = reference(index, queries, 10)[1]
    recalls = [
        recall_at_k(index.search(queries, 10, nprobe=24, rescore=depth)[1], exact).mean() for depth in (10, 60, 1000)
    ]
    assert recalls == sorted(recalls)
    assert recalls[0] < recalls[-1] >= 0.99


def test_too_few_rows_in_the_probed_lists_are_made_up_for(vectors: Any, queries: Floats) -> None:
    index = DenseIndex.build(vectors, "IVF24,Flat")
    _, rows = index.search(queries, 1000, nprobe=1)
    assert (rows >= 0).all()


@pytest.mark.parametrize("recipe", RECIPES)
def test_equal_vectors_are_returned_in_row_order(recipe: str) -> None:
    stored = np.repeat(clustered(60), 20, axis=0)
    index = DenseIndex.build(stored, recipe)
    _, rows = index.search(stored[::20][:10], 7, nprobe=24 if "IVF" in recipe else None)
    if recipe == "Flat":
        assert rows.tolist() == [[20 * number + place for place in range(7)] for number in range(10)]
    assert (np.diff(rows, axis=1) > 0).all()


@pytest.mark.parametrize("recipe", RECIPES)
def test_removed_rows_are_never_returned_and_added_ones_are(recipe: str, small: Callable[[str], DenseIndex]) -> None:
    index = small(recipe)
    queries = queries_near(clustered(600), 20)
    gone = np.arange(0, 600, 5)
    index.remove(gone)
    assert len(index) == 480
    _, rows = index.search(queries, 480)
    assert np.sort(rows, axis=1).tolist() == [sorted(set(range(600)) - set(gone.tolist()))] * 20
    fresh = index.add(queries[:3])
    assert fresh.tolist() == [600, 601, 602]
    assert index.search(queries[:3], 1, rescore=600)[1].reshape(-1).tolist() == [600, 601, 602]
    index.add_rows(gone[:2])
    assert index.search(index.reconstruct(gone[:2]), 1, rescore=600)[1].reshape(-1).tolist() == gone[:2].tolist()


@pytest.mark.parametrize("recipe", ["Flat", "IVF4,PQ4x4fs", "HNSW8_SQ8"])
@settings(max_examples=12)
@given(seed=st.integers(0, 2**31))
def test_any_sequence_of_changes_leaves_exactly_the_live_rows(recipe: str, seed: int) -> None:
    generator = np.random.default_rng(seed)
    index = DenseIndex.build(clustered(90, dim=8, topics=5), recipe)
    live = set(range(90))
    for _ in range(6):
        if live and generator.random() < 0.6:
            gone = generator.choice(sorted(live), generator.integers(1, len(live) + 1), replace=False)
            index.remove(gone)
            live -= set(gone.tolist())
        else:
            live |= set(index.add(clustered(int(generator.integers(0, 20)), dim=8)).tolist())
        scores, rows = index.search(generator.standard_normal((2, 8)).astype(np.float32), len(live) + 3)
        for line in rows:
            assert sorted(line[line >= 0].tolist()) == sorted(live)
        assert np.isfinite(scores[:, : len(live)]).all()
        assert np.flatnonzero(index.present).tolist() == sorted(live)


def test_rows_that_cannot_be_changed_are_refused(small: Callable[[str], DenseIndex]) -> None:
    index = small("IVF4,Flat")
    index.remove(np.array([7]))
    for rows, complaint in [
        ([7], "row 7 is not in the index"),
        ([600], "holds 600; the rows here are 0 to 599"),
        ([-1], "holds -1;"),
        ([3, 3], "holds 3 more than once"),
    ]:
        with pytest.raises(InvalidInput, match=complaint):
            index.remove(np.array(rows))
    with pytest.raises(InvalidInput, match="row 8 is in the index already"):
        index.add_rows(np.array([7, 8]))
    assert len(index) == 599


@pytest.mark.parametrize("rows", [0, 1, 2])
@pytest.mark.parametrize("recipe", ["auto", "Flat", "SQfp16", "HNSW16"])
def test_a_corpus_of_no_or_one_vector_works(rows: int, recipe: str) -> None:
    index = DenseIndex.build(clustered(2)[:rows], recipe)
    scores, found = index.search(clustered(2), 3)
    assert (found >= 0).sum(axis=1).tolist() == [rows, rows]
    assert index.add(clustered(1, seed=5)).tolist() == [rows]
    assert index.search(clustered(1, seed=5), 1)[1].tolist() == [[rows]]
    assert np.isneginf(scores[:, rows:]).all()


@pytest.mark.parametrize("recipe", ["SQ8", "HNSW16_SQ8", "IVF1,Flat"])
def test_a_recipe_that_learns_needs_a_vector_to_learn_from(recipe: str) -> None:
    with pytest.raises(InvalidInput, match=f"recipe {recipe} learns from vectors, there are none"):
        DenseIndex.build(np.empty((0, 8), np.float32), recipe)
    assert len(DenseIndex.build(clustered(1), recipe)) == 1


def test_rows_are_global_rows_of_the_parts_and_only_live_ones_are_indexed() -> None:
    first, second = clustered(50).astype(np.float16), clustered(70, seed=9).astype(np.float16)
    stored = RowVectors([VectorPart(10, first), VectorPart(100, second)], 32)
    live = share(170, 0.5)
    index = DenseIndex.build(stored, live=live)
    expected = [row for row in [*range(10, 60), *range(100, 170)] if live[row]]
    assert np.flatnonzero(index.present).tolist() == expected
    _, rows = index.search(second[3:4].astype(np.float32), 200)
    assert sorted(rows[rows >= 0].tolist()) == expected


@pytest.mark.parametrize(
    ("vectors", "complaint"),
    [
        (np.ones(3, np.float32), r"vectors of shape \(3,\)"),
        (np.array([[0, 1], [np.nan, 0]], np.float32), "vector 1 holds NaN"),
        (np.array([[0, 1e6]], np.float32), "beyond float16"),
        (np.array([[0, 1], [0, 0], [0, 1e-8]], np.float32), "vector 2 is 0 in float16"),
    ],
)
def test_vectors_that_cannot_be_stored_are_refused_by_row(vectors: Any, complaint: str) -> None:
    with pytest.raises(InvalidInput, match=complaint):
        DenseIndex.build(vectors)


def test_two_builds_of_the_same_rows_are_the_same_index(vectors: Any, queries: Floats, tmp_path: Path) -> None:
    for name in ("first", "second"):
        DenseIndex.build(vectors, "IVF24,PQ8x4fs").save_index(tmp_path / name)
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()


def test_the_plan_says_what_a_search_does_and_why(vectors: Any) -> None:
    index = DenseIndex.build(vectors, "IVF24,PQ8x4fs")
    assert index.plan_search(10).mode == "index"
    few = np.zeros(3000, np.bool_)
    few[:5] = True
    plan = index.plan_search(10, allowed=few)
    assert (plan.mode, plan.available) == ("scan", 5)
    assert "5 rows: index" in plan.reason
    assert index.plan_search(10, parameters="nprobe=7,k_factor=4").nprobe == 7
    assert index.plan_search(10, parameters="nprobe=7,k_factor=4").candidates == 40
    half = index.plan_search(10, allowed=share(3000, 0.5), parameters="nprobe=3")
    assert half.nprobe in (6, 7)


def test_the_description_names_the_provider_and_the_device(index: DenseIndex) -> None:
    described = index.describe()
    assert described["faiss"]["distribution"]
    assert described["device"] == "cpu"
    assert described["rows"] == 3000
    assert described["plan"]["recipe"] == index.recipe
    assert described["built"]["training_rows"] == described["plan"]["training_rows"]
    assert described["built"]["cpu_seconds"] > 0


def test_the_memory_estimate_is_the_size_of_the_file_within_a_tenth(index: DenseIndex, tmp_path: Path) -> None:
    index.save_index(tmp_path / "dense.faiss")
    size = (tmp_path / "dense.faiss").stat().st_size
    # A list of 125 codes is padded to a multiple of 32 on average 16 codes further.
    padding = 24 * 32 * 4 if "fs" in index.recipe else 0
    assert index.memory_bytes == pytest.approx(size, rel=0.1, abs=padding + 4096)


def test_copies_are_scanned_by_plan_and_copies_now_and_then_are_not() -> None:
    """Lists and bytes that saw four vectors cannot tell a fifth from them."""
    chance = np.random.default_rng(1)
    four = chance.standard_normal((4, 16)).astype(np.float32)
    four /= np.linalg.norm(four, axis=1, keepdims=True)
    copies = DenseIndex.build(four[chance.integers(0, 4, 2600)])
    assert copies.recipe == "Flat"
    assert copies.plan_of_build is not None and "repeat others" in copies.plan_of_build.reason
    many = chance.standard_normal((2600, 16)).astype(np.float32)
    many[::3] = many[1::3][: len(many[::3])]
    assert DenseIndex.build(many / np.linalg.norm(many, axis=1, keepdims=True)).recipe.startswith("IVF")
