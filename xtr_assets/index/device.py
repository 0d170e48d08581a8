"""The names of devices, read the same way by every index: auto, cpu, cuda, cuda:<n>, cuda:<n>,<m>; processors."""

import os
import re
from dataclasses import dataclass
from typing import Literal

from xtr_assets.core.errors import InvalidInput

ALLOWED = "auto, cpu, cuda, cuda:<n>, cuda:<n>,<m>,..."
_CUDA = re.compile(r"cuda(?::(\d+(?:,\d+)*))?")


@dataclass(frozen=True, slots=True)
class AskedDevice:
    """What a caller asked for: `numbers` are the GPUs, (0,) where none was named and for "auto"."""

    kind: Literal["auto", "cpu", "cuda"]
    numbers: tuple[int, ...] = (0,)

    @property
    def first(self) -> str:
        """The name for what serves from one device: "cuda:<n>" of the first GPU, or "auto" or "cpu"."""
        return f"cuda:{self.numbers[0]}" if self.kind == "cuda" else self.kind


def parse_device(text: str) -> AskedDevice:
    """Read a device's name. Raises InvalidInput naming what is allowed.

    >>> parse_device("cuda:0,2").numbers
    (0, 2)
    >>> parse_device("auto").first
    'auto'
    """
    if text in ("auto", "cpu"):
        return AskedDevice("auto" if text == "auto" else "cpu")
    found = _CUDA.fullmatch(text) if isinstance(text, str) else None
    if not found:
        raise InvalidInput(f"device {text!r} is unknown; allowed: {ALLOWED}")
    numbers = tuple(int(number) for number in (found[1] or "0").split(","))
    if len(set(numbers)) != len(numbers):
        raise InvalidInput(f"device {text!r} names a GPU twice; name each one once")
    return AskedDevice("cuda", numbers)


def processors() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
