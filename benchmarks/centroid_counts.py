"""How many centroids pay: what centroids cost a query by their number, and what lists then cost, by the corpus.

    python benchmarks/centroid_counts.py

Centroids are drawn at random, dim 48, and hold a few tokens: nearly all of the time of a retrieval is then products
with all centroids and the choice of the best lists. Lists are counted, not read: each query token reads LISTS of them,
of which a list holds T / C tokens, half as many documents (options.py, DISTINCT_SHARE), at POSTING_NS each. Building is
T times C by the constants of core/capacity.py. Nothing here looks at recall: shorter lists find less.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import time

import numpy as np

from xtr_assets.core.capacity import CENTROID_NS, CENTROID_NS_A_DIM, CENTROIDS_A_ROOT
from xtr_assets.core.row_store import TokenPart
from xtr_assets.core.token_codec import encode_int8
from xtr_assets.index.late.centroids import LEVELS, TokenModel
from xtr_assets.index.late.options import DISTINCT_SHARE, Depths
from xtr_assets.index.late.query import make_query
from xtr_assets.index.late.state import IndexState, make_segment
from xtr_assets.index.late.training import centroid_count

DIM, QUERY_TOKENS, LISTS, POSTING_NS = 48, 32, 8, 4.0
COUNTS = (8_192, 32_768, 65_536, 131_072, 262_144)
CORPORA = (30_000_000, 300_000_000, 450_000_000, 1_100_000_000, 3_000_000_000, 9_000_000_000)


def drawn(count: int, tokens: TokenPart) -> IndexState:
    rng = np.random.default_rng(count)
    numbers = rng.integers(-127, 128, (count, DIM)).astype(np.int8)
    scales = np.full(count, 0.002, np.float32)
    levels, steps = np.arange(LEVELS, dtype=np.int8), np.ones(DIM, np.float32)
    model = TokenModel(np.zeros(DIM, np.float32), numbers, scales, levels, steps, 1.0, {"tokens": 0})
    return IndexState(model, (make_segment(model, tokens, "int8-row-scale"),), np.ones(tokens.rows, np.bool_))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20)
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    part = TokenPart(
        0, *encode_int8(rng.normal(size=(2_000, DIM)).astype(np.float32)), np.arange(0, 2_001, 4, dtype=np.int64)
    )
    query_tokens = rng.normal(size=(QUERY_TOKENS, DIM)).astype(np.float32)
    states = [drawn(count, part) for count in COUNTS]
    spent: list[list[float]] = [[] for _ in states]
    for _ in range(arguments.rounds):
        for own, state in zip(spent, states, strict=True):
            query = make_query(state.model, query_tokens)
            started = time.process_time()
            for _ in range(5):
                state.backend.retrieve(query, Depths(LISTS, 1 << 31, 10, 10, 0), None)
            own.append(1e3 * (time.process_time() - started) / 5)
    best = [min(own) for own in spent]
    print(f"| centroids | CPU ms of a query of {QUERY_TOKENS} tokens | ns a centroid and token |\n|---|---|---|")
    for count, cost in zip(COUNTS, best, strict=True):
        print(f"| {count:,} | {cost:.2f} | {1e6 * cost / count / QUERY_TOKENS:.3f} |")
    a_centroid = (best[-1] - best[0]) / (COUNTS[-1] - COUNTS[0])

    def query_ms(tokens: int, count: int) -> float:
        return a_centroid * count + 1e-6 * QUERY_TOKENS * LISTS * DISTINCT_SHARE * POSTING_NS * tokens / count

    def hours(tokens: int, count: int) -> float:
        return 1e-9 * tokens * count * (CENTROID_NS + CENTROID_NS_A_DIM * DIM) / 3600

    print("\n| tokens | 4 sqrt(T) | query, ms | assigning, h | with 65,536 | query, ms | assigning, h | planned |")
    print("|---|---|---|---|---|---|---|---|")
    for tokens in CORPORA:
        free = int(CENTROIDS_A_ROOT * tokens**0.5)
        capped = min(free, 65_536)
        cells = [f"{count:,} | {query_ms(tokens, count):.1f} | {hours(tokens, count):.1f}" for count in (free, capped)]
        print(f"| {tokens:,} | {' | '.join(cells)} | {centroid_count(tokens):,} |")


if __name__ == "__main__":
    main()
