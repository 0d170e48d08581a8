"""Filtered dense search: which way the plan takes at each selectivity, and what both ways cost.

    python benchmarks/filters.py --rows 100000
    python benchmarks/filters.py --vectors X.npy --queries Q.npy --recipe IVF128,PQ96x4fsr

Random masks of 0.1, 1, 10 and 50 % of the rows: CPU microseconds of a query asked alone, selector included, as planned,
always scanned, and always by the index; recall@10 as planned against exact search over the allowed rows.
"""

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from dense import synthetic, unit

from xtr_assets.core.recall import recall_at_k
from xtr_assets.core.types import Floats, Ints, Mask
from xtr_assets.index import DenseIndex
from xtr_assets.index.dense import search_plan
from xtr_assets.index.exact_scan import exact_rows

K = 10


Search = Callable[[DenseIndex, Mask, Floats], Ints]


def by_scan(index: DenseIndex, allowed: Mask, queries: Floats) -> Ints:
    return exact_rows(index.vectors, np.flatnonzero(allowed & index._present), queries, K)[1]


def by_plan(index: DenseIndex, allowed: Mask, queries: Floats) -> Ints:
    return index.search(queries, K, allowed=allowed)[1]


def microseconds(search: Search, index: DenseIndex, allowed: Mask, queries: Floats) -> float:
    search(index, allowed, queries[:1])
    started = time.thread_time()
    for number in range(len(queries)):
        search(index, allowed, queries[number : number + 1])
    return (time.thread_time() - started) / len(queries) * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vectors", type=Path)
    parser.add_argument("--queries", type=Path)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--recipe", default="auto")
    arguments = parser.parse_args()
    if arguments.vectors:
        vectors, queries = (unit(np.load(path).astype("f4")) for path in (arguments.vectors, arguments.queries))
    else:
        vectors, queries = synthetic(arguments.rows, 384, 300)
    index = DenseIndex.build(vectors, arguments.recipe, queries=queries[:200])
    queries = queries[-100:]
    print(f"{len(index)} rows, {index.recipe}, {index.profile}")
    print("".join(f"{title:>12}" for title in ("allowed", "way", "planned us", "scan us", "index us", "recall")))
    for share in (0.001, 0.01, 0.1, 0.5):
        allowed = np.random.default_rng(1).random(len(vectors)) < share
        plan = index.plan_search(K, allowed=allowed)

        times = [microseconds(by_plan, index, allowed, queries), microseconds(by_scan, index, allowed, queries)]
        kept, search_plan.scan_cost = search_plan.scan_cost, lambda *_: np.inf
        times.append(microseconds(by_plan, index, allowed, queries))
        search_plan.scan_cost = kept
        exact = by_scan(index, allowed, queries)
        recall = float(recall_at_k(by_plan(index, allowed, queries), exact).mean())
        cells = (f"{share:.1%}", plan.mode, *(f"{one:.0f}" for one in times), f"{recall:.3f}")
        print("".join(f"{cell:>12}" for cell in cells), plan.reason, flush=True)


if __name__ == "__main__":
    main()
