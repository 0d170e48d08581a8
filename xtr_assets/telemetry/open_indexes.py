"""Gauges of the open indexes and their last search, read when metrics are scraped; a search only stores figures."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any

from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

PREFIX = "xtr_assets_index"
LABELS = ("warehouse", "index")


@dataclass(frozen=True, slots=True)
class Shown:
    """An open index: texts that say what it is, fields of SIZES, and fields of LAST; other fields are not shown."""

    info: Mapping[str, str]
    sizes: Mapping[str, Any]
    last: Mapping[str, Any]


Show = Callable[[], Shown | None]

# Gauges of what an index holds; what it does not say is left out.
SIZES = {
    "rows": "Rows that can be returned.",
    "dim": "Dimensions of a vector.",
    "code_bytes": "Bytes of the codes of all rows.",
    "memory_bytes": "Bytes of the index, memory-mapped ones included.",
    "tokens": "Token vectors in the index.",
    "terms": "Terms of all segments, those of several counted in each.",
    "postings": "Documents in the lists of all terms.",
    "segments": "Segments that a search walks.",
    "gpu": "1 where a GPU serves.",
    "cuvs": "1 where cuVS serves.",
    "device_bytes": "Bytes held on the GPU.",
}
# Gauges of the last search.
LAST = {
    "seconds": "Time of the last call.",
    "k": "Results asked for by the last call.",
    "queries": "Queries of the last call.",
    "nprobe": "Lists that a query, or query token, of the last call read; 0 where none were.",
    "ef_search": "Queue of the last search of a graph; 0 for other families.",
    "candidates": "Candidates of a query of the last call.",
    "rescored": "Candidates of a query of the last call that were scored exactly.",
    "kept": "Share of the index's own k best that exact re-ranking kept in the last call.",
    "imputed_share": "Share of the candidates' query tokens that were imputed in the last call.",
}


class OpenIndexes(Collector):
    """The indexes that searchers of this process have open, by warehouse and index; a later opening replaces."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, str], Show] = {}
        self._lock = Lock()

    def add(self, warehouse: str, index: str, show: Show) -> Callable[[], None]:
        """Show an index from now on, None where it is gone; the result takes it away again."""
        key = (warehouse, index)
        with self._lock:
            self._open[key] = show

        def remove() -> None:
            with self._lock:
                if self._open.get(key) is show:
                    del self._open[key]

        return remove

    def describe(self) -> Iterable[Metric]:
        """Nothing is known before an index is open; the registry need not ask."""
        return []

    def collect(self) -> Iterable[Metric]:
        """An info, and gauges, each over all open indexes."""
        with self._lock:
            entries = list(self._open.items())
        shown = [(key, found) for key, show in entries if (found := show()) is not None]
        info = InfoMetricFamily(PREFIX, "How the index was made and what serves it.", labels=LABELS)
        for key, one in shown:
            info.add_metric(key, dict(one.info))
        yield info
        yield from _gauges("", SIZES, [(key, one.sizes) for key, one in shown])
        yield from _gauges("last_", LAST, [(key, one.last) for key, one in shown])


def _gauges(
    prefix: str, names: Mapping[str, str], entries: Sequence[tuple[tuple[str, str], Mapping[str, Any]]]
) -> Iterable[Metric]:
    for name, documentation in names.items():
        gauge = GaugeMetricFamily(f"{PREFIX}_{prefix}{name}", documentation, labels=LABELS)
        for key, values in entries:
            if (value := values.get(name)) is not None:
                gauge.add_metric(key, float(value))
        if gauge.samples:
            yield gauge
