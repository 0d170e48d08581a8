"""The metrics of several processes as one: each keeps a file of its own up to date, whoever is scraped adds them up.

Counters and histograms are summed, those of processes that ended included, so that no sum ever goes back. Of a gauge
the largest counts; of the generation that answers the smallest, so that a process that stays behind is seen. A process
writes its file before it answers a scrape: what was told once is told again by every other process.
"""

import fcntl
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from xtr_assets.telemetry.metrics import REGISTRY

# Sums; everything else is a state of a process that lives.
ADDED = ("counter", "histogram", "summary")
# Of these the smallest counts.
SMALLEST = ("xtr_assets_open_generation", "xtr_assets_followed_seconds")
GONE = "gone"
# Of processes that ended, how many are heard of beside their metrics; those of a pool that dies again and again go.
MOST_TOLD = 100

Document = dict[str, Any]
_Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


class SharedMetrics:
    """One process among several. folder : theirs alone; name : of this process, never used again for another one."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.name = folder, name
        self._writing = Lock()

    def write(self, more: Mapping[str, Any] | None = None) -> None:
        """Bring this process' file up to date, from any thread. more : what else is told beside the metrics,
        JSON-able."""
        # What was counted first is written first: a sum that was told would go back.
        with self._writing:
            families = [
                {
                    "name": family.name,
                    "documentation": family.documentation,
                    "type": family.type,
                    "samples": [[one.name, sorted(one.labels.items()), one.value] for one in family.samples],
                }
                for family in REGISTRY.collect()
            ]
            self._put(self.name, {"families": families, "more": [] if more is None else [dict(more)]})

    def render(self, more: Mapping[str, Any] | None = None) -> bytes:
        """The metrics of all processes in Prometheus' text format."""
        self.write(more)
        with self._lock(fcntl.LOCK_SH):
            documents = self._read()
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Summed([document for _, document in documents]))
        return generate_latest(registry)

    def others(self) -> list[Mapping[str, Any]]:
        """What the other processes tell beside their metrics, those that ended included."""
        with self._lock(fcntl.LOCK_SH):
            return [one for name, document in self._read() if name != self.name for one in document["more"]]

    def bury(self, name: str) -> None:
        """Take over the sums of a process that ended: its states are no longer true."""
        with self._lock(fcntl.LOCK_EX):
            kept = [document for one, document in self._read() if one in (GONE, name)]
            families = [family for family in _families(kept) if family["type"] in ADDED]
            more = [one for document in kept for one in document["more"]]
            self._put(GONE, {"families": families, "more": more[-MOST_TOLD:]})
            self._path(name).unlink(missing_ok=True)

    def _read(self) -> list[tuple[str, Document]]:
        found = []
        for path in sorted(self.folder.glob("*.json")):
            try:
                found.append((path.stem, json.loads(path.read_bytes())))
            except FileNotFoundError:
                continue
        return found

    def _put(self, name: str, document: Document) -> None:
        temporary = self.folder / f".{name}.{os.getpid()}.tmp"
        temporary.write_bytes(json.dumps(document).encode())
        temporary.replace(self._path(name))

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.json"

    @contextmanager
    def _lock(self, kind: int) -> Iterator[None]:
        descriptor = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, kind)
            yield
        finally:
            os.close(descriptor)


class _Summed(Collector):
    def __init__(self, documents: list[Document]) -> None:
        self._documents = documents

    def collect(self) -> Iterable[Metric]:
        for family in _families(self._documents):
            metric = Metric(family["name"], family["documentation"], family["type"])
            for name, labels, value in family["samples"]:
                metric.add_sample(name, dict(labels), value)
            yield metric


def _families(documents: Iterable[Document]) -> list[Document]:
    heads: dict[str, Document] = {}
    values: dict[str, _Samples] = {}
    for document in documents:
        for family in document["families"]:
            name, kind = family["name"], family["type"]
            heads.setdefault(name, family)
            samples = values.setdefault(name, {})
            for sample, labels, value in family["samples"]:
                key = sample, tuple((one, own) for one, own in labels)
                samples[key] = _joined(name, kind, sample, samples.get(key), value)
    return [
        {**head, "samples": [[sample, [*map(list, labels)], value] for (sample, labels), value in values[name].items()]}
        for name, head in heads.items()
    ]


def _joined(family: str, kind: str, sample: str, known: float | None, value: float) -> float:
    if known is None:
        return value
    # When a series began; the first of them.
    if sample.endswith("_created") or family in SMALLEST:
        return min(known, value)
    return known + value if kind in ADDED else max(known, value)
