"""Threads that take work as it comes: a queue, and nothing around it.

A ThreadPoolExecutor makes a future with a lock and a condition of each call, and tells of its end before its thread
lets go of Python's lock, which whoever was told then waits for: 40 us a question more, of 700 between a socket and a
search of no time.
"""

from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread

Work = Callable[[], None]


class WorkerThreads:
    """`start` gives work to whichever thread is free, in order. Work must not raise: it tells of its end by itself."""

    def __init__(self, count: int, name: str) -> None:
        self._count, self._name = count, name
        self._work: SimpleQueue[Work | None] = SimpleQueue()
        self._threads: list[Thread] = []

    def start(self, work: Work) -> None:
        """Run it, after what was given before; from one thread at a time."""
        if not self._threads:
            self._threads = [
                Thread(target=self._run, name=f"{self._name}_{number}", daemon=True) for number in range(self._count)
            ]
            for one in self._threads:
                one.start()
        self._work.put(work)

    def close(self) -> None:
        """Wait for what was given; `start` begins anew."""
        threads, self._threads = self._threads, []
        for _ in threads:
            self._work.put(None)
        for one in threads:
            one.join()

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            work()
            # Waiting, a thread would hold the question and its answer.
            del work
