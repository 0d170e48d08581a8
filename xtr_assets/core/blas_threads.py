"""One thread of numpy's BLAS while something multiplies that threads of our own share, or that is too small to share.

The threads of BLAS wait for each other in a loop: a batch of texts spent half of its processor time so in the head's
one product, which is a fiftieth of its arithmetic. FAISS has a BLAS of its own, which keeps its threads.
"""

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from threading import Lock, get_ident
from typing import Any

import numpy as np
from threadpoolctl import OpenBLASController, ThreadpoolController


class _Limit:
    """How many are within `one_blas_thread`, and what BLAS had before the first of them.

    Each setting it by itself, the last of two that overlap would find one thread, and give one back for ever.
    """

    def __init__(self) -> None:
        # How often each thread is within.
        self._lock, self._users = Lock(), Counter[int]()
        self._held: Any = None

    def enter(self) -> None:
        with self._lock:
            if not self._users:
                _disown()
                self._held = _of_numpy().limit(limits=1)
            self._users[get_ident()] += 1

    def leave(self) -> None:
        with self._lock:
            # Of somebody else's where a generator is closed by another thread.
            mine = get_ident() if self._users[get_ident()] else next(iter(self._users), 0)
            self._users -= Counter({mine: 1})
            if not self._users:
                self._give_back()

    def forked(self) -> None:
        """In a forked child: other threads, which hold the lock or are within, are not there."""
        self._lock, had = Lock(), bool(self._users)
        self._users &= Counter({get_ident(): self._users[get_ident()]})
        if had and not self._users:
            self._give_back()

    def _give_back(self) -> None:
        _disown()
        self._held.restore_original_limits()
        _disown()


_LIMIT = _Limit()
os.register_at_fork(after_in_child=_LIMIT.forked)


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Let numpy multiply in the thread that asks; others may ask at the same time, and the last one gives back."""
    _LIMIT.enter()
    try:
        yield
    finally:
        _LIMIT.leave()


def _disown() -> None:
    """From release 3.8 on threadpoolctl lets nobody set what another thread has set last: here the last one gives back,
    whoever was the first."""
    if hasattr(OpenBLASController, "clear_controlling_thread"):
        OpenBLASController.clear_controlling_thread(force=True)


@cache
def _of_numpy() -> ThreadpoolController:
    """numpy's BLAS; looked for once a process, which takes a millisecond. Every BLAS there is where numpy has none of
    its own, as distributions build it."""
    found = ThreadpoolController()
    folder = np.__file__.rpartition("/numpy/")[0] + "/numpy"
    mine = [one.filepath for one in found.lib_controllers if one.filepath.startswith(folder)]
    return found.select(filepath=mine) if mine else found.select(user_api="blas")
