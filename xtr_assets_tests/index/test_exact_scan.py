import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from xtr_assets.core.errors import EncoderMismatch, InvalidInput
from xtr_assets.core.row_store import RowVectors, VectorPart
from xtr_assets.core.top_k import best_of_lines
from xtr_assets.core.types import Floats, Mask
from xtr_assets.index import DenseIndex, exact_scan, memory_places, native, native_scores, row_scorer
from xtr_assets.index.exact_scan import exact_dense, exact_rows, slow_scores, true_scores
from xtr_assets.index.half_precision import gather, widen
from xtr_assets.index.row_scorer import scorer_of


def slow_reference(vectors: Any, live: Mask, queries: Floats, k: int) -> tuple[Any, Any]:
    """The maths: every inner product in float64 of the stored values, sorted by score and then by row."""
    scores = np.full((len(queries), k), -np.inf)
    rows = np.full((len(queries), k), -1)
    candidates = [row for row in vectors.rows() if live[row]]
    stored = {row: vectors.gather(np.array([row]))[0].astype(np.float64) for row in candidates}
    for number, query in enumerate(queries):
        ranked = sorted((-float(stored[row] @ query), int(row)) for row in candidates)[:k]
        for place, (score, row) in enumerate(ranked):
            scores[number, place], rows[number, place] = -score, row
    return scores, rows


def integers(generator: np.random.Generator, rows: int, dim: int) -> Any:
    """Small whole numbers: every sum is exact in float32, so ties are real and plentiful."""
    return generator.integers(-2, 3, (rows, dim)).astype(np.float16)


@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**31),
    sizes=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 40)), min_size=1, max_size=4),
    queries=st.integers(0, 6),
    k=st.integers(0, 30),
    block=st.sampled_from([3, 16, 1000]),
    few=st.sampled_from([0, 6]),
)
def test_exact_search_is_the_sorted_list_of_all_products(
    seed: int, sizes: list[tuple[int, int]], queries: int, k: int, block: int, few: int
) -> None:
    generator = np.random.default_rng(seed)
    parts, base = [], 0
    for hole, size in sizes:
        parts.append(VectorPart(base + hole, integers(generator, size, 4)))
        base += hole + size
    vectors = RowVectors(parts, 4)
    live = generator.random(vectors.end_row) < 0.7
    asked = integers(generator, queries, 4).astype(np.float32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exact_scan, "BLOCK_ROWS", block)
        patch.setattr(exact_scan, "QUERY_BLOCK", 4)
        patch.setattr(exact_scan, "FEW_QUERIES", few)
        scores, rows = exact_dense(vectors, live, asked, k)
        allowed = np.array([row for row in vectors.rows() if live[row]], np.int64)
        again = exact_rows(vectors, allowed, asked, k)
    expected = slow_reference(vectors, live, asked, k)
    np.testing.assert_array_equal(rows, expected[1])
    np.testing.assert_array_equal(scores, expected[0])
    np.testing.assert_array_equal(again[1], rows)


def test_copies_of_one_vector_come_in_row_order() -> None:
    generator = np.random.default_rng(3)
    one = generator.standard_normal((1, 37)).astype(np.float16)
    vectors = RowVectors([VectorPart(0, np.repeat(one, 500, axis=0))], 37)
    queries = generator.standard_normal((9, 37)).astype(np.float32)
    scores, rows = exact_dense(vectors, np.ones(500, np.bool_), queries, 12)
    assert rows.tolist() == [list(range(12))] * 9
    assert (scores == scores[:, :1]).all()


def test_a_later_block_with_much_longer_vectors_is_not_cut_by_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exact_scan, "BLOCK_ROWS", 8)
    generator = np.random.default_rng(4)
    stored = generator.standard_normal((64, 16)).astype(np.float16)
    stored[40:] *= 100
    vectors = RowVectors([VectorPart(0, stored)], 16)
    queries = generator.standard_normal((8, 16)).astype(np.float32)
    _, rows = exact_dense(vectors, np.ones(64, np.bool_), queries, 5)
    np.testing.assert_array_equal(rows, np.argsort(-(queries @ stored.astype(np.float32).T), axis=1)[:, :5])


def test_every_finite_half_widens_to_its_own_value() -> None:
    halves = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    finite = halves[np.isfinite(halves)]
    np.testing.assert_array_equal(widen(finite).view(np.uint32), finite.astype(np.float32).view(np.uint32))


def test_widening_keeps_the_shape_of_what_is_not_contiguous() -> None:
    halves = np.arange(24, dtype=np.float16).reshape(4, 6)[::2, ::3]
    np.testing.assert_array_equal(widen(halves), halves.astype(np.float32))


def test_true_scores_of_pads_are_minus_infinity() -> None:
    vectors = RowVectors([VectorPart(2, np.eye(2, dtype=np.float16))], 2)
    scores = true_scores(vectors, np.array([[3.0, 4.0]], np.float32), np.array([[3, -1, 2]]))
    assert scores.tolist() == [[4.0, -np.inf, 3.0]]


def test_queries_and_masks_that_cannot_be_used_are_refused_by_name() -> None:
    vectors = RowVectors([VectorPart(0, np.eye(3, dtype=np.float16))], 3)
    live = np.ones(3, np.bool_)
    with pytest.raises(EncoderMismatch, match="dim 3 in the index, 2 in the queries"):
        exact_dense(vectors, live, np.ones((1, 2), np.float32), 1)
    with pytest.raises(InvalidInput, match="query 1 holds NaN"):
        exact_dense(vectors, live, np.array([[0, 0, 0], [0, np.nan, 0]], np.float32), 1)
    with pytest.raises(InvalidInput, match="k is -1"):
        exact_dense(vectors, live, np.ones((1, 3), np.float32), -1)
    with pytest.raises(InvalidInput, match=r"`live` has 2 entries; bool \(3,\) is needed"):
        exact_dense(vectors, live[:2], np.ones((1, 3), np.float32), 1)


def test_a_row_in_a_hole_is_an_error() -> None:
    vectors = RowVectors([VectorPart(0, np.eye(2, dtype=np.float16)), VectorPart(5, np.eye(2, dtype=np.float16))], 2)
    with pytest.raises(InvalidInput, match="row 3 lies in a hole"):
        gather(vectors, np.array([0, 3]))


@pytest.fixture(params=["native", "numba", "numpy"])
def loops(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every way of scoring, whatever was loaded before."""
    if request.param == "native":
        if not native.available():
            pytest.skip("the C++ extension is not installed here")
        return
    monkeypatch.setattr(native, "available", lambda: False)
    monkeypatch.setattr(row_scorer, "COMPILED_ROWS", 0 if request.param == "numba" else 1 << 40)


@pytest.mark.usefixtures("loops")
def test_a_query_of_another_dim_reads_nothing_that_is_not_its_rows() -> None:
    """Compiled loops took rows of the query's dim from memory that ends before them, or holds others' rows."""
    vectors = RowVectors([VectorPart(0, np.eye(4, 16, dtype=np.float16))], 16)
    rows = np.arange(4)[None]
    for dim in (8, 400_000):
        queries, told = np.ones((1, dim), np.float32), f"dim 16 in the index, {dim} in the queries"
        with pytest.raises(EncoderMismatch, match=told):
            true_scores(vectors, queries, rows)
        with pytest.raises(EncoderMismatch, match=told):
            scorer_of(vectors).best(vectors, queries, rows, 2)
    with pytest.raises(InvalidInput, match="1 queries and 2 lines of rows"):
        true_scores(vectors, np.ones((1, 16), np.float32), np.zeros((2, 3), np.int64))


@pytest.mark.parametrize("dtype", [np.float64, np.int32, ">f2", ">f4"])
def test_vectors_of_another_type_are_refused_by_who_reads_their_bytes(dtype: Any) -> None:
    if not native.available():
        pytest.skip("numpy reads them as numbers")
    vectors = RowVectors([VectorPart(0, np.ones((3, 4), dtype))], 4)
    with pytest.raises(InvalidInput, match=r"from row 0 on are .*float16 or float32"):
        true_scores(vectors, np.ones((1, 4), np.float32), np.zeros((1, 1), np.int64))


def test_two_first_searches_at_a_time_read_one_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each made one of vectors that lie in columns, and the one that was replaced went while it was read."""
    both, original = Barrier(2), memory_places._Table.__init__

    def together(self: Any, vectors: RowVectors) -> None:
        original(self, vectors)
        both.wait(10)

    monkeypatch.setattr(memory_places._Table, "__init__", together)
    stored = np.asfortranarray(np.arange(12, dtype=np.float16).reshape(4, 3))
    vectors, queries, rows = RowVectors([VectorPart(0, stored)], 3), np.eye(3, dtype=np.float32)[:1], np.arange(4)[None]
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda _: memory_places.places_of(vectors, queries, rows), range(2)))
    assert found[0] is found[1]
    assert true_scores(vectors, queries, rows).tolist() == [[0.0, 3.0, 6.0, 9.0]]


@pytest.mark.usefixtures("loops")
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(seed=st.integers(0, 2**31), dim=st.sampled_from([1, 7, 32, 100, 384]), floats=st.booleans())
def test_scores_are_those_of_numpy_over_any_parts(seed: int, dim: int, floats: bool) -> None:
    generator = np.random.default_rng(seed)
    made = [generator.standard_normal((size, dim)).astype(np.float16) for size in (5, 0, 30)]
    made[0][0] = 5e-7  # a subnormal half
    kinds = [made[0], made[1], made[2].astype(np.float32) if floats else made[2]]
    vectors = RowVectors([VectorPart(3, kinds[0]), VectorPart(8, kinds[1]), VectorPart(20, kinds[2])], dim)
    rows = generator.choice([-1, *vectors.rows()], (4, 9))
    queries = generator.standard_normal((4, dim)).astype(np.float32)
    scores = true_scores(vectors, queries, rows)
    expected = slow_scores(vectors, queries, rows)
    # What a sum in float32 may be off by, in any order, grows with the norms and not with the sum.
    longest = np.linalg.norm(np.concatenate(made).astype(np.float32), axis=1).max()
    off = np.finfo(np.float32).eps * longest * np.linalg.norm(queries, axis=1).max()
    np.testing.assert_allclose(scores, expected, rtol=1e-5, atol=max(1e-5, float(off)))
    outside = true_scores(vectors, queries[:1], np.array([[2, 9, 19, 50, 20]]))
    assert np.isneginf(outside[0, :4]).all()
    assert np.isfinite(outside[0, 4])


@pytest.mark.usefixtures("loops")
def test_equal_vectors_get_equal_scores_wherever_they_stand() -> None:
    generator = np.random.default_rng(3)
    one = generator.standard_normal((1, 100)).astype(np.float16)
    others = generator.standard_normal((200, 100)).astype(np.float16)
    others[[0, 1, 77, 130, 199]] = one
    vectors = RowVectors([VectorPart(0, one), VectorPart(3, others)], 100)
    query = generator.standard_normal((1, 100)).astype(np.float32)
    for rows in ([[0, 3, 4, 80, 133, 202]], [[*range(3, 203), 0]]):
        scores = true_scores(vectors, query, np.array(rows))[0]
        same = scores[np.isin(rows[0], [0, 3, 4, 80, 133, 202])]
        assert len(same) == 6 and len(set(same.tolist())) == 1
    best, at = scorer_of(vectors).best(vectors, query, np.array([[202, 0, 80, -1, 5]]), 3)
    assert at[0].tolist() == ([0, 80, 202] if best[0, 0] == best[0, 2] else [5, 0, 80])


@pytest.mark.skipif(not native.available(), reason="the C++ extension is not installed here")
@given(seed=st.integers(0, 2**31), dim=st.integers(1, 130), k=st.integers(0, 12))
@settings(max_examples=40)
def test_every_instruction_set_scores_stored_rows_alike(seed: int, dim: int, k: int) -> None:
    generator = np.random.default_rng(seed)
    halves = generator.standard_normal((9, dim)).astype(np.float16)
    halves[0, 0] = 5e-7  # a subnormal half
    vectors = RowVectors([VectorPart(2, halves), VectorPart(20, halves.astype(np.float32))], dim)
    rows, queries = generator.integers(-1, 31, (3, 10)), generator.standard_normal((3, dim), np.float32)
    found = [
        (native_scores.stored_scores(vectors, queries, rows, name),
         *native_scores.best_stored(vectors, queries, rows, k, name))
        for name in native.kernels.instruction_sets()
    ]  # fmt: skip
    for one in found[1:]:
        for mine, first in zip(one, found[0], strict=True):
            np.testing.assert_array_equal(mine, first)
    expected = best_of_lines(found[0][0], rows, k)
    np.testing.assert_array_equal(found[0][1], expected[0])
    np.testing.assert_array_equal(found[0][2], expected[1])


def test_the_index_says_what_scores_its_rows_and_keeps_it(monkeypatch: pytest.MonkeyPatch) -> None:
    index = DenseIndex.build(np.eye(8, dtype=np.float32))
    assert index.rows_scored_by == index.describe()["rows_scored_by"] == row_scorer.choose(8).name
    if native.available():
        assert index.rows_scored_by == f"native, {native.fastest()}"
    monkeypatch.setattr(native, "available", lambda: False)
    bare = DenseIndex.build(np.eye(8, dtype=np.float32))
    assert bare.rows_scored_by == "numpy"
    bare.add(np.ones((row_scorer.COMPILED_ROWS, 8), np.float32))
    assert bare.rows_scored_by == scorer_of(bare.vectors).name == "numpy"
    assert DenseIndex.build(np.ones((row_scorer.COMPILED_ROWS, 2), np.float32), "Flat").rows_scored_by == "numba"
    assert scorer_of(index.vectors).name == index.rows_scored_by


def test_without_the_extension_few_rows_import_no_compiler() -> None:
    program = (
        "import sys, numpy as np\nfrom xtr_assets.core.row_store import RowVectors, VectorPart\n"
        "from xtr_assets.index import exact_scan, native, row_scorer\nnative.available = lambda: False\n"
        "made = lambda n: RowVectors([VectorPart(0, np.ones((n, 4), np.float16))], 4)\n"
        "query, rows = np.ones((1, 4), np.float32), np.zeros((1, 100_000), np.int64)\n"
        "few = made(row_scorer.COMPILED_ROWS - 1)\n"
        "for _ in range(10): first = row_scorer.scorer_of(few).best(few, query, rows, 2)\n"
        "assert 'numba' not in sys.modules\n"
        "many = made(row_scorer.COMPILED_ROWS)\n"
        "again = row_scorer.scorer_of(many).best(many, query, rows, 2)\n"
        "assert 'numba' in sys.modules and row_scorer.scorer_of(few).name == 'numpy'\n"
        "assert all((a == b).all() for a, b in zip(first, again))"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
