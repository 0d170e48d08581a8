"""The recipe that costs least at the recall goal, measured: a shortlist is built on a sample, tuned and timed."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from time import process_time, thread_time
from typing import Any

import numpy as np

from xtr_assets.core.errors import InvalidInput
from xtr_assets.core.recipe_grammar import parse_recipe
from xtr_assets.core.recipe_shortlist import DensePlan, plan_dense
from xtr_assets.core.row_store import RowVectors
from xtr_assets.core.types import Floats, Ints, Mask
from xtr_assets.index.dense.index import DenseIndex
from xtr_assets.index.dense.options import default_profile
from xtr_assets.index.dense.recipe import SEED, build_index
from xtr_assets.index.dense.serialization import stored_bytes
from xtr_assets.index.dense.tuner import Tuning, sample_queries, stricter
from xtr_assets.index.exact_scan import checked_queries, exact_rows

# Rows that candidates are built on. With more, how a candidate grows is read off a quarter of the sample.
SAMPLE_ROWS = 32_768
QUARTER = 4
# Queries timed, one by one, in rounds that take the candidates in turn: the median round of each counts.
TIMED_QUERIES, ROUNDS = 64, 5
# A candidate displaces one before it in the shortlist, which needs less memory or changes more cheaply, only where it
# costs this much less: timings of one candidate differ by about half of that between runs.
CHEAPER = 0.85


@dataclass(frozen=True, slots=True)
class Measured:
    """A candidate of the shortlist.

    plan : the estimate for all rows. built : the recipe built on `rows` rows, with fewer lists where they are fewer.
    estimate : the plan for what was built, to hold beside memory_bytes (its codes, lists and links as stored) and
    build_cpu_seconds (tuning included). profile, met, recall : as tuned. cpu_us : CPU microseconds of a query asked
    alone. cpu_us_at_rows : the same extrapolated to all rows; equal where all were built.
    """

    plan: DensePlan
    built: str
    rows: int
    estimate: DensePlan
    memory_bytes: int
    build_cpu_seconds: float
    profile: dict[str, Any]
    met: bool
    recall: float
    cpu_us: float
    cpu_us_at_rows: float

    @property
    def line(self) -> str:
        """One line for people."""
        reached = f"recall {self.recall:.3f}" + ("" if self.met else ", goal missed")
        return (
            f"{self.plan.recipe}: {self.cpu_us_at_rows:.0f} us a query at {self.plan.rows} rows "
            f"({self.cpu_us:.0f} us at {self.rows} with {self.built}, {reached}), "
            f"{self.plan.memory_bytes / (1 << 20):.1f} MiB, built in about "
            f"{self.plan.build_seconds:.0f} CPU s ({self.build_cpu_seconds:.1f} for the sample)"
        )


@dataclass(frozen=True, slots=True)
class DenseChoice:
    """Which recipe, why, and what was measured of each. cpu_seconds is what the choice took."""

    plan: DensePlan
    goal: float
    queries: int
    measured: tuple[Measured, ...]
    cpu_seconds: float

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def __str__(self) -> str:
        return "\n".join([f"{self.plan.recipe}: {self.plan.reason}", *(f"  {one.line}" for one in self.measured)])


def choose_dense(
    vectors: RowVectors,
    live: Mask,
    shortlist: Sequence[DensePlan],
    queries: Floats | None = None,
    goal: float = 0.95,
    *,
    k: int = 10,
    memory_budget: int | None = None,
    sample_rows: int = SAMPLE_ROWS,
) -> DenseChoice:
    """Build each candidate on a fixed sample of the live rows, tune it to the goal, and take the cheapest by CPU time.

    Parameters
    ----------
    vectors, live : the stored vectors, and bool [end_row] of those to be indexed.
    shortlist : of `recipe_shortlist.shortlist_dense` for the live rows.
    queries : float32 [q, dim] to tune and time on, not stored vectors; mixtures of stored vectors (and half the misses)
        otherwise.
    goal : recall@k on the sample's rows. A candidate that misses it is taken only where all do, by recall.
    memory_budget : bytes the index may hold at all rows, by estimate.
    sample_rows : the most rows that candidates are built on.

    One candidate is not measured: it is the choice. Samples and training are the same each time; times are not, so that
    of two candidates within 15 % the earlier of the shortlist is taken.
    """
    fitting = [plan for plan in shortlist if memory_budget is None or plan.memory_bytes <= memory_budget]
    if not fitting:
        raise InvalidInput(f"a memory budget of {memory_budget} bytes holds none of {[p.recipe for p in shortlist]}")
    if len(fitting) == 1:
        return DenseChoice(replace(fitting[0], reason=f"{fitting[0].reason}; the only candidate"), goal, 0, (), 0.0)
    started = process_time()
    rows = np.flatnonzero(live)
    sample = rows if len(rows) <= sample_rows else _drawn(rows, sample_rows)
    if queries is None:
        queries, goal = sample_queries(vectors, sample), stricter(goal)
    queries = checked_queries(queries, vectors.dim, k)
    full = _built(vectors, sample, fitting, queries, goal, k)
    times = _timed(full, queries, k)
    grown = times
    if len(sample) < len(rows):
        part = _drawn(sample, len(sample) // QUARTER)
        smaller = _timed(_built(vectors, part, fitting, queries, goal, k), queries, k)
        steps = math.log(len(rows) / len(sample)) / math.log(QUARTER)
        # Never less than before: a query over more rows does not get cheaper, timings do.
        grown = [now * max(1.0, now / before) ** steps for now, before in zip(times, smaller, strict=True)]
    measured = tuple(
        _measured(plan, one, time, later) for plan, one, time, later in zip(fitting, full, times, grown, strict=True)
    )
    chosen = _cheapest(measured)
    return DenseChoice(
        replace(chosen.plan, reason=_reason(chosen, measured, goal)),
        goal,
        len(queries),
        measured,
        round(process_time() - started, 3),
    )


def _drawn(rows: Ints, count: int) -> Ints:
    drawn: Ints = np.sort(np.random.default_rng(SEED).choice(rows, count, replace=False))
    return drawn


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A candidate built over a sample: its estimate for that many rows, the index, how tuning went, and CPU seconds."""

    estimate: DensePlan
    index: DenseIndex
    tuning: Tuning
    seconds: float


def _built(
    vectors: RowVectors, rows: Ints, plans: Sequence[DensePlan], queries: Floats, goal: float, k: int
) -> list[_Candidate]:
    exact = exact_rows(vectors, rows, queries, k)[1]
    found = []
    for plan in plans:
        started = process_time()
        estimate = plan_dense(len(rows), vectors.dim, recipe=scaled(plan, len(rows)))
        recipe = parse_recipe(estimate.recipe)
        index = DenseIndex(
            build_index(recipe, vectors, rows, estimate.training_rows),
            vectors,
            recipe,
            default_profile(recipe, len(rows)),
            plan=estimate,
        )
        tuning = index.tune(queries, exact, goal, k)
        found.append(_Candidate(estimate, index, tuning, process_time() - started))
    return found


def scaled(plan: DensePlan, rows: int) -> str:
    """The recipe of a plan as it would be for fewer rows: as many lists a root of rows, everything else alike.

    >>> scaled(plan_dense(1_000_000, 384), 62_500)
    'IVF512,SQ4'
    """
    recipe = parse_recipe(plan.recipe)
    if recipe.family != "ivf" or rows >= plan.rows:
        return plan.recipe
    fewer = 2 ** round(math.log2(recipe.nlist * math.sqrt(rows / plan.rows)))
    return recipe.with_lists(max(1, fewer)).text


def _timed(candidates: Sequence[_Candidate], queries: Floats, k: int) -> list[float]:
    """CPU microseconds of a query asked alone: medians over rounds in which the candidates take turns."""
    asked = [queries[number : number + 1] for number in range(min(TIMED_QUERIES, len(queries)))]
    # The first round compiles and fills caches.
    rounds = [[_seconds(one.index, asked, k) for one in candidates] for _ in range(ROUNDS + 1)][1:]
    middle: list[float] = np.median(np.array(rounds), axis=0).tolist()
    return [seconds * 1e6 / len(asked) for seconds in middle]


def _seconds(index: DenseIndex, asked: Sequence[Floats], k: int) -> float:
    # Of this thread: a single query runs on it alone, and other threads of the process do not count.
    started = thread_time()
    for one in asked:
        index.search(one, k)
    return thread_time() - started


def _measured(plan: DensePlan, one: _Candidate, time: float, later: float) -> Measured:
    return Measured(
        plan=plan,
        built=one.index.recipe,
        rows=len(one.index),
        estimate=one.estimate,
        memory_bytes=stored_bytes(one.index.faiss_index),
        build_cpu_seconds=round(one.seconds, 3),
        profile=one.index.profile,
        met=one.tuning.met,
        recall=one.tuning.profile.recall,
        cpu_us=round(time, 1),
        cpu_us_at_rows=round(later, 1),
    )


def _cheapest(measured: Sequence[Measured]) -> Measured:
    met = [one for one in measured if one.met]
    if not met:
        return max(measured, key=lambda one: one.recall)
    chosen = met[0]
    for one in met[1:]:
        if one.cpu_us_at_rows < CHEAPER * chosen.cpu_us_at_rows:
            chosen = one
    return chosen


def _reason(chosen: Measured, measured: Sequence[Measured], goal: float) -> str:
    others = ", ".join(f"{one.plan.recipe} {one.cpu_us_at_rows:.0f}" for one in measured if one is not chosen)
    basis = "measured" if chosen.rows == chosen.plan.rows else f"extrapolated from {chosen.rows} rows"
    if not chosen.met:
        return f"no candidate reaches recall {goal:.3f}; the best of them, {chosen.recall:.3f}"
    return f"{chosen.cpu_us_at_rows:.0f} us of CPU a query at recall {goal:.3f}, {basis}; others: {others}"
