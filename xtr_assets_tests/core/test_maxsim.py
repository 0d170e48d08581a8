from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xtr_assets.core.errors import InvalidInput
from xtr_assets.core.maxsim import best_rows, best_tokens, maxsim


def test_maxsim_of_a_hand_computed_case() -> None:
    query = np.array([[1, 0], [0, 1]], np.float32)
    tokens = np.array([[0.6, 0.8], [1, 0], [0, -1]], np.float32)
    # Document 0: max(.6, 1) + max(.8, 0); document 1: 0 - 1; each over two query tokens.
    assert maxsim(query, tokens, np.array([0, 2, 3])).tolist() == pytest.approx([0.9, -0.5])


def test_a_query_without_tokens_scores_nothing() -> None:
    scores = maxsim(np.empty((0, 2), np.float32), np.ones((3, 2), np.float32), np.array([0, 1, 3]))
    assert scores.tolist() == [0.0, 0.0]


def test_float16_tokens_are_scored_in_float32() -> None:
    tokens = np.array([[0.1, 0.2]], np.float16)
    expected = np.float32(tokens[0, 0]) + np.float32(tokens[0, 1])
    assert maxsim(np.ones((1, 2), np.float32), tokens, np.array([0, 1]))[0] == expected


def test_best_tokens_take_the_first_of_equals() -> None:
    positions, similarities = best_tokens(np.eye(2, dtype="f4"), np.array([[0, 1], [1, 0], [1, 1]], np.float32))
    assert positions.tolist() == [1, 0]
    assert similarities.tolist() == [1.0, 1.0]


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
