"""The C++ extension (native/), which an installation without a compiler lacks."""

from typing import Any

from xtr_assets.core.types import Bytes8, Floats, Int32s

try:
    from xtr_assets.index import _kernels  # type: ignore[attr-defined, unused-ignore]
except ImportError as error:
    kernels: Any = None
    missing = str(error)
else:
    kernels, missing = _kernels, ""

# What this release calls; an extension left behind by another build is not used.
ABI = 8


def available() -> bool:
    """Whether the extension can serve."""
    return kernels is not None and kernels.ABI == ABI


def fastest() -> str:
    """The instruction set that serves: the fastest that this processor has. All give the same results."""
    return str(kernels.instruction_sets()[0])


def assign(
    centroids: Bytes8, centroid_scales: Floats, biases: Floats, codes: Bytes8, scales: Floats, instructions: str | None
) -> Int32s:
    """See assignment.assign."""
    chosen = instructions or fastest()
    lists: Int32s = kernels.assign(centroids, centroid_scales, biases, codes, scales, chosen)
    return lists
