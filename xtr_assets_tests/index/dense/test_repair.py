from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from xtr_assets.core.errors import InvalidInput
from xtr_assets.core.recall import recall_at_k
from xtr_assets.core.types import Floats, Ints
from xtr_assets.index import DenseIndex
from xtr_assets.index.dense.recipe import inverted, list_rows
from xtr_assets.index.dense.repair import repair_lists
from xtr_assets.index.exact_scan import exact_dense
from xtr_assets.index.half_precision import gather
from xtr_assets_tests.index.dense.dense_data import clustered, one_thread, queries_near


@pytest.fixture(scope="module", autouse=True)
def threads() -> Iterator[None]:
    with one_thread():
        yield


def topic(rows: int, seed: int) -> Floats:
    """Vectors of a topic that the quantizer never saw."""
    return clustered(rows, topics=3, seed=seed)


def drifted(recipe: str) -> DenseIndex:
    """An index trained on 1,000 rows, of which half the topics left, and 900 rows of new topics arrived."""
    index = DenseIndex.build(clustered(1000), recipe)
    lists = inverted(index.faiss_index)
    gone = [list_rows(lists.invlists, number) for number in range(lists.nlist // 2)]
    index.remove(np.concatenate(gone))
    index.add(topic(900, seed=77))
    return index


def lists_of(index: DenseIndex) -> list[Ints]:
    lists = inverted(index.faiss_index)
    return [np.sort(list_rows(lists.invlists, number)) for number in range(lists.nlist)]


@pytest.mark.parametrize("recipe", ["IVF32,Flat", "IVF32,SQ8", "PCA24,IVF32,SQ8", "IVF32,PQ8x4fs", "IVF32,PQ8x4fsr"])
def test_repair_evens_the_lists_and_loses_no_row(recipe: str) -> None:
    index = drifted(recipe)
    present = index.present
    queries = queries_near(topic(900, seed=77), 60)
    exact = exact_dense(index.vectors, present, queries, 10)[1]
    done = repair_lists(index)
    assert done.lists_ill > 0
    assert done.after.imbalance < 0.75 * done.before.imbalance
    assert index.recipe == recipe.replace("IVF32", f"IVF{done.after.lists}")
    np.testing.assert_array_equal(index.present, present)
    _, rows = index.search(queries, len(index), rescore=len(index))
    np.testing.assert_array_equal(np.sort(rows, axis=1), np.tile(np.flatnonzero(present), (60, 1)))
    found = index.search(queries, 10, nprobe=done.after.lists, rescore=500)[1]
    assert recall_at_k(found, exact).mean() >= 0.99


def test_after_repair_every_row_of_a_touched_list_lies_with_its_nearest_centroid() -> None:
    index = drifted("IVF32,Flat")
    repair_lists(index)
    lists = inverted(index.faiss_index)
    misplaced = 0
    for number in range(lists.nlist):
        rows = list_rows(lists.invlists, number)
        if len(rows):
            _, nearest = lists.quantizer.search(gather(index.vectors, rows), 1)
            misplaced += int((nearest[:, 0] != number).sum())
    assert misplaced <= 0.01 * len(index)


@pytest.mark.parametrize("recipe", ["IVF32,SQ8", "IVF32,PQ8x4fsr"])
def test_only_the_lists_around_a_new_topic_are_touched(recipe: str, tmp_path: Path) -> None:
    index = DenseIndex.build(clustered(3000), recipe)
    index.add(clustered(400, topics=1, seed=77))
    before = {tuple(rows.tolist()) for rows in lists_of(index)}
    done = repair_lists(index)
    assert done.lists_ill >= 1
    assert done.rows_moved < 0.5 * len(index)
    after = {tuple(rows.tolist()) for rows in lists_of(index)}
    assert len(before & after) >= 16
    # What was not touched is found by the codes it had, in memory and from the file.
    queries = queries_near(clustered(3000), 40)
    exact = exact_dense(index.vectors, index.present, queries, 10)[1]
    found = index.search(queries, 10, nprobe=done.after.lists, rescore=200)
    assert recall_at_k(found[1], exact).mean() >= 0.99
    index.save_index(tmp_path / "dense.faiss")
    read = DenseIndex.open(tmp_path / "dense.faiss", index.vectors, index.recipe, index.profile)
    again = read.search(queries, 10, nprobe=done.after.lists, rescore=200)
    for one, other in zip(found, again, strict=True):
        np.testing.assert_array_equal(one, other)
    read.remove(np.array([0, 3001]))
    read.add_rows(np.array([3001]))
    assert len(read) == 3399


def test_lists_follow_the_root_of_the_rows_and_say_how_many_were_trained() -> None:
    index = DenseIndex.build(clustered(1000), "IVF16,Flat")
    index.add(clustered(8000, topics=30, seed=5))
    done = repair_lists(index)
    # Nine times the rows are due three times the lists.
    assert 32 <= done.after.lists <= 64
    assert index.profile["trained_lists"] == 16
    assert repair_lists(index).after.lists >= done.after.lists
    assert index.profile["trained_lists"] == 16


def test_a_repaired_index_is_derived_from_and_not_taken_for_one_of_another_recipe() -> None:
    index = DenseIndex.build(clustered(1000), "IVF16,SQ8")
    index.add(clustered(900, topics=12, seed=77))
    repair_lists(index)
    assert index.recipe != "IVF16,SQ8"
    child, done = index.evolve(np.array([3]), np.empty(0, np.int64), index.vectors, recipe="IVF16,SQ8")
    assert (done.how, child.recipe, len(child)) == ("evolved", index.recipe, 1899)
    _, other = index.evolve(np.array([3]), np.empty(0, np.int64), index.vectors, recipe="IVF32,SQ8")
    assert other.how == "rebuilt"


def test_balanced_lists_are_left_alone() -> None:
    index = DenseIndex.build(clustered(1000), "IVF4,Flat")
    done = repair_lists(index)
    assert (done.lists_ill, done.lists_short, done.rows_moved) == (0, 0, 0)
    assert done.before == done.after


def test_emptied_lists_are_left_for_what_comes() -> None:
    index = DenseIndex.build(clustered(400), "IVF16,SQ8")
    index.remove(np.arange(400))
    done = repair_lists(index)
    assert (done.rows_moved, done.after.lists, done.after.empty) == (0, 16, 16)
    index.add_rows(np.arange(400))
    assert index.search(index.vectors.gather(np.arange(9)), 1)[1][:, 0].tolist() == list(range(9))


def test_what_has_no_lists_or_keeps_them_in_a_graph_cannot_be_repaired() -> None:
    with pytest.raises(InvalidInput, match="recipe Flat has no lists to repair"):
        repair_lists(DenseIndex.build(clustered(5)))
    with pytest.raises(InvalidInput, match="keeps their centroids in a graph"):
        repair_lists(DenseIndex.build(clustered(400), "IVF8_HNSW8,Flat"))
