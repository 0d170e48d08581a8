"""Phase times of a search."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

from xtr_assets.telemetry import metrics

# Children of the histograms by label, made once: looking a label up costs as much as observing.
_PHASES = {
    phase: metrics.SEARCH_PHASE_SECONDS.labels(phase)
    for phase in ("encode", "filter", "retrieve", "rescore", "fuse", "hydrate", "explain", "spell")
}


class Timing:
    """Seconds by phase of one call; observed in the metrics when the call ends well."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._started = perf_counter()

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Add what the block takes to a phase."""
        started = perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + perf_counter() - started

    def observe(self, mode: str, queries: int) -> None:
        """Count the call."""
        metrics.SEARCH_SECONDS.labels(mode).observe(perf_counter() - self._started)
        metrics.SEARCH_QUERIES.labels(mode).inc(queries)
        for name, seconds in self.seconds.items():
            _PHASES[name].observe(seconds)
