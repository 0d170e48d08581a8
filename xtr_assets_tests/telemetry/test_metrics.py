"""The registry is the package's own, and says what happened."""

import gc
import os
import subprocess
import sys
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from prometheus_client import REGISTRY as DEFAULT_REGISTRY
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from xtr_assets.core.errors import PublishRefused
from xtr_assets.search.searcher import Searcher
from xtr_assets.server.hosted_index import HostedIndex
from xtr_assets.telemetry import metrics
from xtr_assets_tests.fixtures import make_chunk, new_warehouse, publish_chunks


def _value(name: str, **labels: str) -> float:
    return metrics.REGISTRY.get_sample_value(name, labels) or 0.0


def _followed() -> set[str]:
    """Of which warehouses it is told when somebody followed their pointer last."""
    families = [one for one in metrics.REGISTRY.collect() if one.name == "xtr_assets_followed_seconds"]
    return {sample.labels["warehouse"] for one in families for sample in one.samples}


def test_a_timed_step_is_counted_also_when_it_fails() -> None:
    before = _value("xtr_assets_build_step_seconds_count", step="test_step")
    with metrics.build_step("test_step"):
        pass
    with pytest.raises(ValueError), metrics.build_step("test_step"):
        raise ValueError
    assert _value("xtr_assets_build_step_seconds_count", step="test_step") == before + 2


def test_the_last_run_of_a_step_is_shown_in_seconds() -> None:
    with metrics.build_step("test_last"):
        pass
    assert 0 < _value("xtr_assets_build_step_last_seconds", step="test_last") < 60


def test_every_move_of_the_pointer_is_counted_whoever_makes_it(tmp_path: Path) -> None:
    def counted() -> dict[str, float]:
        actions = ("publish", "forced", "refused", "rollback", "withdraw")
        return {action: _value("xtr_assets_publications_total", action=action) for action in actions}

    before = counted()
    warehouse = new_warehouse(tmp_path / "counted", [make_chunk("a.py", "a", "one")])
    publish_chunks(warehouse, [make_chunk("a.py", "a", "two")])
    assert _value("xtr_assets_published_generation", warehouse="counted") == 2
    searcher = Searcher(warehouse, "cpu")

    def behind() -> bool:
        moved, followed = (
            _value(f"xtr_assets_{name}_seconds", warehouse="counted") for name in ("pointer_moved", "followed")
        )
        return moved > followed

    assert not behind()
    warehouse.rollback(reason="it is worse")
    assert _value("xtr_assets_published_generation", warehouse="counted") == 1
    assert behind(), "it answers from what was taken back"
    searcher.refresh()
    assert not behind()
    with pytest.raises(PublishRefused):
        warehouse.publish(2)
    assert not behind()
    with Searcher(warehouse, "cpu", generation=2):
        # As the gate looks at a draft, or a server at what a client asked for by its number.
        assert _value("xtr_assets_open_generation", warehouse="counted") == 1
    searcher.close()
    assert "counted" not in _followed(), "nobody answers from there, so that nobody is behind"
    dropped, server = Searcher(warehouse, "cpu"), HostedIndex("docs", warehouse.root, "cpu")
    assert "counted" in _followed()
    del dropped
    gc.collect()
    assert "counted" not in _followed(), "nor is who was let go of without being closed"
    assert server.look() and "counted" in _followed()
    server.close()
    assert "counted" not in _followed()
    warehouse.publish(2, again_reason="it is not")
    warehouse.withdraw(2, "it is")
    assert _value("xtr_assets_published_generation", warehouse="counted") == 1
    made = {action: count - before[action] for action, count in counted().items()}
    # As the history says: what was sealed past its checks is forced whenever it is published.
    assert made == {"publish": 0, "forced": 3, "refused": 1, "rollback": 2, "withdraw": 1}


def test_of_two_warehouses_that_are_called_alike_the_one_behind_is_told() -> None:
    """`warehouse` is the default name: who followed hid who was stuck, in one process."""

    class Someone:
        """Who follows; nothing of it is looked at."""

    stuck, following = Someone(), Someone()
    metrics.FOLLOWERS.note("alike", stuck, 3)
    since = _value("xtr_assets_followed_seconds", warehouse="alike")
    metrics.FOLLOWERS.note("alike", following, 5)
    assert _value("xtr_assets_followed_seconds", warehouse="alike") == since
    assert _value("xtr_assets_open_generation", warehouse="alike") == 3
    metrics.FOLLOWERS.forget(stuck)
    assert _value("xtr_assets_open_generation", warehouse="alike") == 5
    metrics.FOLLOWERS.forget(following)
    metrics.FOLLOWERS.forget(following)
    assert "alike" not in _followed()


def test_a_server_answers_the_text_format_until_it_is_closed() -> None:
    metrics.CHUNKS_ENCODED.inc(0)
    with metrics.MetricsServer(0) as server, urlopen(f"http://127.0.0.1:{server.port}/metrics", timeout=10) as answer:
        assert b"xtr_assets_chunks_encoded_total" in answer.read()
    with pytest.raises(URLError), urlopen(f"http://127.0.0.1:{server.port}/metrics", timeout=10):
        pass


def test_a_process_writes_its_metrics_where_the_environment_says(tmp_path: Path) -> None:
    script = "from xtr_assets.telemetry import metrics as m; m.CHUNKS_ENCODED.inc(7); m.FOLLOWERS.note('w', m, 3)"
    environment = {**os.environ, metrics.FILE_VARIABLE: str(tmp_path / "xtr-{pid}.prom")}
    subprocess.run([sys.executable, "-c", script], env=environment, check=True)
    (written,) = tmp_path.glob("xtr-*.prom")
    assert written.stem.removeprefix("xtr-").isdigit()
    assert "xtr_assets_chunks_encoded_total 7.0" in (said := written.read_text())
    # Its searchers ended with it: they would be behind for ever.
    assert "xtr_assets_followed_seconds{" not in said and "xtr_assets_open_generation{" not in said


def test_a_file_that_cannot_be_written_is_said_and_no_error(tmp_path: Path) -> None:
    environment = {**os.environ, metrics.FILE_VARIABLE: str(tmp_path / "none" / "x.prom")}
    script = "import xtr_assets.telemetry.metrics"
    done = subprocess.run([sys.executable, "-c", script], env=environment, check=True, capture_output=True, text=True)
    assert "XTR_ASSETS_METRICS_FILE" in done.stderr and "was not written" in done.stderr


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
