"""How often the gate refuses a healthy tuned token index, and how often one that is too bad.

    python benchmarks/gate_power.py WAREHOUSE QUERIES.npz [--rows 5000 20000] [--builds 1000]

Recall of a query is always that of a real search: settings and queries are searched once and remembered, and a
simulated build draws its tuning queries, the gate's and those of new rows from one pool, tunes with the tuner itself
and judges with the gate's own rule. An index that is `below` the threshold is one whose queries are drawn from a good
and a bad setting in the shares that give that mean. WAREHOUSE: what serves there, or its first draft. QUERIES.npz:
tokens float32 [t, d], offsets int64 [q + 1].
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from xtr_assets.core.new_neighbors import shares_found, surely_at_most
from xtr_assets.core.recall import Doubles, recall_at_k
from xtr_assets.core.row_store import RowTokens
from xtr_assets.core.types import Floats, Ints
from xtr_assets.index import TokenIndex
from xtr_assets.index.late.options import SearchProfile
from xtr_assets.index.late.search import TokenResult
from xtr_assets.index.late.tuner import TokenTuning, tune
from xtr_assets.pipeline.derive.neighbor_lists import Neighbors
from xtr_assets.pipeline.gate.index_recall import evidence, measured
from xtr_assets.pipeline.gate.new_row_recall import CONFIDENCE
from xtr_assets.pipeline.queries.tuning_queries import tuning_goal
from xtr_assets.storage.generation import Generation
from xtr_assets.storage.warehouse import Warehouse

K = 10
FIXED, NEW = 0.95, 0.93
NEW_QUERIES = (1, 4, 16, 35, 50)
BELOW = (0.02, 0.03, 0.05)
BELOW_NEW = (0.03, 0.05, 0.2, 0.5)
# Tuning and gate queries of a build.
TUNED = JUDGED = 200


@dataclass
class Pool:
    """An index with queries of which exact neighbours are known; each pair of setting and query is searched once."""

    index: TokenIndex
    queries: Sequence[Floats]
    exact: Neighbors
    known: dict[tuple[SearchProfile, int], TokenResult] = field(default_factory=dict)

    @classmethod
    def of(cls, index: TokenIndex, queries: Sequence[Floats]) -> "Pool":
        found = [index.exact(query, K) for query in queries]
        return cls(index, queries, Neighbors(np.stack([s for s, _ in found]), np.stack([r for _, r in found])))

    def run(self, profile: SearchProfile, number: int) -> TokenResult:
        key = profile, number
        if key not in self.known:
            set_before, self.index.profile = self.index.profile, profile
            self.known[key] = self.index.search_detailed(self.queries[number], K)
            self.index.profile = set_before
        return self.known[key]

    def found(self, profile: SearchProfile, chosen: Ints) -> Neighbors:
        results = [self.run(profile, number) for number in chosen.tolist()]
        return Neighbors(np.stack([one.scores for one in results]), np.stack([one.rows for one in results]))

    def exact_of(self, chosen: Ints) -> Neighbors:
        return Neighbors(self.exact.scores[chosen], self.exact.rows[chosen])

    def recalls(self, profile: SearchProfile, chosen: Ints) -> Doubles:
        found, exact = self.found(profile, chosen), self.exact_of(chosen)
        return recall_at_k(found.rows, exact.rows, found.scores, exact.scores)

    def tuned(self, chosen: Ints, judged: int, may_scan: bool) -> TokenTuning:
        """What the tuner makes of these queries; each carries its number in the place of its tokens."""
        exact = self.exact_of(chosen)
        rows = len(self.index)
        return tune(
            lambda profile, query, _: self.run(profile, int(query[0, 0])),
            SearchProfile(),
            [np.full((len(self.queries[number]), 1), number, np.float32) for number in chosen.tolist()],
            (exact.scores, exact.rows),
            goal=tuning_goal(FIXED, len(chosen), judged),
            k=K,
            rows=rows,
            tokens_per_row=self.index.token_count / rows,
            may_scan=may_scan,
        )


def refused(found: Neighbors, exact: Neighbors) -> bool:
    """The gate's verdict by its fixed queries on an index that is not exact by construction."""
    report = measured(found, exact, K)
    assert report is not None
    return evidence(report, exact=False)[0] < FIXED


def refused_new(found: Neighbors, exact: Neighbors) -> bool:
    """Its verdict on new rows, each query's nearest row being the one that is new, as its own chunk most often is."""
    shares = shares_found([rows[:1] for rows in exact.rows], found.rows)
    return surely_at_most(shares, CONFIDENCE) < NEW


@dataclass(frozen=True)
class Refusals:
    """How many of the builds each check refused. scans : builds whose profile scans, which are exact."""

    builds: int
    scans: int
    unmet: int
    fixed: int
    new: dict[int, int]
    recall: float
    deviation: float


def healthy(pool: Pool, builds: int, generator: np.random.Generator, *, may_scan: bool = True) -> Refusals:
    """Tune on some queries and judge on others, so many times. A build that met no goal is none of the healthy."""
    scans = unmet = fixed = 0
    new = dict.fromkeys(NEW_QUERIES, 0)
    means, deviations = [], []
    for _ in range(builds):
        drawn = generator.permutation(len(pool.queries))
        asked, gate, rest = np.split(drawn[: TUNED + JUDGED + max(NEW_QUERIES)], [TUNED, TUNED + JUDGED])
        tuning = pool.tuned(asked, len(gate), may_scan)
        scans += tuning.profile.scan
        unmet += not tuning.met
        if not tuning.met or tuning.profile.scan:
            continue
        fixed += refused(pool.found(tuning.profile, gate), pool.exact_of(gate))
        for count in NEW_QUERIES:
            few = rest[:count]
            new[count] += refused_new(pool.found(tuning.profile, few), pool.exact_of(few))
        values = pool.recalls(tuning.profile, gate)
        means.append(float(values.mean()))
        deviations.append(float(values.std()))
    mean, deviation = (round(float(np.mean(v)), 4) if v else 1.0 for v in (means, deviations))
    return Refusals(builds, scans, unmet, fixed, new, mean, deviation)


def below(pool: Pool, missing: float, builds: int, generator: np.random.Generator) -> float:
    """Share of the builds refused whose recall is the threshold less `missing`: a good and a bad setting, mixed so."""
    every = np.arange(len(pool.queries))
    good, bad = SearchProfile(16, None, 512, whole=True), SearchProfile(2, None, 32)
    high, low = (float(pool.recalls(profile, every).mean()) for profile in (good, bad))
    share, hits = (high - (FIXED - missing)) / (high - low), 0
    for _ in range(builds):
        drawn = generator.permutation(len(every))[:JUDGED]
        poor = generator.random(JUDGED)[:, None] < share
        first, second = pool.found(good, drawn), pool.found(bad, drawn)
        mixed = Neighbors(np.where(poor, second.scores, first.scores), np.where(poor, second.rows, first.rows))
        hits += refused(mixed, pool.exact_of(drawn))
    return hits / builds


def below_new(missing: float, queries: int, builds: int, generator: np.random.Generator) -> float:
    """The same of new rows, each of which is found or not."""
    found = generator.random((builds, queries)) < NEW - missing
    return float(np.mean([surely_at_most(shares.astype(np.float64), CONFIDENCE) < NEW for shares in found]))


def decoded(tokens: RowTokens, rows: int) -> tuple[Floats, Ints]:
    """The first rows of a store as floats: float16 [T, d], int64 [n + 1]."""
    parts = [np.asarray(p.tokens, np.float32) * np.asarray(p.scales, np.float32)[:, None] for p in tokens.parts]
    lengths = np.concatenate([np.diff(part.offsets) for part in tokens.parts])[:rows]
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return np.concatenate(parts)[: offsets[-1]].astype(np.float16), offsets


def read_generation(folder: Path) -> Generation:
    warehouse = Warehouse.open(folder)
    return warehouse.published or warehouse.open_draft(1)


def main() -> None:
    """Print a line of JSON for each number of rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("warehouse", type=Path)
    parser.add_argument("queries", type=Path)
    parser.add_argument("--rows", type=int, nargs="+", default=[20_000])
    parser.add_argument("--builds", type=int, default=1000)
    # From a small pool the gate draws what a lucky tuner left: of 600, ten times as many refusals as of 3,000.
    parser.add_argument("--most-queries", type=int, default=3000)
    given = parser.parse_args()
    tokens = read_generation(given.warehouse).tokens()
    with np.load(given.queries) as stored:
        queries = [one for one in np.split(stored["tokens"], stored["offsets"][1:-1]) if len(one)]
    generator = np.random.default_rng(0)
    lost = {
        f"{count} queries": {str(b): below_new(b, count, given.builds, generator) for b in BELOW_NEW}
        for count in NEW_QUERIES
    }
    print(json.dumps({"new rows refused below": lost}), flush=True)
    for rows in given.rows:
        index = TokenIndex.build(*decoded(tokens, rows))
        pool = Pool.of(index, queries[: given.most_queries])
        generator = np.random.default_rng(rows)
        planned = index.tune(pool.queries[:TUNED], goal=tuning_goal(FIXED)) if rows < 3000 else None
        figures: dict[str, object] = {
            "rows": len(index),
            "tokens": index.token_count,
            "scans by plan": bool(planned and not planned.trials),
        }
        if figures["scans by plan"]:
            found = pool.found(index.profile, np.arange(len(pool.queries)))
            figures["equal to exact"] = bool((found.rows == pool.exact.rows).all())
        else:
            for may_scan in (True, False):
                name = "healthy" if may_scan else "healthy, lists only"
                figures[name] = vars_of(healthy(pool, given.builds, generator, may_scan=may_scan))
            figures["refused below"] = {
                str(missing): below(pool, missing, given.builds, generator) for missing in BELOW
            }
        print(json.dumps(figures), flush=True)


def vars_of(refusals: Refusals) -> dict[str, object]:
    return {name: getattr(refusals, name) for name in Refusals.__dataclass_fields__}


if __name__ == "__main__":
    main()
