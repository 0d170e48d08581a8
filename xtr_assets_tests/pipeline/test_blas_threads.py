from pathlib import Path

import faiss  # noqa: F401  (brings a BLAS of its own)
import numpy as np
from threadpoolctl import threadpool_info, threadpool_limits

from xtr_assets.pipeline.blas_threads import one_blas_thread
from xtr_assets.pipeline.costs import step

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
