"""A client that stays on a generation meets another process at each request, and finds its generation there."""

import os
from pathlib import Path
from time import time

import pytest

from xtr_assets.core.errors import CorruptFile
from xtr_assets.server import hosted_index
from xtr_assets.server.hosted_index import HostedIndex
from xtr_assets.server.problem import Problem
from xtr_assets.server.worker_leases import WorkerLeases
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.fixtures import new_warehouse, publish_chunks
from xtr_assets_tests.server.site import version


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return new_warehouse(tmp_path / "w", version(1))


def worker(folder: Path, seconds: float = 600.0) -> HostedIndex:
    leases = WorkerLeases(folder, "docs", seconds)
    return HostedIndex("docs", folder / "w", "cpu", seconds, leases)


def number_of(index: HostedIndex, pinned: int) -> int:
    with index.use(pinned) as searcher:
        return searcher.generation


def test_a_generation_that_somebody_has_a_lease_of_is_opened_again(
    warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hosted_index, "MOVING_SECONDS", 0.0)
    one, other = worker(tmp_path), worker(tmp_path)
    one.look()
    assert number_of(one, 1) == 1
    publish_chunks(warehouse, version(2))
    # A worker that was started after the move never served generation 1.
    other.look()
    assert other.serving == 2 and other.kept == [2]
    assert number_of(other, 1) == 1 and other.kept == [1, 2]
    one.look()
    one.look()
    assert one.kept == [1, 2], "a lease that was renewed elsewhere keeps it here"
    for index in (one, other):
        index.close()


def test_who_is_ahead_of_a_worker_is_answered_by_it(warehouse: Warehouse, tmp_path: Path) -> None:
    behind = worker(tmp_path)
    behind.look()
    publish_chunks(warehouse, version(2))
    assert number_of(behind, 2) == 2 and behind.serving == 1
    assert behind.look() and behind.serving == 2 and behind.kept == [1, 2], "the one before is kept while others move"
    behind.close()


def test_what_nobody_holds_is_not_opened(warehouse: Warehouse, tmp_path: Path) -> None:
    publish_chunks(warehouse, version(2))
    index = worker(tmp_path)
    index.look()
    with pytest.raises(Problem, match="generation 1 is not held here"):
        number_of(index, 1)
    assert index.kept == [2]
    index.close()


def test_a_lease_runs_out(warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosted_index, "MOVING_SECONDS", 0.0)
    index = worker(tmp_path, 0.0)
    index.look()
    assert number_of(index, 1) == 1
    publish_chunks(warehouse, version(2))
    index.look()
    index.look()
    with pytest.raises(Problem, match="generation 1 is not held here"):
        number_of(index, 1)
    index.close()


def test_a_clock_that_was_put_back_makes_no_lease_longer(tmp_path: Path) -> None:
    leases = WorkerLeases(tmp_path, "docs", 600.0)
    leases.renew(1)
    (lease,) = tmp_path.iterdir()
    os.utime(lease, (time() + 7200, time() + 7200))
    assert leases.left(1) == 600.0
    os.utime(lease, (time() - 500, time() - 500))
    assert 0 < leases.left(1) <= 100


def test_one_that_cannot_be_opened_is_not_tried_at_each_question(
    warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index, tried = worker(tmp_path), []
    index.look()
    publish_chunks(warehouse, version(2))

    def damaged(number: int) -> None:
        tried.append(number)
        raise CorruptFile("dense.faiss", "a", "b")

    monkeypatch.setattr(index, "_opened", damaged)
    for _ in range(3):
        with pytest.raises(Problem) as refused:
            number_of(index, 2)
        assert refused.value.status == 410
    assert tried == [2]
    index.close()


def test_what_was_withdrawn_meanwhile_is_not_opened_again(warehouse: Warehouse, tmp_path: Path) -> None:
    one, other = worker(tmp_path), worker(tmp_path)
    one.look()
    assert number_of(one, 1) == 1
    publish_chunks(warehouse, version(2))
    warehouse.withdraw(1, reason="a test")
    other.look()
    with pytest.raises(Problem, match="generation 1 is not held here"):
        number_of(other, 1)
    for index in (one, other):
        index.close()
