"""No row that is not live is an answer, whatever FAISS holds: deletion never rests on FAISS alone."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from xtr_assets.core.errors import InvalidInput
from xtr_assets.core.types import Ints
from xtr_assets.index import DenseIndex
from xtr_assets.index.dense.recipe import entries, remove
from xtr_assets.index.faiss_provider import load_faiss
from xtr_assets_tests.index.dense.dense_data import clustered, queries_near
from xtr_assets_tests.index.dense.test_gpu_clone import CLASSIC, CUVS, on_gpus

faiss = load_faiss()
ROWS = 600
RECIPES = ["Flat", "SQ8", "SQfp16", "HNSW16", "HNSW16_SQ8", "IVF16,Flat", "IVF16,SQ8", "IVF16,PQ8x4fs"]


def opened(folder: Path, recipe: str, live: np.ndarray) -> DenseIndex:
    """An index of every row, opened with fewer live ones."""
    made = DenseIndex.build(clustered(ROWS), recipe)
    made.save_index(folder / "dense.faiss")
    return DenseIndex.open(folder / "dense.faiss", made.vectors, made.recipe, made.profile, "cpu", live)


def half() -> np.ndarray:
    live: np.ndarray = np.random.default_rng(4).random(ROWS) < 0.5
    return live


@pytest.mark.parametrize("recipe", RECIPES)
def test_rows_that_faiss_holds_and_that_are_not_live_are_never_found(tmp_path: Path, recipe: str) -> None:
    live = half()
    index = opened(tmp_path, recipe, live)
    assert len(index) == live.sum() and entries(index.faiss_index) == ROWS
    dead = np.flatnonzero(~live)
    own = index.vectors.gather(dead)
    for rows in (index.search(own, 10)[1], index.search(own, 10, allowed=np.ones(ROWS, np.bool_))[1]):
        assert (rows >= 0).all() and live[rows].all()
    tuned = index.tune(queries_near(clustered(ROWS), 40))
    assert tuned.met, "settings are tried under the same mask"
    assert live[index.search(own, 10)[1]].all()


def test_exactly_the_live_rows_in_faiss_are_asked_for_without_a_selector(tmp_path: Path) -> None:
    assert opened(tmp_path, "IVF16,Flat", np.ones(ROWS, np.bool_)).served.live is None
    assert opened(tmp_path, "IVF16,Flat", half()).served.live is not None


@pytest.mark.parametrize("recipe", ["Flat", "HNSW16", "IVF16,SQ8"])
def test_what_is_dead_comes_back_by_no_file_and_once_by_hand(tmp_path: Path, recipe: str) -> None:
    live = half()
    index = opened(tmp_path, recipe, live)
    dead = np.flatnonzero(~live)
    index.save(tmp_path / "folder")
    index.save_index(tmp_path / "again.faiss")
    for found in (
        DenseIndex.load(tmp_path / "folder"),
        DenseIndex.open(tmp_path / "again.faiss", index.vectors, index.recipe, index.profile, "cpu"),
    ):
        assert len(found) == live.sum()
        assert live[found.search(index.vectors.gather(dead), 10)[1]].all()
    # Added again it was found twice: by the entry that FAISS had kept, and by the new one.
    index.add_rows(dead[:3])
    assert np.array_equal(index.search(index.vectors.gather(dead[:3]), 10)[1][:, 0], dead[:3])
    assert all(len(set(line.tolist())) == 10 for line in index.search(index.vectors.gather(dead[:3]), 10)[1])
    assert len(index) == live.sum() + 3


@pytest.mark.parametrize("recipe", ["Flat", "SQ8", "IVF16,SQ8", "IVF16,PQ8x4fs"])
def test_a_removal_that_faiss_did_not_do(monkeypatch: pytest.MonkeyPatch, recipe: str) -> None:
    index = DenseIndex.build(clustered(ROWS), recipe)
    gone = np.arange(100, 140)
    monkeypatch.setattr("xtr_assets.index.dense.index.remove", lambda index, recipe, rows: None)
    index.remove(gone)
    assert entries(index.faiss_index) == ROWS
    _, rows = index.search(index.vectors.gather(gone), 10)
    assert (rows >= 0).all() and not np.isin(rows, gone).any()


@pytest.mark.parametrize("recipe", ["Flat", "IVF16,SQ8"])
def test_as_many_entries_as_live_rows_but_others(tmp_path: Path, recipe: str) -> None:
    """Fifty dead rows stayed, fifty live ones are gone: by number nothing is wrong."""
    made = DenseIndex.build(clustered(ROWS), recipe)
    live = np.ones(ROWS, np.bool_)
    live[:50] = False
    remove(made.faiss_index, made._recipe, np.arange(550, 600))
    made.save_index(tmp_path / "dense.faiss")
    index = DenseIndex.open(tmp_path / "dense.faiss", made.vectors, made.recipe, made.profile, "cpu", live)
    assert entries(index.faiss_index) == live.sum()
    _, rows = index.search(index.vectors.gather(np.arange(50)), 10)
    assert (rows >= 50).all() and (rows < 550).all()


@pytest.mark.parametrize("recipe", RECIPES)
def test_the_next_generation_does_not_inherit_what_was_dead(tmp_path: Path, recipe: str) -> None:
    live = np.ones(ROWS, np.bool_)
    live[:30] = False
    index = opened(tmp_path, recipe, live)
    following, done = index.evolve(np.array([40], np.int64), np.empty(0, np.int64), index.vectors)
    assert done.how == "evolved"
    assert np.array_equal(np.flatnonzero(~following.present), [*range(30), 40])
    with pytest.raises(InvalidInput, match="row 3 is not in the index"):
        index.evolve(np.array([3], np.int64), np.empty(0, np.int64), index.vectors)


@pytest.mark.parametrize("installed", [CLASSIC, CUVS], ids=["classic", "cuvs"])
@pytest.mark.parametrize("recipe", ["Flat", "IVF16,Flat"])
def test_a_gpu_that_cannot_mask_leaves_the_answer_to_the_cpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recipe: str, installed: Any
) -> None:
    live = half()
    index = opened(tmp_path, recipe, live)
    gpus = on_gpus(monkeypatch, installed)
    index.to("cuda:0")
    own: Ints = np.flatnonzero(~live)
    _, rows = index.search(index.vectors.gather(own), 10)
    assert live[rows].all()
    assert bool(gpus.searched) == installed.cuvs, "cuVS takes the selector, FAISS's own GPU code ignores it"
    if not installed.cuvs:
        plan = index.plan_search(10)
        assert plan.device == "cpu" and "ignores filters" in plan.reason


def test_a_mask_of_another_length_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="live"):
        opened(tmp_path, "Flat", np.ones(ROWS + 1, np.bool_))
