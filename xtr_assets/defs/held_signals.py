"""Signals that come while Dagster executes a run in this process: they reach who listened before."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_ENDS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def signals_delivered() -> Iterator[None]:
    """Dagster takes SIGINT and SIGTERM for its own while it executes: a run that one of them ends is a failed run, and
    one that is just ending anyway a good one. SIGTERM it leaves to the handler of SIGINT. So a build that somebody
    stopped would say that a step failed, or go on.

    Here the handlers are those from before when the block ends, and what came meanwhile is raised again: the process
    ends as it does at any other time. Outside of the main thread, where Dagster takes none, nothing is done.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handlers = {one: signal.getsignal(one) for one in _ENDS}
    reading, writing = _pipe()
    # The number of each signal that has a handler in Python, whichever that is.
    before = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        for one, handler in handlers.items():
            if handler is not None:
                signal.signal(one, handler)
        came = _read(reading)
        os.close(reading)
        os.close(writing)
        if before != -1 and came:
            os.write(before, came)
        for one in _ENDS:
            if one in came:
                signal.raise_signal(one)


def _pipe() -> tuple[int, int]:
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    os.set_blocking(writing, False)
    return reading, writing


def _read(reading: int) -> bytes:
    try:
        return os.read(reading, 1 << 16)
    except BlockingIOError:
        return b""
