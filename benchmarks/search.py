"""Latency of every search mode over a warehouse, phase by phase, against exact search in the same run.

    python benchmarks/search.py WAREHOUSE [--queries FILE] [--k 10] [--rounds 5]

The modes take turns query by query, so that what else the machine does hits all of them alike; figures are medians over
queries, ratios are of medians. Without --queries (one a line), queries are the first words of chunks of the warehouse.
"""

import argparse
import json
import statistics
import sys
from collections import defaultdict
from pathlib import Path
from time import perf_counter

import numpy as np

import xtr_assets as xa
from xtr_assets.core.search_options import SearchOptions
from xtr_assets.search.answer import hydrated, rank
from xtr_assets.search.phase_times import Timing
from xtr_assets.search.ranker import Mode
from xtr_assets.search.request import MODES, Ask
from xtr_assets.telemetry.tracing import span

WORDS_PER_QUERY = 6
QUERIES = 40


def sampled_queries(searcher: xa.Searcher, count: int) -> list[str]:
    """The first words of evenly spaced chunks."""
    generation = searcher._now().generation
    table = generation.chunk_table(["text"])
    at = np.linspace(0, table.num_rows - 1, min(count, table.num_rows)).astype(int)
    return [" ".join(str(table["text"][int(i)]).split()[:WORDS_PER_QUERY]) for i in at]


def timed(searcher: xa.Searcher, query: str, mode: Mode, k: int) -> tuple[float, dict[str, float], list[int]]:
    """(seconds, seconds by phase, chunk_ids) of one search, run as `Searcher.search` runs it."""
    ask = Ask.checked(SearchOptions(k), mode, None)
    opened = searcher._now()
    started = perf_counter()
    timing = Timing()
    with timing.phase("encode"):
        vectors = searcher._encoder.encode(
            opened.generation, [query], [space.name for space in opened.spaces(ask.mode)]
        )
    rankings = rank(opened, vectors, ask, timing)
    (hits,) = hydrated(opened, rankings, timing)
    return perf_counter() - started, timing.seconds, [hit.chunk_id for hit in hits]


def main() -> None:
    """Print a table to standard error and the figures as JSON to standard output."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("warehouse", type=Path)
    arguments.add_argument("--queries", type=Path)
    arguments.add_argument("--k", type=int, default=10)
    arguments.add_argument("--rounds", type=int, default=5)
    given = arguments.parse_args()

    started = perf_counter()
    searcher = xa.open(given.warehouse, device="cpu")
    opening = perf_counter() - started
    lines = given.queries.read_text("utf-8").splitlines() if given.queries else sampled_queries(searcher, QUERIES)
    queries = [line for line in lines if line.strip()]
    for mode in MODES:
        for query in queries[:3]:
            timed(searcher, query, mode, given.k)

    seconds: dict[str, list[float]] = defaultdict(list)
    phases: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    overlap: dict[str, list[float]] = defaultdict(list)
    for _ in range(given.rounds):
        for query in queries:
            found: dict[str, list[int]] = {}
            for mode in MODES:
                took, by_phase, found[mode] = timed(searcher, query, mode, given.k)
                seconds[mode].append(took)
                for name, value in by_phase.items():
                    phases[mode][name].append(value)
            overlap["hybrid"].append(len({*found["hybrid"]} & {*found["exact"]}) / max(1, len(found["exact"])))

    exact = statistics.median(seconds["exact"])
    report = {
        "rows": searcher.manifest.live_rows,
        "queries": len(queries),
        "k": given.k,
        "opening_ms": round(1000 * opening, 1),
        "modes": {
            mode: {
                "ms": round(1000 * statistics.median(seconds[mode]), 3),
                "of_exact": round(statistics.median(seconds[mode]) / exact, 4),
                "phases_ms": {n: round(1000 * statistics.median(v), 3) for n, v in phases[mode].items()},
            }
            for mode in MODES
        },
        "hybrid_overlap_with_exact": round(statistics.mean(overlap["hybrid"]), 4),
        "span_without_provider_us": span_cost(),
    }
    for mode, figures in report["modes"].items():
        split = ", ".join(f"{name} {value}" for name, value in figures["phases_ms"].items())
        print(f"{mode:8} {figures['ms']:9.3f} ms  {figures['of_exact']:.3f} of exact  ({split})", file=sys.stderr)
    print(json.dumps(report))
    searcher.close()


def span_cost(times: int = 20_000) -> float:
    """Microseconds of a span that nobody listens to."""
    started = perf_counter()
    for _ in range(times):
        with span("search", mode="dense") as one:
            one.set(hits=10)
    return round(1e6 * (perf_counter() - started) / times, 3)


if __name__ == "__main__":
    main()
