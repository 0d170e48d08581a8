import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xtr_assets.core import significance
from xtr_assets.core.errors import InvalidInput
from xtr_assets.core.significance import bootstrap_interval, holm, randomization_p


def test_an_interval_covers_the_mean_of_the_source_about_as_often_as_it_says() -> None:
    chance = np.random.default_rng(5)
    covered = 0
    for turn in range(200):
        one = bootstrap_interval(chance.beta(2, 3, 80), seed=turn)
        covered += one.low <= 0.4 <= one.high
    # 200 x 0.95 = 190; a binomial leaves [178, 198] once in a thousand.
    assert 178 <= covered <= 198


def test_an_interval_is_that_of_the_normal_approximation() -> None:
    values = np.random.default_rng(1).normal(0.5, 0.1, 2000)
    one = bootstrap_interval(values)
    assert one.mean == pytest.approx(values.mean())
    assert one.half_width == pytest.approx(1.96 * values.std() / np.sqrt(2000), rel=0.05)
    assert bootstrap_interval(values) == one


def test_all_signs_are_tried_by_hand_for_few_differences() -> None:
    # +++ gives 6, and of the eight assignments only --- is as far from 0.
    assert randomization_p(np.array([1.0, 2.0, 3.0])) == 2 / 8
    # 1 + 2 - 3 = 0: every assignment is as far.
    assert randomization_p(np.array([1.0, 2.0, -3.0])) == 1.0
    assert randomization_p(np.zeros(40)) == 1.0


def test_random_signs_agree_with_all_signs() -> None:
    differences = np.random.default_rng(3).normal(0.3, 1.0, 12)
    exact = randomization_p(differences)
    # A difference more, far below the others, sends the same question through random signs.
    sampled = randomization_p(np.append(differences, 1e-9))
    assert sampled == pytest.approx(exact, abs=0.02)


def test_of_two_alike_systems_a_twentieth_is_told_apart() -> None:
    chance = np.random.default_rng(11)
    below = sum(randomization_p(chance.normal(0, 1, 20), seed=turn) < 0.05 for turn in range(300))
    # 300 x 0.05 = 15; a binomial leaves [4, 29] once in a thousand.
    assert 4 <= below <= 29


def test_many_queries_take_no_more_memory_and_no_other_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(significance, "DRAWS", 600)
    values = np.random.default_rng(1).normal(size=30_000)
    tracemalloc.start()
    try:
        found = bootstrap_interval(values), randomization_p(values)
        # Ten arrays of what is drawn at once; 512 resamples of 30,000 queries are 123 MB each.
        assert tracemalloc.get_traced_memory()[1] < 10 * 8 * significance.BLOCK_VALUES
    finally:
        tracemalloc.stop()
    monkeypatch.setattr(significance, "BLOCK", 7)
    assert (bootstrap_interval(values), randomization_p(values)) == found


def test_holm_by_hand() -> None:
    assert holm({}) == {}
    assert holm({"a": 0.04}) == {"a": 0.04}
    # .01 x 3, .02 x 2, .5 x 1; never less than the one before, never above 1.
    assert holm({"b": 0.02, "a": 0.01, "c": 0.5}) == {"b": 0.04, "a": 0.03, "c": 0.5}
    assert holm({"a": 0.6, "b": 0.7}) == {"a": 1.0, "b": 1.0}


@given(st.dictionaries(st.integers(), st.floats(0, 1), max_size=8))
def test_holm_is_between_p_and_bonferroni(p: dict[int, float]) -> None:
    for key, adjusted in holm(p).items():
        assert p[key] <= adjusted <= min(1.0, p[key] * len(p)) + 1e-12


@pytest.mark.parametrize("values", [[], [float("nan")], [[1.0]]])
def test_no_evidence_is_refused(values: list[float]) -> None:
    with pytest.raises(InvalidInput, match="at least 1 query"):
        bootstrap_interval(np.array(values))
    with pytest.raises(InvalidInput, match="at least 1 query"):
        randomization_p(np.array(values))
