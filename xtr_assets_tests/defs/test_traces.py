"""One trace from the sensor to the pointer, and a link from the first search on the new generation to it."""

import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from xtr_assets.defs.context import TRACE_TAG
from xtr_assets.search.searcher import Searcher
from xtr_assets.storage.manifest import TRACE_NOTE
from xtr_assets.telemetry.tracing import began, below, span, traceparent
from xtr_assets_tests.defs.conftest import Project
from xtr_assets_tests.defs.test_sensors import Daemon


@pytest.fixture
def exporter(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    provider, memory = TracerProvider(), InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(memory))
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    yield memory
    provider.shutdown()


def place(one: ReadableSpan) -> tuple[int, int]:
    assert one.context is not None
    return one.context.trace_id, one.context.span_id


def links(one: ReadableSpan) -> list[tuple[int, int]]:
    return [(link.context.trace_id, link.context.span_id) for link in one.links]


def test_from_the_sensor_to_the_first_search(fresh: Project, exporter: InMemorySpanExporter) -> None:
    assert Daemon(fresh).settle() == (1, 1)
    by_name = {one.name: one for one in exporter.get_finished_spans()}
    # Sensor to run to step: the steps of a run are below the tick that asked for it.
    for sensor, steps in (("source_changes", ("chunks", "encode")), ("automation", ("generation", "publish"))):
        asked = by_name[f"sensor.{sensor}"]
        assert asked.parent is None
        for step in steps:
            below_it = by_name[f"build.{step}"]
            assert below_it.parent is not None
            assert (below_it.parent.trace_id, below_it.parent.span_id) == place(asked), step
    # Time passed between them: the build has a trace of its own that links to what was ingested before it.
    asked, ingested = by_name["sensor.automation"], by_name["sensor.source_changes"]
    assert links(asked) == [place(ingested)]
    assert place(asked)[0] != place(ingested)[0]
    assert all(TRACE_TAG in run.tags for run in fresh.instance.get_runs())

    exporter.clear()
    with Searcher(fresh.warehouse, "cpu") as searcher:
        searcher.search("insert an item", k=1)
        searcher.search("insert an item", k=1)
    first, second = (one for one in exporter.get_finished_spans() if one.name == "search")
    assert links(first) == [place(by_name["build.publish"])]
    assert links(second) == []


def test_a_build_from_the_shell_is_one_trace_with_its_runs(project: Project, exporter: InMemorySpanExporter) -> None:
    (project.modules / "queue.py").unlink()
    assert project.build().published
    spans = {one.name: one for one in exporter.get_finished_spans()}
    assert {place(one)[0] for name, one in spans.items() if name.startswith("build.")} == {place(spans["build"])[0]}


def test_where_nobody_listens_nothing_is_kept(project: Project) -> None:
    assert (traceparent(), began("sensor.any", 0.0)) == (None, None)
    generation = project.warehouse.published
    assert generation is not None and TRACE_NOTE not in generation.manifest.notes


@pytest.mark.parametrize("told", ["", "00-", "00-" + "0" * 32 + "-" + "0" * 16 + "-01", "\0", "x" * 10_000])
def test_a_parent_that_is_none_is_nobodys(exporter: InMemorySpanExporter, told: str) -> None:
    with below(told), span("search", told):
        pass
    (made,) = exporter.get_finished_spans()
    assert made.parent is None and links(made) == []


class Collector(BaseHTTPRequestHandler):
    got: list[tuple[str, bytes]] = []  # noqa: RUF012 (one test uses it)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.got.append((self.path, body))
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        return None


SCRIPT = "from xtr_assets.telemetry.tracing import span\nwith span('search', mode='hybrid'): pass\n"


def emitted(**environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, check=True, timeout=60
    )


def test_the_standard_variables_send_spans_to_a_collector_and_their_absence_does_not() -> None:
    with HTTPServer(("127.0.0.1", 0), Collector) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        emitted()
        emitted(OTEL_EXPORTER_OTLP_ENDPOINT=address, OTEL_SDK_DISABLED="true")
        emitted(OTEL_EXPORTER_OTLP_ENDPOINT=address, OTEL_TRACES_EXPORTER="none")
        assert Collector.got == []
        emitted(OTEL_EXPORTER_OTLP_ENDPOINT=address, OTEL_EXPORTER_OTLP_COMPRESSION="none")
        server.shutdown()
    ((path, body),) = Collector.got
    assert path == "/v1/traces"
    assert b"search" in body and b"xtr_assets.mode" in body and b"xtr-assets" in body
