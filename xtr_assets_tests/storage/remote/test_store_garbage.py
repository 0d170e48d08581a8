"""Collection in a store takes what nobody needs, and nothing else: not from readers, not from pushes."""

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from xtr_assets.core.errors import InvalidInput, StoreConflict, StoreError
from xtr_assets.storage.remote import block_lists, passed_time, store_garbage
from xtr_assets.storage.remote.lease import Lease, leased
from xtr_assets.storage.remote.object_store import THREADS, Head, ObjectStore, file_name
from xtr_assets.storage.remote.store_garbage import collect_store
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.storage.remote.conftest import next_generation, pull_from, push_to
from xtr_assets_tests.storage.remote.faulty import FolderBucket, store_over


@pytest.fixture(scope="module")
def _pushed(_made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("three")
    made = Warehouse.open(shutil.copytree(_made, folder / "a"))
    store = store_over(FolderBucket(folder / "bucket"))
    push_to(made, store)
    for text in ("x", "y"):
        next_generation(made, text)
        push_to(made, store)
    return folder


@pytest.fixture
def three(_pushed: Path, bucket: FolderBucket, tmp_path: Path) -> Warehouse:
    """Generations 1, 2 and 3, pushed one after the other."""
    shutil.copytree(_pushed / "bucket", bucket.root)
    return Warehouse.open(shutil.copytree(_pushed / "a", tmp_path / "a"))


def age(bucket: FolderBucket, hours: float) -> None:
    """Everything there is was written so long ago."""
    for name in bucket.names():
        then = bucket.path(name).stat().st_mtime - hours * 3600
        os.utime(bucket.path(name), (then, then))


def test_what_no_kept_generation_names_goes(
    three: Warehouse, store: ObjectStore, bucket: FolderBucket, tmp_path: Path
) -> None:
    age(bucket, 48)
    before = bucket.names()
    planned = collect_store(store, 1, dry_run=True)
    assert bucket.names() == before and planned.objects > 5
    report = collect_store(store, 1)
    assert (report.kept, report.generations, report.leased) == ((3,), (1, 2), ())
    assert (report.objects, report.bytes) == (planned.objects, planned.bytes)
    assert [one for one in bucket.names() if one.startswith("moves/")] == [
        f"moves/0000000{n}.json" for n in range(1, 6)
    ]
    head = store.head()
    assert head is not None and head.move.action == "collected" and list(head.move.generations) == [3]
    b = Warehouse.create(tmp_path / "b")
    pull_from(b, store)
    assert b.verify().ok and len(b.history()) == 3
    age(bucket, 48)
    assert collect_store(store, 1).objects == 0 and len(store.chain()) == 5, "where nothing goes nothing is said"
    assert push_to(three, store).moved is False


def test_the_stack_of_rollbacks_stays_and_what_was_withdrawn_goes_first(
    three: Warehouse, store: ObjectStore, bucket: FolderBucket
) -> None:
    three.rollback(2)
    three.withdraw(3, "licence")
    push_to(three, store)
    age(bucket, 48)
    assert collect_store(store, 2).kept == (1, 2)


def test_what_served_lately_and_what_came_lately_stays(
    three: Warehouse, store: ObjectStore, bucket: FolderBucket
) -> None:
    store.bucket.create(f"files/ab/ab{'0' * 62}", b"of a push under way")
    report = collect_store(store, 1)
    assert (report.kept, report.leased, report.objects) == ((1, 2, 3), (1, 2), 0)
    age(bucket, 48)
    assert collect_store(store, 1).generations == (1, 2)


def test_what_a_lease_names_stays_and_a_dead_lease_holds_nothing(
    three: Warehouse, store: ObjectStore, bucket: FolderBucket
) -> None:
    head = store.head()
    assert head is not None
    age(bucket, 48)
    with leased(store, "reading", head.move.generations[1].sha256):
        report = collect_store(store, 1)
    assert (report.kept, report.leased, report.generations) == ((1, 3), (1,), (2,))
    dead = Lease(who="x", purpose="y", manifest=head.move.generations[3].sha256)
    store.bucket.create(f"leases/{'a' * 32}.json", dead.to_bytes())
    age(bucket, 48)
    assert collect_store(store, 1).kept == (3,)
    assert not any(name.startswith("leases/") for name in bucket.names())


def test_a_lease_that_cannot_be_read_stops_a_collection(
    three: Warehouse, store: ObjectStore, bucket: FolderBucket
) -> None:
    age(bucket, 48)
    store.bucket.create(f"leases/{'a' * 32}.json", b'{"format_version": 2}')
    with pytest.raises(StoreError, match=r"leases/a+\.json cannot be read"):
        collect_store(store, 1)
    assert len(store.chain()) == 3


def test_a_push_under_way_while_a_collection_runs_ends_whole(
    three: Warehouse, store: ObjectStore, bucket: FolderBucket, tmp_path: Path
) -> None:
    """A push that died left files, and the next one found them; a collection took them before its move, which is why
    that cannot be written: it looks again, and sends them anew."""
    next_generation(three, "z")

    class Dying(FolderBucket):
        def create(self, name: str, data: bytes) -> bool:
            if name.startswith("moves/"):
                raise KeyboardInterrupt
            return super().create(name, data)

    with pytest.raises(KeyboardInterrupt):
        push_to(three, store_over(Dying(bucket.root)))
    age(bucket, 48)

    class Interleaved(FolderBucket):
        collected = False

        def create(self, name: str, data: bytes) -> bool:
            if name.startswith("moves/") and not self.collected:
                # All files of the push are there; the collection comes just before its move.
                Interleaved.collected = True
                assert collect_store(store, 3, grace_hours=1).objects > 5
            return super().create(name, data)

    report = push_to(three, store_over(Interleaved(bucket.root)))
    assert report.moved and report.files > 5, "what the collection took was sent anew"
    b = Warehouse.create(tmp_path / "b")
    assert pull_from(b, store).generation == 4 and b.verify().ok


def test_a_push_waits_for_a_collection_and_not_for_a_dead_one(
    three: Warehouse, store: ObjectStore, bucket: FolderBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    age(bucket, 48)
    monkeypatch.setattr(store_garbage, "_removed", _dies)
    with pytest.raises(KeyboardInterrupt):
        collect_store(store, 1)
    head = store.head()
    assert head is not None and head.move.action == "collecting"
    next_generation(three, "z")
    waited: list[float] = []
    monkeypatch.setattr(store_garbage, "COLLECT_SECONDS", 3600.0)

    from xtr_assets.storage.remote import upload
    from xtr_assets.storage.remote.upload import LocalState

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 3:
            monkeypatch.setattr(store_garbage, "COLLECT_SECONDS", 0.0)
        assert len(waited) < 4

    report = upload.push(three.layout, LocalState.of(three.layout), store, sleep=sleep)
    assert len(waited) == 3 and report.moved and report.move == 5


def between(store: ObjectStore, work: Callable[[], object]) -> ObjectStore:
    """The same store, to which something happens just after its head was read for the first time."""
    other = ObjectStore(store.bucket, store.name)
    begun: list[object] = []

    def head(known: tuple[int, str] | None = None) -> Head | None:
        found = store.head(known)
        if not begun:
            begun.append(work)
            work()
        return found

    other.head = head  # type: ignore[method-assign]
    return other


def test_who_read_the_head_before_a_collection_reads_it_again(
    three: Warehouse, store: ObjectStore, bucket: FolderBucket, host: Callable[[str], Warehouse]
) -> None:
    def collected() -> None:
        age(bucket, 48)
        collect_store(store, 1)

    def pushed_and_collected() -> None:
        next_generation(three, "w")
        push_to(three, store)
        collected()

    behind = host("behind")
    next_generation(three, "z")
    assert push_to(three, between(store, collected)).moved, "manifests of others went"
    next_generation(three, "v")
    push_to(three, store)
    age(bucket, 48)
    assert collect_store(between(store, collected), 3).kept == (5,), "another collection took the rest"
    with pytest.raises(StoreConflict, match="is ahead of this warehouse"):
        push_to(behind, between(store, pushed_and_collected))
    # What is gone though no other move came was lost.
    next_generation(three, "u")
    head = store.head()
    assert head is not None
    bucket.path(file_name(head.move.generations[6])).unlink()
    with pytest.raises(StoreError, match=r"generations/6/manifest\.json, and move \d+ .* names it; restore it"):
        collect_store(store, 1)
    # Who has it sends it anew.
    assert push_to(three, store).moved and bucket.stat(file_name(head.move.generations[6])) is not None


def test_a_collection_that_is_taken_back_keeps_the_block_lists(
    three: Warehouse, store: ObjectStore, bucket: FolderBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody named a generation between the look and the announcement."""
    monkeypatch.setattr(block_lists, "LISTED_BYTES", 10)
    for text in ("v", "w"):
        next_generation(three, text)
        push_to(three, store)
    head = store.head()
    assert head is not None and set(head.move.blocks) == {4, 5}
    age(bucket, 48)
    wanted: list[frozenset[str]] = [frozenset()]

    def names() -> frozenset[str]:
        wanted.append(frozenset((head.move.generations[4].sha256,)))
        return wanted[-2]

    assert collect_store(store, 1, names=names).kept == (4, 5)
    last = store.head()
    assert last is not None and last.move.blocks == head.move.blocks and last.move.number == head.move.number + 4


def test_a_late_collection_stops_by_itself(
    three: Warehouse, store: ObjectStore, bucket: FolderBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    age(bucket, 48)
    monkeypatch.setattr(store_garbage, "STOP_SECONDS", -1.0)
    report = collect_store(store, 1)
    assert report.objects == 0 and report.generations == (1, 2)
    monkeypatch.undo()
    age(bucket, 48)
    assert collect_store(store, 1).objects > 5


def test_a_host_that_was_suspended_while_it_collected_removes_no_more(
    three: Warehouse, store: ObjectStore, bucket: FolderBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its monotonic clock stood still meanwhile: pushes that took it for dead named what it went on to remove."""
    age(bucket, 48)
    remove, asleep = type(bucket).remove, 0.0
    monkeypatch.setattr(passed_time, "time", lambda: time.time() + asleep)

    def sleepy(self: FolderBucket, name: str) -> None:
        nonlocal asleep
        remove(self, name)
        if name.startswith("files/"):
            asleep = 3600.0

    monkeypatch.setattr(type(bucket), "remove", sleepy)
    planned = collect_store(store, 1, dry_run=True).objects
    # Each of some threads had begun with one.
    assert 1 <= collect_store(store, 1).objects <= THREADS < planned
    # A lease that ended meanwhile is written again before anything is done under it.
    with leased(store, "a pull", None) as lease:
        before = lease.name
        lease.renew()
        assert lease.name == before
        asleep += 3600.0
        lease.renew()
        assert lease.name != before


def test_arguments_and_places_that_cannot_be_are_refused(store: ObjectStore, tmp_path: Path) -> None:
    for keep, grace in ((0, 1.0), (1, -1.0), (1, float("nan"))):
        with pytest.raises(InvalidInput, match="1 or more and 0 or more"):
            collect_store(store, keep, grace_hours=grace)
    with pytest.raises(StoreError, match="is no store"):
        collect_store(store, 1)
    store.found()
    with pytest.raises(StoreError, match="no move yet"):
        collect_store(store, 1)


def _dies(*arguments: object) -> None:
    raise KeyboardInterrupt
