"""Threads of a server: the one that worked last works next, none holds on to what it did."""

import threading
import weakref
from collections.abc import Callable
from queue import SimpleQueue

import pytest

from xtr_assets.server.worker_threads import WorkerThreads


def test_the_thread_that_worked_last_works_next_and_more_are_used_at_once() -> None:
    threads, done = WorkerThreads(2, "test"), SimpleQueue[str]()

    def noted() -> Callable[[], None]:
        name = threading.current_thread().name
        return lambda: done.put(name)

    go = threading.Event()

    def held() -> Callable[[], None]:
        assert go.wait(10)
        return noted()

    def alone() -> str:
        threads.start(noted)
        return done.get(timeout=10)

    assert [alone() for _ in range(5)] == ["test_0"] * 5
    threads.start(held)
    threads.start(noted)
    assert done.get(timeout=10) == "test_1"
    with pytest.raises(RuntimeError, match="more than 2 calls"):
        for _ in range(2):
            threads.start(held)
    go.set()
    assert {done.get(timeout=10) for _ in range(2)} == {"test_0", "test_1"}
    assert len({alone() for _ in range(5)}) == 1
    threads.close()
    assert not [one for one in threading.enumerate() if one.name.startswith("test_")]


def test_what_is_under_way_is_waited_for_and_nothing_of_it_stays() -> None:
    class Answer:
        pass

    threads, told = WorkerThreads(1, "test"), []
    go, answers = threading.Event(), [Answer()]
    known = weakref.ref(answers[0])

    def work() -> Callable[[], None]:
        assert go.wait(10)
        answer = answers.pop()
        return lambda: told.append(type(answer))

    threads.start(work)
    threading.Timer(0.05, go.set).start()
    del work
    threads.close()
    assert told == [Answer] and known() is None
