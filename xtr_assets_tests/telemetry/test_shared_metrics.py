"""Metrics of several processes as one: sums never go back, states of the dead are gone."""

from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from xtr_assets.telemetry import shared_metrics
from xtr_assets.telemetry.shared_metrics import SharedMetrics


class Process:
    """A process with metrics of its own."""

    def __init__(self, folder: Path, name: str) -> None:
        self.registry = CollectorRegistry()
        self.asked = Counter("xtr_assets_asked_total", "Asked.", ["mode"], registry=self.registry)
        self.open = Gauge("xtr_assets_open_generation", "Open.", ["warehouse"], registry=self.registry)
        self.rows = Gauge("xtr_assets_index_rows", "Rows.", registry=self.registry)
        self.seconds = Histogram("xtr_assets_seconds", "Seconds.", buckets=(0.1, 1.0), registry=self.registry)
        self.shared = SharedMetrics(folder, name)


@pytest.fixture
def two(tmp_path: Path) -> tuple[Process, Process]:
    return Process(tmp_path, "worker-1"), Process(tmp_path, "worker-2")


def written(process: Process, monkeypatch: pytest.MonkeyPatch, more: dict[str, int] | None = None) -> None:
    monkeypatch.setattr(shared_metrics, "REGISTRY", process.registry)
    process.shared.write(more)


def lines(process: Process, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    monkeypatch.setattr(shared_metrics, "REGISTRY", process.registry)
    return {line for line in process.shared.render().decode().splitlines() if not line.startswith("#")}


def test_sums_are_added_and_of_states_the_one_that_matters_counts(
    two: tuple[Process, Process], monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, one in enumerate(two, 1):
        one.asked.labels("dense").inc(number)
        one.open.labels("w").set(6 + number)
        one.rows.set(100 * number)
        one.seconds.observe(0.5)
        written(one, monkeypatch)
    two[1].asked.labels("xtr").inc()
    written(two[1], monkeypatch)
    told = lines(two[0], monkeypatch)
    assert told == lines(two[1], monkeypatch)
    assert {
        'xtr_assets_asked_total{mode="dense"} 3.0',
        'xtr_assets_asked_total{mode="xtr"} 1.0',
        'xtr_assets_open_generation{warehouse="w"} 7.0',
        "xtr_assets_index_rows 200.0",
        'xtr_assets_seconds_bucket{le="0.1"} 0.0',
        'xtr_assets_seconds_bucket{le="1.0"} 2.0',
        'xtr_assets_seconds_bucket{le="+Inf"} 2.0',
        "xtr_assets_seconds_count 2.0",
        "xtr_assets_seconds_sum 1.0",
    } <= told


def test_what_the_dead_counted_stays_and_what_they_were_goes(
    two: tuple[Process, Process], monkeypatch: pytest.MonkeyPatch
) -> None:
    for one in two:
        one.asked.labels("dense").inc(5)
    two[0].rows.set(1000)
    two[1].rows.set(10)
    written(two[0], monkeypatch, {"sampled": 3})
    written(two[1], monkeypatch, {"sampled": 1})
    assert "xtr_assets_index_rows 1000.0" in lines(two[1], monkeypatch)
    two[1].shared.bury("worker-1")
    third = Process(two[0].shared.folder, "worker-3")
    third.asked.labels("dense").inc()
    for buried in (False, True):
        told = lines(third, monkeypatch)
        assert 'xtr_assets_asked_total{mode="dense"} 11.0' in told and "xtr_assets_index_rows 10.0" in told
        if not buried:
            third.shared.bury("never-there")
    written(two[1], monkeypatch, {"sampled": 1})
    assert sorted(one["sampled"] for one in third.shared.others()) == [1, 3]


def test_who_tells_and_who_is_scraped_do_not_write_at_once(
    two: tuple[Process, Process], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Threads of a server: one took the file of the other away, and what it had counted before came after."""
    one, put, counted = two[0], SharedMetrics._put, Event()

    def late(*given: Any) -> None:
        monkeypatch.setattr(SharedMetrics, "_put", put)
        counted.set()
        # Whoever does not wait for this one writes now, what was counted since.
        assert not scrape.done() and not wait([scrape], 0.1).done
        put(*given)

    monkeypatch.setattr(SharedMetrics, "_put", late)
    monkeypatch.setattr(shared_metrics, "REGISTRY", one.registry)
    with ThreadPoolExecutor(2) as pool:
        scrape: Future[bytes] = Future()
        teller = pool.submit(one.shared.write)
        assert counted.wait(10)
        one.asked.labels("dense").inc()
        scrape = pool.submit(one.shared.render)
        teller.result()
        assert 'mode="dense"} 1.0' in scrape.result().decode()
    assert 'xtr_assets_asked_total{mode="dense"} 1.0' in lines(two[1], monkeypatch)


def test_a_file_that_is_half_written_is_nobodys(two: tuple[Process, Process], monkeypatch: pytest.MonkeyPatch) -> None:
    two[0].asked.labels("dense").inc()
    (two[0].shared.folder / ".worker-9.1.tmp").write_bytes(b'{"families": [')
    assert 'xtr_assets_asked_total{mode="dense"} 1.0' in lines(two[0], monkeypatch)
