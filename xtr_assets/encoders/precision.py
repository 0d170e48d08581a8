"""Precision and device of a forward pass."""

import sys
import time
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from xtr_assets.core.errors import InvalidInput, ProviderError

if TYPE_CHECKING:
    import torch

Precision = Literal["auto", "fp32", "bf16"]
# What the extension computes in besides, on a CPU. Vectors of int16 may be mixed with those of fp32 and bf16; those of
# int8 may not, they are another encoder's.
IntegerPrecision = Literal["int16", "int8"]
INTEGERS: tuple[IntegerPrecision, ...] = ("int16", "int8")


# What the drivers of the GPUs that torch calls cuda leave in /dev: NVIDIA's on servers, on boards and under Windows'
# Linux, and AMD's.
GPU_FILES = ("nvidiactl", "nvmap", "nvhost-gpu", "dxg", "kfd")


def surely_cpu(device: str, devices: Path = Path("/dev")) -> bool:
    """Whether a device is the CPU, told without torch: asked for, or "auto" on a Linux without a GPU's driver."""
    if device == "auto" and sys.platform == "linux":
        return not any((devices / name).exists() for name in GPU_FILES)
    return device == "cpu"


def choose_device(device: str) -> "torch.device":
    """cpu | cuda | cuda:N as asked; "auto" is cuda where there is one, else cpu. Raises rather than fall back."""
    import torch

    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        chosen = torch.device(device)
    except RuntimeError as error:
        raise InvalidInput(f"device {device!r} is not known; allowed are auto, cpu, cuda and cuda:N") from error
    if chosen.type not in ("cpu", "cuda"):
        raise InvalidInput(f"device {device!r} is not supported; allowed are auto, cpu, cuda and cuda:N")
    if chosen.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if (chosen.index or 0) >= count:
            raise ProviderError(
                f"device {device!r} asked for, {count} CUDA devices found; use --device cpu, or install a CUDA build "
                "of torch"
            )
    return chosen


def choose_precision(asked: Precision, device: "torch.device") -> Literal["fp32", "bf16"]:
    """ "auto" is bf16 where the processor multiplies bf16 natively and torch gains by it, else fp32.

    On Zen 4 and 5 with AVX512_BF16 the forward pass of bert.py in bf16 is 2.1 times as fast as in fp32, at cosine
    0.99997 with it (pooled; tokens 0.9998 or better). Without those instructions bf16 is emulated and slower than fp32.
    """
    import torch

    if asked != "auto":
        return asked
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    return "bf16" if torch.cpu.get_capabilities().get("avx512_bf16", False) and bf16_gains() else "fp32"


def torch_precision(asked: Precision | IntegerPrecision) -> Precision:
    """What torch computes in where the extension would compute in integers: those of fp32 are nearest to both."""
    if asked == "int16" or asked == "int8":
        return "fp32"
    return asked


@cache
def bf16_gains() -> bool:
    """Whether torch multiplies faster in bf16 than in fp32 here, by trying it: 0.05 CPU s.

    The instructions do not say it: a Xeon that has AVX512_BF16 made 84 GFLOP/s with it and 121 to 147 in fp32. A model
    of MiniLM's size encoded 21 texts a CPU second there in bf16 and 33 in fp32.
    """
    import torch
    from torch.nn.functional import linear

    least = {}
    for dtype in (torch.float32, torch.bfloat16):
        states, weight = (torch.ones(shape, dtype=dtype) for shape in ((512, 384), (1536, 384)))
        spent = []
        with torch.inference_mode():
            # The first sets the product up.
            for _ in range(4):
                start = time.thread_time()
                linear(states, weight)
                spent.append(time.thread_time() - start)
        least[dtype] = min(spent[1:])
    return least[torch.bfloat16] < least[torch.float32]
