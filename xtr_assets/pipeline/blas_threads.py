"""One thread of numpy's BLAS while a step of a build is at work, whichever process Dagster gave it."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import numpy as np
from threadpoolctl import ThreadpoolController


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Let numpy multiply in the thread that asks.

    What a step multiplies is small beside what the extension does, which has a thread for each processor itself; the
    threads of BLAS wait for each other in a loop meanwhile. A batch of texts spent half of its processor time so in the
    head's one product, which is a fiftieth of its arithmetic. FAISS has a BLAS of its own, which keeps its threads.
    """
    with _of_numpy().limit(limits=1):
        yield


@cache
def _of_numpy() -> ThreadpoolController:
    """numpy's BLAS; looked for once a process, which takes a millisecond."""
    found = ThreadpoolController()
    folder = np.__file__.rpartition("/numpy/")[0] + "/numpy"
    mine = [one.filepath for one in found.lib_controllers if one.filepath.startswith(folder)]
    return found.select(filepath=mine)
