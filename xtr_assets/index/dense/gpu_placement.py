"""Where an index serves: the CPU, or clones on GPUs. Nothing falls back in silence: the reason travels with it."""

from dataclasses import dataclass
from typing import Literal, Protocol, get_args

from xtr_assets.core.errors import InvalidInput, ProviderError
from xtr_assets.core.recipe_grammar import Recipe
from xtr_assets.index.device import parse_device
from xtr_assets.index.faiss_provider import INSTALL, Provider

Spread = Literal["replicate", "shard"]


class GpuFaiss(Protocol):
    """The part of FAISS that the choice of a device asks; tests answer it without a GPU."""

    def get_num_gpus(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Placement:
    """Where an index serves and why: `device` is "cpu", "cuda:<n>" or, of several, "cuda:<n>,<m>".

    cuvs : NVIDIA's algorithms in place of FAISS's own. spread : several GPUs each hold the whole index and share the
    queries, or each a part of it and answer every query.
    """

    device: str
    cuvs: bool
    reason: str
    spread: Spread = "replicate"


def place(device: str, recipe: Recipe, faiss: GpuFaiss, provider: Provider, spread: Spread = "replicate") -> Placement:
    """Choose the device for a recipe.

    device : "cpu", "auto" (a GPU where provider, hardware and recipe allow it, else the CPU with the reason), "cuda",
    "cuda:<n>" or "cuda:<n>,<m>" (those GPUs, or an error: ProviderError without them, InvalidInput for a recipe that
    cannot be cloned).
    """
    asked = parse_device(device)
    if spread not in get_args(Spread):
        raise InvalidInput(f"spread {spread!r} is unknown; allowed: {', '.join(get_args(Spread))}")
    if asked.kind == "cpu":
        return Placement("cpu", False, "asked for")
    obstacle: str | None = None
    # The order matters: without a GPU FAISS clones into an empty IndexReplicas, which finds nothing.
    if not provider.gpu:
        obstacle = f"{provider.distribution} has no GPU support; {INSTALL['faiss-gpu-cuvs']}"
    elif (count := faiss.get_num_gpus()) <= max(asked.numbers):
        obstacle = f"FAISS sees {count} GPUs"
    if obstacle is not None:
        if asked.kind == "cuda":
            raise ProviderError(f"device {device!r} cannot serve: {obstacle}; use device='cpu' or 'auto'")
        return Placement("cpu", False, obstacle)
    sharded = spread == "shard" and len(asked.numbers) > 1
    if (obstacle := uncloneable(recipe, provider.cuvs, sharded)) is not None:
        if asked.kind == "cuda":
            raise InvalidInput(f"device {device!r} cannot serve {recipe.text}: {obstacle}; build with target 'gpu'")
        return Placement("cpu", False, obstacle)
    name = "cuda:" + ",".join(str(number) for number in asked.numbers)
    return Placement(
        name, uses_cuvs(recipe, provider.cuvs), "asked for" if asked.kind == "cuda" else f"{recipe.text} clones", spread
    )


def uncloneable(recipe: Recipe, cuvs: bool, sharded: bool = False) -> str | None:
    """Why FAISS cannot put the recipe on GPUs, or None where it can."""
    if recipe.axes:
        return "changed axes have no GPU clone"
    if recipe.quantizer_graph:
        return "lists found by a graph have no GPU clone"
    if recipe.family == "hnsw":
        if not cuvs:
            return "graphs have no GPU clone without cuVS"
        if recipe.code != "Flat":
            return f"cuVS makes graphs of whole vectors, not of {recipe.code} codes"
        return "a graph cannot be cut into shards" if sharded else None
    if recipe.fast_scan or recipe.pq_bits == 4:
        return "4-bit codes have no GPU clone"
    if recipe.family == "flat" and recipe.code not in ("Flat", "SQfp16"):
        return f"{recipe.text} has no GPU clone"
    if recipe.family == "flat" and recipe.code == "SQfp16" and sharded:
        return f"{recipe.text} cannot be cut into shards"
    return None


def uses_cuvs(recipe: Recipe, cuvs: bool) -> bool:
    """Whether cuVS searches the recipe; FAISS's own GPU code, which every GPU build has, searches scalar codes."""
    return cuvs and recipe.code in ("Flat", "PQ")
