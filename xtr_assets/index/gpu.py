"""Where an index serves: the CPU, or a clone on a GPU. Nothing falls back in silence: the reason travels with it."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from xtr_assets.core.errors import InvalidInput, ProviderError
from xtr_assets.core.recipes import Recipe
from xtr_assets.core.types import Floats, Ints
from xtr_assets.index.provider import INSTALL, Provider

# Scratch memory of one GPU resource object: FAISS's default is 1.5 GiB a device, more than most indexes here.
TEMPORARY_BYTES = 256 << 20

Result = TypeVar("Result")


class GpuFaiss(Protocol):
    """The part of FAISS that the choice of a device asks; tests answer it without a GPU."""

    def get_num_gpus(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Placement:
    """Where an index serves and why: `device` is "cpu" or "cuda:<n>"."""

    device: str
    cuvs: bool
    reason: str


def place(device: str, recipe: Recipe, faiss: GpuFaiss, provider: Provider) -> Placement:
    """Choose the device for a recipe.

    device : "cpu", "auto" (a GPU where provider, hardware and recipe allow it, else the CPU with the reason), "cuda"
    or "cuda:<n>" (that GPU, or an error: ProviderError without one, InvalidInput for a recipe that cannot be cloned).
    """
    kind, _, number = device.partition(":")
    if kind not in ("cpu", "auto", "cuda") or (number and (kind != "cuda" or not number.isdigit())):
        raise InvalidInput(f"device {device!r} is unknown; allowed: auto, cpu, cuda, cuda:<n>")
    if kind == "cpu":
        return Placement("cpu", False, "asked for")
    obstacle: str | None = None
    # The order matters: without a GPU FAISS clones into an empty IndexReplicas, which finds nothing.
    if not provider.gpu:
        obstacle = f"{provider.distribution} has no GPU support; {INSTALL['faiss-gpu-cuvs']}"
    elif (count := faiss.get_num_gpus()) <= int(number or 0):
        obstacle = f"FAISS sees {count} GPUs"
    if obstacle is not None:
        if kind == "cuda":
            raise ProviderError(f"device {device!r} cannot serve: {obstacle}; use device='cpu' or 'auto'")
        return Placement("cpu", False, obstacle)
    if (obstacle := uncloneable(recipe, provider.cuvs)) is not None:
        if kind == "cuda":
            raise InvalidInput(f"device {device!r} cannot serve {recipe.text}: {obstacle}; build with target 'gpu'")
        return Placement("cpu", False, obstacle)
    return Placement(f"cuda:{number or 0}", provider.cuvs, "asked for" if kind == "cuda" else f"{recipe.text} clones")


def uncloneable(recipe: Recipe, cuvs: bool) -> str | None:
    """Why FAISS cannot clone the recipe to a GPU, or None where it can."""
    if recipe.family == "hnsw" or recipe.quantizer_graph:
        return "graphs have no GPU clone"
    if recipe.fast_scan or recipe.pq_bits == 4:
        return "4-bit codes have no GPU clone"
    if recipe.family == "flat" and recipe.code != "Flat":
        return f"{recipe.text} has no GPU clone"
    if cuvs and recipe.code in ("SQfp16", "SQ8", "SQ4"):
        return f"cuVS has no scalar-quantized lists ({recipe.text})"
    return None


class GpuClone:
    """A clone on one GPU, searched from one thread of its own.

    A StandardGpuResources must not be used from two threads, and a clone belongs to its resources: callers from many
    threads queue here instead of each holding a copy of the index in GPU memory.
    """

    def __init__(self, index: Any, placement: Placement, faiss: Any) -> None:
        self.placement = placement
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"faiss-{placement.device}")
        self._faiss = faiss
        self._clone = self._run(lambda: self._make(index))

    def search(self, queries: Floats, k: int, nprobe: int) -> tuple[Floats, Ints]:
        """(scores float32 [q, k], positions or rows int64 [q, k]) as FAISS returns them."""
        lists = nprobe > 0

        def run() -> tuple[Floats, Ints]:
            params = self._faiss.SearchParametersIVF(nprobe=nprobe) if lists else None
            scores, rows = self._clone.search(queries, k, params=params)
            return scores, rows

        return self._run(run)

    def close(self) -> None:
        """Give the GPU memory back."""
        self._run(self._drop)
        self._thread.shutdown()

    def _make(self, index: Any) -> Any:
        self._resources = self._faiss.StandardGpuResources()
        self._resources.setTempMemory(TEMPORARY_BYTES)
        options = self._faiss.GpuClonerOptions()
        options.use_cuvs = self.placement.cuvs
        number = int(self.placement.device.partition(":")[2])
        return self._faiss.index_cpu_to_gpu(self._resources, number, index, options)

    def _drop(self) -> None:
        self._clone = self._resources = None

    def _run(self, work: Callable[[], Result]) -> Result:
        return self._thread.submit(work).result()
