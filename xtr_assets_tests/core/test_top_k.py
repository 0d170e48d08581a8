"""The one order of every ranking against Python's own sort; the compiled selections are held to it in tests/index."""

from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from xtr_assets.core.errors import InvalidInput
from xtr_assets.core.top_k import best_of_lines, best_positions, best_rows, kth_best, ranked_columns


@given(
    st.lists(st.integers(-3, 3), max_size=30),
    st.integers(0, 40),
    st.randoms(use_true_random=False),
)
def test_best_rows_equal_a_full_sort(values: list[int], k: int, random: Random) -> None:
    rows = list(range(100, 100 + len(values)))
    random.shuffle(rows)
    scores, found = best_rows(np.array(values, np.float32), np.array(rows, np.int64), k)
    expected = sorted(zip(values, rows, strict=True), key=lambda pair: (-pair[0], pair[1]))[:k]
    padding = k - len(expected)
    assert found.tolist() == [row for _, row in expected] + [-1] * padding
    assert scores.tolist() == [value for value, _ in expected] + [-np.inf] * padding
    assert scores.dtype == np.float32 and found.dtype == np.int64


def test_a_negative_k_is_refused() -> None:
    with pytest.raises(InvalidInput, match="k is -1"):
        best_rows(np.ones(1, np.float32), np.ones(1, np.int64), -1)


@given(hnp.arrays(np.float64, st.integers(0, 30), elements=st.sampled_from([0.0, 0.5, 1.0])))
def test_equal_scores_are_ordered_by_chunk_id_whatever_the_layout(values: np.ndarray) -> None:
    chunk_ids = np.arange(len(values), dtype=np.int64) * 7
    shuffle = np.random.default_rng(len(values)).permutation(len(values))
    straight = chunk_ids[best_positions(values, chunk_ids)]
    shuffled = chunk_ids[shuffle][best_positions(values[shuffle], chunk_ids[shuffle])]
    np.testing.assert_array_equal(straight, shuffled)
    expected = sorted(range(len(values)), key=lambda i: (-values[i], chunk_ids[i]))
    np.testing.assert_array_equal(straight, chunk_ids[expected])
    for k in (0, 1, 3, len(values), len(values) + 1):
        np.testing.assert_array_equal(best_positions(values, chunk_ids, k), expected[:k])


def test_the_best_k_are_cut_after_ordering() -> None:
    assert best_positions(np.array([0.1, 0.9, 0.9]), np.array([1, 3, 2]), 2).tolist() == [2, 1]


@pytest.mark.parametrize("k", [0, 1, 5, 40, 300])
def test_the_best_are_sorted_by_score_and_then_row(k: int) -> None:
    generator = np.random.default_rng(k)
    rows = np.stack([generator.permutation(60) for _ in range(8)])
    scores = generator.integers(0, 4, rows.shape).astype(np.float32)
    scores[:, ::7] = -np.inf
    best, at = best_of_lines(scores, rows, k)
    for number in range(8):
        finite = [(-s, r) for s, r in zip(scores[number], rows[number], strict=True) if np.isfinite(s)]
        expected = sorted(finite)[:k]
        assert at[number, : len(expected)].tolist() == [row for _, row in expected]
        assert best[number, : len(expected)].tolist() == [-score for score, _ in expected]
        assert (at[number, len(expected) :] == -1).all()
        assert np.isneginf(best[number, len(expected) :]).all()


@given(st.lists(st.integers(0, 4), min_size=1, max_size=40), st.integers(1, 50))
def test_columns_are_ranked_by_score_and_then_column(values: list[int], k: int) -> None:
    scores = np.array([values, values[::-1]], np.float32)
    for line, ranked in zip(scores.tolist(), ranked_columns(scores, k).tolist(), strict=True):
        assert ranked == sorted(range(len(line)), key=lambda column: (-line[column], column))[:k]


def test_the_kth_best_of_each_line() -> None:
    scores = np.array([[3, 1, 2], [7, 9, 9]], np.float32)
    assert kth_best(scores, 2).tolist() == [2.0, 9.0]
    assert kth_best(scores[0], 3) == 1.0
