"""Searches are counted, timed by phase and traced."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from xtr_assets.core.errors import InvalidInput
from xtr_assets.search import Searcher
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets.telemetry import metrics


def _value(name: str, **labels: str) -> float:
    return metrics.REGISTRY.get_sample_value(f"xtr_assets_{name}", labels) or 0.0


def test_a_batch_counts_as_one_call_and_each_of_its_queries(searcher: Searcher) -> None:
    calls, queries = _value("search_seconds_count", mode="xtr"), _value("search_queries_total", mode="xtr")
    searcher.search_batch(["zebra", "date", "parse"], 5, "xtr")
    assert _value("search_seconds_count", mode="xtr") == calls + 1
    assert _value("search_queries_total", mode="xtr") == queries + 3


def test_every_phase_of_a_hybrid_search_is_timed(searcher: Searcher) -> None:
    phases = ("encode", "filter", "retrieve", "rescore", "fuse", "hydrate", "explain")
    before = {phase: _value("search_phase_seconds_count", phase=phase) for phase in phases}
    searcher.search("zebra", 5, explain=True)
    assert {phase: _value("search_phase_seconds_count", phase=phase) - before[phase] for phase in phases} == (
        dict.fromkeys(phases, 1.0)
    )


def test_rescored_rows_and_candidates_are_counted(searcher: Searcher) -> None:
    before = _value("search_rescored_total", space="dense"), _value("search_candidates_sum", mode="exact")
    searcher.search("zebra", 5, "exact")
    rows = searcher.manifest.live_rows
    assert _value("search_rescored_total", space="dense") == before[0] + rows
    assert _value("search_candidates_sum", mode="exact") == before[1] + rows


def test_what_adds_to_maxsim_where_it_ranks_alone_is_counted_in_its_space(legs: Searcher) -> None:
    before = {space: _value("search_rescored_total", space=space) for space in ("dense", "xtr")}
    legs.search("zebra", 5, "xtr")
    counted = {space: _value("search_rescored_total", space=space) - count for space, count in before.items()}
    assert counted["dense"] == counted["xtr"] >= 100


def test_a_refused_search_is_counted_by_its_error(searcher: Searcher) -> None:
    before = _value("search_errors_total", error="InvalidInput")
    with pytest.raises(InvalidInput):
        searcher.search("zebra", -1)
    assert _value("search_errors_total", error="InvalidInput") == before + 1


def test_the_open_generation_is_a_gauge(warehouse: Warehouse, tmp_path: Path) -> None:
    # Of a folder name of its own: other tests have warehouses of the usual one open.
    shutil.copytree(warehouse.root, tmp_path / "gauged")
    with Searcher(Warehouse.open(tmp_path / "gauged"), "cpu") as opened:
        assert _value("open_generation", warehouse="gauged") == opened.generation


@pytest.fixture
def exporter(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    provider, memory = TracerProvider(), InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(memory))
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    yield memory
    provider.shutdown()


def test_a_search_is_a_span_with_its_steps_below(searcher: Searcher, exporter: InMemorySpanExporter) -> None:
    searcher.search("zebra", 5)
    spans = {span.name: span for span in exporter.get_finished_spans()}
    search = spans["search"]
    assert {"retrieve", "rescore", "hydrate"} <= set(spans)
    assert search.context is not None
    for name in ("retrieve", "rescore", "hydrate"):
        parent = spans[name].parent
        assert parent is not None and parent.span_id == search.context.span_id
    assert dict(search.attributes or {}) == {
        "xtr_assets.mode": "hybrid",
        "xtr_assets.k": 5,
        "xtr_assets.queries": 1,
        "xtr_assets.generation": searcher.generation,
    }
