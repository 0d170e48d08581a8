"""What this process counts and times, in a Prometheus registry of its own (docs/metrics.md lists every metric).

The registry is the package's, not prometheus_client's default: a host application that scrapes its own default
registry chooses whether to add ours (`prometheus_client.REGISTRY.register(metrics.REGISTRY)` works), and two copies of
this package in one process cannot collide. Label values come from small fixed sets, never from queries or paths.
"""

import atexit
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    start_http_server,
    write_to_textfile,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from xtr_assets.telemetry.followers import Followers
from xtr_assets.telemetry.open_indexes import OpenIndexes

log = logging.getLogger(__name__)

REGISTRY: Final = CollectorRegistry(auto_describe=True)
# A file that every process of this package writes its metrics into when it ends; `{pid}` in the name keeps them apart.
FILE_VARIABLE: Final = "XTR_ASSETS_METRICS_FILE"
# What `render` answers with, as the header of an HTTP answer says it.
CONTENT_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4

# From a cached flat scan of a few rows (0.1 ms) to an exact scan of a large warehouse (30 s), about 2.5 steps a decade:
# enough to read a p99 to within a factor of two, at 14 series a label value.
SEARCH_BUCKETS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0)
BUILD_BUCKETS = (0.01, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 1800.0, 7200.0, 28800.0)
SHARE_BUCKETS = (0.0, 0.25, 0.5, 0.75, 0.9, 0.95, 0.98, 1.0)
COUNT_BUCKETS = (10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0, 10000.0, 100000.0, 1000000.0)

SEARCH_SECONDS: Final = Histogram(
    "xtr_assets_search_seconds",
    "Time of one search call, hydration included; a batch is one call.",
    ["mode"],
    buckets=SEARCH_BUCKETS,
    registry=REGISTRY,
)
SEARCH_PHASE_SECONDS: Final = Histogram(
    "xtr_assets_search_phase_seconds",
    "Time of one phase of a search: encode, filter, retrieve, rescore, fuse, hydrate, explain, spell.",
    ["phase"],
    buckets=SEARCH_BUCKETS,
    registry=REGISTRY,
)
SEARCH_QUERIES: Final = Counter(
    "xtr_assets_search_queries_total", "Queries answered; a batch counts each.", ["mode"], registry=REGISTRY
)
SEARCH_ERRORS: Final = Counter(
    "xtr_assets_search_errors_total", "Searches that raised, by class of the error.", ["error"], registry=REGISTRY
)
CANDIDATES: Final = Histogram(
    "xtr_assets_search_candidates",
    "Candidates of one query after retrieval (hybrid: the union).",
    ["mode"],
    buckets=COUNT_BUCKETS,
    registry=REGISTRY,
)
RESCORED: Final = Counter(
    "xtr_assets_search_rescored_total", "Rows that were scored exactly, by space.", ["space"], registry=REGISTRY
)
DENSE_SECONDS: Final = Histogram(
    "xtr_assets_dense_seconds",
    "Time of one call of the dense index: plan, search and re-ranking.",
    buckets=SEARCH_BUCKETS,
    registry=REGISTRY,
)
XTR_PHASE_SECONDS: Final = Histogram(
    "xtr_assets_xtr_phase_seconds",
    "Time of one phase of one query to the token index: retrieve, impute, rescore.",
    ["phase"],
    buckets=SEARCH_BUCKETS,
    registry=REGISTRY,
)
XTR_CANDIDATES: Final = Histogram(
    "xtr_assets_xtr_candidates",
    "Rows that a query to the token index met before the cut.",
    buckets=COUNT_BUCKETS,
    registry=REGISTRY,
)
XTR_RESCORED: Final = Histogram(
    "xtr_assets_xtr_rescored",
    "Rows that a query to the token index scored exactly.",
    buckets=COUNT_BUCKETS,
    registry=REGISTRY,
)
XTR_IMPUTED_SHARE: Final = Histogram(
    "xtr_assets_xtr_imputed_share",
    "Share of query tokens times candidates that no list met, of a query to the token index; 0 where it scanned.",
    buckets=SHARE_BUCKETS,
    registry=REGISTRY,
)
OPEN_INDEXES: Final = OpenIndexes()
REGISTRY.register(OPEN_INDEXES)
FOLLOWERS: Final = Followers()
REGISTRY.register(FOLLOWERS)
PUBLISHED_GENERATION: Final = Gauge(
    "xtr_assets_published_generation", "Number of the published generation.", ["warehouse"], registry=REGISTRY
)
# Times grow, as numbers of generations do not: a rollback goes back.
POINTER_MOVED: Final = Gauge(
    "xtr_assets_pointer_moved_seconds",
    "When this process moved the pointer last, seconds since 1970.",
    ["warehouse"],
    registry=REGISTRY,
)
PUBLICATIONS: Final = Counter(
    "xtr_assets_publications_total",
    "Moves of the pointer and refusals: publish, refused, forced, rollback, withdraw.",
    ["action"],
    registry=REGISTRY,
)
BUILDS: Final = Counter(
    "xtr_assets_builds_total",
    "Builds by outcome: published, refused, failed, unchanged.",
    ["outcome"],
    registry=REGISTRY,
)
BUILD_STEP_SECONDS: Final = Histogram(
    "xtr_assets_build_step_seconds", "Time of one step of a build.", ["step"], buckets=BUILD_BUCKETS, registry=REGISTRY
)
BUILD_STEP_LAST_SECONDS: Final = Gauge(
    "xtr_assets_build_step_last_seconds", "Time of the last run of a step of a build.", ["step"], registry=REGISTRY
)
CHUNKS_ENCODED: Final = Counter(
    "xtr_assets_chunks_encoded_total",
    "Chunks that went through the encoder; found again ones do not.",
    registry=REGISTRY,
)
QUARANTINED: Final = Gauge(
    "xtr_assets_quarantined", "Files and records of a shard that could not be used.", ["shard"], registry=REGISTRY
)
CHECKS: Final = Counter(
    "xtr_assets_checks_total", "Results of the gate's checks.", ["check", "passed"], registry=REGISTRY
)
DRIFT: Final = Gauge(
    "xtr_assets_drift",
    "How far the serving indexes are from what they learnt: imbalance, growth, new_rows, nprobe, tokens.",
    ["figure"],
    registry=REGISTRY,
)
DAMAGED_FILES: Final = Gauge(
    "xtr_assets_damaged_files",
    "Files of the serving generation whose bytes differ from their record, at the last verification.",
    ["warehouse"],
    registry=REGISTRY,
)

SERVER_REQUESTS: Final = Counter(
    "xtr_assets_server_requests_total",
    "Requests to the server, by route and HTTP status.",
    ["route", "status"],
    registry=REGISTRY,
)
SERVER_SECONDS: Final = Histogram(
    "xtr_assets_server_seconds",
    "Time of one request in the server, from its head to the last byte handed over.",
    ["route"],
    buckets=SEARCH_BUCKETS,
    registry=REGISTRY,
)
SERVER_GATHERED: Final = Histogram(
    "xtr_assets_server_gathered",
    "Requests that one call answered together.",
    buckets=(1.0, 2.0, 4.0, 8.0, 16.0, 32.0),
    registry=REGISTRY,
)
SERVER_SWAPS: Final = Counter(
    "xtr_assets_server_swaps_total",
    "Moves of a server to another generation: served, failed.",
    ["index", "outcome"],
    registry=REGISTRY,
)

# Recall at 10 moves in tenths; at 100 the difference between .98 and all of it shows.
RECALL_BUCKETS = (0.0, 0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 1.0)
LIVE_RECALL: Final = Histogram(
    "xtr_assets_live_recall",
    "Recall of sampled questions against a scan of every row, by mode and by the share of rows that the filter leaves.",
    ["index", "mode", "filter"],
    buckets=RECALL_BUCKETS,
    registry=REGISTRY,
)
LIVE_RECALL_SAMPLES: Final = Counter(
    "xtr_assets_live_recall_samples_total",
    "Questions chosen for live recall: measured, empty, dropped, moved, failed.",
    ["index", "outcome"],
    registry=REGISTRY,
)
LIVE_RECALL_CPU: Final = Counter(
    "xtr_assets_live_recall_cpu_seconds_total", "Time that live recall took.", ["index"], registry=REGISTRY
)
SERVER_WORKER_DEATHS: Final = Counter(
    "xtr_assets_server_worker_deaths_total", "Workers of a server that ended by themselves.", registry=REGISTRY
)

QUERY_LOG: Final = Counter(
    "xtr_assets_query_log_total",
    "Questions for the query log: written, withheld by the redaction hook, dropped, failed.",
    ["index", "outcome"],
    registry=REGISTRY,
)


def render() -> bytes:
    """The registry in Prometheus' text format, for /metrics or a push."""
    return generate_latest(REGISTRY)


class MetricsServer:
    """Answers GET /metrics on a port of its own, from a thread, until `close`; port 0 takes a free one.

    >>> with MetricsServer(0) as server:
    ...     server.port > 0
    True
    """

    def __init__(self, port: int, address: str = "127.0.0.1") -> None:
        self._server, self._thread = start_http_server(port, address, registry=REGISTRY)
        self.port = self._server.server_port

    def close(self) -> None:
        """Stop answering; the port is free again."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> "MetricsServer":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def write_file(path: Path) -> None:
    """Write the text format into a file, whole or not at all, for the textfile collector of a node exporter."""
    write_to_textfile(str(path), REGISTRY)


@contextmanager
def build_step(step: str) -> Iterator[None]:
    """Time one step of a build, also when it fails."""
    started = perf_counter()
    try:
        yield
    finally:
        seconds = perf_counter() - started
        BUILD_STEP_SECONDS.labels(step).observe(seconds)
        BUILD_STEP_LAST_SECONDS.labels(step).set(seconds)


def count_check(check: str, passed: bool) -> None:
    """Count one result of a check of the gate."""
    CHECKS.labels(check, "true" if passed else "false").inc()


def _write_at_exit() -> None:
    if path := os.environ.get(FILE_VARIABLE):
        # The file stays, the searchers do not: the next move of the pointer would find them behind for ever.
        FOLLOWERS.clear()
        try:
            write_file(Path(path.replace("{pid}", str(os.getpid()))))
        except OSError as error:
            log.warning("%s=%s was not written: %s", FILE_VARIABLE, path, error)


atexit.register(_write_at_exit)
