"""The dense index over a million rows of 384 dimensions: building within a memory bound, adding 10,000, searching.

    python benchmarks/dense_million.py FOLDER --rows 1000000

Clustered synthetic vectors (as of benchmarks/dense.py) are written as float16 and mapped; the index is built over them
in a process of its own, whose CPU, wall time and memory are told: the peak of what is private, sampled every 50 ms,
beside all that was resident, in which mapped files count too. FOLDER takes 900 bytes a row.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "2")

import argparse
import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np

from xtr_assets.core.recall import recall_at_k
from xtr_assets.core.row_store import RowVectors, VectorPart
from xtr_assets.index import DenseIndex
from xtr_assets.index.exact_scan import exact_dense

K, DIM, ADDED, QUERIES = 10, 384, 10_000, 100
BLOCK = 50_000


def draw(folder: Path, rows: int) -> None:
    """Topics of very different sizes in a space of 96 directions, and some noise in all."""
    generator = np.random.default_rng(7)
    basis = generator.standard_normal((96, DIM), np.float32)
    topics = generator.standard_normal((rows // 200, 96), np.float32)
    weights = np.cumsum(generator.pareto(1.2, len(topics)) + 0.1)

    def some(count: int) -> np.ndarray:
        chosen = np.searchsorted(weights, generator.random(count) * weights[-1])
        points = topics[chosen] + 0.8 * generator.standard_normal((count, 96), np.float32)
        vectors = points @ basis + 2.0 * generator.standard_normal((count, DIM), np.float32)
        unit: np.ndarray = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return unit

    shape = (rows, DIM)
    held = np.lib.format.open_memmap(folder / "vectors.npy", mode="w+", dtype=np.float16, shape=shape)
    for first in range(0, rows, BLOCK):
        held[first : first + BLOCK] = some(min(BLOCK, rows - first))
    held.flush()
    np.save(folder / "added.npy", some(ADDED).astype(np.float16))
    np.save(folder / "queries.npy", some(QUERIES).astype(np.float32))


class Memory:
    """MB of this process: the peak of private memory while it runs, and what was resident at most."""

    def __init__(self) -> None:
        self.private = 0
        threading.Thread(target=self.watch, daemon=True).start()

    def watch(self) -> None:
        while True:
            self.private = max(self.private, self.read("RssAnon"))
            time.sleep(0.05)

    @staticmethod
    def read(name: str) -> int:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) // 1024 for line in lines if line.startswith(name))

    def __str__(self) -> str:
        return f"{self.private} MB private, {self.read('VmHWM')} MB resident at most"


def measure(folder: Path, recipe: str) -> None:
    memory = Memory()
    vectors = np.load(folder / "vectors.npy", mmap_mode="r").view(np.ndarray)
    stored = RowVectors([VectorPart(0, vectors)], DIM)
    wall, cpu = time.perf_counter(), time.process_time()
    index = DenseIndex.build(stored, recipe)
    spent = time.perf_counter() - wall, time.process_time() - cpu
    print(
        f"{len(index):,} x {DIM}, {index.recipe}: built and tuned in {spent[0]:.0f} s, {spent[1]:.0f} CPU s; {memory}"
    )
    print(f"{index.memory_bytes >> 20} MiB of codes, lists and rows; the plan said {index.plan_of_build}", flush=True)
    queries, added = np.load(folder / "queries.npy"), np.load(folder / "added.npy")
    exact = exact_dense(index.vectors, index.present, queries, K)[1]
    report(index, queries, exact, "at the profile it was built with")
    wall, cpu = time.perf_counter(), time.process_time()
    rows = index.add(added)
    spent = time.perf_counter() - wall, time.process_time() - cpu
    index.search(queries[:1], K)
    print(f"{len(rows):,} added in {spent[0]:.2f} s, {spent[1]:.2f} CPU s; {memory}")
    found = index.search(added[:QUERIES].astype(np.float32), 1)[1][:, 0]
    print(f"found by themselves: {np.mean(found == rows[:QUERIES]):.2f}")
    wall, cpu = time.perf_counter(), time.process_time()
    index.remove(rows)
    print(f"and removed in {time.perf_counter() - wall:.2f} s, {time.process_time() - cpu:.2f} CPU s")


def report(index: DenseIndex, queries: np.ndarray, exact: np.ndarray, what: str) -> None:
    recall = recall_at_k(index.search(queries, K)[1], exact).mean()
    cpu = time.process_time()
    for number in range(len(queries)):
        index.search(queries[number : number + 1], K)
    single = 1e3 * (time.process_time() - cpu) / len(queries)
    print(f"recall@{K} {recall:.3f}, {single:.2f} CPU ms a query, {what}: {index.profile}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--recipe", default="auto")
    parser.add_argument("--measure", action="store_true", help="only what follows the drawing")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    if arguments.measure:
        measure(arguments.folder, arguments.recipe)
        return
    if not (arguments.folder / "queries.npy").exists():
        draw(arguments.folder, arguments.rows)
    subprocess.run([sys.executable, *sys.argv, "--measure"], check=True)
    print(json.dumps({"python": sys.version.split()[0], "numpy": np.__version__}))


if __name__ == "__main__":
    main()
