"""Whose turn it is on the line: what a question waits for goes before what fills the cache behind it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Condition
from time import monotonic

# What fills the cache begins once nobody asked for so long: an opening and its first question are over by then.
QUIET_SECONDS = 1.0
# Between the requests of one question there are pauses of this length.
PAUSE_SECONDS = 0.05
# How often who waits looks whether it is to end.
LOOK_SECONDS = 0.2


class Traffic:
    """Counts the requests that somebody waits for."""

    def __init__(self) -> None:
        self._waiting = 0
        self._last = monotonic()
        self._changed = Condition()

    @contextmanager
    def asked(self) -> Iterator[None]:
        """Somebody waits for what is done in the block."""
        with self._changed:
            self._waiting += 1
        try:
            yield
        finally:
            with self._changed:
                self._waiting -= 1
                self._last = monotonic()
                self._changed.notify_all()

    def wait(self, stop: Callable[[], bool], quiet: float = PAUSE_SECONDS) -> bool:
        """Until nobody has waited for `quiet` seconds, or `stop` says True; what it says then."""
        while not stop():
            with self._changed:
                left = LOOK_SECONDS if self._waiting else self._last + quiet - monotonic()
                if left <= 0:
                    return False
                self._changed.wait(min(left, LOOK_SECONDS))
        return True
