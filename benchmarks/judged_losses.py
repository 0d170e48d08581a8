"""How often `judged_quality` refuses builds of which none is worse on average, and how sure a loss would have to be.

Each query has a distribution of its own over what its answers reach; in each build a share of the queries is drawn from
it anew. A build is held against what serves, and against the best that ever served, which is the luckiest of many.
"""

import argparse

import numpy as np

from xtr_assets.core.significance import Doubles
from xtr_assets.pipeline.gate.judgments import SURELY, surely_lower

# nDCG@10 of a query with one right answer, by its rank; 0 where it is not found.
REACHED = np.array([1.0, 0.63, 0.5, 0.43, 0.39, 0.36, 0.33, 0.0])
# (judged queries, share of them that a build answers otherwise)
CASES = ((20, 0.02), (50, 0.02), (50, 0.1), (300, 0.02), (300, 0.1))


def refused(queries: int, moved: float, builds: int, indexes: int, beside_best: float) -> float:
    """The share of builds that are refused, with so much confidence asked beside the best."""
    count = 0
    for seed in range(indexes):
        chance = np.random.default_rng(seed)
        own = chance.dirichlet(np.full(len(REACHED), 0.5), size=queries).cumsum(axis=1)

        def drawn(chance: np.random.Generator = chance, own: Doubles = own) -> Doubles:
            places = (chance.random(queries)[:, None] > own).sum(axis=1)
            found: Doubles = REACHED[np.minimum(places, len(REACHED) - 1)]
            return found

        serving = best = drawn()
        for _ in range(builds):
            draft = np.where(chance.random(queries) < moved, drawn(), serving)
            if surely_lower(draft - serving, SURELY["what serves"]) or surely_lower(draft - best, beside_best):
                count += 1
                continue
            serving = draft
            best = serving if serving.mean() > best.mean() else best
    return count / (builds * indexes)


def main() -> None:
    """A line a case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--builds", type=int, default=250)
    parser.add_argument("--indexes", type=int, default=4)
    asked = parser.parse_args()
    for queries, moved in CASES:
        told = [
            f"{refused(queries, moved, asked.builds, asked.indexes, one):.4f} at {one:g}"
            for one in (0.95, SURELY["the best so far"])
        ]
        print(f"{queries} queries, {moved:g} of them move: refused {', '.join(told)}", flush=True)


if __name__ == "__main__":
    main()
