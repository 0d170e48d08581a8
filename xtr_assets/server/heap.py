"""The memory of a process that serves for months: one heap, cheap full collections, free pages given back."""

import ctypes
import gc
import sys
from typing import Any

# Between two returns of free pages: one takes 0.3 ms, and what a moved pointer left behind is some megabytes.
TRIM_SECONDS = 60.0
# Of malloc.h.
M_ARENA_MAX = -8


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


def one_heap() -> None:
    """Before threads are started: let them share the heap of the main one.

    In glibc each has its own, up to eight a core, and keeps what was freed below anything that is still used. Over a
    small index 12 heaps grew to 37 MB within 80 moves of the pointer, two to 34 MB, one to 29, for 25 MB in use. What
    threads allocate they allocate under Python's lock, but for kernels, which take their memory once a call.
    """
    mallopt = _of_libc("mallopt")
    if mallopt is not None:
        mallopt(M_ARENA_MAX, 1)


def give_back() -> None:
    """Return free pages of the C heap to the system; nothing where the C library has no such call."""
    trim = _of_libc("malloc_trim")
    if trim is not None:
        trim(0)


def _of_libc(name: str) -> Any:
    """A function of glibc; None elsewhere."""
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None
