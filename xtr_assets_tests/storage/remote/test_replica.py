"""A mirror is its source, move by move; it is read like any store, and written by nobody else."""

import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from xtr_assets.core.errors import CorruptFile, StoreConflict, StoreError, StoreUnreachable, WarehouseNotFound
from xtr_assets.storage.remote import object_store, replica
from xtr_assets.storage.remote.object_store import ObjectStore, file_name
from xtr_assets.storage.remote.replica import mirror
from xtr_assets.storage.remote.store_garbage import collect_store
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.storage.remote.conftest import next_generation, pull_from, push_to
from xtr_assets_tests.storage.remote.faulty import Faulty, FolderBucket, store_over
from xtr_assets_tests.storage.remote.test_store_garbage import age
from xtr_assets_tests.storage.sample import flip, texts

Host = Callable[[str], Warehouse]


@pytest.fixture
def copy(tmp_path: Path) -> FolderBucket:
    return FolderBucket(tmp_path / "copy")


def test_a_mirror_is_its_source(host: Host, store: ObjectStore, copy: FolderBucket, tmp_path: Path) -> None:
    a = host("a")
    push_to(a, store)
    target = store_over(copy, "test://copy")
    assert mirror(store, target, dry_run=True).files > 10 and copy.names() == []
    first = mirror(store, target)
    assert (first.moves, first.generation) == (1, 1)
    next_generation(a, "x")
    push_to(a, store)
    second = mirror(store, target)
    assert second.moves == 1 and 0 < second.files < first.files + 8
    assert target.chain() == store.chain() and mirror(store, target).files == 0
    b = Warehouse.create(tmp_path / "b")
    pull_from(b, target)
    assert b.published is not None and texts(b.published) == ["f one", "g two", "x more"] and b.verify().ok
    # Who pulled from the mirror is no other way for the source.
    next_generation(b, "y")
    assert push_to(b, store).move == 3


def test_a_mirror_is_written_by_mirror_alone(host: Host, store: ObjectStore, copy: FolderBucket) -> None:
    a = host("a")
    push_to(a, store)
    target = store_over(copy, "test://copy")
    mirror(store, target)
    next_generation(a, "x")
    for write in (lambda: push_to(a, target), lambda: collect_store(target, 1)):
        with pytest.raises(StoreError, match="test://copy is a mirror of the store"):
            write()
    with pytest.raises(StoreError, match="a store that is pushed to"):
        mirror(target, store)


def test_what_the_source_collected_goes_and_readers_keep_theirs(
    host: Host, store: ObjectStore, bucket: FolderBucket, copy: FolderBucket
) -> None:
    a = host("a")
    push_to(a, store)
    next_generation(a, "x")
    push_to(a, store)
    target = store_over(copy, "test://copy")
    mirror(store, target)
    age(bucket, 48)
    collect_store(store, 1)
    assert mirror(store, target).removed == 0, "it came lately"
    age(copy, 48)
    from xtr_assets.storage.remote.lease import leased

    with leased(target, "reading", "a" * 64):
        assert mirror(store, target).removed == 0
    assert mirror(store, target).removed > 5
    assert {one.name for one in target.files()} == {one.name for one in store.files()}


def test_a_mirror_that_takes_long_removes_nothing_that_a_later_one_brought(
    host: Host, store: ObjectStore, copy: FolderBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first one of a large store takes more than a day, and one begins each hour."""
    a, bring, target = host("a"), replica.copy_files, store_over(copy, "test://copy")
    push_to(a, store)

    def slowly(*given: Any) -> None:
        monkeypatch.setattr(replica, "copy_files", bring)
        bring(*given)
        next_generation(a, "x")
        push_to(a, store)
        assert mirror(store, target).moves == 2
        age(copy, 48)

    monkeypatch.setattr(replica, "copy_files", slowly)
    assert mirror(store, target).removed == 0
    assert {one.name for one in target.files()} == {one.name for one in store.files()}


def test_a_mirror_removes_nothing_that_another_one_just_brings(
    host: Host, store: ObjectStore, bucket: FolderBucket, copy: FolderBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No move of the target names it yet, for more than a day: the move that did then named files that were gone."""
    a, bring, target = host("a"), replica.copy_files, store_over(copy, "test://copy")
    push_to(a, store)
    mirror(store, target)
    # What a mirror that began before the push still goes by.
    early = store_over(FolderBucket(shutil.copytree(bucket.root, copy.root.with_name("early"))), "test://early")
    next_generation(a, "x")
    push_to(a, store)

    def slowly(*given: Any) -> None:
        bring(*given)
        monkeypatch.setattr(replica, "copy_files", bring)
        age(copy, 48)
        for lease in (name for name in copy.names() if name.startswith("leases/")):
            os.utime(copy.path(lease))
        assert mirror(early, target).removed == 0

    monkeypatch.setattr(replica, "copy_files", slowly)
    assert mirror(store, target).moves == 1
    assert mirror(store, target).files == 0, "all that its moves name is there"


def test_a_target_that_went_another_way_is_refused(
    host: Host, store: ObjectStore, copy: FolderBucket, tmp_path: Path
) -> None:
    a = host("a")
    push_to(a, store)
    target = store_over(copy, "test://copy")
    mirror(store, target)
    head = store.head()
    assert head is not None
    strange = head.move.model_copy(update={"number": 2, "before": head.sha256, "who": "stray"})
    assert target.append(strange)
    with pytest.raises(StoreConflict, match="has 2 moves, test://store 1"):
        mirror(store, target)
    next_generation(a, "x")
    push_to(a, store)
    with pytest.raises(StoreConflict, match=r"different ways.*by stray"):
        mirror(store, target)
    with pytest.raises(WarehouseNotFound, match="no warehouse at"):
        mirror(store_over(FolderBucket(tmp_path / "empty")), target)


def test_damage_is_not_mirrored_and_faults_are_ridden_out(
    host: Host, store: ObjectStore, bucket: FolderBucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Both ways that files travel.
    for module in (object_store, replica):
        monkeypatch.setattr(module, "RANGE_BYTES", 8192)
    a = host("a")
    push_to(a, store)
    assert a.published is not None
    large = next(one for one in a.published.manifest.files.values() if one.bytes > 8192)
    for record in (large, a.published.manifest.files["generations/1/dense.faiss"]):
        name, copy = file_name(record), FolderBucket(tmp_path / f"copy-{record.bytes}")
        flip(bucket.path(name), 0)
        with pytest.raises(CorruptFile, match=name):
            mirror(store, store_over(copy, "test://copy"))
        assert not any(one.startswith("moves/") for one in copy.names()) and name not in copy.names()
        flip(bucket.path(name), 0)
    source, target = (
        Faulty(bucket, 3, 0.15, ("before", "lost", "slow")),
        Faulty(copy, 4, 0.15, ("before", "lost", "cut")),
    )
    for _ in range(5):
        with suppress(StoreUnreachable):
            mirror(store_over(source), store_over(target, "test://copy"))
            break
    assert source.seen and target.seen and store_over(copy).chain() == store.chain()
