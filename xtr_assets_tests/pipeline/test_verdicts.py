"""What a recall is held against: the mean, or the lower bound where an index is not exact."""

import numpy as np
import pytest

from xtr_assets.core.recall import RecallReport, lower_bound, upper_bound
from xtr_assets.pipeline.gate.index_recall import judge


def report(*per_query: float) -> RecallReport:
    values = np.array(per_query)
    return RecallReport(float(values.mean()), lower_bound(values), len(values), 10, 0.95, ())


def passes(one: RecallReport, threshold: float = 0.93, *, exact: bool = False) -> bool:
    return judge("recall", one, threshold, exact=exact).passed


@pytest.mark.parametrize("count", [1, 2, 10, 35])
def test_an_index_with_lists_has_to_prove_its_recall(count: int) -> None:
    assert not passes(report(*[1.0] * count))
    assert not passes(report(*[0.0] * count))
    assert passes(report(*[1.0] * 40))


@pytest.mark.parametrize("count", [1, 2, 10, 35])
def test_an_exact_index_is_judged_by_its_mean(count: int) -> None:
    assert passes(report(*[1.0] * count), exact=True)
    assert not passes(report(*[0.9] * count), exact=True)


def test_a_mean_near_the_threshold_is_no_proof() -> None:
    mixed = report(*[1.0] * 34, *[0.5] * 6)
    assert mixed.mean > 0.92
    assert not passes(mixed, 0.92)
    assert passes(mixed, 0.92, exact=True)


def test_a_threshold_above_one_never_passes() -> None:
    assert not passes(report(1.0), 1.01)
    assert not passes(report(*[1.0] * 40), 1.01)
    assert not passes(report(1.0), 1.01, exact=True)


def test_the_upper_bound_by_hand() -> None:
    # Wilson with p = 0: z^2 / (n + z^2), z = 1.6449.
    assert upper_bound(0.0, 10) == pytest.approx(2.7055 / 12.7055, abs=1e-4)
    assert upper_bound(1.0, 10) == 1.0
