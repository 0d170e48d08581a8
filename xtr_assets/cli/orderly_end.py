"""A signal that ends a process, for work that leaves files where nobody looks: they go before it does."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_ENDS = (signal.SIGTERM, signal.SIGHUP)


class _Ended(BaseException):
    """Unwinds what is under way; no `except Exception` keeps it. Never seen outside this module."""


@contextmanager
def orderly_end() -> Iterator[None]:
    """What SIGTERM or SIGHUP ends is unwound first, its temporary folders removed; then the process ends by that signal
    all the same. A second one ends it at once. A signal that is ignored, as SIGHUP is under `nohup`, stays so."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []

    def ended(number: int, _: FrameType | None) -> None:
        came.append(number)
        _default(taken)
        raise _Ended

    taken = [one for one in _ENDS if signal.getsignal(one) is signal.SIG_DFL]
    for one in taken:
        signal.signal(one, ended)
    try:
        yield
    except _Ended:
        pass
    finally:
        _default(taken)
    if came:
        signal.raise_signal(came[0])


def _default(signals: list[signal.Signals]) -> None:
    for one in signals:
        signal.signal(one, signal.SIG_DFL)
