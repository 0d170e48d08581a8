import json

import pytest

from xtr_assets.pipeline.costs import step
from xtr_assets.telemetry import metrics


def test_a_step_reports_its_times_and_what_it_counted() -> None:
    with step("some_step") as running:
        running.count(rows=3, bytes=100)
        running.count(rows=4)
    report = running.report()
    assert list(report) == ["seconds", "cpu_seconds", "rows", "bytes"]
    assert report["rows"] == 4
    assert running.seconds > 0
    json.dumps(report)


def test_a_step_that_fails_is_timed_too() -> None:
    with pytest.raises(ZeroDivisionError), step("failing_step"):
        1 / 0  # noqa: B018
    assert b'xtr_assets_build_step_seconds_count{step="failing_step"} 1.0' in metrics.render()
