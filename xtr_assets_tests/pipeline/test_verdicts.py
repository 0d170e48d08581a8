"""What a recall is held against: the mean, the lower bound, or the upper one where a sample can prove nothing."""

import numpy as np
import pytest

from xtr_assets.core.recall import RecallReport, lower_bound, upper_bound
from xtr_assets.pipeline.gate.index_recall import evidence


def report(*per_query: float) -> RecallReport:
    values = np.array(per_query)
    return RecallReport(float(values.mean()), lower_bound(values), len(values), 10, 0.95, ())


def passes(one: RecallReport, threshold: float = 0.93, *, exact: bool = False, few: bool = True) -> bool:
    return evidence(one, threshold, exact, few)[0] >= threshold


@pytest.mark.parametrize("count", [1, 2, 10, 35])
def test_a_small_change_that_is_found_is_not_refused_for_being_small(count: int) -> None:
    assert passes(report(*[1.0] * count))
    assert not passes(report(*[1.0] * count), few=False)


@pytest.mark.parametrize("count", [1, 2, 10, 35])
def test_new_rows_that_are_lost_are_refused_however_few(count: int) -> None:
    assert not passes(report(*[0.0] * count))


def test_one_hard_query_is_no_proof_of_loss() -> None:
    assert passes(report(0.5))
    assert passes(report(0.5, 1.0))
    assert passes(report(0.3))
    assert not passes(report(0.1))
    assert not passes(report(0.3, 0.3))
    assert not passes(report(0.5, 0.5, 0.5, 0.5))


def test_a_sample_that_can_prove_the_threshold_has_to() -> None:
    mixed = report(*[1.0] * 34, *[0.5] * 6)
    assert mixed.mean > 0.92
    assert not passes(mixed)
    assert passes(report(*[1.0] * 40))


def test_a_threshold_above_one_never_passes() -> None:
    assert not passes(report(1.0), 1.01)
    assert not passes(report(*[1.0] * 40), 1.01)
    assert not passes(report(1.0), 1.01, exact=True)


def test_the_upper_bound_by_hand() -> None:
    # Wilson with p = 0: z^2 / (n + z^2), z = 1.6449.
    assert upper_bound(0.0, 10) == pytest.approx(2.7055 / 12.7055, abs=1e-4)
    assert upper_bound(1.0, 10) == 1.0
