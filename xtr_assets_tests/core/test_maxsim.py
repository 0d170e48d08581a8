import numpy as np
import pytest

from xtr_assets.core.maxsim import best_tokens, maxsim


def test_maxsim_of_a_hand_computed_case() -> None:
    query = np.array([[1, 0], [0, 1]], np.float32)
    tokens = np.array([[0.6, 0.8], [1, 0], [0, -1]], np.float32)
    # Document 0: max(0.6, 1) + max(0.8, 0); document 1: 0 - 1; each over two query tokens.
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
