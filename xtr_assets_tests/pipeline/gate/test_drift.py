import pytest

from xtr_assets.pipeline.gate.drift import LIMITS, Drift, lost, probes_needed


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
    assert lost(0.97, {}) is None
    assert lost(None, {"mean": 0.5, "lower_bound": 0.4}) is None
    assert probes_needed(None, 8, [(8, 0.9, 0.1)]) is None
    assert probes_needed(0.9, 0, [(8, 0.9, 0.1)]) is None
    assert probes_needed(0.9, 8, []) is None


def test_recall_that_few_new_queries_lack_by_chance_is_not_lost() -> None:
    assert lost(0.97, {"mean": 0.90, "lower_bound": 0.80}) == pytest.approx(-0.03)
    assert lost(0.97, {"mean": 0.90, "lower_bound": 0.89}) == pytest.approx(0.06)


@pytest.mark.parametrize(
    ("recall", "needed"),
    [(0.70, 0.5), (0.80, 0.5), (0.85, 0.75), (0.90, 1.0), (0.95, 1.5), (1.00, 2.0), (1.01, 2.0)],
)
def test_the_probes_a_recall_needs_are_read_from_the_curve(recall: float, needed: float) -> None:
    curve = [(20, 1.0, 0.2), (5, 0.8, 0.1), (10, 0.9, 0.1)]
    assert probes_needed(recall, 10, curve) == pytest.approx(needed)
