"""Every compiled selection of the best k keeps the order of core/top_k.py, ties by row included."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xtr_assets.core.row_store import RowVectors, VectorPart
from xtr_assets.core.top_k import best_of_lines, best_positions, best_rows
from xtr_assets.core.types import Floats, Ints
from xtr_assets.index import native, native_scores, numba_scores
from xtr_assets.index.dense.index import DenseIndex
from xtr_assets.index.late.index import TokenIndex

COMPILED = ["numba", *(native.kernels.instruction_sets() if native.available() else [])]


def _best_stored(name: str, vectors: RowVectors, queries: Floats, rows: Ints, k: int) -> tuple[Floats, Ints]:
    if name == "numba":
        return numba_scores.best_stored(vectors, queries, rows, k)
    return native_scores.best_stored(vectors, queries, rows, k, name)


@pytest.mark.parametrize("name", COMPILED)
@settings(max_examples=40)
@given(values=st.lists(st.integers(-2, 2), min_size=1, max_size=50), k=st.integers(0, 60), seed=st.integers(0, 99))
def test_stored_rows_are_selected_in_the_one_order(name: str, values: list[int], k: int, seed: int) -> None:
    # One dim of small whole numbers: a score is the stored number, and most of them are equal.
    stored = np.array(values, np.float16)[:, None]
    vectors = RowVectors([VectorPart(3, stored)], 1)
    generator = np.random.default_rng(seed)
    lines = np.stack([generator.permutation(np.concatenate([np.arange(3, 3 + len(values)), [-1, -1]]))] * 2)
    lines[1] = lines[1][::-1]
    scores = np.where(lines >= 0, stored[np.maximum(lines - 3, 0), 0], -np.inf).astype(np.float32)
    expected = best_of_lines(scores, lines, k)
    found = _best_stored(name, vectors, np.ones((2, 1), np.float32), lines, k)
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_array_equal(found[1], expected[1])


@pytest.mark.parametrize("backend", ["numpy", "numba", "native"])
def test_the_token_index_answers_in_the_one_order(backend: Any) -> None:
    if backend == "native" and not native.available():
        pytest.skip("the C++ extension is not installed here")
    documents = np.random.default_rng(5).standard_normal((40, 16)).astype(np.float32)
    documents /= np.linalg.norm(documents, axis=1, keepdims=True)
    # Each of 40 documents of one token stands in 8 rows: every cut falls among equals.
    rows = np.tile(np.arange(40), 8)
    index = TokenIndex.build(documents[rows], np.arange(321), backend=backend)
    query = documents[7:9]
    every = index.score(query, np.arange(320))
    for k in (1, 5, 20, 100):
        scores, found = index.search(query, k, nprobe=index.model.centroids.shape[0], rescore=320)
        expected = best_rows(every, np.arange(320), k)
        np.testing.assert_array_equal(found, expected[1])
        np.testing.assert_array_equal(scores, expected[0])


# With lists a cut among equal rows keeps those that FAISS met first: the searcher fetches more until nothing ties.
@pytest.mark.parametrize(
    ("recipe", "depths"), [("Flat", (1, 5, 20, 100)), ("SQ8", (1, 5, 20, 100)), ("IVF4,Flat", (8, 40))]
)
def test_the_dense_index_answers_in_the_one_order(recipe: str, depths: tuple[int, ...]) -> None:
    documents = np.random.default_rng(6).standard_normal((40, 16)).astype(np.float32)
    documents /= np.linalg.norm(documents, axis=1, keepdims=True)
    vectors = documents[np.tile(np.arange(40), 8)].astype(np.float16)
    index = DenseIndex.build(vectors, recipe=recipe)
    for k in depths:
        scores, found = index.search(documents[7:8], k, nprobe=4 if "IVF" in recipe else None)
        every = np.arange(320)
        exact = DenseIndex.build(vectors, recipe="Flat").search(documents[7:8], 320)
        of_row = np.empty(320, np.float32)
        of_row[exact[1][0]] = exact[0][0]
        assert found[0].tolist() == every[best_positions(of_row, every, k)].tolist(), k
        np.testing.assert_array_equal(scores[0], of_row[found[0]])


def test_a_device_selects_the_same_columns() -> None:
    torch = pytest.importorskip("torch")
    from xtr_assets.index.late.gpu.device_top_k import best_columns

    scores = np.random.default_rng(7).integers(0, 4, (6, 90))
    columns = np.arange(90)
    for keep in (1, 17, 89, 90):
        expected = [np.sort(best_positions(line, columns, keep)).tolist() for line in scores]
        assert best_columns(torch.tensor(scores), keep).tolist() == expected
