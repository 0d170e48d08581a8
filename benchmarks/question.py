"""A whole question, text to hits, by its phases: milliseconds of CPU and of the clock, in one process, warm.

    python benchmarks/question.py WAREHOUSE [--questions 400] [--modes hybrid dense]

Questions are made of words that the index holds: the names of its chunks. Phases are those that the
package counts (docs/metrics.md); what is left of the whole is between them.
"""

import argparse
import random
import time
from statistics import median

from xtr_assets.search.ranker import Mode
from xtr_assets.search.searcher import Searcher
from xtr_assets.search.searcher import open as open_searcher
from xtr_assets.telemetry import metrics

PHASES = ("encode", "filter", "retrieve", "rescore", "fuse", "hydrate")
WARM = 20


def spent() -> dict[str, float]:
    """Seconds by phase so far."""
    asked = {name: {"phase": name} for name in PHASES}
    return {
        name: metrics.REGISTRY.get_sample_value("xtr_assets_search_phase_seconds_sum", labels) or 0.0
        for name, labels in asked.items()
    }


def questions_of(searcher: Searcher, count: int) -> list[str]:
    """The symbols of drawn chunks, as words."""
    hits = searcher.search("open read write parse", k=max(count * 2, 100), mode="lexical")
    symbols = sorted({hit.symbol.replace(".", " ").replace("_", " ").strip() for hit in hits} - {""})
    return random.Random(5).choices(symbols, k=count)


def measure(searcher: Searcher, questions: list[str], mode: Mode) -> None:
    for text in questions[:WARM]:
        searcher.search(text, k=10, mode=mode)
    before, whole, computed = spent(), [], time.process_time()
    for text in questions:
        start = time.perf_counter()
        searcher.search(text, k=10, mode=mode)
        whole.append(time.perf_counter() - start)
    computed = (time.process_time() - computed) / len(questions)
    phases = {name: (value - before[name]) / len(questions) * 1e3 for name, value in spent().items()}
    told = "  ".join(f"{name} {value:.2f}" for name, value in phases.items() if value > 0.005)
    print(f"{mode:8} {computed * 1e3:6.2f} CPU ms, median {median(whole) * 1e3:.2f} ms; of the clock, mean: {told}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("warehouse")
    parser.add_argument("--questions", type=int, default=400)
    parser.add_argument("--modes", nargs="+", default=["hybrid", "dense", "xtr", "lexical"])
    given = parser.parse_args()
    with open_searcher(given.warehouse) as searcher:
        questions = questions_of(searcher, given.questions)
        for mode in given.modes:
            measure(searcher, questions, mode)


if __name__ == "__main__":
    main()
