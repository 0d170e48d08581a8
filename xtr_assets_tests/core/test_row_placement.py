"""Placing segments: rows stay, holes stay, the dead stay dead; bit order by hand."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xtr_assets.core.errors import InvalidInput
from xtr_assets.core.row_placement import (
    Placed,
    Placement,
    Wanted,
    mask_of,
    pack_tombstones,
    place,
    ranges_of,
    unpack_tombstones,
)

MASKS = st.lists(st.booleans(), max_size=40).map(lambda bits: np.array(bits, np.bool_))


@given(MASKS)
def test_runs_say_what_the_mask_says(mask: np.ndarray) -> None:
    runs = ranges_of(mask)
    assert np.array_equal(mask_of(runs, len(mask)), mask)
    assert all(stop < start for (_, stop), (start, _) in pairwise(runs))


@pytest.mark.parametrize("runs", [[(2, 2)], [(0, 3), (2, 4)], [(3, 6)], [(-1, 2)]])
def test_runs_that_are_empty_overlapping_or_outside_are_refused(runs: list[tuple[int, int]]) -> None:
    with pytest.raises(InvalidInput, match="does not fit 5 positions"):
        mask_of(runs, 5)


@given(MASKS)
def test_tombstones_come_back_as_the_live_mask(live: np.ndarray) -> None:
    assert np.array_equal(unpack_tombstones(pack_tombstones(live), len(live)), live)


def test_tombstone_of_row_nine_is_the_second_bit_of_the_second_byte() -> None:
    live = np.ones(10, np.bool_)
    live[9] = False
    assert pack_tombstones(live).tolist() == [0, 2]


def test_tombstones_of_another_length_are_refused() -> None:
    with pytest.raises(InvalidInput, match="10 rows take 2 bytes"):
        unpack_tombstones(np.zeros(3, np.uint8), 10)


def wanted(segment_id: str, dead: str) -> Wanted:
    return Wanted(segment_id, np.array([letter == "x" for letter in dead], np.bool_))


def test_the_first_generation_lies_without_holes() -> None:
    made = place([wanted("a", "..x"), wanted("b", "..")])
    assert made.segments == (Placed("a", 0, 3), Placed("b", 3, 2))
    assert made.live.tolist() == [True, True, False, True, True]


def test_a_segment_that_left_is_a_hole_and_new_ones_come_after_every_row_ever_given_out() -> None:
    parent = place([wanted("a", "..."), wanted("b", "..")])
    child = place([wanted("b", "x."), wanted("c", ".")], parent)
    assert child.segments == (Placed("b", 3, 2), Placed("c", 5, 1))
    assert child.live.tolist() == [False, False, False, False, True, True]


def test_rows_at_the_end_are_never_given_out_again() -> None:
    parent = place([wanted("a", "."), wanted("b", "..")])
    shrunk = place([wanted("a", ".")], parent)
    assert (shrunk.end_row, shrunk.live.tolist()) == (3, [True, False, False])
    assert place([wanted("a", "."), wanted("c", ".")], shrunk).segments == (Placed("a", 0, 1), Placed("c", 3, 1))


def test_a_row_that_is_dead_in_the_parent_never_comes_back_to_life() -> None:
    parent = place([wanted("a", "x.")])
    child = place([wanted("a", "..")], parent)
    assert child.segments == (Placed("a", 2, 2),)
    assert child.live.tolist() == [False, False, True, True]


def test_a_segment_in_two_shards_is_refused() -> None:
    with pytest.raises(InvalidInput, match="wanted twice"):
        place([wanted("a", "."), wanted("a", ".")])


@given(st.lists(st.dictionaries(st.sampled_from("abcdef"), st.text("x.", min_size=3, max_size=3)), max_size=6))
def test_over_any_history_rows_are_disjoint_and_every_live_row_is_counted_once(steps: list[dict[str, str]]) -> None:
    parent: Placement | None = None
    for step in steps:
        made = place([wanted(*item) for item in step.items()], parent)
        ends = [one.end_row for one in made.segments]
        assert all(end <= one.base_row for end, one in zip(ends, made.segments[1:], strict=False))
        assert made.end_row == len(made.live) >= max(ends, default=0)
        assert made.live.sum() == sum(dead.count(".") for dead in step.values())
        if parent is not None:
            assert made.end_row >= parent.end_row
            assert not np.any(made.live[: parent.end_row] & ~parent.live)
        parent = made
