"""The memory of a process that serves for months: full collections that cost little, free pages given back."""

import ctypes
import gc
import sys

# Between two returns of free pages: one takes 0.3 ms, and what a moved pointer left behind is some megabytes.
TRIM_SECONDS = 60.0


def settle() -> None:
    """Once everything is open: leave what there is now out of every later collection.

    105,000 objects are loaded modules and open indexes, which stay. A full collection walks them all in 60 ms, holds
    everybody up meanwhile, and comes so seldom that cycles (each refused question leaves 100 objects in some) add up to
    megabytes before it. Afterwards it walks what came since, in less than 1 ms, and comes when 7,000 objects wait.
    """
    gc.collect()
    gc.freeze()
    # How many objects there are after a collection decides when the next one comes.
    gc.collect()


def give_back() -> None:
    """Return free pages of the C heap to the system; nothing where the C library has no such call.

    Each thread that opens a generation or searches has a heap of its own in glibc, which keeps what was freed below
    anything that is still used: 5 MB more after 100 moves of a small index.
    """
    trim = _malloc_trim()
    if trim is not None:
        trim(0)


def _malloc_trim() -> "ctypes._NamedFuncPointer | None":
    return getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
