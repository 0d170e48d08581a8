from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import faiss  # noqa: F401  (brings a BLAS of its own)
import numpy as np
import pytest
from threadpoolctl import OpenBLASController, ThreadpoolController, threadpool_info, threadpool_limits

from xtr_assets.core.blas_threads import one_blas_thread
from xtr_assets.core.row_store import RowVectors, VectorPart
from xtr_assets.index.exact_scan import exact_dense
from xtr_assets.pipeline.costs import step
from xtr_assets_tests.forked_child import forked

NUMPY = str(Path(np.__file__).parent)


def threads() -> tuple[list[int], list[int]]:
    """Threads of numpy's BLAS, and of all others."""
    found = [one for one in threadpool_info() if one["user_api"] == "blas"]
    mine = [one["num_threads"] for one in found if one["filepath"].startswith(NUMPY)]
    return mine, [one["num_threads"] for one in found if not one["filepath"].startswith(NUMPY)]


def test_numpy_has_one_thread_inside_and_as_many_as_before_behind() -> None:
    with threadpool_limits(2, user_api="blas"):
        before, others = threads()
        with one_blas_thread():
            assert threads() == ([1] * len(before), others)
        assert threads() == (before, others)
        assert set(before) <= {2}


def test_a_step_of_a_build_has_it_and_gives_it_back_where_it_fails() -> None:
    with threadpool_limits(2, user_api="blas"):
        before = threads()
        try:
            with step("multiplying"):
                assert set(threads()[0]) <= {1}
                raise ArithmeticError
        except ArithmeticError:
            pass
        assert threads() == before


@pytest.fixture
def two() -> Iterator[tuple[list[int], list[int]]]:
    """Two threads, set by nobody who still holds them: threadpoolctl heeds no other thread within a limit."""
    all_of_them = ThreadpoolController().select(user_api="blas").lib_controllers
    had = [one.num_threads for one in all_of_them]
    for one in all_of_them:
        one.set_num_threads(2)
    OpenBLASController.clear_controlling_thread(force=True)
    yield threads()
    for one, number in zip(all_of_them, had, strict=True):
        one.set_num_threads(number)
    OpenBLASController.clear_controlling_thread(force=True)


def test_two_that_overlap_leave_as_many_as_before(two: tuple[list[int], list[int]]) -> None:
    """The second finds one thread; what it found is no number to go back to. Each is in a thread of its own."""
    first, second = one_blas_thread(), one_blas_thread()
    with ThreadPoolExecutor(1) as one, ThreadPoolExecutor(1) as other:
        one.submit(first.__enter__).result()
        other.submit(second.__enter__).result()
        one.submit(first.__exit__, None, None, None).result()
        assert set(threads()[0]) <= {1}
        other.submit(second.__exit__, None, None, None).result()
    assert threads() == two


def test_a_forked_child_has_as_many_as_before(two: tuple[list[int], list[int]]) -> None:
    """The thread that multiplies at that moment is not in the child: nobody there gives back what it took."""

    def later() -> list[int]:
        with one_blas_thread():
            pass
        return threads()[0]

    held = one_blas_thread()
    with ThreadPoolExecutor(1) as other:
        other.submit(held.__enter__).result()
        assert forked(later) == two[0]
        other.submit(held.__exit__, None, None, None).result()
    assert threads() == two


def test_searches_that_overlap_leave_as_many_as_before(two: tuple[list[int], list[int]]) -> None:
    """The second begins within the first and ends after it: it found one thread, and gave one back for ever."""

    class Slow(np.ndarray[Any, Any]):
        """Vectors whose first read says that the search has begun, and waits."""

        begun: Event
        until: Event

        def __getitem__(self, which: Any) -> Any:
            self.begun.set()
            assert self.until.wait(10)
            return np.asarray(self)[which]

    first, second, ended = Event(), Event(), Event()

    def search(begun: Event, until: Event) -> None:
        vectors = np.ones((4, 8), np.float16).view(Slow)
        vectors.begun, vectors.until = begun, until
        exact_dense(RowVectors([VectorPart(0, vectors)], 8), np.ones(4, np.bool_), np.ones((9, 8), np.float32), 1)

    with ThreadPoolExecutor(2) as pool:
        one = pool.submit(search, first, second)
        assert first.wait(10)
        other = pool.submit(search, second, ended)
        one.result(10)
        ended.set()
        other.result(10)
        assert threads() == two
