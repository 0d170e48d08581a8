"""How often the gate refuses a healthy tuned index, and how often one that is too bad.

    python benchmarks/gate_power.py WAREHOUSE [--rows 5000 20000] [--builds 3000] [--space dense xtr]

Recall of a query is always that of a real search: settings and queries are searched once and remembered, and a
simulated build draws its tuning queries, the gate's, those of new rows and the gate's further ones from one pool, tunes
with the tuner itself and judges with the gate's own rule. The pool is drawn from the corpus as the gate draws. An index
that is `below` the threshold is one whose queries are drawn from a good and a bad setting in the shares that give that
mean. WAREHOUSE: what serves there, or its first draft.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import numpy as np

from xtr_assets.core.new_neighbors import surely_at_most
from xtr_assets.core.recall import MAXSIM_TIE_TOLERANCE, Doubles, RecallReport, lower_bound, recall_at_k
from xtr_assets.core.row_store import RowTokens
from xtr_assets.core.top_k import best_of_lines
from xtr_assets.core.types import Floats, Ints, Mask
from xtr_assets.index import DenseIndex, TokenIndex
from xtr_assets.index.dense import tuner as dense_tuner
from xtr_assets.index.dense.options import DenseProfile
from xtr_assets.index.exact_scan import exact_rows, true_scores
from xtr_assets.index.half_precision import gather
from xtr_assets.index.late import tuner as token_tuner
from xtr_assets.index.late.options import SearchProfile
from xtr_assets.index.late.search import TokenResult
from xtr_assets.pipeline.gate.finding import Finding
from xtr_assets.pipeline.gate.further_queries import FURTHER
from xtr_assets.pipeline.gate.index_recall import judge, undecided
from xtr_assets.pipeline.gate.new_row_recall import CONFIDENCE
from xtr_assets.pipeline.queries.drawn_queries import drawn_queries
from xtr_assets.pipeline.queries.gate_queries import GateQueries
from xtr_assets.pipeline.queries.tuning_queries import tuning_goal
from xtr_assets.search.query_encoder import QueryEncoder
from xtr_assets.storage.generation import Generation
from xtr_assets.storage.warehouse import Warehouse

K = 10
FIXED, NEW = 0.95, 0.93
NEW_QUERIES = (1, 4, 16, 35, 50)
BELOW = (0.02, 0.03, 0.05)
BELOW_NEW = (0.03, 0.05, 0.2, 0.5)
# Tuning and gate queries of a build.
TUNED = JUDGED = 200

Walk = dense_tuner._Walk
# What the tuner compares lists by: here the values are known.
COMPARED = "recall_at_k"
Profile = SearchProfile | DenseProfile


@dataclass(frozen=True)
class Tuned:
    """profile : what the tuner chose; scans : whether that is exact."""

    profile: Profile
    met: bool
    scans: bool


class AnyPool(Protocol):
    """An index with queries of which exact neighbours are known."""

    good: Profile
    bad: Profile

    def __len__(self) -> int: ...

    def recalls(self, profile: Profile, chosen: Ints) -> Doubles:
        """Recall@K of each chosen query."""
        ...

    def nearest_found(self, profile: Profile, chosen: Ints) -> Mask:
        """Whether the nearest row of each chosen query is found."""
        ...

    def tuned(self, chosen: Ints, judged: int, may_scan: bool) -> Tuned:
        """What the tuner makes of these queries."""
        ...


@dataclass
class Pool:
    """A token index; each pair of setting and query is searched once."""

    index: TokenIndex
    queries: Sequence[Floats]
    exact_scores: Floats
    exact_rows: Ints
    known: dict[tuple[SearchProfile, int], TokenResult] = field(default_factory=dict)
    values: dict[tuple[SearchProfile, int], float] = field(default_factory=dict)
    good: Profile = field(default_factory=lambda: SearchProfile(16, None, 512, whole=True))
    bad: Profile = field(default_factory=lambda: SearchProfile(2, None, 32))

    @classmethod
    def of(cls, index: TokenIndex, queries: Sequence[Floats]) -> "Pool":
        found = [index.exact(query, K) for query in queries]
        return cls(index, queries, np.stack([s for s, _ in found]), np.stack([r for _, r in found]))

    def __len__(self) -> int:
        return len(self.queries)

    def run(self, profile: SearchProfile, number: int) -> TokenResult:
        key = profile, number
        if key not in self.known:
            set_before, self.index.profile = self.index.profile, profile
            one = self.known[key] = self.index.search_detailed(self.queries[number], K)
            self.index.profile = set_before
            lists = one.rows[None], self.exact_rows[number][None], one.scores[None], self.exact_scores[number][None]
            self.values[key] = float(recall_at_k(*lists, MAXSIM_TIE_TOLERANCE)[0])
        return self.known[key]

    def recalls(self, profile: Profile, chosen: Ints) -> Doubles:
        assert isinstance(profile, SearchProfile)
        for number in chosen.tolist():
            self.run(profile, number)
        return np.array([self.values[profile, number] for number in chosen.tolist()])

    def nearest_found(self, profile: Profile, chosen: Ints) -> Mask:
        assert isinstance(profile, SearchProfile)
        found = [self.exact_rows[number, 0] in self.run(profile, number).rows for number in chosen.tolist()]
        return np.array(found, np.bool_)

    def tuned(self, chosen: Ints, judged: int, may_scan: bool) -> Tuned:
        """Each query carries its number in the place of its tokens; what a search found is compared once."""
        rows = len(self.index)
        asked: list[tuple[SearchProfile, int]] = []

        def run(profile: SearchProfile, query: Floats, _: int) -> TokenResult:
            asked.append((profile, int(query[0, 0])))
            return self.run(*asked[-1])

        try:
            setattr(
                token_tuner, COMPARED, lambda found, *_: np.array([self.values[one] for one in asked[-len(found) :]])
            )
            found = token_tuner.tune(
                run,
                SearchProfile(),
                [np.full((len(self.queries[number]), 1), number, np.float32) for number in chosen.tolist()],
                (self.exact_scores[chosen], self.exact_rows[chosen]),
                goal=tuning_goal(FIXED, len(chosen), judged),
                k=K,
                rows=rows,
                tokens_per_row=self.index.token_count / rows,
                may_scan=may_scan,
            )
        finally:
            setattr(token_tuner, COMPARED, recall_at_k)
        return Tuned(found.profile, found.met, found.profile.scan)


@dataclass(frozen=True)
class Found:
    """What a setting finds for every query of a pool: recall as the tuner counts it and as the gate does, and whether
    the nearest row is there."""

    tuners: Doubles
    gates: Doubles
    nearest: Mask


class DensePool:
    """A dense index with lists; each setting of the tuner's ladder is searched once for all queries."""

    def __init__(self, index: DenseIndex, queries: Floats) -> None:
        self.index, self.queries = index, queries
        self.scores, self.rows = exact_rows(index.vectors, np.flatnonzero(index.present), queries, K)
        self.found: dict[tuple[int, int], Found] = {}
        start = DenseProfile.from_json(index.profile)
        steps = dense_tuner._ladder(index.served.recipe)
        self.bad: Profile = replace(start, nprobe=1, rescore=K)
        self.good: Profile = replace(start, nprobe=steps[-1], rescore=K * dense_tuner.DEPTHS[-1])

    def __len__(self) -> int:
        return len(self.queries)

    def step(self, walk: Walk, nprobe: int) -> None:
        """Search one step of the ladder at every depth, for all queries."""
        depths = walk._depths
        made = replace(DenseProfile.from_json(self.index.profile), nprobe=nprobe, k=K)
        found = walk._candidates(made, self.queries, min(len(self.index), depths[-1] * K))
        scores = true_scores(self.index.vectors, self.queries, found)
        for depth in depths:
            best, ranked = best_of_lines(scores[:, : depth * K], found[:, : depth * K], K)
            self.found[nprobe, depth] = Found(
                recall_at_k(ranked, self.rows),
                recall_at_k(ranked, self.rows, best, self.scores),
                (ranked == self.rows[:, :1]).any(axis=1),
            )

    def at(self, profile: Profile) -> Found:
        assert isinstance(profile, DenseProfile)
        key = profile.nprobe, max(1, profile.rescore // K)
        if key not in self.found:
            self.step(self.walk_over(np.arange(1)), profile.nprobe)
        return self.found[key]

    def recalls(self, profile: Profile, chosen: Ints) -> Doubles:
        return self.at(profile).gates[chosen]

    def nearest_found(self, profile: Profile, chosen: Ints) -> Mask:
        return self.at(profile).nearest[chosen]

    def walk_over(self, chosen: Ints, goal: float = 1.0) -> Walk:
        pool = self

        class Known(Walk):
            """The tuner's walk, over what is known."""

            def take(self, step: int) -> None:
                if (step, 1) not in pool.found:
                    pool.step(self, step)
                for depth in self._depths:
                    values = pool.found[step, depth].tuners[chosen]
                    mean = float(values.mean())
                    rescore = 0 if self._recipe.exact_codes else depth * K
                    kept = replace(self._profile, nprobe=step, k=K, goal=goal, rescore=rescore, recall=round(mean, 4))
                    cost = self.cost(step, depth)
                    self.tried.append(dense_tuner._Setting(cost, mean, lower_bound(values), kept))
                self.curve.append((step, mean, 0.0))

        start = DenseProfile.from_json(self.index.profile)
        return Known(self.index.served, self.index.vectors, start, self.queries[chosen], self.rows[chosen], goal, K)

    def tuned(self, chosen: Ints, judged: int, may_scan: bool) -> Tuned:
        goal = tuning_goal(FIXED, len(chosen), judged)
        try:
            dense_tuner._Walk = lambda *_: self.walk_over(chosen, goal)  # type: ignore[assignment,misc]
            start = DenseProfile.from_json(self.index.profile)
            found = dense_tuner.tune(
                self.index.served, self.index.vectors, start, self.queries[chosen], self.rows[chosen], goal=goal, k=K
            )
        finally:
            dense_tuner._Walk = Walk  # type: ignore[misc]
        return Tuned(found.profile, found.met, False)


def verdict(values: Doubles) -> Finding:
    """The gate's on an index that is not exact by construction, by its queries' recall."""
    report = RecallReport(float(values.mean()), lower_bound(values), len(values), K, 0.95, ())
    return judge("recall", report, FIXED, exact=False)


def refused(fixed: Doubles, further: Doubles) -> tuple[bool, bool]:
    """Whether the fixed queries do not prove the recall, and whether it is refused then."""
    finding = verdict(fixed)
    if finding.passed or not undecided(finding) or not len(further):
        return not finding.passed, not finding.passed
    return True, not verdict(np.concatenate([fixed, further])).passed


def refused_new(found: Mask) -> bool:
    """Its verdict on new rows, each query's nearest row being the one that is new, as its own chunk most often is."""
    return surely_at_most(found.astype(np.float64), CONFIDENCE) < NEW


@dataclass(frozen=True)
class Refusals:
    """How many of the builds each check refused.

    scans : builds whose profile scans, which are exact; unmet : builds that met no goal; undecided : those that needed
    further queries; fixed : those that were refused then
    """

    builds: int
    scans: int
    unmet: int
    undecided: int
    fixed: int
    new: dict[int, int]
    recall: float
    deviation: float
    settings: int


def healthy(pool: AnyPool, builds: int, generator: np.random.Generator, *, may_scan: bool = True) -> Refusals:
    """Tune on some queries and judge on others, so many times. A build that met no goal is none of the healthy."""
    scans = unmet = first = fixed = 0
    new = dict.fromkeys(NEW_QUERIES, 0)
    means, deviations, settings = [], [], set()
    for _ in range(builds):
        drawn = generator.permutation(len(pool))
        asked, gate, fresh, more = np.split(drawn, np.cumsum([TUNED, JUDGED, max(NEW_QUERIES)]))
        tuned = pool.tuned(asked, len(gate), may_scan)
        scans += tuned.scans
        unmet += not tuned.met
        if not tuned.met or tuned.scans:
            continue
        settings.add(repr(tuned.profile))
        values = pool.recalls(tuned.profile, gate)
        low, out = refused(values, pool.recalls(tuned.profile, more[: FURTHER * JUDGED]))
        first, fixed = first + low, fixed + out
        for count in NEW_QUERIES:
            new[count] += refused_new(pool.nearest_found(tuned.profile, fresh[:count]))
        means.append(float(values.mean()))
        deviations.append(float(values.std()))
    mean, deviation = (round(float(np.mean(v)), 4) if v else 1.0 for v in (means, deviations))
    return Refusals(builds, scans, unmet, first, fixed, new, mean, deviation, len(settings))


def below(pool: AnyPool, missing: float, builds: int, generator: np.random.Generator) -> float | None:
    """Share of the builds refused whose recall is the threshold less `missing`: a good and a bad setting, mixed so.

    None where no mixture of them has that recall.
    """
    every = np.arange(len(pool))
    high, low = pool.recalls(pool.good, every), pool.recalls(pool.bad, every)
    if not low.mean() <= FIXED - missing <= high.mean() or low.mean() == high.mean():
        return None
    share, hits = (high.mean() - (FIXED - missing)) / (high.mean() - low.mean()), 0
    for _ in range(builds):
        drawn = generator.permutation(len(every))[: (1 + FURTHER) * JUDGED]
        mixed = np.where(generator.random(len(drawn)) < share, low[drawn], high[drawn])
        hits += refused(mixed[:JUDGED], mixed[JUDGED:])[1]
    return hits / builds


def below_new(missing: float, queries: int, builds: int, generator: np.random.Generator) -> float:
    """The same of new rows, each of which is found or not."""
    found = generator.random((builds, queries)) < NEW - missing
    return float(np.mean([refused_new(shares) for shares in found]))


def decoded(tokens: RowTokens, rows: int) -> tuple[Floats, Ints]:
    """The first rows of a store as floats: float16 [T, d], int64 [n + 1]."""
    parts = [np.asarray(p.tokens, np.float32) * np.asarray(p.scales, np.float32)[:, None] for p in tokens.parts]
    lengths = np.concatenate([np.diff(part.offsets) for part in tokens.parts])[:rows]
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return np.concatenate(parts)[: offsets[-1]].astype(np.float16), offsets


def drawn_pool(generation: Generation, rows: int, count: int) -> GateQueries:
    """Queries drawn from the first rows, as the gate draws them."""
    wanted = generation.live.copy()
    wanted[rows:] = False
    return drawn_queries(generation, wanted, count, QueryEncoder("cpu").of(generation), (), "fixed")


def token_figures(generation: Generation, rows: int, asked: GateQueries, builds: int) -> dict[str, object]:
    index = TokenIndex.build(*decoded(generation.tokens(), rows))
    pool = Pool.of(index, asked.tokens)
    planned = index.tune(pool.queries[:TUNED], goal=tuning_goal(FIXED))
    sizes = {"rows": len(index), "tokens": index.token_count, "scans by plan": not planned.trials}
    if not planned.trials:
        return {**sizes, "equal to exact": bool((pool.recalls(index.profile, np.arange(len(pool))) == 1.0).all())}
    # Lists alone: a build that scans is exact, and none that could be refused.
    figures = vars_of(healthy(pool, builds, np.random.default_rng(rows), may_scan=False))
    return {**sizes, "healthy": figures, "refused below": refused_below(pool, rows, builds)}


def dense_figures(generation: Generation, rows: int, asked: GateQueries, builds: int) -> dict[str, object]:
    vectors = generation.vectors()
    index = DenseIndex.build(gather(vectors, vectors.rows()[:rows]), queries=asked.embeddings[:TUNED])
    sizes = {"rows": len(index), "recipe": index.recipe}
    if index.recipe == "Flat":
        return {**sizes, "scans by plan": True}
    pool = DensePool(index, asked.embeddings)
    figures = vars_of(healthy(pool, builds, np.random.default_rng(rows)))
    return {**sizes, "healthy": figures, "refused below": refused_below(pool, rows, builds)}


def refused_below(pool: AnyPool, rows: int, builds: int) -> dict[str, float | None]:
    generator = np.random.default_rng(rows)
    return {str(missing): below(pool, missing, builds, generator) for missing in BELOW}


def read_generation(folder: Path) -> Generation:
    warehouse = Warehouse.open(folder)
    return warehouse.published or warehouse.open_draft(1)


def main() -> None:
    """Print a line of JSON for each space and number of rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("warehouse", type=Path)
    parser.add_argument("--rows", type=int, nargs="+", default=[20_000])
    parser.add_argument("--builds", type=int, default=3000)
    parser.add_argument("--space", nargs="+", default=["dense", "xtr"])
    # A small pool is no sample of what the gate may draw: it has 200 + 200 + 50 + 400 queries for one build.
    parser.add_argument("--most-queries", type=int, default=3000)
    given = parser.parse_args()
    generation = read_generation(given.warehouse)
    generator = np.random.default_rng(0)
    lost = {
        f"{count} queries": {str(b): below_new(b, count, given.builds, generator) for b in BELOW_NEW}
        for count in NEW_QUERIES
    }
    print(json.dumps({"new rows refused below": lost}), flush=True)
    for rows in given.rows:
        asked = drawn_pool(generation, rows, given.most_queries)
        for space in given.space:
            figures = (dense_figures if space == "dense" else token_figures)(generation, rows, asked, given.builds)
            print(json.dumps({"space": space, "pool": len(asked), **figures}), flush=True)


def vars_of(refusals: Refusals) -> dict[str, object]:
    return {name: getattr(refusals, name) for name in Refusals.__dataclass_fields__}


if __name__ == "__main__":
    main()
