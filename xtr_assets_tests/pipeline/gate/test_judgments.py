"""`judged_quality`: a floor, what serves, and the best so far, each on the same queries judged alike."""

import numpy as np

from xtr_assets.pipeline.gate.judgments import Reached, digest_of, surely_lower
from xtr_assets.pipeline.quality.judged_queries import JudgedQueries


def judged(texts: dict[str, str], grades: dict[str, dict[str, float]]) -> JudgedQueries:
    return JudgedQueries(texts, grades, "here")


def test_queries_are_common_where_text_and_judgments_are_the_same() -> None:
    now = judged({"1": "a", "2": "b", "3": "c"}, {"1": {"x": 1}, "2": {"x": 1}, "3": {"x": 1}})
    then = judged({"1": "a", "2": "another", "3": "c"}, {"1": {"x": 1}, "2": {"x": 1}, "3": {"y": 1}})
    asked = {one: digest_of(now, one) for one in now.grades}
    before = Reached(1, dict.fromkeys("123", 1.0), {one: digest_of(then, one) for one in then.grades})
    assert before.common(asked) == ["1"]
    # A release that kept no digests is taken at its word.
    assert Reached(1, dict.fromkeys("12", 1.0), {}).common(asked) == ["1", "2"]


def test_lower_is_surely_lower_beyond_tolerance_and_chance() -> None:
    assert not surely_lower(np.zeros(50))
    assert not surely_lower(np.full(50, -0.005))
    assert surely_lower(np.full(50, -0.02))
    assert not surely_lower(np.array([-1.0] + [0.0] * 49))
    assert surely_lower(np.array([-1.0] * 10 + [0.0] * 40))


def test_a_slow_decline_is_held_against_the_best_so_far() -> None:
    best = Reached.read({"best": None, "per_query": {"1": 0.9}, "generation": 4}, 7)
    assert best is not None
    assert best.generation == 4
    assert Reached.read({}, 7) is None
