"""A curve never falls where evidence rises, finds what made the labels, and its figures are those of slow loops."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xtr_assets.core.calibration import Curve, auc, calibration_error, fit_curve
from xtr_assets.core.errors import InvalidInput


def drawn(count: int, weights: list[float], bias: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    chance = np.random.default_rng(seed)
    features = chance.normal(size=(count, len(weights)))
    right = chance.random(count) < 1 / (1 + np.exp(-(features @ np.array(weights) + bias)))
    return features, right


def test_the_curve_that_made_the_labels_is_found() -> None:
    features, right = drawn(20_000, [2.0, 0.5, 0.0], -1.0)
    curve = fit_curve(features, right)
    np.testing.assert_allclose([*curve.weights, curve.bias], [2.0, 0.5, 0.0, -1.0], atol=0.1)
    assert calibration_error(curve(features), right) < 0.02


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_the_scale_and_the_place_of_a_feature_do_not_matter(scale: float) -> None:
    features, right = drawn(400, [2.0, 0.5], 0.3)
    moved = features * np.array([scale, 1.0]) + np.array([7.0 * scale, 0.0])
    np.testing.assert_allclose(fit_curve(moved, right)(moved), fit_curve(features, right)(features), atol=1e-4)


def test_what_counts_against_an_answer_gets_no_say() -> None:
    features, right = drawn(2_000, [-3.0, 1.0], 0.0)
    curve = fit_curve(features, right)
    assert curve.weights[0] == 0.0 and curve.weights[1] > 0


@given(st.integers(0, 10_000), st.integers(1, 4))
def test_no_curve_falls(seed: int, width: int) -> None:
    chance = np.random.default_rng(seed)
    right = np.arange(60) % 3 == 0
    curve = fit_curve(chance.normal(size=(60, width)) * chance.uniform(0, 10, width), right)
    assert all(weight >= 0 and np.isfinite(weight) for weight in curve.weights) and np.isfinite(curve.bias)
    low = chance.normal(size=(40, width))
    assert (curve(low + chance.uniform(0, 5, (40, width))) >= curve(low)).all()


def test_examples_that_are_parted_without_an_error_leave_finite_weights() -> None:
    features = np.array([[0.0]] * 50 + [[1.0]] * 50)
    curve = fit_curve(features, features[:, 0] > 0.5)
    assert 0 < curve.weights[0] < 50
    assert curve(np.array([[0.0], [1.0]])).round(1).tolist() == [0.0, 1.0]


def test_a_feature_that_never_changes_is_no_evidence() -> None:
    features, right = drawn(300, [2.0], 0.0)
    # Of 300 times 0.1 the mean is not quite 0.1.
    for value in (5.0, 0.1, -0.1, 1e-9):
        curve = fit_curve(np.column_stack([features, np.full(300, value)]), right)
        assert abs(curve.weights[1]) < 1e-9 and abs(curve.bias) < 1.0


@pytest.mark.parametrize("right", [np.zeros(5, bool), np.ones(5, bool), np.ones(4, bool)])
def test_examples_of_one_kind_are_refused(right: np.ndarray) -> None:
    with pytest.raises(InvalidInput, match="a curve needs some of both kinds"):
        fit_curve(np.zeros((5, 1)), right)


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=40))
def test_the_area_is_the_share_of_pairs_in_order(pairs: list[tuple[int, bool]]) -> None:
    scores, right = np.array([score for score, _ in pairs], float), np.array([label for _, label in pairs])
    if right.all() or not right.any():
        with pytest.raises(InvalidInput, match="some of both kinds"):
            auc(scores, right)
        return
    good, bad = scores[right].tolist(), scores[~right].tolist()
    slow = sum((a > b) + 0.5 * (a == b) for a in good for b in bad) / len(good) / len(bad)
    assert auc(scores, right) == pytest.approx(slow)


def test_the_error_is_the_gap_between_what_is_said_and_what_holds() -> None:
    said, right = np.full(100, 0.9), np.arange(100) % 2 == 0
    assert calibration_error(said, right) == pytest.approx(0.4)
    assert calibration_error(right.astype(float), right) == 0.0
    assert calibration_error(np.empty(0), np.empty(0, bool)) == 0.0


def test_the_order_of_equal_probabilities_says_nothing() -> None:
    right = np.arange(100) < 50
    assert calibration_error(np.full(100, 0.5), right) == calibration_error(np.full(100, 0.5), right[::-1]) == 0.0
    assert calibration_error(np.full(100, 0.75), right) == 0.25


def test_no_evidence_overflows() -> None:
    assert Curve((1e300,), 0.0)(np.array([[1e8], [-1e8]])).tolist() == [1.0, pytest.approx(0.0, abs=1e-300)]
