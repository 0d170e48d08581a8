import json
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xtr_assets.core.errors import InvalidInput
from xtr_assets.core.recipe_grammar import parse_recipe
from xtr_assets.core.recipe_shortlist import (
    GRAPH_CHANGE_RATE,
    Target,
    list_count,
    plan_dense,
    shortlist_dense,
    training_rows,
)


@pytest.mark.parametrize(
    ("rows", "target", "recipe"),
    [
        (0, "cpu", "Flat"),
        (1, "cpu", "Flat"),
        (2_000, "cpu", "Flat"),
        (4_000, "cpu", "IVF32,SQ8"),
        (20_000, "cpu", "IVF256,SQ4"),
        (150_000, "cpu", "IVF512,SQ4"),
        (1_000_000, "cpu", "IVF2048,SQ4"),
        (10_000_000, "cpu", "IVF65536_HNSW32,PQ96x4fsr"),
        (100_000, "gpu", "Flat"),
        (1_000_000, "gpu", "IVF4096,Flat"),
        (1_000_000, "gpu-cuvs", "IVF4096,Flat"),
    ],
)
def test_the_recipe_follows_the_size_and_the_target(rows: int, target: Target, recipe: str) -> None:
    plan = plan_dense(rows, 384, target)
    assert plan.recipe == recipe
    assert plan.reason
    assert json.loads(json.dumps(plan.as_json()))["recipe"] == recipe


def test_an_explicit_recipe_wins_over_the_planner() -> None:
    assert plan_dense(100, 384, recipe="HNSW32_SQ8").recipe == "HNSW32_SQ8"


def test_a_graph_is_offered_only_where_little_changes() -> None:
    changing = [plan.recipe for plan in shortlist_dense(200_000, 384, change_rate=0.01)]
    still = [plan.recipe for plan in shortlist_dense(200_000, 384, change_rate=GRAPH_CHANGE_RATE)]
    assert not any(recipe.startswith("HNSW") for recipe in changing)
    assert "HNSW32_SQ8" in still


@pytest.mark.parametrize(("rows", "recipe"), [(10_001, "IVF128,PQ96x4fsr"), (1_000_000, "IVF1024,PQ96x4fsr")])
def test_without_integer_products_codes_of_parts_come_first(rows: int, recipe: str) -> None:
    assert plan_dense(rows, 384, integers=False).recipe == recipe


def test_leading_axes_are_planned_where_they_hold_enough_and_codes_would_leave_the_cache() -> None:
    assert plan_dense(100_000, 384, axes=128).recipe == "PCA128,IVF512,SQ4"
    assert plan_dense(100_000, 384).recipe == "IVF512,SQ4"
    assert plan_dense(20_000, 384, axes=128).recipe == "IVF256,SQ4"
    assert plan_dense(1_000_000, 128, axes=64).recipe == "IVF2048,SQ8"


def test_a_high_goal_or_few_dims_get_finer_parts_and_the_other_is_offered_too() -> None:
    assert plan_dense(50_000, 384, recall_goal=0.99, integers=False).recipe == "IVF256,PQ192x4fsr"
    assert plan_dense(50_000, 128, integers=False).recipe == "IVF256,PQ64x4fsr"
    for goal in (0.95, 0.99):
        offered = {plan.recipe for plan in shortlist_dense(50_000, 384, recall_goal=goal, integers=False)}
        assert {"IVF256,PQ96x4fsr", "IVF256,PQ192x4fsr", "IVF512,SQ8"} <= offered
        assert "IVF256,PQ96x4fsr" in {plan.recipe for plan in shortlist_dense(50_000, 384, recall_goal=goal)}


def test_a_small_corpus_is_scanned_and_a_larger_one_where_only_faiss_could_read_lists() -> None:
    assert [plan.recipe for plan in shortlist_dense(2_000, 128, change_rate=0.0)] == ["Flat"]
    assert [plan.recipe for plan in shortlist_dense(10_000, 128, integers=False)] == ["Flat"]
    assert shortlist_dense(10_000, 128)[0].recipe == "IVF64,SQ8"


def test_a_recall_goal_of_one_admits_only_exhaustive_search() -> None:
    assert [plan.recipe for plan in shortlist_dense(500_000, 384, recall_goal=1.0)] == ["Flat"]


def test_what_does_not_fit_the_memory_is_left_out_or_refused_with_the_smallest_need() -> None:
    plans = shortlist_dense(1_000_000, 384, memory_budget=60_000_000)
    assert [plan.recipe for plan in plans] == ["IVF1024,PQ96x4fsr"]
    assert plans[0].memory_bytes <= 60_000_000
    with pytest.raises(InvalidInput, match=r"1000 bytes holds none.*IVF1024,PQ96x4fsr, needs \d+"):
        shortlist_dense(1_000_000, 384, memory_budget=1000)


@pytest.mark.parametrize("dim", [97, 31, 8])
def test_dims_that_cannot_be_cut_in_parts_get_scalar_codes(dim: int) -> None:
    assert plan_dense(50_000, dim, integers=False).recipe.endswith(",SQ8")


@given(rows=st.integers(0, 50_000_000), dim=st.integers(1, 2048), target=st.sampled_from(["cpu", "gpu", "gpu-cuvs"]))
def test_every_plan_can_be_trained_on_its_bounded_sample(rows: int, dim: int, target: Target) -> None:
    for plan in shortlist_dense(rows, dim, target, change_rate=0.0):
        recipe = parse_recipe(plan.recipe)
        recipe.check_dim(dim)
        assert recipe.nlist <= max(1, plan.training_rows)
        assert plan.training_rows * dim * 4 <= 1 << 30
        assert plan.training_rows <= rows
        assert plan.memory_bytes >= 0
        assert plan.build_seconds >= 0
        assert 1 <= len(shortlist_dense(rows, dim, target)) <= 4


def test_lists_grow_with_the_rows() -> None:
    counts = [list_count(rows) for rows in (1, 1_000, 50_000, 1_000_000, 20_000_000)]
    assert counts == sorted(counts)


def test_a_recipe_that_needs_no_training_samples_nothing() -> None:
    assert training_rows(parse_recipe("Flat"), 1000, 8) == 0
    assert training_rows(parse_recipe("HNSW32"), 1000, 8) == 0
    assert training_rows(parse_recipe("HNSW32_SQ8"), 1000, 8) == 1000


@pytest.mark.parametrize(
    ("recipe", "complaint"),
    [
        ("LSH", "'LSH' is unknown; allowed: auto, Flat"),
        ("IVF0,Flat", "0 lists"),
        ("IVF16,PQ7x4fs", "cuts 8 dims into 7 parts; the parts must be one of 1, 2, 4, 8"),
        ("IVF16,PQ4x8fs", "fast scan reads 4-bit codes"),
        ("IVF16,PQ4r", "the ending r belongs to fast scan"),
        ("HNSW2", "asks for 2 links"),
        ("PCA0,IVF16,SQ4", "keeps 0 axes"),
        ("PCA9,IVF16,SQ4", "keeps 9 axes of 8 dims; allowed: 1 to 8"),
        ("PCA4,IVF16,Flat", "is unknown; allowed"),
        ("IVF2000,Flat", "needs at least 2000 rows to train on, there are 1000"),
    ],
)
def test_a_recipe_that_cannot_be_built_is_refused_with_what_is_allowed(recipe: str, complaint: str) -> None:
    with pytest.raises(InvalidInput, match=complaint):
        plan_dense(1000, 8, recipe=recipe)


@pytest.mark.parametrize("recipe", ["HNSW32", "IVF16,PQ4x4fs", "IVF16_HNSW32,Flat", "PCA4,IVF16,SQ8"])
def test_a_recipe_without_gpu_clone_is_refused_for_that_target(recipe: str) -> None:
    with pytest.raises(InvalidInput, match="cannot be cloned to a GPU"):
        plan_dense(10_000, 8, "gpu", recipe=recipe)


def test_scalar_lists_are_refused_for_cuvs_only() -> None:
    assert plan_dense(10_000, 8, "gpu", recipe="IVF16,SQfp16").recipe == "IVF16,SQfp16"
    with pytest.raises(InvalidInput, match="cuVS has no IVF16,SQfp16"):
        plan_dense(10_000, 8, "gpu-cuvs", recipe="IVF16,SQfp16")


def test_cuvs_alone_is_offered_a_graph_of_whole_vectors_and_only_where_little_changes() -> None:
    assert plan_dense(1_000_000, 384, "gpu-cuvs", recipe="HNSW32").recipe == "HNSW32"
    with pytest.raises(InvalidInput, match="HNSW32_SQ8 cannot be cloned to a GPU"):
        plan_dense(1_000_000, 384, "gpu-cuvs", recipe="HNSW32_SQ8")
    offered = {
        (target, rate): [plan.recipe for plan in shortlist_dense(1_000_000, 384, target, change_rate=rate)]
        for target in ("gpu", "gpu-cuvs")
        for rate in (0.001, 0.05)
    }
    assert offered["gpu-cuvs", 0.001][-1] == "HNSW32"
    assert not any("HNSW32" in recipes for key, recipes in offered.items() if key != ("gpu-cuvs", 0.001))


def test_an_unknown_target_is_refused() -> None:
    with pytest.raises(InvalidInput, match="'tpu' is unknown; allowed: cpu, gpu, gpu-cuvs"):
        plan_dense(10, 8, cast(Target, "tpu"))


@pytest.mark.parametrize(
    "text",
    [
        "Flat",
        "SQ8",
        "HNSW32",
        "HNSW16_SQ8",
        "IVF64,Flat",
        "IVF64_HNSW32,PQ8x4fs",
        "IVF64,PQ8x4fsr",
        "IVF4,SQ4",
        "PCA8,IVF4,SQ4",
    ],
)
def test_a_recipe_keeps_its_text(text: str) -> None:
    assert parse_recipe(text).text == text


def test_a_graph_over_whole_vectors_has_one_spelling() -> None:
    assert parse_recipe("HNSW32,Flat") == parse_recipe("HNSW32_Flat") == parse_recipe("HNSW32")


def test_rows_that_repeat_others_are_scanned() -> None:
    assert plan_dense(20_000, 384, repeats=0.9).recipe == "Flat"
    assert "90% of the rows repeat others" in plan_dense(20_000, 384, repeats=0.9).reason
    assert plan_dense(20_000, 384, repeats=0.4).recipe == plan_dense(20_000, 384).recipe
    assert plan_dense(200_000, 384, repeats=0.9).recipe == plan_dense(200_000, 384).recipe, "too dear to scan"
    assert plan_dense(20_000, 384, recipe="IVF64,SQ8", repeats=0.9).recipe == "IVF64,SQ8", "asked for by name"
