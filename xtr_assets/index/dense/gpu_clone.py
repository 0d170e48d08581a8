"""The clones of a FAISS index on GPUs: one resource object and one thread each, and what they cannot answer."""

import itertools
import logging
import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np

from xtr_assets.core.errors import ProviderError
from xtr_assets.core.recipe_grammar import Family, Recipe
from xtr_assets.core.types import Floats, Ints, Mask
from xtr_assets.index.dense.gpu_placement import Placement
from xtr_assets.index.dense.options import SearchPlan
from xtr_assets.index.device import parse_device

log = logging.getLogger(__name__)

# Scratch memory of one GPU resource object: FAISS's default is 1.5 GiB a device, more than most indexes here.
TEMPORARY_BYTES = 256 << 20
# The most candidates, and the most lists, that one search may ask of FAISS's own GPU code and of cuVS.
MOST, MOST_CUVS = 2_048, 16_384
# cuVS walks a graph with a queue of so many nodes at most in its fast search.
MOST_GRAPH = 512

Result = TypeVar("Result")
Parts = Callable[[], tuple[Any, Ints | None, int]]


class GpuClone:
    """An index on one or more GPUs.

    A StandardGpuResources must not be used from two threads, and a clone belongs to its resources: callers from many
    threads queue at each clone instead of each holding a copy of the index. Several clones take calls in turn and share
    a batch; shards answer together.

    index : the FAISS index below its ID map. numbers : int64, the row of each of its positions, -1 for none; None where
    it holds rows itself, as lists do. end_row : one past the largest row.
    """

    def __init__(
        self, index: Any, placement: Placement, faiss: Any, family: Family, numbers: Ints | None, end_row: int
    ) -> None:
        self.placement = placement
        self._faiss, self._family, self._numbers = faiss, family, numbers
        gpus = parse_device(placement.device).numbers
        self._sharded = placement.spread == "shard" and len(gpus) > 1
        # cuVS has a bit for each vector of a list index and asks for the bit of its row: with holes, or rows that stand
        # twice, it would read past.
        self._filters = placement.cuvs and not self._sharded and (numbers is not None or end_row == index.ntotal)
        groups = [gpus] if self._sharded else [(number,) for number in gpus]
        self._copies: list[_Copy] = []
        try:
            for group in groups:
                self._copies.append(_Copy(index, group, placement, faiss, family))
        except BaseException:
            self.close()
            raise
        self._turns = itertools.count()

    def refusal(self, plan: SearchPlan, masked: bool) -> str | None:
        """Why the CPU must answer a search, or None."""
        if masked and not self._filters:
            if not self.placement.cuvs:
                return "GPU search ignores filters without cuVS"
            return "shards take no filter" if self._sharded else "cuVS filters lists only where no row is missing"
        most = MOST_GRAPH if self._family == "hnsw" else MOST_CUVS if self.placement.cuvs else MOST
        asked = {"candidates": plan.candidates, "nprobe": plan.nprobe, "ef_search": plan.ef_search}
        for name, value in asked.items():
            if value > most:
                return f"{name} {value} is above {most}, the most that the GPU takes"
        return None

    def search(self, queries: Floats, plan: SearchPlan, allowed: Mask | None) -> tuple[Floats, Ints]:
        """(scores float32 [q, n], rows int64 [q, n]) for the plan's candidates, -1 pads; no `refusal` of the plan.

        allowed : bool [end_row], rows that may be returned.
        """
        selector = None if allowed is None else self._selector(allowed)
        count = min(len(self._copies), len(queries))
        first = next(self._turns)
        parts = np.array_split(queries, count)
        waiting = [
            self._copies[(first + number) % len(self._copies)].ask(part, plan, selector)
            for number, part in enumerate(parts)
        ]
        answers = [one.result() for one in waiting]
        scores, found = (np.concatenate(one) for one in zip(*answers, strict=True))
        if self._numbers is not None:
            found = np.where(found >= 0, self._numbers[found], -1)
        return scores, found

    def close(self) -> None:
        """Give the GPU memory back."""
        for copy in self._copies:
            copy.close()

    def _selector(self, allowed: Mask) -> Any:
        bits = allowed
        if self._numbers is not None:
            bits = (self._numbers >= 0) & allowed[self._numbers]
        return self._faiss.IDSelectorBitmap(np.packbits(bits, bitorder="little"))


class _Copy:
    """One clone, made, searched and dropped by a thread of its own."""

    def __init__(self, index: Any, gpus: Sequence[int], placement: Placement, faiss: Any, family: Family) -> None:
        names = ",".join(str(number) for number in gpus)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"faiss-cuda-{names}")
        self._process = os.getpid()
        self._faiss, self._family, self._gpus = faiss, family, tuple(gpus)
        self._clone: Any = None
        try:
            self._run(lambda: self._make(index, placement)).result()
        except BaseException:
            self.close()
            raise

    def ask(self, queries: Floats, plan: SearchPlan, selector: Any) -> "Future[tuple[Floats, Ints]]":
        """The answer of a search, as FAISS gives it."""

        def search() -> tuple[Floats, Ints]:
            # The caller's reference keeps the selector alive until the answer is there.
            return self._clone.search(queries, plan.candidates, params=self._parameters(plan, selector))  # type: ignore[no-any-return]

        return self._run(search)

    def close(self) -> None:
        if os.getpid() != self._process:
            # The thread, and what lies on the GPU, are those of the process that forked this one.
            return
        self._run(self._drop).result()
        self._thread.shutdown()

    def _make(self, index: Any, placement: Placement) -> None:
        faiss = self._faiss
        self._resources = [faiss.StandardGpuResources() for _ in self._gpus]
        for resource in self._resources:
            resource.setTempMemory(TEMPORARY_BYTES)
        if self._family == "hnsw":
            self._clone = self._cagra(index)
            return
        if len(self._gpus) == 1:
            options = faiss.GpuClonerOptions()
            options.use_cuvs = placement.cuvs
            self._clone = faiss.index_cpu_to_gpu(self._resources[0], self._gpus[0], index, options)
            return
        options = faiss.GpuMultipleClonerOptions()
        options.use_cuvs, options.shard = placement.cuvs, True
        self._clone = faiss.index_cpu_to_gpu_multiple_py(self._resources, index, options, self._gpus)

    def _cagra(self, index: Any) -> Any:
        """A CAGRA graph over the vectors of an HNSW index: it is made here, of as many links as the base level has."""
        faiss = self._faiss
        storage = faiss.downcast_index(index.storage)
        vectors = faiss.rev_swig_ptr(storage.get_xb(), storage.ntotal * storage.d).reshape(-1, storage.d)
        config = faiss.GpuIndexCagraConfig()
        config.device = self._gpus[0]
        config.graph_degree = index.hnsw.nb_neighbors(0)
        config.intermediate_graph_degree = 2 * config.graph_degree
        clone = faiss.GpuIndexCagra(self._resources[0], storage.d, index.metric_type, config)
        clone.train(vectors)
        return clone

    def _parameters(self, plan: SearchPlan, selector: Any) -> Any:
        if self._family == "ivf":
            return self._faiss.SearchParametersIVF(nprobe=plan.nprobe, sel=selector)
        if self._family == "hnsw":
            # The queue holds at least what is asked for; cuVS wants a multiple of 32.
            queue = -(-max(plan.ef_search, plan.candidates) // 32) * 32
            return self._faiss.SearchParametersCagra(itopk_size=queue, sel=selector)
        return None if selector is None else self._faiss.SearchParameters(sel=selector)

    def _drop(self) -> None:
        self._clone = self._resources = None  # type: ignore[assignment]

    def _run(self, work: Callable[[], Result]) -> "Future[Result]":
        if os.getpid() != self._process:
            # Neither the thread nor CUDA survives a fork; waiting for them would not end.
            raise ProviderError(
                f"an index on the GPU was opened by process {self._process} and is asked by its forked child "
                f"{os.getpid()}; open it in the child, or start processes by spawn"
            )
        return self._thread.submit(work)


def clone_to(placement: Placement, asked: str, recipe: Recipe, faiss: Any, parts: Parts) -> tuple[Placement, Any]:
    """The clone for a placement (None on the CPU) and where it came to lie.

    asked : the device as it was named; "auto" takes the CPU where cloning fails (not enough memory), and says so.
    parts : gives index, numbers and end_row of GpuClone. Raises ProviderError.
    """
    if placement.device == "cpu":
        return placement, None
    index, numbers, end_row = parts()
    if not index.ntotal:
        return Placement("cpu", False, "there are no vectors"), None
    try:
        clone = GpuClone(index, placement, faiss, recipe.family, numbers, end_row)
        log.info("dense index: %s serves %s (%s)", placement.device, recipe.text, placement.reason)
        return placement, clone
    except (RuntimeError, MemoryError) as error:
        # FAISS's own message names its source lines; the last sentence is the reason.
        why = str(error).rsplit(": ", 1)[-1][:300]
        reason = f"{recipe.text} could not be cloned to {placement.device}: {why}"
        if parse_device(asked).kind == "cuda":
            raise ProviderError(f"{reason}; free memory there, or use device='cpu' or 'auto'") from error
        log.warning("dense index: the CPU serves, %s", reason)
        return Placement("cpu", False, reason), None
