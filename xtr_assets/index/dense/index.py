"""DenseIndex: the nearest stored vectors by inner product, found through FAISS, scored from the stored vectors."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np

from xtr_assets.core.arguments import distinct_rows, row_mask, row_numbers
from xtr_assets.core.errors import InvalidInput
from xtr_assets.core.recipe_grammar import Recipe, parse_recipe
from xtr_assets.core.recipe_shortlist import DensePlan, Target, plan_dense
from xtr_assets.core.row_store import RowVectors, VectorPart
from xtr_assets.core.types import Floats, Halves, Ints, Mask
from xtr_assets.index import native
from xtr_assets.index.dense import serialization
from xtr_assets.index.dense.evolve import Evolution, copy_without, evolution
from xtr_assets.index.dense.gpu_clone import clone_to
from xtr_assets.index.dense.gpu_placement import Placement, Spread, place
from xtr_assets.index.dense.options import DenseProfile, default_profile
from xtr_assets.index.dense.recipe import (
    add_stored,
    build_index,
    check_family,
    dead_rows,
    dead_share,
    inner,
    inverted,
    leading_axes,
    list_fit,
    remove,
    repeated_share,
    row_map,
)
from xtr_assets.index.dense.search import RECALL_GOAL, DenseSearch
from xtr_assets.index.dense.tuner import stricter
from xtr_assets.index.faiss_provider import load_faiss, provider
from xtr_assets.index.half_precision import gather
from xtr_assets.index.row_scorer import extended
from xtr_assets.index.stored_vectors import Vectors, as_rows, halves

faiss = load_faiss()


@dataclass(frozen=True, slots=True)
class Built:
    """What a build took, beside the plan's estimate. CPU seconds of the whole process, tuning included."""

    training_rows: int
    cpu_seconds: float


class DenseIndex(DenseSearch):
    """An index over the rows of `vectors`. Searching is safe from many threads; add and remove are not beside it.

    Made by `build`, `load` or `open`. Rows are global rows of the vectors; a row that was removed, or is not live, is
    never returned. Scores are inner products with the stored float16 vectors, whatever the recipe.

    What takes arrays raises InvalidInput, with the value and what is allowed, for a wrong shape or dim, for NaN, and
    for rows out of range.
    """

    def __init__(
        self,
        index: Any,
        vectors: RowVectors,
        recipe: Recipe,
        profile: DenseProfile,
        *,
        plan: DensePlan | None = None,
        built: Built | None = None,
        live: Mask | None = None,
    ) -> None:
        super().__init__(index, vectors, recipe, profile, live)
        self.plan_of_build, self.built = plan, built

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
        recall_k: int = 10,
    ) -> "DenseIndex":
        """Plan, train on a fixed sample, add every live row, and find the cheapest profile for the goal of recall@k.

        Parameters
        ----------
        vectors : float32|float16 [n, dim] (kept as float16), or RowVectors.
        recipe : "auto", or a factory string, which wins over the planner.
        directory : where to save; the vectors are then memory-mapped from there.
        live : bool [end_row]; all rows by default.
        target : what it will serve on: "cpu", "gpu", "gpu-cuvs".
        queries : float32 [q, dim] to tune on; mixtures of stored vectors otherwise.
        recall_goal, recall_k : the recall@k to reach.
        """
        stored = as_rows(vectors)
        if live is not None:
            row_mask(live, stored.end_row, "live")
        rows = stored.rows() if live is None else (every := stored.rows())[live[every]]
        plan = plan_dense(
            len(rows),
            stored.dim,
            target,
            recipe=recipe,
            recall_goal=recall_goal,
            axes=leading_axes(stored, rows) if recipe == "auto" and target == "cpu" else 0,
            repeats=repeated_share(stored, rows) if recipe == "auto" else 0.0,
            integers=native.available(),
        )
        started = process_time()
        parsed = parse_recipe(plan.recipe)
        index = build_index(parsed, stored, rows, plan.training_rows)
        profile = replace(default_profile(parsed, len(rows)), trained_fit=list_fit(index, stored, rows))
        built = cls(index, stored, parsed, profile, plan=plan)
        if not parsed.exhaustive and len(rows):
            built.tune(queries, goal=recall_goal if queries is not None else stricter(recall_goal), k=recall_k)
        built._begun = built._profile
        built.built = Built(plan.training_rows, round(process_time() - started, 3))
        if directory is not None:
            built.save(directory)
            return cls.load(directory)
        return built

    @classmethod
    def load(cls, path: Path | str, device: str = "auto", vectors: RowVectors | None = None) -> "DenseIndex":
        """Open a folder that `save` wrote, every file verified by sha256 first.

        vectors : float16 [end_row, dim] in parts, in place of the stored ones. Raises CorruptFile naming the file.
        """
        stored = serialization.load_folder(Path(path))
        loaded = cls._opened(
            stored.index, vectors or stored.vectors, stored.recipe, stored.profile, serialization.INDEX_FILE
        )
        return loaded.to(device)

    @classmethod
    def open(
        cls,
        path: Path | str,
        vectors: RowVectors,
        recipe: str,
        profile: Mapping[str, Any],
        device: str = "auto",
        live: Mask | None = None,
    ) -> "DenseIndex":
        """Open a FAISS file whose bytes were verified already, over vectors kept elsewhere (a warehouse).

        recipe, profile : as a generation's manifest has them. vectors : float16 [end_row, dim] in parts.
        live : bool [end_row]; no other row is returned, whether FAISS holds it or not.
        """
        index = serialization.read_index(Path(path), Path(path).name)
        return cls._opened(index, vectors, recipe, profile, Path(path).name, live).to(device)

    @classmethod
    def _opened(
        cls,
        index: Any,
        vectors: RowVectors,
        recipe: str,
        profile: Mapping[str, Any],
        name: str,
        live: Mask | None = None,
    ) -> "DenseIndex":
        parsed = parse_recipe(recipe)
        check_family(index, parsed, name)
        return cls(index, vectors, parsed, DenseProfile.from_json(profile), live=live)

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
            "codes_read_by": self.codes_read_by,
            "rows_scored_by": self.rows_scored_by,
            "faiss": provider().as_json(),
            "plan": None if self.plan_of_build is None else self.plan_of_build.as_json(),
            "built": None if self.built is None else asdict(self.built),
        }

    @property
    def codes_read_by(self) -> str:
        """What reads codes on the CPU: "faiss", or "native" with its instruction set (see `sq_scan`)."""
        scan = self.served.scan
        return "faiss" if scan is None else f"native, {scan.instructions}"

    def to(self, device: str, spread: Spread = "replicate") -> "DenseIndex":
        """Serve from another device. Returns self. Raises ProviderError, InvalidInput (see `gpu_placement.place`).

        device : "auto", "cpu", "cuda", "cuda:<n>", or "cuda:<n>,<m>" for several GPUs, which each hold the whole index
        (spread "replicate") or a part of it ("shard").
        """

        def parts() -> tuple[Any, Ints | None, int]:
            numbers = None if inverted(self._index) is not None else row_map(self._index)
            return inner(self._index), numbers, self._vectors.end_row

        placement = place(device, self._recipe, faiss, provider(), spread)
        if self._clone is not None:
            # The old clone goes first: both may not fit.
            self._clone.close()
        self._clone, self._placement, self._plans = None, Placement("cpu", False, "nothing was cloned"), {}
        self._served = None
        self._placement, self._clone = clone_to(placement, device, self._recipe, faiss, parts)
        self._served = None
        return self

    def close(self) -> None:
        """Let go of memory, mapped files and what a GPU holds. Any further use is an IndexClosed error; closing twice
        is allowed. A search that runs meanwhile ends, or says the same."""
        clone = self._clone if self.ready else None
        super().close()
        if clone is not None:
            clone.close()

    def add(self, vectors: Floats | Halves) -> Ints:
        """Append vectors float32|float16 [n, dim] to the stored ones and index them. Returns their rows int64 [n]."""
        appended = halves(vectors, self.dim)
        first = self._vectors.end_row
        if len(appended):
            self._vectors = extended(self._vectors, VectorPart(first, appended))
            self._present = np.concatenate([self._present, np.zeros(len(appended), np.bool_)])
        rows = np.arange(first, first + len(appended))
        self.add_rows(rows)
        return rows

    def add_rows(self, rows: Ints) -> None:
        """Index stored rows int64 [n] that are not in the index."""
        rows = distinct_rows(rows, self._vectors.end_row)
        if self._present[rows].any():
            raise InvalidInput(f"row {int(rows[self._present[rows]][0])} is in the index already; remove it first")
        # One that FAISS holds though it is not live would stand there twice, and be found twice.
        remove(self._index, self._recipe, np.intersect1d(rows, dead_rows(self._index, self._present)))
        add_stored(self._index, self._vectors, rows)
        self._changed(rows, True)

    def remove(self, rows: Ints | Sequence[int]) -> None:
        """Never return these rows int64 [n] again; rows that are not in the index are an error."""
        rows = distinct_rows(rows, self._vectors.end_row)
        if not self._present[rows].all():
            raise InvalidInput(f"row {int(rows[~self._present[rows]][0])} is not in the index")
        remove(self._index, self._recipe, rows)
        self._changed(rows, False)

    def replace_lists(self, index: Any, recipe: str, rows: Ints) -> None:
        """Take over an IVF index that holds all rows but `rows` int64 [n], which are added: what a repair does."""
        add_stored(index, self._vectors, rows)
        before, self._index, self._recipe, self._served = self._recipe, index, parse_recipe(recipe), None
        # The same share of the lists is read until somebody tunes: of more lists, the same number would find less.
        self._begun = _of_more_lists(self._begun, before.nlist, self._recipe.nlist)
        self._use(_of_more_lists(self._profile, before.nlist, self._recipe.nlist))
        if self._clone is not None:
            self.to(self._placement.device, self._placement.spread)

    def reconstruct(self, rows: Ints) -> Floats:
        """The stored vectors of rows int64 [n] in any order: float32 [n, dim]."""
        return gather(self._vectors, row_numbers(rows, self._vectors.end_row))

    def evolve(
        self,
        removed: Ints,
        added: Ints,
        vectors: RowVectors,
        *,
        recipe: str = "auto",
        target: Target = "cpu",
        recall_goal: float = RECALL_GOAL,
        recall_k: int = 10,
    ) -> tuple["DenseIndex", Evolution]:
        """The index of the next generation over `vectors`, this one untouched; rows keep their meaning.

        removed, added : int64 [n] rows, in any order. vectors : float16 [end_row, dim] in parts.

        The quantizer and the profile are kept, at the cost of the changed rows; where that is not sound any more, the
        index is rebuilt, and the Evolution says why.
        """
        removed = distinct_rows(removed, len(self._present), "removed")
        added = distinct_rows(added, vectors.end_row, "added")
        done = evolution(
            self._recipe, self._profile, self._index, len(self), vectors.dim, removed, added, recipe, target
        )
        if done.how == "rebuilt":
            live = np.zeros(vectors.end_row, np.bool_)
            live[np.setdiff1d(np.flatnonzero(self._present), removed)] = True
            live[added] = True
            built = DenseIndex.build(vectors, recipe, None, live, target, recall_goal=recall_goal, recall_k=recall_k)
            return built, done
        index = copy_without(self._index, self._recipe, self._present, removed)
        copy = DenseIndex(index, vectors, self._recipe, self._profile, plan=self.plan_of_build)
        copy.add_rows(added)
        return copy, done

    def save(self, path: Path | str) -> None:
        """Write a folder: dense.faiss, vectors.npy (float16) and dense.json with their bytes and sha256."""
        serialization.save_folder(Path(path), self._own(), self._vectors, self.recipe, self.profile)

    def save_index(self, path: Path | str) -> None:
        """Write the FAISS file alone; recipe and profile are kept by the caller (a generation's manifest)."""
        serialization.write_index(self._own(), Path(path))

    def _own(self) -> Any:
        """The FAISS index of live rows alone: no file tells which ones live, and dead ones would come back with it."""
        if not len(dead_rows(self._index, self._present)):
            return self._index
        return copy_without(self._index, self._recipe, self._present, np.empty(0, np.int64))

    def _changed(self, rows: Ints, present: bool) -> None:
        self._plans, self._served = {}, None
        self._present[rows] = present
        self._count += len(rows) if present else -len(rows)
        if self._clone is not None:
            self.to(self._placement.device, self._placement.spread)


def _of_more_lists(profile: DenseProfile, before: int, after: int) -> DenseProfile:
    nprobe = min(after, -(-profile.nprobe * after // before))
    return replace(profile, nprobe=nprobe, trained_lists=profile.trained_lists or before)
