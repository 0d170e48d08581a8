from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from xtr_assets.core.errors import InvalidInput
from xtr_assets.core.recall import recall_at_k
from xtr_assets.core.row_store import RowVectors, VectorPart
from xtr_assets.index import DenseIndex
from xtr_assets.index.exact_scan import exact_dense
from xtr_assets_tests.index.dense.dense_data import clustered, one_thread, queries_near

DATA = clustered(2000).astype(np.float16)


@pytest.fixture(scope="module", autouse=True)
def threads() -> Iterator[None]:
    with one_thread():
        yield


def generation(rows: int) -> RowVectors:
    """A generation of so many rows, the first 1,000 in a segment of their own."""
    parts = [VectorPart(0, DATA[:1000])]
    return RowVectors(parts if rows == 1000 else [*parts, VectorPart(1000, DATA[1000:rows])], 32)


@pytest.mark.parametrize("recipe", ["Flat", "IVF16,PQ8x4fs", "HNSW16_SQ8", "PCA24,IVF16,SQ4"])
def test_the_next_generation_is_derived_and_the_parent_left_alone(recipe: str) -> None:
    parent = DenseIndex.build(generation(1000), recipe)
    queries = queries_near(DATA.astype(np.float32), 30)
    before = parent.search(queries, 10)
    removed, added = np.arange(0, 100, 2), np.arange(1000, 1060)
    child, done = parent.evolve(removed, added, generation(1060), recipe=recipe)
    assert (done.how, done.rows_removed, done.rows_added) == ("evolved", 50, 60)
    assert (done.rows_before, done.rows_after) == (1000, 1010) == (len(parent), len(child))
    assert child.profile == parent.profile
    live = np.ones(1060, np.bool_)
    live[removed] = False
    np.testing.assert_array_equal(child.present, live)
    _, rows = child.search(queries, 10)
    assert live[rows].all()
    assert recall_at_k(rows, exact_dense(generation(1060), live, queries, 10)[1]).mean() >= 0.93
    for old, now in zip(before, parent.search(queries, 10), strict=True):
        np.testing.assert_array_equal(old, now)


def test_a_derived_index_keeps_its_quantizer_and_an_unchanged_one_its_bytes(tmp_path: Path) -> None:
    parent = DenseIndex.build(generation(1000), "IVF16,PQ8x4fs")
    none = np.empty(0, np.int64)
    child, done = parent.evolve(none, none, generation(1000), recipe="IVF16,PQ8x4fs")
    assert done.how == "evolved"
    parent.save_index(tmp_path / "parent")
    child.save_index(tmp_path / "child")
    assert (tmp_path / "parent").read_bytes() == (tmp_path / "child").read_bytes()


def test_growing_beyond_twice_the_training_rebuilds_and_says_why() -> None:
    small = RowVectors([VectorPart(0, DATA[:1000])], 32)
    live = np.zeros(1000, np.bool_)
    live[:400] = True
    parent = DenseIndex.build(small, "IVF8,Flat", live=live)
    same, done = parent.evolve(np.empty(0, np.int64), np.arange(400, 800), small, recipe="IVF8,Flat")
    assert done.how == "evolved"
    grown, done = same.evolve(np.empty(0, np.int64), np.arange(800, 801), small, recipe="IVF8,Flat")
    assert done.how == "rebuilt"
    assert "801 rows, 400 when IVF8,Flat was made" in done.reason
    assert np.flatnonzero(grown.present).tolist() == list(range(801))
    assert grown.profile["trained_rows"] == 801


@pytest.mark.parametrize("recipe", ["Flat", "IVF16,PQ8x4fs", "HNSW16_SQ8", "IVF8,SQ8"])
def test_a_segment_that_left_whole_leaves_a_hole_and_the_index_with_it(recipe: str) -> None:
    parent = DenseIndex.build(generation(1100), recipe if recipe != "IVF8,SQ8" else "IVF16,Flat")
    # The 100 rows of the second segment are gone; the third begins behind them.
    vectors = RowVectors([VectorPart(0, DATA[:1000]), VectorPart(1100, DATA[1100:1150])], 32)
    child, done = parent.evolve(np.arange(1000, 1100), np.arange(1100, 1150), vectors, recipe=recipe)
    assert done.how == ("rebuilt" if recipe == "IVF8,SQ8" else "evolved")
    assert (done.rows_removed, done.rows_added, len(child)) == (100, 50, 1050)
    assert not child.present[1000:1100].any()
    queries = DATA[[3, 1050, 1120]].astype(np.float32)
    _, rows = child.search(queries, 10)
    assert not ((rows >= 1000) & (rows < 1100)).any()
    assert (rows[0, 0], rows[2, 0]) == (3, 1120)


def test_a_row_that_the_index_does_not_hold_cannot_leave_it() -> None:
    parent = DenseIndex.build(generation(1000), "Flat")
    for row in (1000, -1):
        with pytest.raises(InvalidInput, match=rf"row {row} is not in the index|holds {row}; the rows here are"):
            parent.evolve(np.array([row]), np.empty(0, np.int64), generation(1000))


def test_a_changed_recipe_rebuilds() -> None:
    parent = DenseIndex.build(generation(1000), "IVF16,Flat")
    child, done = parent.evolve(np.array([3]), np.array([1000]), generation(1001), recipe="IVF8,SQ8")
    assert child.recipe == "IVF8,SQ8"
    assert done.reason == "the recipe changed from IVF16,Flat to IVF8,SQ8"
    assert not child.present[3]
    assert child.present[1000]


def test_a_graph_with_too_many_dead_nodes_is_rebuilt() -> None:
    parent = DenseIndex.build(generation(1000), "HNSW8")
    none = np.empty(0, np.int64)
    masked, done = parent.evolve(np.arange(150), none, generation(1000), recipe="HNSW8")
    assert done.how == "evolved"
    assert masked.describe()["dead_share"] == pytest.approx(0.15)
    fresh, done = masked.evolve(np.arange(150, 250), none, generation(1000), recipe="HNSW8")
    assert done.how == "rebuilt"
    assert "25% of the nodes of HNSW8 would be dead" in done.reason
    assert fresh.describe()["dead_share"] == 0.0


def test_a_small_scan_stays_a_scan_while_it_grows_and_shrinks() -> None:
    live = np.zeros(1000, np.bool_)
    live[:10] = True
    parent = DenseIndex.build(generation(1000), live=live)
    grown, done = parent.evolve(np.empty(0, np.int64), np.arange(10, 1000), generation(1000))
    assert (done.how, grown.recipe) == ("evolved", "Flat")
    shrunk, done = grown.evolve(np.arange(0, 999), np.empty(0, np.int64), generation(1000))
    assert (done.how, len(shrunk)) == ("evolved", 1)


def test_an_index_of_nothing_evolves_to_something_and_back() -> None:
    parent = DenseIndex.build(RowVectors([], 32))
    one, _ = parent.evolve(np.empty(0, np.int64), np.array([0, 1]), generation(1000))
    assert one.search(DATA[:1].astype(np.float32), 3)[1][0, 0] == 0
    none, _ = one.evolve(np.array([0, 1]), np.empty(0, np.int64), generation(1000))
    assert none.search(DATA[:1].astype(np.float32), 3)[1].tolist() == [[-1, -1, -1]]
