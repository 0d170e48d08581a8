"""The cheapest profile that meets a recall goal: a ladder of probes and re-rank depths, by recall, then by cost."""

from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any

import numpy as np

from xtr_assets.core.recall import lower_bound, recall_at_k
from xtr_assets.core.recipes import Recipe
from xtr_assets.core.rows import RowVectors
from xtr_assets.core.types import Floats, Ints
from xtr_assets.index.exact import gather, ordered, true_scores
from xtr_assets.index.parameters import DenseProfile, SearchPlan
from xtr_assets.index.recipes import SEED
from xtr_assets.index.searching import candidates, index_cost

# 256 queries put the lower bound about a point below the mean at recall .95.
TUNING_QUERIES = 256
# A query lies between documents rather than on one: two documents in equal parts and some noise. Real questions are a
# little harder still: over 45,000 code chunks profiles tuned to .95 on mixtures gave .939 to .973 on 800 docstrings,
# tuned to .98 they gave .973 to .988. So an index without queries of its own is tuned for half the misses.
SECOND_SHARE, NOISE_SHARE = 1.0, 0.5
MISSES_ALLOWED = 0.5
# Re-rank depths tried, in multiples of k.
DEPTHS = (1, 2, 3, 5, 8, 12, 20, 32, 50, 80)
LEAST_EF = 16
MOST_EF = 2_048


@dataclass(frozen=True, slots=True)
class Tuning:
    """The profile found, whether it meets the goal, and recall over the ladder: (nprobe or ef_search, recall, ms)."""

    profile: DenseProfile
    met: bool
    lower_bound: float
    curve: tuple[tuple[int, float, float], ...]


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
    return 1.0 - (1.0 - goal) * MISSES_ALLOWED


def tune(
    index: Any,
    vectors: RowVectors,
    recipe: Recipe,
    profile: DenseProfile,
    queries: Floats,
    exact: Ints,
    *,
    goal: float,
    k: int,
) -> Tuning:
    """Walk up the ladder until more probes cost more than the best setting found.

    A setting meets the goal when the lower bound of its recall does, or when it missed nothing. Costs are estimated
    and not timed: the same index gets the same profile on a busy machine. Nothing met: the setting of highest recall.
    """
    if recipe.exhaustive:
        return Tuning(replace(profile, k=k, goal=goal, recall=1.0), True, 1.0, ())
    rows = int(index.ntotal)
    depths = [1] if recipe.exact_codes else [d for d in DEPTHS if d * k <= rows] or [1]
    best: tuple[float, DenseProfile, float] | None = None
    closest: tuple[float, DenseProfile, float] | None = None
    curve = []
    for step in _ladder(recipe):
        nprobe, ef = (step, 0) if recipe.family == "ivf" else (0, 0)
        usable = depths
        if recipe.family == "hnsw":
            # A queue of ef nodes yields no more than ef candidates.
            ef, usable = max(step, k), [depth for depth in depths if depth * k <= max(step, k)]
        deepest = min(rows, usable[-1] * k)

        def cost(depth: int, nprobe: int = nprobe, ef: int = ef) -> float:
            return index_cost(
                recipe, rows, vectors.dim, nprobe=nprobe, ef_search=ef, candidates=depth * k, filtered=False
            )

        if best is not None and cost(depths[0]) >= best[0]:
            break
        plan = SearchPlan(
            mode="index",
            family=recipe.family,
            k=k,
            nprobe=nprobe,
            ef_search=ef,
            quantizer_ef_search=max(64, 2 * nprobe),
            candidates=deepest,
            rescored=not recipe.exact_codes,
            available=rows,
            filtered=False,
            device="cpu",
            reason="tuning",
        )
        started = perf_counter()
        _, found = candidates(index, None, recipe, plan, queries, None)
        milliseconds = (perf_counter() - started) * 1e3 / len(queries)
        scores = true_scores(vectors, queries, found)
        mean = 0.0
        for depth in usable:
            _, ranked = ordered(scores[:, : depth * k], found[:, : depth * k], k)
            per_query = recall_at_k(ranked, exact)
            mean, bound = float(per_query.mean()), lower_bound(per_query)
            rescore = 0 if recipe.exact_codes else depth * k
            made = replace(profile, nprobe=nprobe, ef_search=ef, rescore=rescore, k=k, goal=goal, recall=round(mean, 4))
            if closest is None or mean > closest[0]:
                closest = (mean, made, bound)
            if (bound >= goal or mean == 1.0) and (best is None or cost(depth) < best[0]):
                best = (cost(depth), made, bound)
        curve.append((step, mean, milliseconds))
    assert closest is not None
    _, chosen, bound = best or closest
    return Tuning(chosen, best is not None, bound, tuple(curve))


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
