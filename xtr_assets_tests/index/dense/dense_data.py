"""Clustered vectors for the tests of the dense index: what an inverted list was made for, small and fixed."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from xtr_assets.core.types import Floats, Mask
from xtr_assets.index.faiss_provider import load_faiss


def clustered(rows: int, dim: int = 32, topics: int = 40, seed: int = 0) -> Floats:
    """Unit vectors around a number of topics: float32 [rows, dim]."""
    generator = np.random.default_rng(seed)
    centres = generator.standard_normal((topics, dim))
    vectors = centres[generator.integers(0, topics, rows)] + 0.6 * generator.standard_normal((rows, dim))
    unit: Floats = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return unit


def queries_near(vectors: Floats, count: int, seed: int = 1) -> Floats:
    """Queries beside stored vectors, none equal to one: float32 [count, dim]."""
    generator = np.random.default_rng(seed)
    near = vectors[generator.integers(0, len(vectors), count)] + 0.1 * generator.standard_normal(
        (count, vectors.shape[1])
    )
    return near.astype(np.float32)


def share(rows: int, part: float, seed: int = 2) -> Mask:
    """A mask of about that share of the rows."""
    mask: Mask = np.random.default_rng(seed).random(rows) < part
    return mask


@contextmanager
def one_thread() -> Iterator[None]:
    """FAISS on one thread: on small data its threads only wait for each other."""
    faiss = load_faiss()
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    yield
    faiss.omp_set_num_threads(before)
