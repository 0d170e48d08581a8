"""The integer scan of scalar codes, against the maths in NumPy, against FAISS, and between instruction sets."""

import itertools
import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xtr_assets.core.errors import InvalidInput
from xtr_assets.core.recall import lower_bound, recall_at_k
from xtr_assets.core.recipe_grammar import parse_recipe
from xtr_assets.core.row_store import RowVectors, VectorPart
from xtr_assets.core.types import Floats, Ints
from xtr_assets.index import DenseIndex, native
from xtr_assets.index.dense.recipe import axes_of, inverted, leading_axes, list_rows, train_index
from xtr_assets.index.dense.sq_scan import CodeScan, code_scan
from xtr_assets.index.exact_scan import exact_dense
from xtr_assets.index.faiss_provider import load_faiss
from xtr_assets_tests.index.dense.dense_data import clustered, queries_near, share

faiss = load_faiss()
pytestmark = [
    pytest.mark.usefixtures("threads"),
    pytest.mark.skipif(not native.available(), reason="the C++ extension is not installed here"),
]
SETS = native.kernels.instruction_sets() if native.available() else []
NATIVE = ["IVF24,SQ8", "IVF24,SQ4", "PCA20,IVF24,SQ8", "PCA21,IVF24,SQ4"]


def codes_of(lists: Any, number: int, bits: int) -> Ints:
    """The codes of one list as whole numbers: int64 [n, d]."""
    size = lists.invlists.list_size(number)
    raw = faiss.rev_swig_ptr(lists.invlists.get_codes(number), size * lists.code_size).reshape(size, lists.code_size)
    if bits == 4:
        raw = np.stack([raw & 15, raw >> 4], axis=2).reshape(size, -1)
    return np.asarray(raw[:, : lists.d], np.int64)


def reference(index: Any, recipe: str, queries: Floats, nprobe: int) -> list[tuple[Floats, Ints]]:
    """(scores, rows) of all rows of the nearest lists of each query, best first: the maths of sq_scan.py."""
    lists, axes, bits = inverted(index), axes_of(index), parse_recipe(recipe).integer_bits
    low, span = faiss.vector_to_array(lists.sq.trained).reshape(2, -1)
    steps = span / np.float32(255 if bits == 8 else 15)
    centroids = lists.quantizer.reconstruct_n(0, lists.nlist)
    answers = []
    for query in queries if axes is None else queries @ axes.T:
        factors = query * steps
        scale = np.abs(factors).max() / np.float32(127)
        weights = np.rint(factors / scale) if scale else np.zeros_like(factors)
        near = np.argsort(-(centroids @ query), kind="stable")[:nprobe]
        scores, rows = [np.empty(0)], [np.empty(0, np.int64)]
        for number in near.tolist():
            bias = query @ (low + np.float32(0.5) * steps) + (query @ centroids[number] if lists.by_residual else 0)
            scores.append(codes_of(lists, number, bits) @ weights * scale + bias)
            rows.append(list_rows(lists.invlists, number))
        every, held = np.concatenate(scores).astype(np.float32), np.concatenate(rows)
        order = np.lexsort((held, -every))
        answers.append((every[order], held[order]))
    return answers


def made(recipe: str, vectors: Floats) -> Any:
    index = train_index(parse_recipe(recipe), vectors.shape[1], vectors)
    index.add_with_ids(vectors, np.arange(len(vectors)))
    return index


@pytest.mark.parametrize("recipe", NATIVE)
def test_scores_are_those_of_the_maths_and_near_what_faiss_decodes(recipe: str) -> None:
    vectors = clustered(900)
    index, queries = made(recipe, vectors), queries_near(vectors, 20)
    scores, rows = CodeScan(index, parse_recipe(recipe), 900).search(queries, 24, 900, None)
    decoded, whole = index.search(queries, 900, params=faiss.SearchParametersIVF(nprobe=24))
    for number, (expected, held) in enumerate(reference(index, recipe, queries, 24)):
        np.testing.assert_allclose(scores[number], expected, atol=2e-6)
        assert sorted(rows[number].tolist()) == sorted(held.tolist()) == list(range(900))
        by_row, by_faiss = np.empty(900, np.float32), np.empty(900, np.float32)
        by_row[rows[number]], by_faiss[whole[number]] = scores[number], decoded[number]
        # A weight is off by half a step of 1/127 of the largest, and by chance of either sign.
        assert np.abs(by_row - by_faiss).max() < 0.02 * np.ptp(by_faiss)


@settings(max_examples=60)
@given(
    dim=st.integers(1, 200),
    rows=st.integers(1, 120),
    lists=st.integers(1, 9),
    bits=st.sampled_from([4, 8]),
    axes=st.booleans(),
    wanted=st.integers(1, 140),
    nprobe=st.integers(1, 12),
    seed=st.integers(0, 1000),
)
def test_every_instruction_set_gives_the_same_bits(
    dim: int, rows: int, lists: int, bits: int, axes: bool, wanted: int, nprobe: int, seed: int
) -> None:
    generator = np.random.default_rng(seed)
    bytes_a_row = dim if bits == 8 else -(-dim // 2)
    codes = generator.integers(0, 256, (rows, bytes_a_row), np.uint8)
    numbers = generator.permutation(rows).astype(np.int64)
    cuts = np.sort(generator.integers(0, rows + 1, lists - 1))
    bounds = [0, *cuts.tolist(), rows]
    places = np.array(
        [
            (codes.ctypes.data + a * bytes_a_row, numbers.ctypes.data + 8 * a, b - a)
            for a, b in itertools.pairwise(bounds)
        ],
        np.int64,
    )
    centroids, span = generator.standard_normal((lists, dim), np.float32), generator.random(dim, np.float32)
    turn = generator.standard_normal((dim, dim + 3), np.float32) if axes else None
    queries = generator.standard_normal((4, dim + 3 if axes else dim), np.float32)
    queries[1] = 0
    mask = (generator.random(rows) < 0.6).view(np.uint8)
    answers = []
    for name in SETS:
        scan = native.kernels.Scan(places, centroids, -span, 2 * span, bits, True, turn, rows, name)
        for allowed in (None, mask):
            answers.append((name, allowed is None, *scan.search(queries, nprobe, wanted, allowed, 2)))
    for name, unfiltered, scores, found in answers:
        same = next(one for one in answers if one[1] == unfiltered)
        np.testing.assert_array_equal(scores, same[2], err_msg=name)
        np.testing.assert_array_equal(found, same[3], err_msg=name)
        assert ((found >= 0) == np.isfinite(scores)).all()
        if not unfiltered:
            assert mask[found[found >= 0]].all()


@pytest.mark.parametrize("recipe", NATIVE)
def test_a_filter_is_applied_before_candidates_are_cut(recipe: str) -> None:
    vectors = clustered(900)
    index, queries, allowed = made(recipe, vectors), queries_near(vectors, 10), share(900, 0.05)
    scores, rows = CodeScan(index, parse_recipe(recipe), 900).search(queries, 24, 60, allowed)
    for number in range(10):
        assert sorted(rows[number][rows[number] >= 0].tolist()) == np.flatnonzero(allowed).tolist()
        assert (np.diff(scores[number][rows[number] >= 0]) <= 0).all()


@pytest.mark.parametrize("recipe", NATIVE)
def test_few_candidates_hold_the_true_best(recipe: str) -> None:
    vectors = clustered(4000, dim=64)
    queries = queries_near(vectors, 200)
    index = DenseIndex.build(vectors, recipe.replace("PCA20", "PCA48").replace("PCA21", "PCA48"))
    exact = exact_dense(index.vectors, index.present, queries, 10)[1]
    rows = index.search(queries, 10, nprobe=24, rescore=100)[1]
    assert index.codes_read_by == f"native, {SETS[0]}"
    # 200 queries: the lower bound of the mean at 95 % confidence.
    assert lower_bound(recall_at_k(rows, exact)) >= 0.97


@pytest.mark.parametrize("recipe", NATIVE)
def test_what_changes_is_seen_by_the_next_search(recipe: str) -> None:
    index = DenseIndex.build(clustered(600), recipe)
    query = queries_near(clustered(600), 1)
    best = int(index.search(query, 1, nprobe=24, rescore=600)[1][0, 0])
    index.remove(np.array([best]))
    assert best not in index.search(query, 599, nprobe=24, rescore=600)[1]
    added = index.add(query)
    assert index.search(query, 1, nprobe=24, rescore=600)[1].tolist() == [added.tolist()]


def test_many_queries_on_threads_are_single_queries() -> None:
    vectors = clustered(900)
    scan = CodeScan(made("IVF24,SQ4", vectors), parse_recipe("IVF24,SQ4"), 900)
    queries = queries_near(vectors, 50)
    together = scan.search(queries, 5, 12, None, 3)
    for number in range(50):
        alone = scan.search(queries[number : number + 1], 5, 12, None)
        np.testing.assert_array_equal(together[0][number], alone[0][0])
        np.testing.assert_array_equal(together[1][number], alone[1][0])


# A process that has no memory for the stack of a thread: what a limit of processes is to one that has no thread left.
NO_THREADS = """
import re, resource
import faiss
import numpy as np
from xtr_assets.index import DenseIndex
index = DenseIndex.build(np.random.default_rng(0).standard_normal((600, 16)).astype("f4"), "IVF8,SQ8")
queries = np.random.default_rng(1).standard_normal((200, 16)).astype("f4")
expected = [index.search(query, 5)[1].tolist() for query in queries]
faiss.omp_set_num_threads(64)
mapped = int(re.search(r"VmSize:\\s+(\\d+)", open("/proc/self/status").read())[1]) << 10
resource.setrlimit(resource.RLIMIT_AS, (mapped + (30 << 20),) * 2)
print(index.search(queries, 5)[1].tolist() == expected)
"""


@pytest.mark.skipif(sys.platform != "linux" or "asan" in os.environ.get("LD_PRELOAD", ""), reason="counts its memory")
def test_threads_that_are_not_to_be_had_leave_their_queries_to_the_others() -> None:
    done = subprocess.run([sys.executable, "-c", NO_THREADS], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "True\n"), done.stderr


@pytest.mark.parametrize("recipe", NATIVE)
def test_a_query_may_be_as_small_as_floats_are(recipe: str) -> None:
    """Its largest share was divided by, which gave infinities for such: lists and rows by chance."""
    vectors = clustered(2000)
    index, queries = DenseIndex.build(vectors, recipe), queries_near(vectors, 20)
    expected = index.search(queries, 5)[1]
    for size in (1e-33, 1e-36):
        assert (index.search(queries * np.float32(size), 5)[1] == expected).mean() > 0.99


def test_lists_that_hold_nothing_are_passed_over() -> None:
    vectors = clustered(30, topics=3)
    index = train_index(parse_recipe("IVF24,SQ8"), 32, vectors)
    scores, rows = CodeScan(index, parse_recipe("IVF24,SQ8"), 30).search(vectors[:2], 24, 5, None)
    assert rows.tolist() == [[-1] * 5] * 2
    assert np.isneginf(scores).all()
    index.add_with_ids(vectors[:1], np.array([7]))
    assert CodeScan(index, parse_recipe("IVF24,SQ8"), 30).search(vectors[:1], 24, 2, None)[1].tolist() == [[7, -1]]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"queries": np.zeros((1, 31), np.float32)}, "query and index differ in dim"),
        ({"allowed": np.zeros(3, np.bool_)}, "allowed does not fit the rows"),
        ({"nprobe": 0}, "must be at least 1"),
    ],
)
def test_what_does_not_fit_is_refused(arguments: dict[str, Any], complaint: str) -> None:
    vectors = clustered(100)
    scan = CodeScan(made("IVF4,SQ8", vectors), parse_recipe("IVF4,SQ8"), 100)
    asked = {"queries": vectors[:1], "nprobe": 2, "count": 3, "allowed": None, **arguments}
    with pytest.raises(ValueError, match=complaint):
        scan.search(**asked)


def test_only_lists_of_scalar_codes_are_read_here() -> None:
    bits = {"Flat": 0, "SQ8": 0, "IVF8,Flat": 0, "IVF8,SQ8": 8, "PCA4,IVF8,SQ4": 4, "IVF8_HNSW8,SQ8": 0, "HNSW8_SQ8": 0}
    assert {text: parse_recipe(text).integer_bits for text in bits} == bits
    assert parse_recipe("IVF65536,SQ8").integer_bits == 0


def test_without_the_extension_faiss_answers_the_same_search(monkeypatch: pytest.MonkeyPatch) -> None:
    index, queries = DenseIndex.build(clustered(900), "PCA28,IVF24,SQ8"), queries_near(clustered(900), 30)
    compiled = index.search(queries, 10, nprobe=24, rescore=60)
    monkeypatch.setattr(native, "available", lambda: False)
    assert code_scan(index.faiss_index, parse_recipe(index.recipe), 900) is None
    index.to("cpu")
    assert index.codes_read_by == "faiss"
    np.testing.assert_array_equal(index.search(queries, 10, nprobe=24, rescore=60)[1], compiled[1])


@pytest.mark.parametrize("rows", [1999, 2001, 4000])
def test_the_planner_builds_lists_of_bytes_from_a_few_thousand_rows_on(rows: int) -> None:
    index = DenseIndex.build(clustered(rows))
    assert index.recipe == ("Flat" if rows < 2000 else "IVF32,SQ8")
    assert leading_axes(index.vectors, np.arange(rows)) == 0


def test_vectors_of_few_directions_are_found_to_need_few_axes() -> None:
    generator = np.random.default_rng(3)
    few = generator.standard_normal((22_000, 40), np.float32) @ generator.standard_normal((40, 384), np.float32)
    every = generator.standard_normal((22_000, 384), np.float32)
    for vectors, axes in ((few, 64), (every, 0)):
        stored = RowVectors([VectorPart(0, vectors.astype(np.float16))], 384)
        assert leading_axes(stored, np.arange(len(vectors))) == axes


def test_axes_beyond_the_dims_are_refused() -> None:
    with pytest.raises(InvalidInput, match="keeps 33 axes of 32 dims"):
        DenseIndex.build(clustered(100), "PCA33,IVF4,SQ8")
