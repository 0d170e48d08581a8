"""Search of a dense index: plans, answers, what re-ranking did, and the profile that searches follow."""

from collections.abc import Mapping
from dataclasses import replace
from time import perf_counter
from typing import Any

import numpy as np

from xtr_assets.core.arguments import query_vectors, real_array, result_count, row_mask
from xtr_assets.core.errors import InvalidInput
from xtr_assets.core.recipe_grammar import Recipe
from xtr_assets.core.row_store import RowVectors
from xtr_assets.core.search_options import SearchOptions, search_options
from xtr_assets.core.types import Floats, Ints, Mask
from xtr_assets.index.dense import search_plan
from xtr_assets.index.dense.gpu_clone import GpuClone
from xtr_assets.index.dense.gpu_placement import Placement
from xtr_assets.index.dense.options import DenseProfile, SearchPlan, checked, with_parameters
from xtr_assets.index.dense.recipe import entries, held_mask
from xtr_assets.index.dense.refinement import DenseResult, Refined, refined
from xtr_assets.index.dense.search_plan import Served
from xtr_assets.index.dense.sq_scan import code_scan
from xtr_assets.index.dense.tuner import Confirmation, Tuning, confirmation, sample_queries, tune
from xtr_assets.index.exact_scan import exact_rows
from xtr_assets.index.lifetime import Lifetime
from xtr_assets.index.row_scorer import scorer_of

RECALL_GOAL = 0.95
# Decided searches that are kept: one for each k and each set of overrides in use.
MOST_PLANS = 256


class DenseSearch(Lifetime):
    """The half of DenseIndex that answers. Safe from many threads."""

    _held = (
        "_index", "_vectors", "_recipe", "_profile", "_begun", "_placement", "_clone", "_served", "_plans", "_tuning",
        "_present", "_scorer", "_count",
    )  # fmt: skip

    def __init__(
        self, index: Any, vectors: RowVectors, recipe: Recipe, profile: DenseProfile, live: Mask | None = None
    ) -> None:
        """live : bool [end_row], the rows that may ever be returned, whatever FAISS holds; None: what it holds."""
        self._index = index
        self._vectors = vectors
        self._recipe = recipe
        # `_begun` is what `reset` goes back to: the profile it was opened with, or that its build found.
        self._profile = self._begun = profile
        self._placement = Placement("cpu", False, "built here")
        self._clone: GpuClone | None = None
        self._served: Served | None = None
        self._plans: dict[SearchOptions, SearchPlan] = {}
        self._tuning: Tuning | None = None
        self._present = held_mask(index, vectors)
        if live is not None:
            self._present &= row_mask(live, vectors.end_row, "live")
        # Chosen here, at opening, for every search of these vectors.
        self._scorer = scorer_of(vectors)
        self._count = int(np.count_nonzero(self._present))

    @property
    def recipe(self) -> str:
        """How it was built: a FAISS factory string such as "IVF256,SQ4"."""
        return self._recipe.text

    @property
    def profile(self) -> dict[str, Any]:
        """How it is searched by default, as JSON values (see `options.DenseProfile`)."""
        return self._profile.as_json()

    @property
    def tuning(self) -> Tuning | None:
        """How the profile was found, where that was here: recall over what was tried. None for an opened index."""
        return self._tuning

    @property
    def dim(self) -> int:
        """Dimensions of a vector."""
        return self._vectors.dim

    @property
    def vectors(self) -> RowVectors:
        """The stored vectors, by which results are scored: float16 [end_row, dim] in parts."""
        return self._vectors

    @property
    def present(self) -> Mask:
        """bool [end_row]: the rows that can be returned."""
        return self._present.copy()

    @property
    def placement(self) -> Placement:
        """The device that serves, and why that one."""
        return self._placement

    @property
    def rows_scored_by(self) -> str:
        """What scores stored rows: "native" with its instruction set, "numba" or "numpy" (see row_scorer.py)."""
        return self._scorer.name

    @property
    def served(self) -> Served:
        """What answers now. Made at the first search after a change: it holds where the lists lie."""
        served = self._served
        if served is None:
            scan = code_scan(self._index, self._recipe, self._vectors.end_row)
            # A selector costs 2 ns a row that is read: none where what FAISS holds is what may be returned, by count.
            # Rows that may be returned are different ones that it holds, so that more entries are others or doubled.
            exact = entries(self._index) == self._count
            live = None if exact else self._present
            served = self._served = Served(self._index, self._recipe, self._clone, scan, live)
        return served

    def search(
        self,
        queries: Floats,
        k: int,
        *,
        nprobe: int | None = None,
        ef_search: int | None = None,
        rescore: int | None = None,
        allowed: Mask | None = None,
        parameters: str = "",
    ) -> tuple[Floats, Ints]:
        """The k best rows of each query.

        Parameters
        ----------
        queries : float32 [q, dim], or [dim] for one query; finite.
        nprobe, ef_search, rescore : in place of the profile's; InvalidInput names the range. `rescore` is the number
            of candidates that are re-ranked exactly.
        allowed : bool [end_row]; other rows are left out before candidates are cut, never after.
        parameters : the same as a FAISS user writes them: "nprobe=32,k_factor=4".

        Returns
        -------
        scores : float32 [q, k], or [k] for one query: inner products, descending; -inf pads where rows are fewer.
        rows : int64 of the same shape; ties ascending; -1 pads.
        """
        options = search_options(k, nprobe, ef_search, None, rescore, allowed)
        array = real_array(queries, "queries")
        if array.ndim == 1 and array.size:
            result = self.answer(array[None], options, parameters)
            return result.scores[0], result.rows[0]
        result = self.answer(array.reshape(0, self.dim) if array.ndim == 1 else array, options, parameters)
        return result.scores, result.rows

    def answer(self, queries: Floats, options: SearchOptions, parameters: str = "") -> DenseResult:
        """As `search` for queries float32 [q, dim], with its plan and what it took."""
        started = perf_counter()
        queries, k = query_vectors(queries, self.dim), options.k
        plan, available = self._plan(with_parameters(options, parameters), len(queries))
        planned = perf_counter()
        approximate = found = None
        if plan.mode == "nothing" or not len(queries):
            scores = np.full((len(queries), k), -np.inf, np.float32)
            rows = np.full((len(queries), k), -1, np.int64)
        elif plan.mode == "scan":
            scores, rows = exact_rows(self._vectors, np.flatnonzero(available), queries, k)
        else:
            approximate, found = search_plan.find(self.served, plan, queries, available if plan.filtered else None)
        searched = perf_counter()
        if found is not None:
            given = self._vectors, self._recipe, plan, queries, found, available
            scores, rows = search_plan.rerank(self._scorer, *given)
        seconds = planned - started, searched - planned, perf_counter() - searched
        return DenseResult(scores, rows, plan, found, *seconds, approximate)

    def search_with_refine(
        self, queries: Floats, k: int, *, allowed: Mask | None = None, parameters: str = ""
    ) -> Refined:
        """`search` with what the codes said beside what the stored vectors say; arguments as of `search`."""
        return refined(self.answer(queries, SearchOptions(k, allowed=allowed), parameters))

    def plan_search(self, k: int, *, allowed: Mask | None = None, parameters: str = "", queries: int = 1) -> SearchPlan:
        """How a search of so many queries in one call would be run, and why. allowed : bool [end_row]."""
        return self._plan(with_parameters(SearchOptions(k, allowed=allowed), parameters), queries)[0]

    def _plan(self, options: SearchOptions, queries: int) -> tuple[SearchPlan, Mask]:
        # Of now: what a plan made beside a change of the profile goes into is dropped with it.
        plans, allowed = self._plans, options.allowed
        if allowed is None and (known := plans.get(options)) is not None:
            return known, self._present
        available = self._present
        if allowed is not None:
            available = row_mask(allowed, self._vectors.end_row, "allowed") & self._present
        count = self._count if allowed is None else int(np.count_nonzero(available))
        plan = search_plan.plan_search(
            self._recipe,
            self._profile,
            options,
            rows=self._count,
            available=count,
            dim=self.dim,
            queries=queries,
            filtered=allowed is not None,
            device=self._placement.device,
        )
        if self._clone is not None:
            masked = plan.filtered or self.served.live is not None
            if (refusal := self._clone.refusal(plan, masked)) is not None:
                plan = replace(plan, device="cpu", reason=f"{plan.reason}; {refusal}")
        # A plan takes a quarter of the time of a small search; without a filter it is the same every time.
        if allowed is None and plan.mode == "index" and plan.reason == search_plan.UNFILTERED:
            if len(plans) >= MOST_PLANS:
                plans.clear()
            plans[options] = plan
        return plan, available

    def tune(
        self,
        queries: Floats | None = None,
        exact: Ints | None = None,
        goal: float = RECALL_GOAL,
        k: int = 10,
        *,
        confirm: Floats | None = None,
        keep: bool = False,
    ) -> Tuning:
        """Find the cheapest profile whose recall@k meets the goal, and use it from now on.

        Parameters
        ----------
        queries : float32 [q, dim], not rows of the index; mixtures of stored vectors otherwise.
        exact : int64 [q, k], their exact neighbours among the live rows; computed where not given.
        confirm : float32 [m, dim], other queries; a profile whose recall on them misses the goal gives way to the next
            dearer one.
        keep : stay with the profile there is where it still meets the goal on the queries, as a generation that
            inherited it does: one search instead of one for each setting tried.
        """
        if queries is None and not self._count:
            raise InvalidInput(f"0 rows in {self.recipe} to draw tuning queries from; add rows, or pass queries")
        if queries is None:
            queries = sample_queries(self._vectors, np.flatnonzero(self._present))
        queries, k = query_vectors(queries, self.dim), result_count(k)
        if not len(queries) and not self._recipe.exhaustive:
            raise InvalidInput(
                f"0 tuning queries for {self.recipe}; pass at least 1, or None for mixtures of stored vectors"
            )
        exact = self._exact(queries, k) if exact is None else exact
        if keep and self._profile.goal > 0 and not self._recipe.exhaustive:
            still = self.confirm(queries, exact, goal, k)
            if still.passed:
                self._tuning = Tuning(self._profile, True, still.lower_bound, (), still, "confirmed")
                return self._tuning
        others = None if confirm is None else (query_vectors(confirm, self.dim), self._exact(confirm, k))
        here = replace(self.served, clone=None)
        result = tune(here, self._vectors, self._profile, queries, exact, goal=goal, k=k, confirm=others)
        self._use(result.profile)
        self._tuning = result
        return result

    def confirm(
        self, queries: Floats, exact: Ints | None = None, goal: float = RECALL_GOAL, k: int = 10
    ) -> Confirmation:
        """Recall@k of the profile as it is on queries float32 [q, dim] that it was not tuned on, with its bound."""
        exact = self._exact(queries, k) if exact is None else exact
        return confirmation(self.search(queries, k)[1], exact, goal)

    def _exact(self, queries: Floats, k: int) -> Ints:
        return exact_rows(self._vectors, np.flatnonzero(self._present), queries, k)[1]

    def apply(self, parameters: str) -> dict[str, Any]:
        """Keep parameters ("nprobe=32,rescore=200") in the profile; its recall is then unknown. Returns the profile."""
        given = checked(with_parameters(SearchOptions(), parameters), self._recipe)
        rescore = given.rescore or (given.k_factor or 0) * self._profile.k
        kept = {"nprobe": given.nprobe, "ef_search": given.ef_search, "quantizer_ef_search": given.quantizer_ef_search}
        changes = {name: value for name, value in {**kept, "rescore": rescore}.items() if value}
        self._use(replace(self._profile, goal=0.0, recall=0.0, **changes))
        return self.profile

    def restore(self, profile: Mapping[str, Any]) -> dict[str, Any]:
        """Search by a profile that was kept (see `profile`). Returns the profile."""
        self._use(DenseProfile.from_json(profile))
        return self.profile

    def reset(self) -> dict[str, Any]:
        """Search by the profile that it was opened with, or that `build` found, whatever was tuned, applied or restored
        since. Returns the profile."""
        self._use(self._begun)
        return self.profile

    def _use(self, profile: DenseProfile) -> None:
        self._check_open()
        self._profile, self._plans, self._tuning = profile, {}, None
