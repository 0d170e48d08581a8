import numpy as np
import pytest

from xtr_assets.core.new_neighbors import surely_at_most
from xtr_assets.pipeline.gate.drift import LIMITS, Drift, lost, probes_needed
from xtr_assets.pipeline.gate.finding import Finding
from xtr_assets.pipeline.gate.new_row_recall import Evidence, judge_new
from xtr_assets.storage.manifest import CheckRecord


def drift(**figures: float) -> Drift:
    values: dict[str, float | None] = {**dict.fromkeys(LIMITS), **figures}
    return Drift(trained=1, recall=0.97, **values)


@pytest.mark.parametrize("name", sorted(LIMITS))
def test_each_figure_alone_is_a_cause_past_its_limit_and_not_at_it(name: str) -> None:
    assert drift(**{name: LIMITS[name]}).causes == ()
    (cause,) = drift(**{name: LIMITS[name] + 0.5}).causes
    assert cause.startswith(f"{name} {LIMITS[name] + 0.5:.3f} > ")


def test_what_could_not_be_measured_is_no_figure_and_no_cause() -> None:
    assert drift().figures == {}
    assert drift().causes == ()
    assert lost(0.97, None) is None
    assert lost(0.97, record(Finding(True, None, 0.93, "no row is new", {"new_rows": 0}))) is None
    assert lost(0.97, record(judge_new("dense", Evidence(np.empty(0), 3, 2, 2), 2, 10, 0.93, exact=False))) is None
    assert lost(None, new_rows(1, 9)) is None
    assert probes_needed(None, 8, [(8, 0.9, 0.1)]) is None
    assert probes_needed(0.9, 0, [(8, 0.9, 0.1)]) is None
    assert probes_needed(0.9, 8, []) is None


def test_recall_that_few_new_queries_lack_by_chance_is_not_lost() -> None:
    # Of ten queries of an index that finds 0.97 two may miss their only new neighbour.
    chance = lost(0.97, new_rows(2, 8))
    assert chance is not None
    assert chance < 0.02
    hidden = lost(0.97, new_rows(20, 80))
    assert hidden is not None
    assert hidden == pytest.approx(0.97 - surely_at_most(np.repeat([0.0, 1.0], [20, 80]), 0.999))
    assert hidden > 0.02


def test_of_an_index_that_reads_everything_the_mean_is_no_estimate() -> None:
    missing = judge_new("dense", Evidence(np.repeat([0.0, 1.0], [1, 9]), 0, 0, 0), 10, 10, 0.93, exact=True)
    assert lost(1.0, record(missing)) == pytest.approx(0.1)


def new_rows(missed: int, found: int) -> CheckRecord:
    """The record of so many queries with one new neighbour each."""
    shares = np.repeat([0.0, 1.0], [missed, found])
    return record(judge_new("dense", Evidence(shares, 0, 0, 0), 50, 10, 0.93, exact=False))


def record(found: Finding) -> CheckRecord:
    return CheckRecord.model_construct(
        name="dense_recall_new_rows",
        passed=found.passed,
        value=found.value,
        threshold=found.threshold,
        details=dict(found.details),
    )


@pytest.mark.parametrize(
    ("recall", "needed"),
    [(0.70, 0.5), (0.80, 0.5), (0.85, 0.75), (0.90, 1.0), (0.95, 1.5), (1.00, 2.0), (1.01, 2.0)],
)
def test_the_probes_a_recall_needs_are_read_from_the_curve(recall: float, needed: float) -> None:
    curve = [(20, 1.0, 0.2), (5, 0.8, 0.1), (10, 0.9, 0.1)]
    assert probes_needed(recall, 10, curve) == pytest.approx(needed)
