"""Telling an endpoint of failed runs, against a server on this machine."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import dagster as dg
import pytest

from xtr_assets.config import RecallConfig, parse_config
from xtr_assets.core.errors import ConfigError
from xtr_assets.defs import build_index_defs
from xtr_assets.defs.component import IndexComponent
from xtr_assets.defs.webhook import post
from xtr_assets_tests.defs.conftest import CONFIG, Project


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
    defs = build_index_defs(project.config)
    result = defs.resolve_job_def("compact").execute_in_process(instance=project.instance, raise_on_error=False)
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
    assert document["tags"] == {
        "xtr-assets/index": "small",
        "xtr-assets/kind": "compact",
        "xtr-assets/compact": "true",
    }


def test_without_a_webhook_nobody_is_told(project: Project, endpoint: Endpoint) -> None:
    fail(project)
    assert endpoint.got == []


def test_an_endpoint_that_stumbles_is_tried_again_and_one_that_is_down_is_an_error(endpoint: Endpoint) -> None:
    endpoint.answers = [500, 503]
    post(endpoint.address, {"text": "x"}, waits=(0.0, 0.0))
    assert len(endpoint.got) == 3
    endpoint.answers = [500, 500, 500]
    with pytest.raises(OSError, match="500"):
        post(endpoint.address, {"text": "x"}, waits=(0.0, 0.0))


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


def test_an_address_that_is_none_is_refused_by_the_config(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"upkeep\.failure_webhook.*ftp://somewhere"):
        parse_config(CONFIG.format(name="small") + "upkeep: {failure_webhook: 'ftp://somewhere'}\n", tmp_path)


def test_the_component_gives_the_definitions_of_its_config(tmp_path: Path) -> None:
    (tmp_path / "xtr.yaml").write_text(CONFIG.format(name="small"))
    (tmp_path / "modules").mkdir()
    context = dg.ComponentTree.for_test().load_context
    component = IndexComponent(config=str(tmp_path / "xtr.yaml"), prefix="a_")
    defs = component.build_defs(context)
    dg.Definitions.validate_loadable(defs)
    assert dg.AssetKey(["small", "published"]) in defs.resolve_all_asset_keys()
    assert {"a_rebuild", "a_compact"} <= {job.name for job in defs.jobs or []}
