"""A search leaves figures of its indexes in the metrics, and spans where somebody listens."""

import gc
from collections.abc import Iterator
from dataclasses import replace
from weakref import ref

import numpy as np
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import xtr_assets as xa
from xtr_assets.core.search_options import SearchOptions
from xtr_assets.index.dense.refinement import DenseResult
from xtr_assets.search import Searcher
from xtr_assets.search.instrumentation import observe_tokens
from xtr_assets.search.ranker import Mode
from xtr_assets.search.retrievers import DenseSpace, TokenSpace
from xtr_assets.telemetry import metrics
from xtr_assets.telemetry.tracing import SILENT


def value(name: str, **labels: str) -> float | None:
    return metrics.REGISTRY.get_sample_value(name, labels)


def shown(name: str, index: str, warehouse: xa.Warehouse) -> float | None:
    return value(f"xtr_assets_index_{name}", index=index, warehouse=warehouse.root.name)


@pytest.fixture
def own(warehouse: xa.Warehouse) -> Iterator[Searcher]:
    with Searcher(warehouse, device="cpu") as opened:
        yield opened


def test_what_is_open_is_shown_until_it_is_closed(warehouse: xa.Warehouse) -> None:
    with Searcher(warehouse, device="cpu") as searcher:
        rows = searcher._now().generation.live_rows
        assert shown("rows", "dense", warehouse) == shown("rows", "xtr", warehouse) == rows
        assert shown("rows", "lexical", warehouse) == rows
        parts = searcher._now().lexical.index.parts  # type: ignore[union-attr]
        assert shown("terms", "lexical", warehouse) == sum(len(one.postings.lists) - 1 for one in parts) > 0
        assert shown("postings", "lexical", warehouse) == sum(int(one.postings.lists[-1]) for one in parts) > 0
        assert (shown("dim", "dense", warehouse), shown("dim", "xtr", warehouse)) == (64, 32)
        assert shown("code_bytes", "dense", warehouse) == rows * 64 * 4
        assert (shown("gpu", "dense", warehouse), shown("cuvs", "dense", warehouse)) == (0, 0)
        (info,) = [
            sample.labels
            for family in metrics.OPEN_INDEXES.collect()
            for sample in family.samples
            if family.name == "xtr_assets_index"
            and (sample.labels["index"], sample.labels["warehouse"]) == ("dense", warehouse.root.name)
        ]
        assert info["recipe"] == "IVF16,Flat" and info["device_reason"] == "asked for"
        assert info["faiss"].startswith("faiss-") and "OPTIMIZE" in info["compile_options"]
    assert shown("rows", "dense", warehouse) is shown("rows", "lexical", warehouse) is None


def test_the_last_search_is_shown_with_its_settings(own: Searcher, warehouse: xa.Warehouse) -> None:
    random = np.random.default_rng(0)
    own.search_vectors(random.normal(size=(3, 64)).astype(np.float32), 7, nprobe=5)
    assert (shown("last_queries", "dense", warehouse), shown("last_nprobe", "dense", warehouse)) == (3, 5)
    # One more than asked for shows whether the last one ties with what was cut.
    assert shown("last_k", "dense", warehouse) == 8
    assert shown("last_kept", "dense", warehouse) == 1
    assert (shown("last_seconds", "dense", warehouse) or 0) > 0
    own.search("zebra lock", 6, "lexical")
    assert (shown("last_queries", "lexical", warehouse), shown("last_k", "lexical", warehouse)) == (1, 7)
    assert 0 < (shown("last_candidates", "lexical", warehouse) or 0) <= 7
    assert (shown("last_seconds", "lexical", warehouse) or 0) > 0
    own.search_tokens([random.normal(size=(4, 32)).astype(np.float32)], 6)
    assert (shown("last_queries", "xtr", warehouse), shown("last_k", "xtr", warehouse)) == (1, 7)
    assert (shown("last_rescored", "xtr", warehouse) or 0) >= 7


@pytest.mark.parametrize(
    ("histogram", "labels", "mode"),
    [
        ("xtr_assets_dense_seconds", {}, "dense"),
        ("xtr_assets_xtr_phase_seconds", {"phase": "retrieve"}, "xtr"),
        ("xtr_assets_xtr_phase_seconds", {"phase": "rescore"}, "xtr"),
    ],
)
def test_a_call_is_counted_once(own: Searcher, histogram: str, labels: dict[str, str], mode: Mode) -> None:
    before = value(f"{histogram}_count", **labels) or 0
    own.search("zebra index of a lock", 5, mode)
    assert value(f"{histogram}_count", **labels) == before + 1


def test_candidates_and_rescored_rows_of_the_token_index_are_counted(own: Searcher) -> None:
    before = value("xtr_assets_xtr_candidates_count") or 0, value("xtr_assets_xtr_rescored_sum") or 0
    own.search_batch(["zebra", "lock queue"], 5, "xtr")
    assert value("xtr_assets_xtr_candidates_count") == before[0] + 2
    assert (value("xtr_assets_xtr_rescored_sum") or 0) >= before[1] + 2 * 6


def test_what_a_query_imputed_is_shown(own: Searcher, warehouse: xa.Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    space = own._now().tokens
    assert isinstance(space, TokenSpace)
    (result,) = space.index.answer([np.eye(4, 32, dtype=np.float32)], SearchOptions(5))
    imputed = [replace(result, imputed_share=share) for share in (0.25, 0.75)]
    monkeypatch.setattr(space, "last", imputed)
    assert shown("last_imputed_share", "xtr", warehouse) == 0.5
    before = value("xtr_assets_xtr_imputed_share_sum") or 0
    observe_tokens(imputed, SILENT)
    assert value("xtr_assets_xtr_imputed_share_sum") == before + 1


@pytest.fixture
def exporter(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    provider, memory = TracerProvider(), InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(memory))
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    yield memory
    provider.shutdown()


def test_spans_name_the_phases_below_the_search_of_each_index(own: Searcher, exporter: InMemorySpanExporter) -> None:
    own.search("zebra index of a lock", 5)
    spans: dict[str, ReadableSpan] = {span.name: span for span in exporter.get_finished_spans()}
    below = {
        "dense.plan": "dense.search",
        "dense.rerank": "dense.search",
        "xtr.retrieve": "xtr.search",
        "xtr.rescore": "rescore",
        "dense.search": "retrieve",
        "xtr.search": "retrieve",
        "hydrate": "search",
    }
    for name, parent in below.items():
        found, above = spans[name].parent, spans[parent].context
        assert found is not None and above is not None and found.span_id == above.span_id, name
    asked = dict(spans["xtr.search"].attributes or {})
    assert asked["xtr_assets.dtype"] == "int8" and len(str(asked["xtr_assets.model"])) == 8
    assert {"xtr_assets.candidates", "xtr_assets.rescored", "xtr_assets.backend"} <= asked.keys()
    assert dict(spans["dense.search"].attributes or {})["xtr_assets.recipe"] == "IVF16,Flat"


def test_a_searcher_that_nobody_closed_can_go(warehouse: xa.Warehouse) -> None:
    searcher = Searcher(warehouse, device="cpu")
    opened = searcher._now().tokens
    assert isinstance(opened, TokenSpace)
    space: ref[TokenSpace] = ref(opened)
    del opened
    del searcher
    gc.collect()
    assert space() is None
    assert shown("rows", "xtr", warehouse) is None


def test_kept_is_the_share_of_the_first_candidates_that_came_through(own: Searcher) -> None:
    space = own._now().dense
    assert isinstance(space, DenseSpace)
    plan = space.index.plan_search(2)
    found = np.array([[4, 1, 2, 3], [5, -1, -1, -1]])
    rows = np.array([[2, 4], [5, -1]])
    result = DenseResult(np.zeros((2, 2), np.float32), rows, plan, found, 0.0, 0.0, 0.0)
    assert result.kept == pytest.approx(2 / 3)
    assert np.isnan(DenseResult(np.zeros((2, 2), np.float32), rows, plan, None, 0.0, 0.0, 0.0).kept)
