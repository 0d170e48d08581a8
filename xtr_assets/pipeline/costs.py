"""Costs of a step: seconds, CPU seconds, and its counts. Shown in the UI and kept in the manifest."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter, process_time

from xtr_assets.core.blas_threads import one_blas_thread
from xtr_assets.telemetry import metrics
from xtr_assets.telemetry.tracing import span

Count = int | float | str


@dataclass
class Step:
    """One step while it runs; `counts` are whatever the step wants told: rows, bytes, chunks encoded."""

    name: str
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    counts: dict[str, Count] = field(default_factory=dict)

    def count(self, **counts: Count) -> None:
        """Add to the report; the same name again replaces."""
        self.counts.update(counts)

    def report(self) -> dict[str, Count]:
        """JSON-able: seconds first, then the counts."""
        return {"seconds": round(self.seconds, 4), "cpu_seconds": round(self.cpu_seconds, 4), **self.counts}


@contextmanager
def step(name: str) -> Iterator[Step]:
    """Time a step for the metrics, the trace and the caller; the times are there when the block has ended."""
    running = Step(name)
    wall, cpu = perf_counter(), process_time()
    with metrics.build_step(name), span(f"build.{name}") as recording, one_blas_thread():
        try:
            yield running
        finally:
            running.seconds, running.cpu_seconds = perf_counter() - wall, process_time() - cpu
            recording.set(**running.counts)
