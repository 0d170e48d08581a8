"""An index that grows sixfold with topics its quantizer never saw: nothing done, lists repaired, all trained anew.

    python benchmarks/drift.py                      # clustered synthetic vectors, 384 dims
    python benchmarks/drift.py --vectors X.npy --queries Q.npy   # real ones, sorted into topics by k-means

A sixth of the rows, of some topics, is indexed and tuned; then rows of other topics come, in five equal steps. After
each step, for each treatment: recall@10 of the profile as it was on questions about the first and the later topics,
then tuned anew to the same goal on questions of both, its CPU microseconds a query and what the treatment cost.
"""

import argparse
import os
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from dense import synthetic, unit

from xtr_assets.core.recall import recall_at_k
from xtr_assets.core.recipe_shortlist import plan_dense
from xtr_assets.core.row_store import RowVectors, VectorPart
from xtr_assets.core.types import Floats, Ints
from xtr_assets.index import DenseIndex
from xtr_assets.index.dense.imbalance import imbalance
from xtr_assets.index.dense.recipe import inverted
from xtr_assets.index.dense.repair import repair_lists
from xtr_assets.index.exact_scan import exact_rows
from xtr_assets.index.faiss_provider import load_faiss

faiss = load_faiss()
K, GOAL = 10, 0.95
STEPS = 5


def topics(vectors: Floats, count: int) -> Ints:
    """int64 [n]: the cluster of each vector, by k-means on a sample."""
    kmeans = faiss.Kmeans(vectors.shape[1], count, niter=12, seed=1, spherical=True)
    kmeans.train(vectors[np.random.default_rng(0).choice(len(vectors), min(len(vectors), 64 * count), replace=False)])
    found: Ints = kmeans.index.search(vectors, 1)[1][:, 0]
    return found


def order_by_topic(vectors: Floats, queries: Floats) -> tuple[Floats, Floats, Floats]:
    """Vectors with whole topics first until a sixth is reached, and the queries of first and of later topics."""
    count = 48
    kinds = topics(vectors, count)
    order = np.random.default_rng(3).permutation(count)
    sizes = np.bincount(kinds, minlength=count)[order]
    first = order[: int(np.searchsorted(np.cumsum(sizes), len(vectors) / 6)) + 1]
    early = np.isin(kinds, first)
    nearest = (queries @ vectors.T).argmax(axis=1)
    # Later rows keep their topics together, so that each step brings topics of its own.
    late = np.flatnonzero(~early)
    late = late[np.argsort(np.argsort(order)[kinds[late]], kind="stable")]
    arranged = np.concatenate([np.flatnonzero(early), late])
    return vectors[arranged], queries[early[nearest]], queries[~early[nearest]]


def seconds(work: Callable[..., object], *arguments: object, **named: object) -> float:
    started = time.process_time()
    work(*arguments, **named)
    return time.process_time() - started


def ask(index: DenseIndex, queries: Floats) -> None:
    for number in range(len(queries)):
        index.search(queries[number : number + 1], K)


def microseconds(index: DenseIndex, queries: Floats) -> float:
    rounds = [seconds(ask, index, queries) for _ in range(4)]
    return float(np.median(rounds[1:])) / len(queries) * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vectors", type=Path)
    parser.add_argument("--queries", type=Path)
    parser.add_argument("--rows", type=int, default=60_000)
    parser.add_argument("--recipe", default=None)
    arguments = parser.parse_args()
    if arguments.vectors:
        vectors, queries = (unit(np.load(path).astype("f4")) for path in (arguments.vectors, arguments.queries))
    else:
        vectors, queries = synthetic(arguments.rows, 384, 1200)
    vectors, early, late = order_by_topic(vectors, queries)
    stored = RowVectors([VectorPart(0, vectors.astype(np.float16))], vectors.shape[1])
    start = len(vectors) // 6
    recipe = arguments.recipe or plan_dense(start, stored.dim, recall_goal=GOAL).recipe
    if recipe == "Flat":
        recipe = plan_dense(10_001, stored.dim, recall_goal=GOAL).recipe
    print(f"{start} rows grow to {len(vectors)}; {len(early)} questions about the first topics, {len(late)} later ones")
    live = np.zeros(len(vectors), np.bool_)
    live[:start] = True
    tuning, asked = early[::2], early[1::2]
    indexes = {name: DenseIndex.build(stored, recipe, live=live, queries=tuning) for name in ("nothing", "repair")}
    print(f"{recipe} built and tuned to {GOAL}: {indexes['nothing'].profile}")
    titles = ("rows", "treatment", "lists", "unevenness", "early", "late", "CPU s", "us")
    print("".join(f"{title:>12}" for title in titles))
    edges = np.linspace(start, len(vectors), STEPS + 1).astype(np.int64)
    for begin, end in pairwise(edges.tolist()):
        rows = np.arange(begin, end)
        live[rows] = True
        # Questions whose nearest row has arrived.
        here = late[exact_rows(stored, np.arange(len(vectors)), late, 1)[1][:, 0] < end]
        spent = dict.fromkeys(("nothing", "repair", "retrain"), 0.0)
        for name, index in indexes.items():
            spent[name] += seconds(index.add_rows, rows)
        spent["repair"] += seconds(repair_lists, indexes["repair"])
        planned = arguments.recipe or plan_dense(max(10_001, end), stored.dim, recall_goal=GOAL).recipe
        started = time.process_time()
        retrained = DenseIndex.build(stored, planned, live=live, queries=tuning)
        spent["retrain"] += time.process_time() - started
        mixed = np.concatenate([tuning, here[::2]])
        for name, index in [*indexes.items(), ("retrain", retrained)]:
            recalls = []
            for questions in (asked, here[1::2]):
                exact = exact_rows(stored, np.flatnonzero(live), questions, K)[1]
                recalls.append(float(recall_at_k(index.search(questions, K)[1], exact).mean()))
            before = index._profile
            index.tune(mixed, goal=GOAL)
            cost = microseconds(index, np.concatenate([asked, here[1::2]])[:200])
            index._use(before)
            lists = inverted(index.faiss_index).nlist
            cells = (end, name, lists, f"{imbalance(index):.2f}", *(f"{one:.3f}" for one in recalls))
            print("".join(f"{cell:>12}" for cell in (*cells, f"{spent[name]:.1f}", f"{cost:.0f}")), flush=True)


if __name__ == "__main__":
    main()
