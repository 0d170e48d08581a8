import json
from itertools import product
from typing import Any

import numpy as np
import pytest

from xtr_assets.core.types import Floats
from xtr_assets.index import DenseIndex
from xtr_assets.index.dense import search_plan
from xtr_assets_tests.index.dense.dense_data import share
from xtr_assets_tests.long_cases import in_turn, kept

pytestmark = pytest.mark.usefixtures("threads")


EVERY = ("Flat", "SQ8", "IVF24,SQ8", "PCA24,IVF24,SQ4", "IVF24,PQ8x4fs", "IVF24,PQ8x4fsr", "HNSW16_SQ8")


# `SQ8` alone is held to what FAISS itself answers where nothing is filtered.
@pytest.mark.parametrize(
    ("recipe", "part"), kept(product(EVERY, (None, 0.5)), [*in_turn(EVERY, (0.5, None)), ("SQ8", None)])
)
def test_the_refined_search_is_the_search_with_its_making(
    recipe: str, part: float | None, vectors: Any, queries: Floats
) -> None:
    index = DenseIndex.build(vectors, recipe)
    allowed = None if part is None else share(3000, part)
    scores, rows = index.search(queries, 10, allowed=allowed)
    told = index.search_with_refine(queries, 10, allowed=allowed)
    np.testing.assert_array_equal(told.rows, rows)
    np.testing.assert_array_equal(told.scores, scores)
    assert told.plan == index.plan_search(10, allowed=allowed, queries=40)
    if told.plan.mode == "index":
        plain = index.faiss_index.search(queries, 10)[1] if recipe == "SQ8" and part is None else None
        assert (told.ranks >= 0).all()
        assert (told.ranks < told.plan.candidates).all()
        # A rank before the cut at k and a kept row are the same thing.
        np.testing.assert_allclose(told.kept, (told.ranks < 10).sum(axis=1) / 10)
        error = np.abs(told.approximate - told.scores).max()
        assert error < {"Flat": 1e-5, "SQ8": 0.02, "HNSW16_SQ8": 0.02}.get(recipe, 0.8)
        if recipe != "Flat":
            assert error > 0
        if plain is not None:
            np.testing.assert_array_equal(told.kept, [np.isin(p, r).mean() for p, r in zip(plain, rows, strict=True)])


def test_the_index_is_asked_once(vectors: Any, queries: Floats, monkeypatch: pytest.MonkeyPatch) -> None:
    index = DenseIndex.build(vectors, "IVF24,SQ8")
    asked: list[int] = []
    find = search_plan.find

    def counted(served: Any, plan: Any, these: Floats, available: Any) -> Any:
        asked.append(len(these))
        return find(served, plan, these, available)

    monkeypatch.setattr(search_plan, "find", counted)
    index.search_with_refine(queries, 10)
    assert asked == [len(queries)]


def test_coarse_codes_keep_less_of_their_own_best_than_exact_ones(vectors: Any, queries: Floats) -> None:
    coarse = DenseIndex.build(vectors, "IVF24,PQ4x4fs").search_with_refine(queries, 10)
    exact = DenseIndex.build(vectors, "IVF24,Flat").search_with_refine(queries, 10)
    assert coarse.kept.mean() < 0.9
    np.testing.assert_array_equal(exact.kept, 1.0)
    np.testing.assert_array_equal(exact.ranks, np.tile(np.arange(10), (40, 1)))


def test_what_a_scan_found_has_no_approximate_score(vectors: Any, queries: Floats) -> None:
    index = DenseIndex.build(vectors, "IVF24,PQ8x4fs")
    few = np.zeros(3000, np.bool_)
    few[[5, 7]] = True
    told = index.search_with_refine(queries[:2], 3, allowed=few)
    assert told.plan.mode == "scan"
    assert np.isnan(told.kept).all()
    line = json.loads(json.dumps(told.document()))["results"][0]
    assert [one["row"] for one in line] == told.rows[0][:2].tolist()
    assert all(one["approximate_score"] is None and one["rank_before"] is None for one in line)


def test_the_explanation_names_rank_and_score_before_and_after(vectors: Any, queries: Floats) -> None:
    told = DenseIndex.build(vectors, "IVF24,PQ4x4fs").search_with_refine(queries, 5)
    document = json.loads(json.dumps(told.document()))
    assert document["plan"]["family"] == "ivf"
    lines = document["results"][3]
    assert [one["rank"] for one in lines] == [0, 1, 2, 3, 4]
    assert [one["row"] for one in lines] == told.rows[3].tolist()
    assert [one["rank_before"] for one in lines] == told.ranks[3].tolist()
    assert any(one["rank_before"] > 4 for line in document["results"] for one in line)


def test_nothing_asked_is_explained_by_nothing(vectors: Any) -> None:
    index = DenseIndex.build(vectors, "IVF24,Flat")
    assert index.search_with_refine(np.empty((0, 32), np.float32), 5).document()["results"] == []
    assert index.search_with_refine(vectors[:1], 5, allowed=np.zeros(3000, np.bool_)).document()["results"] == [[]]
