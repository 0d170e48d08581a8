"""Who is answered when: a bounded queue before a few worker threads, and questions that are alike answered together.

A question that comes alone runs at once. While others are under way it waits a few milliseconds for more of its kind,
or until nothing is under way, whichever is first; then all that wait and are alike become one call.

Every second turn is that of the oldest, every other one that of the lightest: a lone question does not stand behind
everybody's batches, and no batch waits for ever.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from xtr_assets.server.limits import RETRY_AFTER, Limits
from xtr_assets.server.problem import busy, too_slow
from xtr_assets.server.worker_threads import WorkerThreads
from xtr_assets.telemetry import metrics

# Answers several items of one key in a thread: a result, or the exception to raise, for each.
Together = Callable[[Any, Sequence[Any]], Sequence[Any]]


@dataclass(eq=False, slots=True)
class _Waiting:
    # None: answered by itself, by calling `item`.
    key: Any
    item: Any
    size: int
    arrived: float
    future: "asyncio.Future[Any]"
    started: bool = False


class Gatherer:
    """Runs in the event loop it is first used in; `together` runs in one of `workers` threads."""

    def __init__(self, together: Together, workers: int, limits: Limits) -> None:
        self._together, self._workers, self._limits = together, workers, limits
        self._threads = WorkerThreads(workers, "xtr-serve")
        self._waiting: deque[_Waiting] = deque()
        self._running, self._oldest_next = 0, True
        self._timer: asyncio.TimerHandle | None = None

    async def ask(self, key: Any, item: Any, size: int = 1) -> Any:
        """The result of `item`, perhaps answered with others of this key. size : the texts in it.

        Raises Problem 503 where the queue is full or time ran out in it, 408 where it ran out afterwards.
        """
        if len(self._waiting) >= self._limits.queue:
            self._waiting = deque(one for one in self._waiting if not one.future.done())
        if len(self._waiting) >= self._limits.queue:
            raise busy(
                f"{len(self._waiting)} questions wait already, at most {self._limits.queue} do; ask again in "
                f"{RETRY_AFTER} s",
                RETRY_AFTER,
            )
        loop = asyncio.get_running_loop()
        waiting = _Waiting(key, item, size, loop.time(), loop.create_future())
        self._waiting.append(waiting)
        self._pump()
        try:
            async with asyncio.timeout(self._limits.seconds):
                return await waiting.future
        except TimeoutError:
            if waiting.started:
                raise too_slow(
                    f"the question took longer than {self._limits.seconds:g} s; ask for less: a smaller k or batch, "
                    "another mode than exact"
                ) from None
            raise busy(
                f"the question waited {self._limits.seconds:g} s for its turn; ask again in {RETRY_AFTER} s",
                RETRY_AFTER,
            ) from None

    async def alone(self, call: Callable[[], Any]) -> Any:
        """The result of `call`, run in a worker thread when it is its turn."""
        return await self.ask(None, call)

    def close(self) -> None:
        """Wait for what is under way."""
        if self._timer is not None:
            self._timer.cancel()
        self._threads.close()

    def _pump(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._waiting and self._running < self._workers:
            first = self._waiting[0] if self._oldest_next else min(self._waiting, key=lambda one: one.size)
            if first.future.done():
                # Its time ran out, or nobody wants it any more.
                self._waiting.remove(first)
                continue
            loop = first.future.get_loop()
            left = first.arrived + self._limits.gather_seconds - loop.time()
            if self._running and first.key is not None and left > 0 and not self._full(first):
                self._timer = loop.call_later(left, self._pump)
                return
            self._oldest_next = not self._oldest_next
            self._start(self._taken(first))

    def _full(self, first: _Waiting) -> bool:
        return sum(one.size for one in self._waiting if one.key == first.key) >= self._limits.gathered

    def _taken(self, first: _Waiting) -> list[_Waiting]:
        """The first one, and with it what is alike, in the order of arrival; the others keep their places."""
        taken: list[_Waiting] = []
        left, size = deque[_Waiting](), 0
        for one in self._waiting:
            alike = one is first or (first.key is not None and one.key == first.key)
            if alike and not one.future.done() and (not taken or size + one.size <= self._limits.gathered):
                taken.append(one)
                size += one.size
            else:
                left.append(one)
        self._waiting = left
        return taken

    def _start(self, batch: list[_Waiting]) -> None:
        self._running += 1
        for one in batch:
            one.started = True
        metrics.SERVER_GATHERED.observe(len(batch))
        self._threads.start(partial(self._work, batch))

    def _work(self, batch: list[_Waiting]) -> Callable[[], None]:
        """In a worker thread."""
        results = self._answered(batch[0].key, [one.item for one in batch])

        def told() -> None:
            # A loop that was closed meanwhile has nobody who waits.
            with suppress(RuntimeError):
                batch[0].future.get_loop().call_soon_threadsafe(self._end, batch, results)

        return told

    def _answered(self, key: Any, items: list[Any]) -> Sequence[Any]:
        try:
            return self._together(key, items) if key is not None else [items[0]()]
        except BaseException as error:
            return [error] * len(items)

    def _end(self, batch: list[_Waiting], results: Sequence[Any]) -> None:
        self._running -= 1
        for one, result in zip(batch, results, strict=True):
            if one.future.done():
                continue
            if isinstance(result, BaseException):
                one.future.set_exception(result)
            else:
                one.future.set_result(result)
        self._pump()
