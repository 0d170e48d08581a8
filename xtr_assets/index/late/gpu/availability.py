"""Whether a GPU serves the token index, and why not. torch (two seconds to import) is asked only beside a driver."""

import ctypes
import sys
from dataclasses import dataclass
from functools import cache

from xtr_assets.core.errors import ProviderError
from xtr_assets.index.device import parse_device

DRIVER = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
REMEDY = (
    "use device='cpu' or 'auto', or install a CUDA build of torch (https://pytorch.org/get-started) on a machine with "
    "an NVIDIA GPU"
)


@dataclass(frozen=True, slots=True)
class Choice:
    """Where a token index is searched and why: `device` is "cpu" or "cuda:<n>"."""

    device: str
    reason: str


def choose(device: str) -> Choice:
    """The device for a name: "auto" takes the first GPU there is, else the CPU and says why.

    Of "cuda:<n>,<m>" the first serves. Raises ProviderError where a GPU was asked for and cannot serve, InvalidInput
    for an unknown name.
    """
    asked = parse_device(device)
    if asked.kind == "cpu":
        return Choice("cpu", "asked for")
    obstacle = cuda_obstacle(asked.numbers[0])
    if obstacle is None:
        return Choice(f"cuda:{asked.numbers[0]}", "asked for" if asked.kind == "cuda" else "a GPU is there")
    if asked.kind == "cuda":
        raise ProviderError(f"device {device!r} cannot serve the token index: {obstacle}; {REMEDY}")
    return Choice("cpu", obstacle)


def cuda_obstacle(number: int) -> str | None:
    """Why torch cannot use GPU `number`, or None where it can."""
    if not has_driver():
        return f"no NVIDIA driver here ({DRIVER} is not found)"
    import torch

    if torch.version.cuda is None:
        return f"torch {torch.__version__} was built without CUDA"
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return None if number < count else f"torch sees {count} CUDA devices"


@cache
def has_driver() -> bool:
    """Whether the CUDA driver can be loaded. It is not initialized: a process may still fork afterwards."""
    try:
        ctypes.CDLL(DRIVER)
    except OSError:
        return False
    return True
