"""Which new rows every right answer contains, by hand."""

import numpy as np
import pytest

from xtr_assets.core.new_neighbors import certain_new, shares_by_row, shares_found, surely_at_most
from xtr_assets.core.types import Floats, Ints


def lists(*pairs: tuple[float, int]) -> tuple[Floats, Ints]:
    return np.array([[s for s, _ in pairs]], np.float32), np.array([[r for _, r in pairs]], np.int64)


def certain(exact: tuple[Floats, Ints], new: tuple[Floats, Ints], k: int) -> list[int]:
    found: list[int] = certain_new(*exact, *new, k)[0].tolist()
    return found


EXACT = lists((0.9, 1), (0.8, 7), (0.5, 8), (0.4, 9))


def test_only_new_rows_count_and_only_within_k() -> None:
    assert certain(EXACT, lists((0.8, 7), (0.4, 9)), 3) == [7]
    assert certain(EXACT, lists((0.8, 7), (0.4, 9)), 1) == []
    assert certain(EXACT, lists((-np.inf, -1)), 3) == []


def test_a_new_row_that_the_exact_lists_lack_counts_all_the_same() -> None:
    assert certain(EXACT, lists((0.85, 30)), 2) == [30]
    # It pushes row 7 to the third place.
    assert certain(EXACT, lists((0.85, 30), (0.8, 7)), 2) == [30]


def test_who_ties_for_the_last_place_is_not_certain() -> None:
    tied = lists((0.9, 1), (0.5, 7), (0.5, 8), (0.1, 9))
    assert certain(tied, lists((0.5, 7)), 2) == []
    assert certain(tied, lists((0.5, 7)), 3) == [7]


def test_below_the_end_of_a_full_list_nothing_is_certain() -> None:
    full = lists((0.9, 1), (0.8, 7))
    assert certain(full, lists((0.8, 7)), 2) == [], "a third row may tie"
    assert certain(lists((0.9, 1), (0.8, 7), (-np.inf, -1)), lists((0.8, 7)), 2) == [7]


def test_below_the_end_of_a_list_that_was_carried_over_nothing_is_certain() -> None:
    """Rows died out of it, and what stands behind its end is not known: old rows may lie between."""
    carried, new = lists((0.9, 1), (0.8, 2), (-np.inf, -1), (-np.inf, -1)), lists((0.3, 30))
    assert certain_new(*carried, *new, 3, live=50)[0].tolist() == []
    assert certain_new(*carried, *lists((0.85, 30)), 3, live=50)[0].tolist() == [30]
    assert certain_new(*carried, *new, 3, live=3)[0].tolist() == [30], "there is no other row"
    assert certain_new(*lists((-np.inf, -1)), *new, 1, live=50)[0].tolist() == []


def test_shares() -> None:
    found = np.array([[7, 1, -1], [9, 4, 5], [1, 2, 3]])
    shares = shares_found([np.array([7, 8]), np.array([4]), np.array([], np.int64)], found)
    assert shares.tolist()[:2] == [0.5, 1.0] and np.isnan(shares[2])


def test_queries_about_one_row_are_one_share() -> None:
    found = np.array([[7, 1], [3, 4], [5, 6], [9, 8]])
    certain_rows = [np.array([7]), np.array([7]), np.array([7, 9]), np.array([9])]
    assert shares_by_row(certain_rows, found).tolist() == pytest.approx([1 / 3, 1 / 2])
    assert shares_by_row([np.array([], np.int64)], found[:1]).tolist() == []


@pytest.mark.parametrize("count", [1, 2, 16, 50])
def test_the_bound_of_equal_values_by_hand(count: int) -> None:
    # (1 - p)^n = 0.001
    assert surely_at_most(np.zeros(count), 0.999) == pytest.approx(1 - 0.001 ** (1 / count), abs=1e-9)
    assert surely_at_most(np.ones(count), 0.999) == 1.0


def test_equal_thirds_are_no_certainty() -> None:
    thirds = np.full(50, 1 / 3)
    assert np.std(thirds, ddof=1) > 0.0, "in binary they vary"
    assert surely_at_most(thirds, 0.999) > 0.5


def test_a_healthy_index_is_refused_in_fewer_than_one_of_a_thousand_builds() -> None:
    chance = np.random.default_rng(5)
    for queries in (4, 16, 50):
        found = (chance.random((10_000, queries)) < 0.975).sum(axis=1)
        # The bound is of the values, whatever their order: one of each count that was drawn.
        bounds = {count: surely_at_most(np.repeat([1.0, 0.0], [count, queries - count]), 0.999) for count in set(found)}
        refused = np.mean([bounds[count] < 0.93 for count in found])
        assert refused < 0.001, (queries, refused)


def test_new_rows_that_are_lost_are_refused_from_three_queries_on() -> None:
    for queries in (3, 4, 16, 50):
        assert surely_at_most(np.zeros(queries), 0.999) < 0.93
    half = np.array([0.0, 1.0] * 25)
    assert surely_at_most(half, 0.999) < 0.93
