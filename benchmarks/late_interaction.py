"""The late-interaction index against exact search over the original floats: time beside overlap, one thread.

    python benchmarks/late_interaction.py --documents 12000                 # clustered synthetic tokens
    python benchmarks/late_interaction.py --tokens a.npz b.npz --asked q.npz  # tokens, offsets of an encoder
    python benchmarks/late_interaction.py --documents 12000 --sweep         # profiles, and what they cost
    python benchmarks/late_interaction.py --tokens a.npz --asked q.npz --peers fast-plaid=PYTHON tachiom=PYTHON

An .npz holds tokens float16|float32 [T, d] and offsets int64 [n + 1], and for a peer that wants them token_ids [T].
`--peers` builds and asks this package and the peers named (benchmarks/late_peers.py), each in its own interpreter and
process, and prints time beside overlap, build CPU, peak memory, bytes a token, and what changes cost. Times are medians
of single queries: wall-clock milliseconds, and CPU milliseconds of the searching thread (with `--peers`: of all threads
of the process), which a busy machine stretches less. "exact" is MaxSim over the original floats with numpy in the same
run: give ratios against it.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import json
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from late_peers_run import FILTER_BUCKET, compare

from xtr_assets.core.maxsim import maxsim
from xtr_assets.index import TokenIndex

Result = TypeVar("Result")

K = 10


def synthetic(documents: int, dim: int, tokens_per_query: int, queries: int) -> tuple[np.ndarray, ...]:
    """Tokens with the statistics of the embedded encoder: a common mean, words by Zipf's law, topics, noise."""
    rng = np.random.default_rng(7)
    words = 20_000
    vocabulary = rng.normal(size=(words, dim)).astype(np.float32)
    common = rng.normal(size=dim).astype(np.float32)
    lengths = np.clip(rng.lognormal(3.9, 0.8, documents), 4, 400).astype(np.int64)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    weights = 1 / np.arange(10, words + 10)
    drawn = rng.choice(words, offsets[-1], p=weights / weights.sum())
    topics = rng.normal(size=(documents, dim)).astype(np.float32)
    tokens = np.empty((offsets[-1], dim), np.float16)
    for start in range(0, len(tokens), 1 << 18):
        stop = min(start + (1 << 18), len(tokens))
        owner = np.searchsorted(offsets, np.arange(start, stop), side="right") - 1
        values = vocabulary[drawn[start:stop]] + 0.7 * topics[owner] + 0.5 * common
        values += 0.5 * rng.normal(size=values.shape).astype(np.float32)
        tokens[start:stop] = values / np.linalg.norm(values, axis=1, keepdims=True)
    asked = np.empty((queries, tokens_per_query, dim), np.float32)
    for query in asked:
        row = int(rng.integers(documents))
        own = tokens[offsets[row] : offsets[row + 1]].astype(np.float32)
        query[:] = own[rng.integers(0, len(own), tokens_per_query)] + 0.06 * rng.normal(size=query.shape)
        query /= np.linalg.norm(query, axis=1, keepdims=True)
    return tokens, offsets, asked


def read(files: list[Path], documents: int, cut: int) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """(tokens, offsets, token ids where known) of the first documents, each cut to its first tokens."""
    held: list[tuple[np.ndarray, ...]] = []
    for file in files:
        with np.load(file) as stored:
            offsets = stored["offsets"][: documents - sum(len(lengths) for _, _, lengths in held) + 1]
            if len(offsets) < 2:
                break
            lengths = np.minimum(np.diff(offsets), cut)
            bounds = np.cumsum(lengths)
            kept = np.arange(bounds[-1]) + np.repeat(offsets[:-1] - (bounds - lengths), lengths)
            ids = stored["token_ids"][kept] if "token_ids" in stored else np.empty(0, np.int64)
            held.append((stored["tokens"][kept], ids, lengths))
    tokens, ids, lengths = (np.concatenate(arrays) for arrays in zip(*held, strict=True))
    return tokens, np.concatenate([[0], np.cumsum(lengths)]), ids if len(ids) == len(tokens) else None


def read_queries(file: Path, count: int) -> list[np.ndarray]:
    with np.load(file) as stored:
        bounds, tokens = stored["offsets"][: count + 1], stored["tokens"].astype(np.float32)
    return [tokens[a:b] for a, b in pairwise(bounds)]


def timed(call: Callable[[int], object], count: int) -> tuple[float, float]:
    """Medians in milliseconds: (wall, CPU of this thread)."""
    call(0)
    walls, cpus = [], []
    for number in range(count):
        wall, cpu = time.perf_counter(), time.thread_time()
        call(number)
        walls.append(1e3 * (time.perf_counter() - wall))
        cpus.append(1e3 * (time.thread_time() - cpu))
    return statistics.median(walls), statistics.median(cpus)


def once(call: Callable[[], Result]) -> tuple[float, Result]:
    started = time.perf_counter()
    result = call()
    return 1e3 * (time.perf_counter() - started), result


def overlap(found: list[np.ndarray], wanted: list[np.ndarray]) -> float:
    shared = [
        len(np.intersect1d(one, other)) / max(1, (other >= 0).sum()) for one, other in zip(found, wanted, strict=True)
    ]
    return float(np.mean(shared))


def exact_rows(tokens: np.ndarray, offsets: np.ndarray, queries: list[np.ndarray]) -> list[np.ndarray]:
    """The best rows of each query over the original floats."""
    return list(np.argsort(-exact_scores(tokens, offsets, queries), axis=1, kind="stable")[:, :K])


def exact_scores(tokens: np.ndarray, offsets: np.ndarray, queries: list[np.ndarray]) -> np.ndarray:
    """MaxSim of every document, float32 [q, n]: a few documents at a time for all queries at once."""
    scores = np.empty((len(queries), len(offsets) - 1), np.float32)
    stacked = np.ascontiguousarray(np.concatenate(queries).T)
    starts = np.cumsum([0, *map(len, queries[:-1])])
    for first in range(0, scores.shape[1], 50):
        bounds = offsets[first : first + 51]
        products = tokens[bounds[0] : bounds[-1]].astype(np.float32) @ stacked
        best = np.maximum.reduceat(products, bounds[:-1] - bounds[0], axis=0)
        scores[:, first : first + len(best)] = np.add.reduceat(best, starts, axis=1).T
    return scores


def exact_one(tokens: np.ndarray, offsets: np.ndarray, query: np.ndarray) -> np.ndarray:
    """One query alone, what exact search costs."""
    parts = []
    for first in range(0, len(offsets) - 1, 500):
        bounds = offsets[first : first + 501]
        parts.append(maxsim(query, tokens[bounds[0] : bounds[-1]].astype(np.float32), bounds - bounds[0]))
    return np.argsort(-np.concatenate(parts), kind="stable")[:K]


def row(name: str, wall: float, cpu: float, shared: float | None = None, note: str = "") -> None:
    print(f"| {name} | {wall:.2f} | {cpu:.2f} | {'' if shared is None else f'{shared:.4f}'} | {note} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=12_000)
    parser.add_argument("--dim", type=int, default=128)
    parser.add_argument("--queries", type=int, default=100)
    parser.add_argument("--tokens", type=Path, nargs="+")
    parser.add_argument("--asked", type=Path, help="an .npz of queries: tokens, offsets")
    parser.add_argument("--cut", type=int, default=1 << 30, help="tokens of a document that count")
    parser.add_argument("--backends", default="native,numba")
    parser.add_argument("--sweep", action="store_true")
    parser.add_argument("--peers", nargs="*", metavar="NAME=PYTHON", help="compare with these; see late_peers.py")
    parser.add_argument("--goal", type=float, default=0.98, help="overlap@10 for which a setting is looked for")
    parser.add_argument("--finer", action="store_true", help="try a peer's finer build where it misses the goal")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--tuning", type=int, default=30, help="queries a setting is tried on")
    parser.add_argument("--build-limit", type=float, default=1200.0, help="CPU seconds")
    parser.add_argument(
        "--folder", type=Path, help="where built indexes are kept for a further run over the same arrays"
    )
    arguments = parser.parse_args()
    ids = None
    if arguments.tokens:
        tokens, offsets, ids = read(arguments.tokens, arguments.documents, arguments.cut)
        queries = read_queries(arguments.asked, arguments.queries)
    else:
        tokens, offsets, asked = synthetic(arguments.documents, arguments.dim, 32, arguments.queries)
        queries = list(asked)
    documents = len(offsets) - 1
    print(
        f"\n{documents:,} documents, {len(tokens):,} tokens of dim {tokens.shape[1]}, {len(queries)} queries of "
        f"{sum(map(len, queries)) / len(queries):.1f} tokens\n"
    )
    if arguments.peers is not None:
        compare_peers(tokens, offsets, ids, queries, arguments)
        return
    print("| what | wall ms | CPU ms | overlap@10 | note |\n|---|---|---|---|---|")

    with tempfile.TemporaryDirectory() as folder:
        base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        cpu = time.process_time()
        wall, _ = once(lambda: TokenIndex.build(tokens, offsets, Path(folder) / "index"))
        cpu = 1e3 * (time.process_time() - cpu)
        peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - base) / 1024
        size = sum(f.stat().st_size for f in Path(folder).rglob("*") if f.is_file()) / len(tokens)
        row("build", wall, cpu, None, f"peak memory +{peak:.0f} MB; {size:.1f} bytes a token on disk")
        # After the build, whose peak of memory it would hide.
        wanted = exact_rows(tokens, offsets, queries)
        row("exact over floats, numpy", *timed(lambda i: exact_one(tokens, offsets, queries[i]), 3), 1.0)
        for backend in arguments.backends.split(","):
            measure(Path(folder) / "index", backend, tokens, offsets, queries, wanted, arguments.sweep)
    print(json.dumps({"python": sys.version.split()[0], "numpy": np.__version__}))


def compare_peers(
    tokens: np.ndarray, offsets: np.ndarray, ids: np.ndarray | None, queries: list[np.ndarray], arguments: Any
) -> None:
    allowed = np.arange(len(offsets) - 1) % 100 == FILTER_BUCKET
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder) / "tokens.npy", tokens)
        np.save(Path(folder) / "offsets.npy", offsets)
        np.save(Path(folder) / "queries.npy", np.concatenate(queries))
        np.save(Path(folder) / "query_offsets.npy", np.cumsum([0, *map(len, queries)]))
        if ids is not None:
            np.save(Path(folder) / "token_ids.npy", ids.astype(np.int64))
        scores = exact_scores(tokens, offsets, queries)
        wanted = np.argsort(-scores, axis=1, kind="stable")[:, :K]
        scores[:, ~allowed] = -np.inf
        filtered = np.argsort(-scores, axis=1, kind="stable")[:, :K]
        named = [one.split("=", 1) for one in arguments.peers]
        compare(
            Path(folder),
            wanted,
            filtered,
            {"xtr-assets": sys.executable, "xtr-assets-compact": sys.executable, **dict(named)},
            arguments,
        )


def measure(path, backend, tokens, offsets, queries, wanted, sweep) -> None:  # type: ignore[no-untyped-def]
    wall, index = once(lambda: TokenIndex.load(path, backend=backend))
    first, _ = once(lambda: index.search(queries[0], K))
    row(f"{backend}: open and first query", wall + first, wall + first, None, f"{len(index.model.centroids)} centroids")
    found = [index.search(query, K)[1] for query in queries]
    result = index.search_detailed(queries[0], K)
    note = f"{result.retrieved} postings, {result.candidates} candidates, {result.rescored} rescored"
    row(f"{backend}: search", *timed(lambda i: index.search(queries[i], K), len(queries)), overlap(found, wanted), note)
    if sweep:
        for nprobe in (2, 4, 8, 16):
            for rescore in (50, 100, 200, 500):
                chosen: dict[str, Any] = {"nprobe": nprobe, "rescore": rescore}
                found = [index.search(query, K, **chosen)[1] for query in queries]
                times = timed(lambda i, chosen=chosen: index.search(queries[i], K, **chosen), len(queries))  # type: ignore[misc]
                row(f"{backend}: nprobe {nprobe}, rescore {rescore}", *times, overlap(found, wanted))
    rng = np.random.default_rng(1)
    for share in (0.3, 0.1, 0.01):
        allowed = rng.random(len(offsets) - 1) < share
        exact = [index.exact(query, K, allowed=allowed)[1] for query in queries[:20]]
        found = [index.search(query, K, allowed=allowed)[1] for query in queries[:20]]
        times = timed(lambda i, allowed=allowed: index.search(queries[i % 20], K, allowed=allowed), 40)  # type: ignore[misc]
        row(
            f"{backend}: filter to {share:.0%}", *times, overlap(found, exact), "overlap with the filtered exact search"
        )
    rows = np.sort(rng.choice(len(offsets) - 1, min(1000, len(offsets) - 1), replace=False))
    count = int(np.diff(offsets)[rows].sum())
    state = index._state
    from xtr_assets.index.late.query import make_query

    asked = [make_query(index.model, query) for query in queries[:20]]
    times = timed(lambda i: state.backend.rescore(asked[i % 20], rows), 40)
    row(f"{backend}: rescore {len(rows)} documents", *times, None, f"{count} tokens, random documents")
    end = int(offsets[100])
    wall, _ = once(lambda: (index.add(tokens[:end], offsets[:101]), index.search(queries[0], K)))
    row(f"{backend}: add 100 documents, first search after", wall, wall)
    wall, _ = once(lambda: (index.remove(np.arange(100)), index.search(queries[0], K)))
    row(f"{backend}: remove 100 documents, first search after", wall, wall)


if __name__ == "__main__":
    main()
