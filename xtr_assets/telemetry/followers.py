"""Gauges of who follows the pointer of a warehouse: since when it surely does, and from which generation it answers."""

from collections.abc import Iterable
from threading import Lock
from time import time
from weakref import WeakKeyDictionary

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector


class Followers(Collector):
    """Those of this process, by the name of their warehouse or set. Read when metrics are scraped: who was let go of
    without being closed answers nobody any more, and is not behind."""

    def __init__(self) -> None:
        self._places: dict[str, WeakKeyDictionary[object, tuple[float, int]]] = {}
        self._lock = Lock()

    def note(self, place: str, who: object, generation: int) -> None:
        """`who` answers from what is published of the warehouse or set called `place`: from this generation."""
        with self._lock:
            self._places.setdefault(place, WeakKeyDictionary())[who] = (time(), generation)

    def forget(self, who: object) -> None:
        """`who` answers nobody any more."""
        with self._lock:
            for following in self._places.values():
                following.pop(who, None)

    def clear(self) -> None:
        """Nobody of this process answers any more."""
        with self._lock:
            self._places.clear()

    def describe(self) -> Iterable[Metric]:
        """Both gauges, without a figure."""
        return _gauges()

    def collect(self) -> Iterable[Metric]:
        """Of several the one that is furthest behind, as of several processes: warehouses of two indexes may be called
        alike."""
        with self._lock:
            told = [(place, list(following.values())) for place, following in sorted(self._places.items())]
        generation, followed = _gauges()
        for place, those in told:
            if those:
                followed.add_metric([place], min(at for at, _ in those))
                generation.add_metric([place], min(number for _, number in those))
        return generation, followed


def _gauges() -> tuple[GaugeMetricFamily, GaugeMetricFamily]:
    return (
        GaugeMetricFamily(
            "xtr_assets_open_generation", "Number of the generation searchers answer from.", labels=["warehouse"]
        ),
        GaugeMetricFamily(
            "xtr_assets_followed_seconds",
            "When searchers of this process last saw that they answer from what is published, seconds since 1970.",
            labels=["warehouse"],
        ),
    )
