"""Spans reach a configured provider with their attributes, and cost no import where there is none."""

import subprocess
import sys
from collections.abc import Iterator

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from xtr_assets.telemetry.tracing import SILENT, phases, span


@pytest.fixture
def exporter(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    provider, memory = TracerProvider(), InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(memory))
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    yield memory
    provider.shutdown()


def test_spans_nest_and_carry_prefixed_attributes(exporter: InMemorySpanExporter) -> None:
    with span("search", mode="hybrid", k=10) as outer:
        with span("hydrate"):
            pass
        outer.set(hits=7)
    hydrate, search = exporter.get_finished_spans()
    assert (hydrate.name, search.name) == ("hydrate", "search")
    assert hydrate.parent is not None and search.context is not None
    assert hydrate.parent.span_id == search.context.span_id
    assert dict(search.attributes or {}) == {
        "xtr_assets.mode": "hybrid",
        "xtr_assets.k": 10,
        "xtr_assets.hits": 7,
    }


def test_an_error_marks_the_span_and_is_raised_on(exporter: InMemorySpanExporter) -> None:
    with pytest.raises(ValueError, match="broken"), span("search"):
        raise ValueError("broken")
    (finished,) = exporter.get_finished_spans()
    assert finished.status.status_code is trace.StatusCode.ERROR
    assert finished.events[0].name == "exception"


def test_phases_that_were_measured_become_spans_one_after_the_other(exporter: InMemorySpanExporter) -> None:
    with span("search"):
        phases({"retrieve": 0.002, "rescore": 0.001}, model="0a1b2c3d")
    retrieve, rescore, search = exporter.get_finished_spans()
    assert (retrieve.name, rescore.name) == ("retrieve", "rescore")
    assert retrieve.end_time == rescore.start_time
    assert retrieve.end_time is not None and retrieve.start_time is not None
    assert retrieve.end_time - retrieve.start_time == 2_000_000
    assert retrieve.parent is not None and search.context is not None
    assert retrieve.parent.span_id == search.context.span_id
    assert dict(retrieve.attributes or {}) == {"xtr_assets.model": "0a1b2c3d"}


def test_without_a_provider_the_api_is_not_even_imported() -> None:
    script = (
        "import sys\n"
        "from xtr_assets.telemetry.tracing import span\n"
        "with span('search', k=1) as s: s.set(hits=2)\n"
        "print('opentelemetry' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_without_a_provider_every_span_is_the_same_object() -> None:
    with span("a") as first, span("b") as second:
        first.set(n=1)
        phases({"c": 1.0})
    assert first is second is SILENT
