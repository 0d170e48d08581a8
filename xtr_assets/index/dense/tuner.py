"""The cheapest profile that meets a recall goal: a ladder of probes and re-rank depths, by recall, then by cost."""

from dataclasses import asdict, dataclass, replace
from time import perf_counter
from typing import Any, Literal

import numpy as np

from xtr_assets.core.recall import lower_bound, recall_at_k
from xtr_assets.core.recipe_grammar import Recipe
from xtr_assets.core.row_store import RowVectors
from xtr_assets.core.top_k import best_of_lines
from xtr_assets.core.types import Floats, Ints
from xtr_assets.index.dense.options import DenseProfile, SearchPlan
from xtr_assets.index.dense.recipe import SEED
from xtr_assets.index.dense.search_plan import Served, candidates, index_cost
from xtr_assets.index.exact_scan import true_scores
from xtr_assets.index.half_precision import gather

# 256 queries put the lower bound about a point below the mean at recall 0.95.
TUNING_QUERIES = 256
# A query lies between documents rather than on one: two documents in equal parts and some noise. Real questions are a
# little harder still: over 45,000 code chunks profiles tuned to 0.95 on mixtures gave 0.939 to 0.973 on 800 docstrings,
# tuned to 0.98 they gave 0.973 to 0.988. So an index without queries of its own is tuned for half the misses.
SECOND_SHARE, NOISE_SHARE = 1.0, 0.5
MISSES_ON_MIXTURES = 0.5
# Settings that may fail on the confirming queries, each this much dearer than the last (six times in the end): each is
# one search of them. What that does not mend, more probes do not.
CONFIRMATIONS, DEARER = 8, 1.25
# Re-rank depths tried, in multiples of k.
DEPTHS = (1, 2, 3, 5, 8, 12, 20, 32, 50, 80)
# A queue never holds fewer than k.
LEAST_EF = 8
MOST_EF = 2_048


@dataclass(frozen=True, slots=True)
class Confirmation:
    """Recall of a profile on queries that it was not tuned on: passed where the mean meets the goal.

    lower_bound is that of the mean at 95 % confidence: with fewer than a few hundred queries it lies below the goal for
    a profile that is just good enough, so it is reported and not demanded.
    """

    queries: int
    goal: float
    mean: float
    lower_bound: float
    passed: bool


@dataclass(frozen=True, slots=True)
class Tuning:
    """The profile found, whether it meets the goal, and recall over the ladder: (nprobe or ef_search, recall, ms).

    lower_bound is that of the recall on the tuning queries. confirmed says how the profile did on others, None where
    none were given. how is "confirmed" where the profile there was still met the goal, and nothing was tried.
    """

    profile: DenseProfile
    met: bool
    lower_bound: float
    curve: tuple[tuple[int, float, float], ...]
    confirmed: Confirmation | None = None
    how: Literal["tuned", "confirmed"] = "tuned"

    def as_json(self) -> dict[str, Any]:
        return {
            "how": self.how,
            "profile": self.profile.as_json(),
            "met": self.met,
            "lower_bound": self.lower_bound,
            "confirmed": None if self.confirmed is None else asdict(self.confirmed),
            "curve": [{"probes": step, "recall": mean, "milliseconds": took} for step, mean, took in self.curve],
        }


@dataclass(frozen=True, slots=True)
class _Setting:
    """A setting that was tried: its estimated cost, mean recall with bound, and the profile it makes."""

    cost: float
    mean: float
    bound: float
    profile: DenseProfile


def sample_queries(vectors: RowVectors, rows: Ints, count: int = TUNING_QUERIES) -> Floats:
    """Queries that are no stored vectors: float32 [count, dim], mixtures of rows int64 [n] drawn with a fixed seed."""
    generator = np.random.default_rng(SEED)
    count = min(count, max(1, len(rows)))
    first, second = (gather(vectors, generator.choice(rows, count)) for _ in range(2))
    noise = generator.standard_normal(first.shape, np.float32)
    mixed = _unit(first) + SECOND_SHARE * _unit(second) + NOISE_SHARE * _unit(noise)
    return _unit(mixed)


def stricter(goal: float) -> float:
    """The goal on mixtures that gives `goal` on real queries.

    >>> stricter(0.95)
    0.975
    """
    return 1.0 - (1.0 - goal) * MISSES_ON_MIXTURES


def confirmation(found: Ints, exact: Ints, goal: float) -> Confirmation:
    """Compare found with exact rows, both int64 [q, k]."""
    per_query = recall_at_k(found, exact)
    mean = float(per_query.mean())
    return Confirmation(len(exact), goal, round(mean, 4), round(lower_bound(per_query), 4), mean >= goal)


def tune(
    served: Served,
    vectors: RowVectors,
    profile: DenseProfile,
    queries: Floats,
    exact: Ints,
    *,
    goal: float,
    k: int,
    confirm: tuple[Floats, Ints] | None = None,
) -> Tuning:
    """Walk up the ladder until more probes cost more than the best setting found.

    A setting meets the goal when the lower bound of its recall does, or when it missed nothing. Costs are estimated
    and not timed: the same index gets the same profile on a busy machine. Nothing met: the setting of highest recall.
    Where `confirm` holds other queries with their exact rows, the walk goes on past settings that fail there.
    """
    recipe = served.recipe
    # An index of no row answers nothing at any setting, and FAISS refuses to be asked for none.
    if recipe.exhaustive or not served.index.ntotal:
        return Tuning(replace(profile, k=k, goal=goal, recall=1.0), True, 1.0, ())
    walk = _Walk(served, vectors, profile, queries, exact, goal, k)
    failed: list[tuple[_Setting, Confirmation]] = []
    for step in [*_ladder(recipe), None]:
        while (best := walk.best(failed[-1][0] if failed else None)) is not None:
            if step is not None and walk.cost(step, 1) < best.cost:
                break
            verdict = None if confirm is None else walk.confirm(best, *confirm)
            if verdict is None or verdict.passed:
                return Tuning(best.profile, True, best.bound, tuple(walk.curve), verdict)
            failed.append((best, verdict))
        if step is None or len(failed) >= CONFIRMATIONS:
            break
        walk.take(step)
    if not failed:
        closest = max(walk.tried, key=lambda one: (one.mean, -one.cost))
        failed = [(closest, walk.confirm(closest, *confirm))] if confirm is not None else []
        return Tuning(closest.profile, False, closest.bound, tuple(walk.curve), failed[0][1] if failed else None)
    closest, verdict = max(failed, key=lambda pair: pair[1].mean)
    return Tuning(closest.profile, False, closest.bound, tuple(walk.curve), verdict)


class _Walk:
    """The settings tried so far on one index."""

    def __init__(
        self,
        served: Served,
        vectors: RowVectors,
        profile: DenseProfile,
        queries: Floats,
        exact: Ints,
        goal: float,
        k: int,
    ) -> None:
        self._served, self._vectors, self._recipe, self._profile = served, vectors, served.recipe, profile
        self._queries, self._exact, self._goal, self._k = queries, exact, goal, k
        self._rows = int(served.index.ntotal)
        self._depths = [1] if self._recipe.exact_codes else [d for d in DEPTHS if d * k <= self._rows] or [1]
        self.tried: list[_Setting] = []
        self.curve: list[tuple[int, float, float]] = []

    def best(self, failed: _Setting | None) -> _Setting | None:
        """The cheapest setting that meets the goal; dearer than one that failed, and finding no less."""
        met = [one for one in self.tried if one.bound >= self._goal or one.mean == 1.0]
        if failed is not None:
            met = [one for one in met if one.cost >= DEARER * failed.cost and one.mean >= failed.mean]
        return min(met, key=lambda one: one.cost, default=None)

    def cost(self, step: int, depth: int) -> float:
        """Estimated nanoseconds a query."""
        nprobe, ef = self._at(step)
        return index_cost(
            self._recipe,
            self._rows,
            self._vectors.dim,
            nprobe=nprobe,
            ef_search=ef,
            candidates=depth * self._k,
            filtered=False,
        )

    def take(self, step: int) -> None:
        """Try a step of the ladder with every depth of re-ranking."""
        recipe, k = self._recipe, self._k
        nprobe, ef = self._at(step)
        # A queue of ef nodes yields no more than ef candidates.
        usable = [depth for depth in self._depths if recipe.family != "hnsw" or depth * k <= ef]
        made = replace(self._profile, nprobe=nprobe, ef_search=ef, k=k, goal=self._goal)
        started = perf_counter()
        found = self._candidates(made, self._queries, min(self._rows, usable[-1] * k))
        milliseconds = (perf_counter() - started) * 1e3 / len(self._queries)
        scores = true_scores(self._vectors, self._queries, found)
        mean = 0.0
        for depth in usable:
            _, ranked = best_of_lines(scores[:, : depth * k], found[:, : depth * k], k)
            per_query = recall_at_k(ranked, self._exact)
            mean = float(per_query.mean())
            kept = replace(made, rescore=0 if recipe.exact_codes else depth * k, recall=round(mean, 4))
            self.tried.append(_Setting(self.cost(step, depth), mean, lower_bound(per_query), kept))
        self.curve.append((step, mean, milliseconds))

    def confirm(self, setting: _Setting, queries: Floats, exact: Ints) -> Confirmation:
        """What a setting finds for other queries."""
        found = self._candidates(setting.profile, queries, min(self._rows, max(self._k, setting.profile.rescore)))
        return confirmation(
            best_of_lines(true_scores(self._vectors, queries, found), found, self._k)[1], exact, self._goal
        )

    def _at(self, step: int) -> tuple[int, int]:
        """(nprobe, ef_search) of a step."""
        return (step, 0) if self._recipe.family == "ivf" else (0, max(step, self._k) if self._recipe.graph else 0)

    def _candidates(self, profile: DenseProfile, queries: Floats, count: int) -> Ints:
        plan = SearchPlan(
            mode="index",
            family=self._recipe.family,
            k=self._k,
            nprobe=profile.nprobe,
            ef_search=profile.ef_search,
            quantizer_ef_search=max(64, 2 * profile.nprobe),
            candidates=count,
            rescored=not self._recipe.exact_codes,
            available=self._rows,
            filtered=False,
            device="cpu",
            reason="tuning",
        )
        return candidates(self._served, plan, queries, None)[1]


def _ladder(recipe: Recipe) -> list[int]:
    """1, 2, 3, 4, 6, 8, 12, ... up to every list, from LEAST_EF for a graph; one step where nothing is probed."""
    if recipe.family == "flat":
        return [1]
    most, least = (recipe.nlist, 1) if recipe.family == "ivf" else (MOST_EF, LEAST_EF)
    powers = [1 << bit for bit in range(most.bit_length())]
    steps = sorted({*powers, *(power + power // 2 for power in powers), most})
    return [step for step in steps if least <= step <= most]


def _unit(vectors: Floats) -> Floats:
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    scaled: Floats = vectors / np.maximum(norms, np.float32(1e-12))
    return scaled
