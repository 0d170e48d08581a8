"""`judged_quality`: a floor, what serves, and the best so far, each on the same queries judged alike."""

from typing import Any

import numpy as np

from xtr_assets.pipeline.gate.judgments import (
    CHECK,
    Reached,
    best_of,
    digest_of,
    rivals,
    surely_lower,
)
from xtr_assets.pipeline.quality.judged_queries import JudgedQueries
from xtr_assets.storage.manifest import CheckRecord


def judged(texts: dict[str, str], grades: dict[str, dict[str, float]]) -> JudgedQueries:
    return JudgedQueries(texts, grades, "here")


def test_queries_are_common_where_text_and_judgments_are_the_same() -> None:
    now = judged({"1": "a", "2": "b", "3": "c"}, {"1": {"x": 1}, "2": {"x": 1}, "3": {"x": 1}})
    then = judged({"1": "a", "2": "another", "3": "c"}, {"1": {"x": 1}, "2": {"x": 1}, "3": {"y": 1}})
    asked = {one: digest_of(now, one) for one in now.grades}
    before = Reached(1, dict.fromkeys("123", 1.0), {one: digest_of(then, one) for one in then.grades})
    assert before.common(asked) == ["1"]
    # A release that kept no digests counted sections of one file as several documents.
    assert Reached(1, dict.fromkeys("12", 1.0), {}).common(asked) == []


def test_lower_is_surely_lower_beyond_tolerance_and_chance() -> None:
    assert not surely_lower(np.zeros(50))
    assert not surely_lower(np.full(50, -0.005))
    assert surely_lower(np.full(50, -0.02))
    assert not surely_lower(np.array([-1.0] + [0.0] * 49))
    assert surely_lower(np.array([-1.0] * 10 + [0.0] * 40))


def test_a_few_queries_that_moved_are_not_sure_of_anything() -> None:
    """One query that fell from the first place to the second refused a build."""
    for lost in ([-0.37], [-0.1, -0.1], [-0.37] * 3 + [0.0] * 17, [-1.0] * 4):
        assert not surely_lower(np.array(lost))
    # Of so many the chance that all of them lost is as small as is said.
    assert surely_lower(np.array([-0.37] * 5 + [0.0] * 10))
    assert surely_lower(np.full(10, -0.5), 0.999) and not surely_lower(np.full(9, -0.5), 0.999)


def recorded(passed: bool, reached: Reached, best: Reached | None = None) -> CheckRecord:
    """Such a record of what serves."""
    details = {"per_query": dict(reached.per_query), "digests": dict(reached.digests)}
    details |= {} if best is None else {"best": best.as_json()}
    made: Any = {"value": None, "threshold": None, "subject": (), "digest": "0" * 64, "at": ""}
    return CheckRecord(name=CHECK, passed=passed, details=details, **made)


def reached(number: int, value: float, ids: str, edition: str = "") -> Reached:
    return Reached(number, dict.fromkeys(ids, value), {one: one + edition for one in ids})


def test_a_loss_that_a_person_let_serve_is_what_the_next_build_is_held_against() -> None:
    """`publish --force` was to be said again of every later build, whatever it changed."""
    best = reached(1, 0.9, "abc")
    assert rivals(recorded(True, reached(2, 0.8, "abc"), best), 2)["the best so far"].generation == 1
    assert list(rivals(recorded(False, reached(2, 0.3, "abc"), best), 2)) == ["what serves"]


def test_the_best_so_far_is_one_of_the_queries_that_are_asked() -> None:
    """The best of a set that was replaced stayed the best, though no query of it was asked any more: losses of the new
    set added up unseen."""
    asked = {one: one for one in "abcd"}
    before = {"what serves": reached(5, 0.6, "abcd"), "the best so far": reached(1, 0.9, "abcd", "another text")}
    assert best_of(before, asked) == reached(5, 0.6, "abcd")
    # The best was asked some of them: it stays the best of those, and what serves is of the others.
    grown = best_of(before | {"the best so far": reached(1, 0.9, "ab")}, asked)
    assert grown == Reached(1, {"a": 0.9, "b": 0.9, "c": 0.6, "d": 0.6}, asked)
    assert best_of(before | {"the best so far": reached(1, 0.5, "ab")}, asked) == reached(5, 0.6, "abcd")
    assert best_of({"what serves": reached(5, 0.6, "xyz")}, asked) is None


def test_a_slow_decline_is_held_against_the_best_so_far() -> None:
    best = Reached.read({"best": None, "per_query": {"1": 0.9}, "generation": 4}, 7)
    assert best is not None
    assert best.generation == 4
    assert Reached.read({}, 7) is None
