"""What several tests of the dense index share."""

from collections.abc import Iterator
from typing import Any

import pytest

from xtr_assets.core.types import Floats
from xtr_assets_tests.index.dense.dense_data import clustered, one_thread, queries_near


@pytest.fixture(scope="module")
def threads() -> Iterator[None]:
    """FAISS on one thread, for a module that asks for it."""
    with one_thread():
        yield


@pytest.fixture(scope="module")
def vectors() -> Floats:
    return clustered(3000)


@pytest.fixture(scope="module")
def queries(vectors: Any) -> Floats:
    return queries_near(vectors, 40)
