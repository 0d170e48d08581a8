import json

import numpy as np
import pytest

from xtr_assets.core.errors import InvalidInput
from xtr_assets.core.recall import (
    MAXSIM_TIE_TOLERANCE,
    lower_bound,
    recall_at_k,
    recall_report,
    student_quantile,
)


def test_recall_is_the_share_of_exact_rows_that_were_found_in_any_order() -> None:
    found = np.array([[3, 1, 2], [9, 8, 7], [5, -1, -1]])
    exact = np.array([[1, 2, 3], [1, 8, 2], [5, 6, -1]])
    assert recall_at_k(found, exact).tolist() == [1.0, 1 / 3, 0.5]


def test_a_row_returned_twice_counts_once() -> None:
    assert recall_at_k(np.array([[1, 1]]), np.array([[1, 2]])).tolist() == [0.5]


def test_a_query_without_exact_neighbours_misses_nothing() -> None:
    assert recall_at_k(np.array([[-1]]), np.array([[-1]])).tolist() == [1.0]


def test_a_row_tied_with_the_kth_neighbour_stands_for_it() -> None:
    found, exact = np.array([[1, 7]]), np.array([[1, 2]])
    exact_scores = np.array([[0.9, 0.5]], np.float32)
    tied = np.array([[0.9, 0.5]], np.float32)
    worse = np.array([[0.9, 0.49]], np.float32)
    assert recall_at_k(found, exact, tied, exact_scores).tolist() == [1.0]
    assert recall_at_k(found, exact, worse, exact_scores).tolist() == [0.5]


def test_a_tie_cannot_stand_for_a_neighbour_above_the_kth() -> None:
    found, exact = np.array([[2, 7]]), np.array([[1, 2]])
    scores = np.array([[0.5, 0.5]], np.float32)
    assert recall_at_k(found, exact, scores, np.array([[0.9, 0.5]], np.float32)).tolist() == [0.5]


def test_an_inflated_score_is_no_tie() -> None:
    found, exact = np.array([[1, 7]]), np.array([[1, 2]])
    scores = np.array([[0.9, 5.0]], np.float32)
    assert recall_at_k(found, exact, scores, np.array([[0.9, 0.5]], np.float32)).tolist() == [0.5]


def test_what_ties_is_said_by_the_tolerance_and_the_lowest_of_the_exact_scores() -> None:
    found, exact = np.array([[7, 8]]), np.array([[1, 2]])
    # The reference scores copies in blocks of other shapes, so that the last of them need not be the lowest.
    copies, theirs = np.array([[0.20191965, 0.20191966]], np.float32), np.array([[0.20192103, 0.20192103]], np.float32)
    assert recall_at_k(found, exact, theirs, copies).tolist() == [0.0]
    assert recall_at_k(found, exact, theirs, copies, MAXSIM_TIE_TOLERANCE).tolist() == [1.0]
    assert recall_at_k(found, exact, theirs - 1e-3, copies, MAXSIM_TIE_TOLERANCE).tolist() == [0.0]


def test_lists_of_different_query_counts_are_refused_with_both() -> None:
    with pytest.raises(InvalidInput, match="1 queries were searched, 2 have"):
        recall_at_k(np.zeros((1, 1), np.int64), np.zeros((2, 1), np.int64))


@pytest.mark.parametrize(
    ("confidence", "freedom", "quantile"),
    # Printed tables of Student's distribution, one-sided.
    [
        (0.95, 1, 6.3138),
        (0.95, 2, 2.9200),
        (0.95, 3, 2.3534),
        (0.95, 10, 1.8125),
        (0.975, 7, 2.3646),
        (0.99, 199, 2.3452),
    ],
)
def test_student_quantiles_are_those_of_the_tables(confidence: float, freedom: int, quantile: float) -> None:
    assert student_quantile(confidence, freedom) == pytest.approx(quantile, abs=6e-5)


def test_the_lower_bound_is_the_t_interval_by_hand() -> None:
    # mean 0.75, sample deviation of (1, 1, 0.5, 0.5): sqrt(4 * 0.0625 / 3) = 0.288675, t(0.95, 3) = 2.3534
    assert lower_bound(np.array([1, 1, 0.5, 0.5])) == pytest.approx(0.75 - 2.353363 * 0.288675 / 2, abs=1e-5)


def test_without_spread_the_bound_is_wilsons_and_not_certainty() -> None:
    z = 1.6448536
    assert lower_bound(np.ones(100)) == pytest.approx(100 / (100 + z * z))
    assert lower_bound(np.ones(1)) == pytest.approx(1 / (1 + z * z))
    assert lower_bound(np.zeros(50)) == 0.0
    tenths = np.full(200, 0.9)
    assert np.std(tenths, ddof=1) > 0.0, "in binary they do"
    assert lower_bound(tenths) < 0.87


def test_no_queries_give_no_bound() -> None:
    with pytest.raises(InvalidInput, match="0 queries"):
        lower_bound(np.empty(0))


def test_a_report_holds_the_curve_of_smaller_k_and_is_json() -> None:
    exact = np.tile(np.arange(10), (4, 1))
    found = exact.copy()
    found[:, 9] = 99
    found[0, 0] = 98
    report = recall_report(found, exact, 10, nprobe_curve=[(1, 0.5, 0.01)])
    assert report.mean == pytest.approx((0.8 + 0.9 * 3) / 4)
    assert [k for k, _ in report.curve] == [1, 5, 10]
    assert report.curve[0][1] == 0.75
    assert report.queries == 4
    assert report.lower_bound < report.mean
    assert json.loads(json.dumps(report.as_json()))["nprobe_curve"] == [[1, 0.5, 0.01]]


def test_a_report_needs_k_exact_neighbours() -> None:
    with pytest.raises(InvalidInput, match="the lists hold 3"):
        recall_report(np.zeros((1, 3), np.int64), np.zeros((1, 3), np.int64), 5)
