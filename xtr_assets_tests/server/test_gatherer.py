"""Who waits for whom: alone at once, together where alike, and never more than there is room for."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from threading import Event
from typing import Any

import pytest

from xtr_assets.server.gatherer import Gatherer
from xtr_assets.server.limits import Limits
from xtr_assets.server.problem import Problem

LIMITS = Limits(gather_seconds=0.05, queue=8, gathered=4, seconds=5.0)


class Work:
    """Notes which items were answered together; holds everything while `closed`."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, list[Any]]] = []
        self.go = Event()
        self.go.set()

    def __call__(self, key: Any, items: Sequence[Any]) -> list[Any]:
        self.calls.append((key, list(items)))
        assert self.go.wait(10)
        return [ValueError(item) if item == "bad" else f"{key}:{item}" for item in items]


async def _ask(work: Work, limits: Limits, workers: int, *asked: tuple[Any, Any]) -> list[Any]:
    """Each is asked in turn, all at one moment, while a first question holds up what there is."""
    gatherer = Gatherer(work, workers, limits)
    try:
        work.go.clear()
        first = asyncio.ensure_future(gatherer.ask("first", 0))
        await asyncio.sleep(0.01)
        others = [asyncio.ensure_future(gatherer.ask(key, item)) for key, item in asked]
        await asyncio.sleep(0.02)
        work.go.set()
        return await asyncio.gather(first, *others, return_exceptions=True)
    finally:
        work.go.set()
        gatherer.close()


def test_a_question_that_is_alone_does_not_wait() -> None:
    work = Work()

    async def asked() -> float:
        gatherer = Gatherer(work, 2, replace(LIMITS, gather_seconds=30.0))
        began = asyncio.get_running_loop().time()
        for item in range(3):
            assert await gatherer.ask("k", item) == f"k:{item}"
        gatherer.close()
        return asyncio.get_running_loop().time() - began

    assert asyncio.run(asked()) < 5
    assert work.calls == [("k", [0]), ("k", [1]), ("k", [2])]


def test_what_is_alike_is_answered_together_and_each_gets_its_own() -> None:
    work = Work()
    found = asyncio.run(_ask(work, LIMITS, 1, ("a", 1), ("b", 2), ("a", 3), ("b", 4), ("a", 5)))
    assert found == ["first:0", "a:1", "b:2", "a:3", "b:4", "a:5"]
    assert work.calls == [("first", [0]), ("a", [1, 3, 5]), ("b", [2, 4])]


def test_while_another_is_under_way_a_free_thread_waits_a_moment_for_more() -> None:
    work = Work()
    asyncio.run(_ask(work, LIMITS, 2, ("a", 1), ("a", 2)))
    assert ("a", [1, 2]) in work.calls
    work = Work()
    asyncio.run(_ask(work, replace(LIMITS, gather_seconds=0.0), 2, ("a", 1), ("a", 2)))
    assert ("a", [1]) in work.calls


def test_no_more_are_gathered_than_an_encoder_takes() -> None:
    work = Work()
    asyncio.run(_ask(work, LIMITS, 1, *(("a", item) for item in range(6))))
    assert [len(items) for _, items in work.calls] == [1, 4, 2]


def test_an_error_goes_to_its_own_question_alone() -> None:
    found = asyncio.run(_ask(Work(), LIMITS, 1, ("a", 1), ("a", "bad"), ("a", 2)))
    assert found[1] == "a:1" and found[3] == "a:2"
    assert isinstance(found[2], ValueError)


def test_beyond_the_queue_is_503_with_a_time_to_come_again() -> None:
    found = asyncio.run(_ask(Work(), LIMITS, 1, *((None, lambda: "done") for _ in range(10))))
    refused = [one for one in found if isinstance(one, Problem)]
    assert len(refused) == 2 and found.count("done") == 8
    assert refused[0].status == 503 and refused[0].headers == {"Retry-After": "1"}
    assert "8 questions wait already, at most 8 do" in refused[0].message


def test_time_that_runs_out_is_said_in_the_queue_and_at_work() -> None:
    work = Work()

    async def asked() -> list[Any]:
        gatherer = Gatherer(work, 1, replace(LIMITS, seconds=0.05))
        work.go.clear()
        found = await asyncio.gather(gatherer.ask("a", 1), gatherer.ask("b", 2), return_exceptions=True)
        work.go.set()
        assert await gatherer.ask("c", 3) == "c:3"
        gatherer.close()
        return list(found)

    running, waiting = asyncio.run(asked())
    assert running.status == 408 and "longer than 0.05 s; ask for less" in running.message
    assert waiting.status == 503 and waiting.headers == {"Retry-After": "1"}
    # What nobody waits for any more is not answered.
    assert ("b", [2]) not in work.calls


@pytest.mark.parametrize("key", ["a", None])
def test_a_call_that_fails_whole_fails_each_and_the_next_one_is_answered(key: Any) -> None:
    def broken(key: Any, items: Sequence[Any]) -> list[Any]:
        raise OSError("disk")

    async def asked() -> None:
        gatherer = Gatherer(broken, 1, LIMITS)

        def fails() -> None:
            raise OSError("disk")

        for _ in range(2):
            with pytest.raises(OSError, match="disk"):
                await (gatherer.ask(key, 1) if key else gatherer.alone(fails))
        assert await gatherer.alone(lambda: 5) == 5
        gatherer.close()

    asyncio.run(asked())


def test_a_lone_question_does_not_stand_behind_everybodys_batches_and_no_batch_waits_for_ever() -> None:
    work = Work()

    async def asked() -> None:
        gatherer = Gatherer(work, 1, replace(LIMITS, gather_seconds=0.0))
        work.go.clear()
        asking = [asyncio.ensure_future(gatherer.ask("first", 0))]
        await asyncio.sleep(0.01)
        asking += [asyncio.ensure_future(gatherer.ask(f"batch {i}", i, 60)) for i in range(3)]
        asking += [asyncio.ensure_future(gatherer.ask(f"lone {i}", i, 1)) for i in range(3)]
        await asyncio.sleep(0.01)
        work.go.set()
        await asyncio.gather(*asking)
        gatherer.close()

    asyncio.run(asked())
    order = [key for key, _ in work.calls[1:]]
    assert order == ["lone 0", "batch 0", "lone 1", "batch 1", "lone 2", "batch 2"]
