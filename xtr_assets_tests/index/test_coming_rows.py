"""Rows that lie elsewhere are scored as those that are here, to the bit, and none is read that is not asked for."""

from typing import Any

import numpy as np
import pytest

from xtr_assets.core.row_store import Coming, RowVectors, VectorPart
from xtr_assets.core.types import Floats, Halves, Ints
from xtr_assets.index import native, row_scorer
from xtr_assets.index.exact_scan import exact_dense, true_scores
from xtr_assets.index.row_scorer import ComingScorer, NativeScorer, NumpyScorer, RowScorer, scorer_of

DIM = 24


class Elsewhere:
    """Vectors that count which rows are read."""

    ndim = 2

    def __init__(self, vectors: Halves) -> None:
        self._vectors, self.shape, self.dtype = vectors, vectors.shape, vectors.dtype
        self.said: set[int] = set()
        self.read: set[int] = set()

    def __len__(self) -> int:
        return len(self._vectors)

    def need(self, positions: Ints) -> None:
        self.said |= set(positions.tolist())

    def __getitem__(self, key: Any) -> Halves:
        self.read |= set(np.arange(len(self))[key].tolist())
        found: Halves = self._vectors[key]
        return found


def both(seed: int) -> tuple[RowVectors, RowVectors, list[Elsewhere]]:
    """The same rows here and elsewhere, with a hole between the parts; one part of several is here in both."""
    random = np.random.default_rng(seed)
    arrays = [random.normal(size=(rows, DIM)).astype(np.float16) for rows in (30, 1, 40, 25)]
    arrays[2][::7] = arrays[0][3]
    bases = [0, 35, 36, 90]
    away = [Elsewhere(array) for array in arrays[:3]]
    here = RowVectors([VectorPart(base, array) for base, array in zip(bases, arrays, strict=True)], DIM)
    mixed = [*away, arrays[3]]
    there = RowVectors([VectorPart(base, one) for base, one in zip(bases, mixed, strict=True)], DIM)  # type: ignore[arg-type]
    return here, there, away


def same(one: tuple[Floats, Ints], other: tuple[Floats, Ints]) -> bool:
    """Whether scores and rows are equal to the bit."""
    return np.array_equal(one[0], other[0]) and np.array_equal(one[1], other[1])


INNER = [NumpyScorer, *([NativeScorer] if native.available() else [])]


@pytest.mark.parametrize("inner", INNER)
@pytest.mark.parametrize("block", [5, 16_384])
def test_scores_and_the_best_are_the_same(inner: type[RowScorer], block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_scorer, "BLOCK_ROWS", block)
    random = np.random.default_rng(1)
    for seed in range(20):
        here, there, away = both(seed)
        stored = here.rows()
        queries = random.normal(size=(3, DIM)).astype(np.float32)
        rows = random.choice(np.concatenate([stored, [-1, -1, 32, 80, 200]]), (3, 17))
        one, other = inner(), ComingScorer(inner())
        assert np.array_equal(one.scores(here, queries, rows), other.scores(there, queries, rows))
        rows = random.choice(np.concatenate([stored, [-1]]), (3, 17))
        for k in (1, 5, 17):
            assert same(one.best(here, queries, rows, k), other.best(there, queries, rows, k))
        asked = set(stored[np.isin(stored, rows)].tolist())
        assert set().union(*(one.read for one in away)) and all(one.read <= one.said for one in away)
        assert len(asked) <= len(stored)


def test_only_what_is_scored_is_read() -> None:
    here, there, away = both(3)
    query = np.ones((1, DIM), np.float32)
    rows = np.array([[4, 35, 50, 50, 92]])
    assert np.array_equal(true_scores(here, query, rows), true_scores(there, query, rows))
    assert [one.read for one in away] == [{4}, {0}, {14}] == [one.said for one in away]
    assert isinstance(scorer_of(there), ComingScorer) and not isinstance(scorer_of(here), ComingScorer)
    assert isinstance(away[0], Coming) and not isinstance(np.zeros(3), Coming)


@pytest.mark.parametrize("queries", [2, 9])
def test_a_scan_of_all_rows_is_the_same(queries: int) -> None:
    here, there, _ = both(5)
    live = np.ones(here.end_row, np.bool_)
    asked = np.random.default_rng(2).normal(size=(queries, DIM)).astype(np.float32)
    assert same(exact_dense(here, live, asked, 7), exact_dense(there, live, asked, 7))


def test_no_row_at_all() -> None:
    _, there, _ = both(6)
    scores, rows = scorer_of(there).best(there, np.ones((1, DIM), np.float32), np.full((1, 3), -1), 2)
    assert np.isneginf(scores).all() and (rows == -1).all()
