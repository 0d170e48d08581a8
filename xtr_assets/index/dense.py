"""DenseIndex: the nearest stored vectors by inner product, found through FAISS, scored from the stored vectors."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from xtr_assets.core.errors import InvalidInput
from xtr_assets.core.planning import DensePlan, Target, plan_dense
from xtr_assets.core.recipes import Recipe, parse_recipe
from xtr_assets.core.rows import RowVectors, VectorPart
from xtr_assets.core.types import Floats, Halves, Ints, Mask
from xtr_assets.index import persist, searching
from xtr_assets.index.evolving import Evolution, evolution
from xtr_assets.index.exact import check_mask, checked_queries, exact_rows, gather
from xtr_assets.index.gpu import GpuClone, Placement, place
from xtr_assets.index.parameters import DenseProfile, SearchPlan, asked_for, checked, default_profile
from xtr_assets.index.provider import load_faiss, provider
from xtr_assets.index.recipes import add_stored, build_index, check_family, dead_share, held_mask, inner, remove
from xtr_assets.index.stored import Vectors, as_rows, halves, known_rows
from xtr_assets.index.tuning import Tuning, sample_queries, stricter, tune

faiss = load_faiss()

RECALL_GOAL = 0.95
# Decided searches that are kept: one for each k and each set of overrides in use.
MOST_PLANS = 256


class DenseIndex:
    """An index over the rows of `vectors`. Searching is safe from many threads; add and remove are not beside it.

    Made by `build`, `load` or `open`. Rows are global rows of the vectors; a row that was removed, or is not live, is
    never returned. Scores are inner products with the stored float16 vectors, whatever the recipe.
    """

    def __init__(
        self, index: Any, vectors: RowVectors, recipe: Recipe, profile: DenseProfile, *, plan: DensePlan | None = None
    ) -> None:
        self._index = index
        self._vectors = vectors
        self._recipe = recipe
        self._profile = profile
        self._placement = Placement("cpu", False, "built here")
        self._clone: GpuClone | None = None
        self.plan_of_build = plan
        self._plans: dict[tuple[Any, ...], SearchPlan] = {}
        self._present = held_mask(index, vectors)
        self._count = int(np.count_nonzero(self._present))

    @classmethod
    def build(
        cls,
        vectors: Vectors,
        recipe: str = "auto",
        directory: Path | str | None = None,
        live: Mask | None = None,
        target: Target = "cpu",
        *,
        queries: Floats | None = None,
        recall_goal: float = RECALL_GOAL,
    ) -> "DenseIndex":
        """Plan, train on a fixed sample, add every live row, and find the cheapest profile for the recall goal.

        Parameters
        ----------
        vectors : float32|float16 [n, dim] (kept as float16), or RowVectors.
        recipe : "auto", or a factory string, which wins over the planner.
        directory : where to save; the vectors are then memory-mapped from there.
        live : bool [end_row]; all rows by default.
        target : what it will serve on: "cpu", "gpu", "gpu-cuvs".
        queries : float32 [q, dim] to tune on; mixtures of stored vectors otherwise.
        """
        stored = as_rows(vectors)
        if live is not None:
            check_mask(live, stored.end_row, "live")
        rows = stored.rows() if live is None else (every := stored.rows())[live[every]]
        plan = plan_dense(len(rows), stored.dim, target, recipe=recipe, recall_goal=recall_goal)
        parsed = parse_recipe(plan.recipe)
        index = build_index(parsed, stored, rows, plan.training_rows)
        built = cls(index, stored, parsed, default_profile(parsed, len(rows)), plan=plan)
        if not parsed.exhaustive and len(rows):
            built.tune(queries, goal=recall_goal if queries is not None else stricter(recall_goal))
        if directory is not None:
            built.save(directory)
            return cls.load(directory)
        return built

    @classmethod
    def load(cls, path: Path | str, device: str = "auto", vectors: RowVectors | None = None) -> "DenseIndex":
        """Open a folder that `save` wrote, every file verified by sha256 first. `vectors` replace the stored ones."""
        stored = persist.load_folder(Path(path))
        loaded = cls._opened(stored.index, vectors or stored.vectors, stored.recipe, stored.profile, persist.INDEX_FILE)
        return loaded.to(device)

    @classmethod
    def open(
        cls, path: Path | str, vectors: RowVectors, recipe: str, profile: Mapping[str, Any], device: str = "auto"
    ) -> "DenseIndex":
        """Open a FAISS file whose bytes were verified already, over vectors kept elsewhere (a warehouse)."""
        index = persist.read_index(Path(path), Path(path).name)
        return cls._opened(index, vectors, recipe, profile, Path(path).name).to(device)

    @classmethod
    def _opened(
        cls, index: Any, vectors: RowVectors, recipe: str, profile: Mapping[str, Any], name: str
    ) -> "DenseIndex":
        parsed = parse_recipe(recipe)
        check_family(index, parsed, name)
        return cls(index, vectors, parsed, DenseProfile.from_json(profile))

    @property
    def recipe(self) -> str:
        return self._recipe.text

    @property
    def profile(self) -> dict[str, Any]:
        """How it is searched by default, as JSON values (see `parameters.DenseProfile`)."""
        return self._profile.as_json()

    @property
    def dim(self) -> int:
        return self._vectors.dim

    @property
    def vectors(self) -> RowVectors:
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
    def faiss_index(self) -> Any:
        """The FAISS index itself, for what this class does not offer; change rows through this class only."""
        return self._index

    def __len__(self) -> int:
        return self._count

    @property
    def memory_bytes(self) -> int:
        """Bytes of codes, rows, centroids and links in memory; the vectors are memory-mapped and not counted."""
        return self._recipe.memory_bytes(int(self._index.ntotal), self.dim)

    def describe(self) -> dict[str, Any]:
        """What metadata shows: recipe, counts, bytes, device with its reason, and the FAISS in use."""
        return {
            "recipe": self.recipe,
            "rows": len(self),
            "dim": self.dim,
            "code_bytes": int(self._index.ntotal * self._recipe.code_bytes(self.dim)),
            "memory_bytes": self.memory_bytes,
            "dead_share": dead_share(self._index),
            "device": self._placement.device,
            "device_reason": self._placement.reason,
            "cuvs": self._placement.cuvs,
            "faiss": provider().as_json(),
            "plan": None if self.plan_of_build is None else self.plan_of_build.as_json(),
        }

    def to(self, device: str) -> "DenseIndex":
        """Serve from another device: "auto", "cpu", "cuda" or "cuda:<n>". Returns self."""
        placement = place(device, self._recipe, faiss, provider())
        if self._clone is not None:
            self._clone.close()
            self._clone = None
        if placement.device != "cpu":
            self._clone = GpuClone(inner(self._index), placement, faiss)
        self._placement, self._plans = placement, {}
        return self

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
        queries : float32 [q, dim], finite.
        nprobe, ef_search, rescore : in place of the profile's; InvalidInput names the range. `rescore` is the number
            of candidates that are re-ranked exactly.
        allowed : bool [end_row]; other rows are left out before candidates are cut, never after.
        parameters : the same as a FAISS user writes them: "nprobe=32,k_factor=4".

        Returns
        -------
        scores : float32 [q, k], inner products, descending; -inf pads where there are fewer than k rows.
        rows : int64 [q, k]; ties ascending; -1 pads.
        """
        queries = checked_queries(queries, self.dim, k)
        plan, available = self._plan(k, allowed, len(queries), parameters, nprobe, ef_search, rescore)
        if plan.mode == "nothing" or not len(queries):
            return np.full((len(queries), k), -np.inf, np.float32), np.full((len(queries), k), -1, np.int64)
        if plan.mode == "scan":
            return exact_rows(self._vectors, np.flatnonzero(available), queries, k)
        masked = allowed is not None or (not self._recipe.removable and self._index.ntotal != self._count)
        selector = searching.bitmap(available) if masked else None
        found = searching.find(self._index, self._clone, self._recipe, plan, queries, selector)
        return searching.rerank(self._vectors, self._recipe, plan, queries, found, available)

    def plan(self, k: int, *, allowed: Mask | None = None, parameters: str = "", queries: int = 1) -> SearchPlan:
        """How a search would be run, and why."""
        return self._plan(k, allowed, queries, parameters)[0]

    def _plan(
        self,
        k: int,
        allowed: Mask | None,
        queries: int,
        parameters: str,
        nprobe: int | None = None,
        ef_search: int | None = None,
        rescore: int | None = None,
    ) -> tuple[SearchPlan, Mask]:
        # Of now: what a plan made beside a change of the profile goes into is dropped with it.
        plans, key = self._plans, (k, parameters, nprobe, ef_search, rescore)
        if allowed is None and (known := plans.get(key)) is not None:
            return known, self._present
        available = self._present
        if allowed is not None:
            check_mask(allowed, self._vectors.end_row, "allowed")
            available = allowed & self._present
        count = self._count if allowed is None else int(np.count_nonzero(available))
        plan = searching.plan_search(
            self._recipe,
            self._profile,
            asked_for(parameters, nprobe=nprobe, ef_search=ef_search, rescore=rescore),
            k=k,
            rows=self._count,
            available=count,
            dim=self.dim,
            queries=queries,
            filtered=allowed is not None,
            device=self._placement.device,
        )
        # A plan takes a quarter of the time of a small search; without a filter it is the same every time.
        if allowed is None and plan.mode == "index" and plan.reason == searching.UNFILTERED:
            if len(plans) >= MOST_PLANS:
                plans.clear()
            plans[key] = plan
        return plan, available

    def tune(
        self, queries: Floats | None = None, exact: Ints | None = None, goal: float = RECALL_GOAL, k: int = 10
    ) -> Tuning:
        """Find the cheapest profile whose recall@k meets the goal, and keep it.

        queries : float32 [q, dim], not rows of the index; mixtures of stored vectors otherwise. exact : int64 [q, k]
        their exact neighbours among the live rows, computed where not given.
        """
        if queries is None:
            queries = sample_queries(self._vectors, np.flatnonzero(self._present))
        queries = checked_queries(queries, self.dim, k)
        if exact is None:
            _, exact = exact_rows(self._vectors, np.flatnonzero(self._present), queries, k)
        result = tune(self._index, self._vectors, self._recipe, self._profile, queries, exact, goal=goal, k=k)
        self._use(result.profile)
        return result

    def apply(self, parameters: str) -> dict[str, Any]:
        """Keep parameters ("nprobe=32,rescore=200") in the profile; its recall is then unknown. Returns the profile."""
        given = checked(asked_for(parameters), self._recipe)
        rescore = given.rescore or (given.k_factor or 0) * self._profile.k
        kept = {"nprobe": given.nprobe, "ef_search": given.ef_search, "quantizer_ef_search": given.quantizer_ef_search}
        changes = {name: value for name, value in {**kept, "rescore": rescore}.items() if value}
        self._use(replace(self._profile, goal=0.0, recall=0.0, **changes))
        return self.profile

    def reset(self) -> dict[str, Any]:
        """Forget what was tuned or applied. Returns the profile."""
        self._use(default_profile(self._recipe, self._profile.trained_rows))
        return self.profile

    def add(self, vectors: Floats | Halves) -> Ints:
        """Append vectors float32|float16 [n, dim] to the stored ones and index them. Returns their rows int64 [n]."""
        appended = halves(vectors, self.dim)
        first = self._vectors.end_row
        if len(appended):
            self._vectors = RowVectors([*self._vectors.parts, VectorPart(first, appended)], self.dim)
            self._present = np.concatenate([self._present, np.zeros(len(appended), np.bool_)])
        rows = np.arange(first, first + len(appended))
        self.add_rows(rows)
        return rows

    def add_rows(self, rows: Ints) -> None:
        """Index stored rows int64 [n] that are not in the index."""
        rows = known_rows(rows, self._vectors.end_row)
        if self._present[rows].any():
            raise InvalidInput(f"row {int(rows[self._present[rows]][0])} is in the index already; remove it first")
        add_stored(self._index, self._vectors, rows)
        self._changed(rows, True)

    def remove(self, rows: Ints) -> None:
        """Never return these rows int64 [n] again; rows that are not in the index are an error."""
        rows = known_rows(rows, self._vectors.end_row)
        if not self._present[rows].all():
            raise InvalidInput(f"row {int(rows[~self._present[rows]][0])} is not in the index")
        remove(self._index, self._recipe, rows)
        self._changed(rows, False)

    def reconstruct(self, rows: Ints) -> Floats:
        """The stored vectors of rows int64 [n] in any order: float32 [n, dim]."""
        return gather(self._vectors, np.asarray(rows, np.int64))

    def evolve(
        self,
        removed: Ints,
        added: Ints,
        vectors: RowVectors,
        *,
        recipe: str = "auto",
        target: Target = "cpu",
        recall_goal: float = RECALL_GOAL,
    ) -> tuple["DenseIndex", Evolution]:
        """The index of the next generation over `vectors`, this one untouched; rows keep their meaning.

        removed, added : int64 rows. The quantizer and the profile are kept, at the cost of the changed rows; where
        that is not sound any more, the index is rebuilt, and the Evolution says why.
        """
        removed, added = np.unique(removed), np.unique(added)
        done = evolution(
            self._recipe, self._profile, self._index, len(self), vectors.dim, removed, added, recipe, target
        )
        if done.how == "rebuilt":
            live = np.zeros(vectors.end_row, np.bool_)
            live[np.flatnonzero(self._present)] = True
            live[removed] = False
            live[added] = True
            return DenseIndex.build(vectors, recipe, None, live, target, recall_goal=recall_goal), done
        copy = DenseIndex(faiss.clone_index(self._index), vectors, self._recipe, self._profile, plan=self.plan_of_build)
        copy.remove(removed)
        copy.add_rows(added)
        return copy, done

    def save(self, path: Path | str) -> None:
        """Write a folder: dense.faiss, vectors.npy (float16) and dense.json with their bytes and sha256."""
        persist.save_folder(Path(path), self._index, self._vectors, self.recipe, self.profile)

    def save_index(self, path: Path | str) -> None:
        """Write the FAISS file alone; recipe and profile are kept by the caller (a generation's manifest)."""
        persist.write_index(self._index, Path(path))

    def _use(self, profile: DenseProfile) -> None:
        self._profile, self._plans = profile, {}

    def _changed(self, rows: Ints, present: bool) -> None:
        self._plans = {}
        self._present[rows] = present
        self._count += len(rows) if present else -len(rows)
        if self._clone is not None:
            self.to(self._placement.device)
