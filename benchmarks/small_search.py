"""One small dense search, this checkout against others, in turns: microseconds a call of `DenseIndex.search`.

    python benchmarks/small_search.py OTHER_CHECKOUT ... [--rounds 15] [--rows 6000] [--dim 384]

A checkout is a folder that has `xtr_assets` with its extension in it. Each round asks every checkout in a process of
its own, one after the other, over the same vectors; the figure is the median over rounds of the median over calls.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path
from statistics import median

HERE = Path(__file__).parents[1]
ASK = """
import time
import numpy as np
from xtr_assets.index import DenseIndex
rows, dim, recipe = {rows}, {dim}, {recipe!r}
chance = np.random.default_rng(3)
vectors = chance.standard_normal((rows, dim)).astype(np.float32)
vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
index = DenseIndex.build(vectors, recipe)
queries = vectors[:200] + 0
taken = []
for number in range(4000):
    query = queries[number % 200][None]
    start = time.perf_counter_ns()
    index.search(query, 10)
    taken.append(time.perf_counter_ns() - start)
print(sorted(taken[1000:])[1500] / 1000)
"""


def asked(checkout: Path, rows: int, dim: int, recipe: str) -> float:
    """Median microseconds of a call in a fresh process of a checkout."""
    environment = {**os.environ, "PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-c", ASK.format(rows=rows, dim=dim, recipe=recipe)]
    return float(subprocess.run(command, env=environment, cwd=checkout, check=True, capture_output=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("others", nargs="*", type=Path)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--rows", type=int, default=6000)
    parser.add_argument("--dim", type=int, default=384)
    parser.add_argument("--recipe", default="IVF64,SQ8")
    given = parser.parse_args()
    checkouts = [HERE, *(one.absolute() for one in given.others)]
    figures: dict[Path, list[float]] = {one: [] for one in checkouts}
    for turn in range(given.rounds):
        # Every other round backwards, so that none always follows the same.
        for one in checkouts[:: 1 if turn % 2 else -1]:
            figures[one].append(asked(one, given.rows, given.dim, given.recipe))
    for one, found in figures.items():
        print(f"{median(found):7.2f} us ({min(found):.2f} to {max(found):.2f})  {one}")


if __name__ == "__main__":
    main()
