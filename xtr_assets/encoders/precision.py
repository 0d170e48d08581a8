"""Precision and device of a forward pass."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from xtr_assets.core.errors import InvalidInput, ProviderError

if TYPE_CHECKING:
    import torch

Precision = Literal["auto", "fp32", "bf16"]


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
    """ "auto" is bf16 where the processor multiplies bf16 natively, else fp32.

    On a CPU with AVX512_BF16 the forward pass of bert.py in bf16 is 2.1 times as fast as in fp32, at cosine 0.99997
    with it (pooled; tokens 0.9998 or better). Without those instructions bf16 is emulated and slower than fp32.
    """
    import torch

    if asked != "auto":
        return asked
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    return "bf16" if torch.cpu.get_capabilities().get("avx512_bf16", False) else "fp32"
