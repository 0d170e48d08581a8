"""Telling an endpoint of failed runs, against a server on this machine."""

import contextlib
import json
import logging
import re
import shutil
import socket
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import dagster as dg
import pytest

from xtr_assets.config import RecallConfig, parse_config
from xtr_assets.core.errors import ConfigError, ProviderError
from xtr_assets.defs import build_index_defs
from xtr_assets.defs.webhook import post
from xtr_assets.telemetry import metrics
from xtr_assets_tests.defs.conftest import CONFIG, Project

OUTCOMES = ("failed", "refused")


class Endpoint(ThreadingHTTPServer):
    """Answers with the next of `answers`, then with 200, and keeps what it was sent."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: list[int] = []
        self.got: list[tuple[str, str, dict[str, object]]] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hook"


class Handler(BaseHTTPRequestHandler):
    server: Endpoint

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((self.path, self.headers["Content-Type"], json.loads(body)))
        self.send_response(self.server.answers.pop(0) if self.server.answers else 200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with Endpoint() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def fail(project: Project) -> None:
    """Let a run of compact fail (the settings are no longer those of what serves), and show it to `run_failure`."""
    project.config = project.config.model_copy(update={"recall": RecallConfig(queries=11)})
    show(project, "compact")


def show(project: Project, job: str) -> None:
    """Let a run of a job fail, and show it to `run_failure`."""
    defs = build_index_defs(project.config)
    result = defs.resolve_job_def(job).execute_in_process(instance=project.instance, raise_on_error=False)
    assert not result.success
    context = dg.build_run_status_sensor_context(
        "run_failure", result.get_run_failure_event(), project.instance, result.dagster_run
    ).for_run_failure()
    defs.resolve_sensor_def("run_failure")(context)


def test_a_failed_run_is_posted_as_json(project: Project, endpoint: Endpoint) -> None:
    project.configure(CONFIG.format(name="small") + f"upkeep: {{failure_webhook: '{endpoint.address}'}}\n")
    fail(project)
    ((path, kind, document),) = endpoint.got
    assert (path, kind) == ("/hook", "application/json")
    assert (document["index"], document["job"]) == ("small", "compact")
    assert document["run_id"] == project.instance.get_runs(limit=1)[0].run_id
    assert str(document["text"]).startswith("compact of small failed: ")
    # Dagster's own message names the step alone.
    assert "small__generation: GenerationError: " in str(document["message"])
    assert document["tags"] == {
        "xtr-assets/index": "small",
        "xtr-assets/kind": "compact",
        "xtr-assets/compact": "true",
    }


def test_a_refused_build_is_told_by_what_its_check_found_and_what_helps(project: Project, endpoint: Endpoint) -> None:
    strict = CONFIG.format(name="small").replace("queries: 10", "queries: 10, dense: 1.01")
    project.configure(f"{strict}upkeep: {{failure_webhook: '{endpoint.address}'}}\n")
    show(project, "rebuild")
    ((_, _, document),) = endpoint.got
    message = str(document["message"])
    assert re.search(r"dense_recall: .* 1.01 is asked; `xtr-assets tune`", message) and message in str(document["text"])
    assert "DagsterAssetCheck" not in message


def test_a_failed_job_that_builds_nothing_is_no_failed_build(project: Project) -> None:
    def counted() -> list[float]:
        found = [metrics.REGISTRY.get_sample_value("xtr_assets_builds_total", {"outcome": one}) for one in OUTCOMES]
        return [one or 0.0 for one in found]

    failed, refused = counted()
    fail(project)
    assert counted() == [failed + 1, refused]
    (project.warehouse.layout.generation(1) / "dense.faiss").write_bytes(b"")
    show(project, "verify")
    assert counted() == [failed + 1, refused]
    project.configure(CONFIG.format(name="small").replace("queries: 10", "queries: 10, dense: 1.01"))
    shutil.rmtree(project.warehouse.root)
    ingest = build_index_defs(project.config).resolve_job_def("ingest")
    assert ingest.execute_in_process(instance=project.instance, partition_key="modules").success
    show(project, "rebuild")
    assert counted() == [failed + 1, refused + 1]


def test_without_a_webhook_nobody_is_told(project: Project, endpoint: Endpoint) -> None:
    fail(project)
    assert endpoint.got == []


def test_an_endpoint_that_stumbles_is_tried_again_and_one_that_is_down_is_an_error(endpoint: Endpoint) -> None:
    endpoint.answers = [500, 503]
    post(endpoint.address, {"text": "x"}, waits=(0.0, 0.0))
    assert len(endpoint.got) == 3
    endpoint.answers = [500, 500, 500]
    with pytest.raises(
        ProviderError, match=r"^http://127.0.0.1:\d+/... was not told in 3 tries, the last: status 500$"
    ):
        post(endpoint.address, {"text": "x"}, waits=(0.0, 0.0))


# What a port may answer that is no HTTP, or none that ends well.
ANSWERS = {
    "no status line": b"garbage\r\n\r\n",
    "an empty answer": b"",
    "an endless line": b"HTTP/1.1 200 " + b"a" * 200_000,
    "an endless header": b"HTTP/1.1 200 OK\r\nx: " + b"a" * 200_000,
    "a status that is no number": b"HTTP/1.1 abc OK\r\n\r\n",
    "bytes that are no text": b"HTTP/1.1 \xff\xfe\r\n\xff: \xff\r\n\r\n",
    "a redirect": b"HTTP/1.1 302 Found\r\nLocation: http://elsewhere.invalid/SECRET\r\nContent-Length: 0\r\n\r\n",
    "a redirect to nonsense": b"HTTP/1.1 308 x\r\nLocation: http://[SECRET\r\nContent-Length: 0\r\n\r\n",
    "a half answer, held open": b"HTTP/1.1 2",
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_what_is_no_success_is_an_error_that_hides_the_path(
    answer: bytes, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("xtr_assets.defs.webhook.TIMEOUT_SECONDS", 0.5)
    caplog.set_level(logging.DEBUG)
    done = threading.Event()

    def serve(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection, contextlib.suppress(OSError):
            connection.recv(65536)
            connection.sendall(answer)
            if answer.endswith(b" 2"):
                done.wait(5)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        with pytest.raises(ProviderError, match="was not told in 1 tries") as raised:
            post(f"http://127.0.0.1:{listener.getsockname()[1]}/SECRET?token=SECRET", {"text": "x"}, waits=())
        done.set()
        thread.join()
    shown = str(raised.value) + caplog.text
    assert "SECRET" not in shown


@pytest.mark.parametrize(
    "address",
    [
        "http://",
        "http:///SECRET",
        "http://[::1/SECRET",
        "http://host:port/SECRET",
        "http://host:99999999/SECRET",
        "http://a b/SECRET",
        "http://\udcff/SECRET",
        "http://xn--\u00df\u00df..x/SECRET",
        "file:///etc/SECRET",
        "http://host/\nSECRET",
    ],
)
def test_an_address_that_cannot_be_one_is_said_without_it(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_HOOK", address)
    for given in ("$A_HOOK", address):
        with pytest.raises((ConfigError, ProviderError)) as raised:
            post(given, {"text": "x"}, waits=())
        assert "SECRET" not in str(raised.value)


def test_a_document_with_half_a_character_is_told_all_the_same(endpoint: Endpoint) -> None:
    post(endpoint.address, {"text": "path \udcff"}, waits=())
    assert endpoint.got[0][2] == {"text": "path \udcff"}


def test_an_endpoint_that_is_down_does_not_break_the_sensor(
    project: Project, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xtr_assets.defs.webhook.sleep", lambda _: None)
    project.configure(CONFIG.format(name="small") + f"upkeep: {{failure_webhook: '{endpoint.address}'}}\n")
    endpoint.answers = [500, 500, 500]
    fail(project)
    assert len(endpoint.got) == 3


def test_the_address_may_come_from_the_environment(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_HOOK", endpoint.address)
    post("$A_HOOK", {"text": "x"}, waits=())
    assert len(endpoint.got) == 1
    with pytest.raises(ConfigError, match=r"\$NO_HOOK, which holds no http address"):
        post("$NO_HOOK", {"text": "x"}, waits=())


def test_a_proxy_that_no_client_can_use_is_an_error_that_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://name:secret@127.0.0.1:9")
    monkeypatch.setitem(sys.modules, "socksio", None)
    with pytest.raises(ProviderError, match=r"no HTTP client can be made as .*ALL_PROXY.*socksio") as told:
        post("http://127.0.0.1:9/hook", {}, ())
    assert "secret" not in str(told.value)


def test_an_address_that_is_none_is_refused_by_the_config(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"`upkeep\.failure_webhook`: give an http address"):
        parse_config(CONFIG.format(name="small") + "upkeep: {failure_webhook: 'ftp://somewhere'}\n", tmp_path)
