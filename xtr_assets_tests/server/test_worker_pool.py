"""Two workers behind one socket: they swap, are revoked, count and stop as one; one that dies is replaced."""

import os
import re
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from multiprocessing.context import SpawnContext, SpawnProcess
from pathlib import Path
from typing import Any

import httpx
import pytest

from xtr_assets.pipeline.queries.question_log import QuestionLog
from xtr_assets.server import worker_pool
from xtr_assets.server.runner import Address
from xtr_assets.server.settings import KeptLog, ServerSettings
from xtr_assets.server.worker_pool import WorkerPool
from xtr_assets.telemetry.shared_metrics import SharedMetrics
from xtr_assets_tests.core.test_owned_folder import dead
from xtr_assets_tests.fixtures import new_warehouse, publish_chunks
from xtr_assets_tests.server.site import version
from xtr_assets_tests.server.test_hot_swap import until

TOKENS = "anna 0123456789abcdef01\nbob 0123456789abcdef02\n"


@contextmanager
def pooled(settings: ServerSettings) -> Iterator[tuple[WorkerPool, str]]:
    pool = WorkerPool(settings)
    codes: list[int] = []
    thread = threading.Thread(target=lambda: codes.append(pool.run()), daemon=True)
    thread.start()
    try:
        until(lambda: pool.port > 0)
        yield pool, f"http://127.0.0.1:{pool.port}"
    finally:
        pool.stop()
        thread.join(60)
    assert not thread.is_alive() and codes == [0]


def fresh(url: str, path: str, token: str = "0123456789abcdef01", **headers: str) -> httpx.Response:
    """Over a connection of its own: whichever worker takes it."""
    return httpx.get(url + path, headers={"authorization": f"Bearer {token}", **headers}, timeout=30)


def total(text: str, metric: str) -> float:
    return sum(float(value) for value in re.findall(rf"^{metric}(?:{{[^}}]*}})? (\S+)$", text, re.MULTILINE))


def every(times: int, true: Callable[[], bool]) -> bool:
    return all(true() for _ in range(times))


@pytest.mark.parametrize("lacking", ["a process", "a descriptor"])
def test_a_worker_that_the_system_does_not_start_is_tried_again(
    lacking: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """No process is free in this moment; where none ever is, the command ends with 1."""

    def refused(*_: object) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    kind, name = (SpawnProcess, "start") if lacking == "a process" else (SpawnContext, "Pipe")
    monkeypatch.setattr(kind, name, refused)
    monkeypatch.setattr(worker_pool, "FIRST_PAUSE", 0.001)
    pool = WorkerPool(ServerSettings((("docs", tmp_path),), Address(port=0), workers=2))
    assert pool.run() == 1 and pool.pids == []
    assert caplog.text.count("Resource temporarily unavailable); it is tried again") >= 2 * worker_pool.MOST_DEATHS


class Dying:
    """Stands for a worker that ends at once."""

    pid, exitcode = 0, -9

    def __init__(self, **_: object) -> None:
        self.sentinel, end = socket.socketpair()
        end.close()

    def start(self) -> None: ...

    def is_alive(self) -> bool:
        return False

    def close(self) -> None:
        self.sentinel.close()


@pytest.mark.parametrize("full", ["bury", "write"])
def test_a_worker_that_dies_while_no_file_can_be_written_ends_no_server(
    full: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full, or no descriptor is free. What it counted is in the sums once there is room."""
    asked, real = count(1), getattr(SharedMetrics, full)

    def lacking(shared: SharedMetrics, *given: Any) -> None:
        if next(asked) == 2:
            raise OSError(28, "No space left on device")
        real(shared, *given)

    monkeypatch.setattr(SharedMetrics, full, lacking)
    monkeypatch.setattr(worker_pool, "FIRST_PAUSE", 0.001)
    pool = WorkerPool(ServerSettings((("docs", tmp_path),), Address(port=0), workers=2))
    monkeypatch.setattr(SpawnContext, "Process", Dying)
    assert pool.run() == 1 and pool._ended == [] and next(asked) > 4


def test_two_workers_are_one_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    killed = dead(tmp_path / "tmp")
    warehouse = new_warehouse(tmp_path / "w", version(1))
    tokens = tmp_path / "tokens"
    tokens.write_text(TOKENS)
    tokens.chmod(0o600)
    settings = ServerSettings(
        (("docs", tmp_path / "w"),),
        Address(port=0),
        tokens,
        device="cpu",
        workers=2,
        recall_share=1.0,
        recall_budget=1.0,
        logs=(KeptLog("docs", tmp_path / "log", 100_000),),
        poll_seconds=0.05,
    )
    with pooled(settings) as (pool, url):
        until(lambda: fresh(url, "/readyz").status_code == 200, 60)
        until(lambda: len(pool.pids) == 2)
        first = pool.pids
        (folder,) = (tmp_path / "tmp").glob("xtr-serve-*")
        assert folder != killed
        if hasattr(os, "sched_getaffinity"):
            assert set.union(*(os.sched_getaffinity(pid) for pid in first)) <= os.sched_getaffinity(0)
        _counted_as_one(url)
        _moved_as_one(url, lambda: publish_chunks(warehouse, version(2)))
        _revoked_in_both(url, tokens)
        _replaced_when_killed(pool, url, first)
    with pytest.raises(httpx.ConnectError):
        fresh(url, "/healthz")
    assert QuestionLog(tmp_path / "log", "docs", 100_000).texts()
    assert not any(_alive(pid) for pid in first)
    assert not [*(tmp_path / "tmp").glob("xtr-serve-*")]


def _counted_as_one(url: str) -> None:
    for number in range(24):
        answer = httpx.post(
            url + "/v1/search",
            json={"query": f"zebra {number}", "mode": "dense"},
            headers={"authorization": "Bearer 0123456789abcdef01"},
        )
        assert answer.status_code == 200, answer.text
    # A worker writes down what it counted a moment after it answered.
    for counted in ("xtr_assets_search_queries_total", "xtr_assets_server_requests_total"):
        until(lambda: total(fresh(url, "/metrics").text, counted) >= 24)  # noqa: B023
    # Every worker tells the same, and no sum goes back from one scrape to the next.
    sums = [total(fresh(url, "/metrics").text, "xtr_assets_server_requests_total") for _ in range(12)]
    assert sums == sorted(sums)
    until(lambda: every(4, lambda: _measured(url) == 24))


def _measured(url: str) -> int:
    found = fresh(url, "/v1/state").json()["live_recall"]["outcomes"]
    return int(found.get("measured", 0)) + int(found.get("dropped", 0))


def _moved_as_one(url: str, move: Callable[[], object]) -> None:
    """Also for who stays on a generation, whichever worker is met."""
    pinned = {"Xtr-Generation": "1"}
    assert fresh(url, "/v1/generation", **pinned).status_code == 200
    move()
    until(lambda: every(12, lambda: fresh(url, "/v1/generation").json()["generation"] == 2))
    assert every(12, lambda: fresh(url, "/v1/generation", **pinned).json()["generation"] == 1)
    assert fresh(url, "/v1/generation", **{"Xtr-Generation": "7"}).status_code == 410
    gauge = re.search(r"^xtr_assets_open_generation{.*} (\S+)$", fresh(url, "/metrics").text, re.MULTILINE)
    assert gauge is not None


def _revoked_in_both(url: str, tokens: Path) -> None:
    assert fresh(url, "/v1/generation", "0123456789abcdef02").status_code == 200
    renamed = tokens.with_suffix(".new")
    renamed.write_text(TOKENS.splitlines()[0])
    renamed.chmod(0o600)
    renamed.replace(tokens)
    assert every(12, lambda: fresh(url, "/v1/generation", "0123456789abcdef02").status_code == 401)
    assert fresh(url, "/v1/generation").status_code == 200


def _replaced_when_killed(pool: WorkerPool, url: str, first: list[int]) -> None:
    told = fresh(url, "/metrics").text
    before, deaths = (total(told, f"xtr_assets_{one}_total") for one in ("search_queries", "server_worker_deaths"))
    time.sleep(1.1)
    os.kill(first[0], signal.SIGKILL)
    until(lambda: first[0] not in pool.pids and len(pool.pids) == 2, 60)
    # What the dead one counted is still there, and the lease of generation 1 is known to the new one.
    until(lambda: total(fresh(url, "/metrics").text, "xtr_assets_server_worker_deaths_total") == deaths + 1)
    assert total(fresh(url, "/metrics").text, "xtr_assets_search_queries_total") >= before


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
