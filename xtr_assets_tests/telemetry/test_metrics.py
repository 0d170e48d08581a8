"""The registry is the package's own, and says what happened."""

import pytest
from prometheus_client import REGISTRY as DEFAULT_REGISTRY
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from xtr_assets.telemetry import metrics


def _value(name: str, **labels: str) -> float:
    return metrics.REGISTRY.get_sample_value(name, labels) or 0.0


def test_a_timed_step_is_counted_also_when_it_fails() -> None:
    before = _value("xtr_assets_build_step_seconds_count", step="test_step")
    with metrics.build_step("test_step"):
        pass
    with pytest.raises(ValueError), metrics.build_step("test_step"):
        raise ValueError
    assert _value("xtr_assets_build_step_seconds_count", step="test_step") == before + 2


def test_results_of_checks_are_counted_by_name_and_verdict() -> None:
    before = _value("xtr_assets_checks_total", check="dense_recall", passed="false")
    metrics.count_check("dense_recall", False)
    assert _value("xtr_assets_checks_total", check="dense_recall", passed="false") == before + 1


def test_the_text_format_is_one_that_prometheus_parses() -> None:
    metrics.count_check("dense_recall", True)
    families = {family.name: family for family in text_string_to_metric_families(metrics.render().decode())}
    assert "xtr_assets_checks" in families
    assert all(family.documentation for family in families.values())


def test_nothing_is_put_into_the_registry_of_the_host_application() -> None:
    assert b"xtr_assets" not in generate_latest(DEFAULT_REGISTRY)


def test_a_host_application_can_add_the_registry_to_its_own() -> None:
    own = CollectorRegistry()
    own.register(metrics.REGISTRY)
    metrics.CHUNKS_ENCODED.inc()
    assert b"xtr_assets_chunks_encoded_total" in generate_latest(own)
