"""Fusion against hand-computed values and slow references."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from xtr_assets.core.errors import InvalidInput
from xtr_assets.core.fusion import Moments, rrf, z_sum

scores = hnp.arrays(np.float32, st.integers(2, 40), elements=st.floats(-1, 1, width=32))


def test_the_z_sum_of_two_spaces_is_the_hand_computed_one() -> None:
    # dense: mean 0.5, population spread 0.3266; xtr: mean 0.4, spread 0.1633
    summed = z_sum({"dense": np.array([0.9, 0.5, 0.1]), "xtr": np.array([0.2, 0.6, 0.4])})
    np.testing.assert_allclose(summed, [1.2247 - 1.2247, 0 + 1.2247, -1.2247 + 0], atol=1e-4)


def test_a_space_in_which_all_candidates_are_equal_has_no_say() -> None:
    dense = np.array([0.1, 0.3, 0.2], np.float32)
    flat = np.full(3, 0.7, np.float32) + np.array([0, 1e-7, -1e-7], np.float32)
    np.testing.assert_array_equal(z_sum({"dense": dense, "xtr": flat}), z_sum({"dense": dense}))


def test_one_candidate_and_no_candidate_are_scored_zero_and_nothing() -> None:
    assert z_sum({"dense": np.array([0.4]), "xtr": np.array([0.2])}).tolist() == [0.0]
    assert z_sum({"dense": np.empty(0), "xtr": np.empty(0)}).tolist() == []


def test_spaces_over_different_candidates_are_refused_with_both_counts() -> None:
    with pytest.raises(InvalidInput, match=r"'dense': 2, 'xtr': 3"):
        z_sum({"dense": np.zeros(2), "xtr": np.zeros(3)})


@given(scores, st.floats(0.1, 50), st.floats(-5, 5))
def test_the_z_sum_does_not_change_with_the_scale_of_a_space(values: np.ndarray, scale: float, shift: float) -> None:
    if Moments.of(values).spread < 1e-3:
        return
    moved = values.astype(np.float64) * scale + shift
    np.testing.assert_allclose(z_sum({"a": moved}), z_sum({"a": values}), atol=1e-6)


def test_given_moments_rank_rows_outside_the_candidates_on_the_same_scale() -> None:
    candidates, everything = np.array([0.5, 0.7]), np.array([0.5, 0.7, 0.1])
    given_moments = {"a": Moments.of(candidates)}
    np.testing.assert_allclose(z_sum({"a": everything}, given_moments)[:2], z_sum({"a": candidates}))
    np.testing.assert_allclose(z_sum({"a": everything}, given_moments)[2], (0.1 - 0.6) / 0.1)


def test_a_row_worse_than_candidates_that_are_all_equal_stays_behind_them() -> None:
    moments = {"a": Moments.of(np.full(5, 0.9))}
    standardized = z_sum({"a": np.array([0.9, 0.9 + 1e-8, 0.7])}, moments)
    assert standardized[:2].tolist() == [0.0, 0.0]
    assert standardized[2] < -1000


def _slow_rrf(rankings: list[list[int]]) -> dict[int, float]:
    total: dict[int, float] = {}
    for ranking in rankings:
        for rank, item in enumerate(ranking, 1):
            total[item] = total.get(item, 0.0) + 1 / (60 + rank)
    return total


@given(st.lists(st.lists(st.integers(0, 30), unique=True, max_size=20), min_size=1, max_size=4))
def test_rrf_equals_the_loop_of_the_paper(rankings: list[list[int]]) -> None:
    ids, fused = rrf([np.array(ranking, np.int64) for ranking in rankings])
    assert dict(zip(ids.tolist(), fused.tolist(), strict=True)) == pytest.approx(_slow_rrf(rankings))


def test_rrf_of_no_ranking_is_empty() -> None:
    ids, fused = rrf([])
    assert len(ids) == 0 and len(fused) == 0
