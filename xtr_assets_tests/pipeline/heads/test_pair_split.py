"""What trains, what judges, and what is kept out: a near copy that was planted does not come through."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from xtr_assets.core.errors import ConfigError
from xtr_assets.core.training_pairs import Pair, PairKind
from xtr_assets.pipeline.heads.pair_split import PLANTED, near_copy, split_pairs, without_copies

REFERENCE = [
    f"the {name} opens its doors at noon and closes them again before the last train of the {name} line leaves town {n}"
    for n, name in enumerate(("station", "museum", "market", "harbour") * 10)
]


def made(count: int, origins: int = 30, kinds: Sequence[PairKind] = ("docstring", "summary")) -> list[Pair]:
    return [
        Pair(f"question {n} of many", f"answer number {n} holds {n * 7} words about {n}", kinds[n % len(kinds)],
             f"origin{n % origins}", f"file{n}:f")
        for n in range(count)
    ]  # fmt: skip


def test_a_planted_near_copy_is_dropped_whether_it_asks_or_answers() -> None:
    answer = Pair("what is copied here", near_copy(REFERENCE[3]), "docstring", "thief", "a.py:f")
    question = Pair(
        f"{REFERENCE[5][:60]}?", "some words that stand nowhere else but in this text", "cloze", "thief", ""
    )
    kept, overlap = without_copies([*made(50), answer, question], {"judged": REFERENCE})
    assert {pair.origin for pair in kept}.isdisjoint({"thief"}) and len(kept) == 50
    assert (overlap.checked, overlap.answers_dropped, overlap.questions_dropped) == (52, 1, 1)
    assert overlap.references == {"judged": 40}
    assert (overlap.planted, overlap.planted_found) == (PLANTED, PLANTED) and overlap.works


def test_a_check_against_nothing_does_not_say_that_it_works() -> None:
    kept, overlap = without_copies(made(5), {})
    assert len(kept) == 5 and not overlap.works and overlap.planted == 0


def test_what_judges_comes_from_origins_that_train_nothing() -> None:
    split = split_pairs(made(900), {"judged": REFERENCE}, 400, 50)
    judges = {pair.origin for pair in (*split.code, *split.prose)}
    assert judges == set(split.held_out) and judges.isdisjoint({pair.origin for pair in split.train})
    assert {pair.kind for pair in split.code} == {"docstring"} and {pair.kind for pair in split.prose} == {"summary"}
    assert len(split.code) == len(split.prose) == 50
    assert split == split_pairs(made(900)[::-1], {"judged": REFERENCE}, 400, 50), "whatever the order"


def test_of_few_origins_files_are_held_out() -> None:
    split = split_pairs(made(400, origins=2), {}, 300, 30)
    judges = {pair.place for pair in (*split.code, *split.prose)}
    assert judges and judges.isdisjoint({pair.place for pair in split.train})


def test_any_number_of_pairs_may_be_asked_for() -> None:
    pairs = made(900, kinds=("docstring", "name", "summary", "heading", "cloze"))
    for count in (1, 10, 50, 150, 250):
        assert 0 < len(split_pairs(pairs, {}, count, 10).train) <= count


def test_of_nine_origins_one_is_held_out_whatever_they_are_called() -> None:
    for one in range(12):
        pairs = [replace(pair, origin=f"{one}-{pair.origin}") for pair in made(90, origins=9)]
        split = split_pairs(pairs, {}, 40, 10)
        assert len(split.held_out) < 9 and {pair.origin for pair in split.train}.isdisjoint(split.held_out)


def test_too_little_is_said_in_figures() -> None:
    with pytest.raises(ConfigError, match=r"1 pairs were mined.*name more packages"):
        split_pairs(made(1), {}, 100, 10)
