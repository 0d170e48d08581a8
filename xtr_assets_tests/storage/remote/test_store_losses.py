"""Stores that lose what they held: objects that a rule removed, listings that lag, a store put back or emptied."""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from xtr_assets.core.errors import CorruptFile, StoreConflict, StoreError, WarehouseNotFound
from xtr_assets.storage.remote import lease, store_cache, store_garbage
from xtr_assets.storage.remote.address import Address
from xtr_assets.storage.remote.bucket import Found
from xtr_assets.storage.remote.lease import leased
from xtr_assets.storage.remote.object_store import ObjectStore, file_name
from xtr_assets.storage.remote.store_cache import CachedWarehouse, CacheOptions
from xtr_assets.storage.remote.store_garbage import collect_store
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.storage.remote.conftest import next_generation, pull_from, push_to
from xtr_assets_tests.storage.remote.faulty import FolderBucket, store_over
from xtr_assets_tests.storage.sample import texts

Host = Callable[[str], Warehouse]


class Lagging(FolderBucket):
    """A bucket whose listings show the first two objects alone: a page that was cut, a gateway that lags."""

    def listed(self, prefix: str, after: str = "") -> Iterator[Found]:
        return iter(list(super().listed(prefix, after))[:2])


class Keeping(FolderBucket):
    """A bucket in which nobody may remove what lies below `kept`: a rule of it, or of the role of who asks."""

    kept = "leases/"

    def remove(self, name: str) -> None:
        if name.startswith(self.kept):
            raise StoreError(f"{name}: the store refuses the request (403)")
        super().remove(name)


def test_what_a_listing_does_not_show_yet_is_asked_for(host: Host, store: ObjectStore, bucket: FolderBucket) -> None:
    """Generation 2 is withdrawn in the fourth move, which the listing does not show."""
    a = host("a")
    push_to(a, store)
    next_generation(a, "bad")
    push_to(a, store)
    next_generation(a, "good")
    push_to(a, store)
    a.withdraw(2, "licence")
    push_to(a, store)
    lagging = store_over(Lagging(bucket.root))
    head = lagging.head()
    assert head is not None and head.move.number == 4 and len(lagging.chain()) == 4
    fresh = Warehouse.create(a.root.with_name("fresh"))
    assert pull_from(fresh, lagging).generation == 3
    next_generation(a, "more")
    assert push_to(a, lagging).move == 5


@pytest.mark.parametrize("again", [False, True], ids=["the same", "the next generation"])
@pytest.mark.parametrize("kind", ["file", "manifest", "history", "info"])
def test_a_push_sends_anew_what_the_store_lost(
    kind: str, again: bool, host: Host, store: ObjectStore, bucket: FolderBucket
) -> None:
    a = host("a")
    push_to(a, store)
    head = store.head()
    assert head is not None and a.published is not None
    shared = next(one for name, one in a.published.manifest.files.items() if name.startswith("segments/"))
    lost = {"file": shared, "manifest": head.move.generations[1], "history": head.move.history, "info": head.move.info}
    bucket.remove(file_name(lost[kind]))
    b = Warehouse.create(a.root.with_name("b"))
    with pytest.raises(CorruptFile, match="xtr-assets push"):
        pull_from(b, store)
    if again:
        next_generation(a, "x")
    planned = push_to(a, store, dry_run=True)
    assert bucket.stat(file_name(lost[kind])) is None, "who plans writes nothing"
    report = push_to(a, store)
    assert (planned.files, planned.moved) == (report.files, report.moved)
    assert report.moved == again and report.files >= (kind == "file")
    pull_from(b, store)
    assert b.verify().ok and b.published is not None and b.published.number == 1 + again


def test_an_object_that_was_cut_ends_every_push_by_name(host: Host, store: ObjectStore, bucket: FolderBucket) -> None:
    a = host("a")
    push_to(a, store)
    assert a.published is not None
    record = next(one for name, one in a.published.manifest.files.items() if name.startswith("segments/"))
    bucket.path(file_name(record)).write_bytes(b"half")
    with pytest.raises(StoreError, match=f"4 bytes .*{record.sha256}.*remove that object, and push again"):
        push_to(a, store)
    next_generation(a, "x")
    with pytest.raises(StoreError, match="remove that object, and push again"):
        push_to(a, store)
    bucket.remove(file_name(record))
    assert push_to(a, store).generation == 2
    b = Warehouse.create(a.root.with_name("b"))
    assert pull_from(b, store).generation == 2 and b.verify().ok


@pytest.mark.parametrize("becomes", ["nothing", "another store", "an older one"])
def test_who_follows_a_store_hears_that_it_went(
    becomes: str, host: Host, store: ObjectStore, bucket: FolderBucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next move may be long in coming: it is not waited for. What serves goes on, and each look says why."""
    monkeypatch.setattr(store_cache, "LOOK_SECONDS", 0.0)
    a = host("a")
    push_to(a, store)
    shutil.copytree(bucket.root, tmp_path / "before")
    next_generation(a, "x")
    push_to(a, store)
    cached = CachedWarehouse.at(Address("s3", "bucket/docs"), store, CacheOptions(tmp_path / "cache"))
    shutil.move(bucket.root, tmp_path / "kept")
    if becomes == "another store":
        push_to(host("c"), store)
    elif becomes == "an older one":
        shutil.copytree(tmp_path / "before", bucket.root)
    cached.follow()
    monkeypatch.setattr(cached, "_behind_at", 0.0)
    kind = WarehouseNotFound if becomes == "nothing" else StoreConflict
    for _ in range(2):
        with pytest.raises(kind, match="no warehouse" if becomes == "nothing" else "remove"):
            cached.follow()
        assert cached.published is not None and cached.published.number == 2
    shutil.rmtree(bucket.root, ignore_errors=True)
    shutil.move(tmp_path / "kept", bucket.root)
    cached.follow()
    next_generation(a, "y")
    push_to(a, store)
    cached.follow()
    assert cached.published is not None and cached.published.number == 3


def test_a_cache_that_is_removed_while_it_is_open_is_filled_again(
    host: Host, store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_cache, "LOOK_SECONDS", 0.0)
    a = host("a")
    push_to(a, store)
    cached = CachedWarehouse.at(Address("s3", "bucket/docs"), store, CacheOptions(tmp_path / "cache"))
    for number, text in enumerate(("x", "y"), start=2):
        shutil.rmtree(cached.root)
        next_generation(a, text)
        push_to(a, store)
        cached.follow()
        assert cached.published is not None and cached.published.number == number and cached.verify().ok
    shutil.rmtree(cached.root)
    cached.follow()
    assert cached.published is not None and texts(cached.published) == ["f one", "g two", "y more"]


def test_a_cache_that_lost_its_note_says_that_it_may_be_removed(
    host: Host, store: ObjectStore, bucket: FolderBucket, tmp_path: Path
) -> None:
    push_to(host("a"), store)

    def opened() -> CachedWarehouse:
        return CachedWarehouse.at(Address("s3", "bucket/docs"), store, CacheOptions(tmp_path / "cache"))

    opened().layout.cache_json.unlink()
    shutil.rmtree(bucket.root)
    b = host("b")
    b.layout.history.write_bytes(b"")
    b.accept_history("a history of its own")
    next_generation(b, "x")
    push_to(b, store)
    with pytest.raises(StoreConflict, match=f"{tmp_path / 'cache'}.* remove that folder, it is filled again"):
        opened()


def test_who_may_not_remove_renews_a_lease_all_the_same(
    host: Host, bucket: FolderBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A push of hours over a bucket that lets nobody delete: a lease that is left behind is over by itself."""
    monkeypatch.setattr(lease, "LEASE_SECONDS", 0.0)
    store = store_over(Keeping(bucket.root))
    push_to(host("a"), store)
    with leased(store, "test", None) as held:
        first = held.name
        held.renew()
        assert held.name != first and bucket.stat(held.name) is not None
    assert pull_from(Warehouse.create(bucket.root.with_name("b")), store).generation == 1


def test_a_collection_that_may_remove_nothing_keeps_nobody_waiting(host: Host, bucket: FolderBucket) -> None:
    a = host("a")
    keeping = Keeping(bucket.root)
    keeping.kept = "files/"
    store = store_over(keeping)
    push_to(a, store)
    next_generation(a, "x")
    push_to(a, store)
    _age(bucket, "files/")
    with pytest.raises(StoreError, match="403"):
        collect_store(store, 1, grace_hours=0.0)
    head = store.head()
    assert head is not None and head.move.action == "collected" and set(head.move.generations) == {2}
    next_generation(a, "y")
    assert push_to(a, store).generation == 3


def test_a_collection_that_stood_still_says_what_it_took_from_a_push(
    host: Host, store: ObjectStore, bucket: FolderBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is stopped between its look at the clock and a request; a push takes it for dead, and names what goes then."""
    a = host("a")
    push_to(a, store)
    assert a.published is not None
    before = set(a.published.manifest.files.values())
    next_generation(a, "x")
    push_to(a, store)
    record = next(one for one in a.published.manifest.files.values() if one not in before)
    a.rollback(1, who="somebody")
    push_to(a, store)
    _age(bucket, "")

    class Stopped(FolderBucket):
        stopped = False

        def remove(self, name: str) -> None:
            if name == file_name(record) and not self.stopped:
                self.stopped = True
                monkeypatch.setattr(store_garbage, "COLLECT_SECONDS", 0.0)
                a.publish(2, again_reason="it is right after all", who="somebody")
                assert push_to(a, store).moved
                if head := store.head():
                    # Its manifest goes in that moment, too: of what else the generation needs nothing is known then.
                    super().remove(file_name(head.move.generations[2]))
            super().remove(name)

    with pytest.raises(StoreError, match=r"taken for dead, and removed .* `xtr-assets push` from there again"):
        collect_store(store_over(Stopped(bucket.root)), 1, grace_hours=0.0)
    assert bucket.stat(file_name(record)) is None
    assert push_to(a, store).files == 1
    b = Warehouse.create(a.root.with_name("b"))
    assert pull_from(b, store).generation == 2 and b.verify().ok


def _age(bucket: FolderBucket, prefix: str) -> None:
    for one in list(bucket.listed(prefix)):
        os.utime(bucket.path(one.name), (time.time() - 90_000,) * 2)
