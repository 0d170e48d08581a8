"""Two hosts at once: one wins a move, the other is told; the same push twice is one."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

from xtr_assets.core.errors import StoreConflict
from xtr_assets.storage.remote.bucket import Found
from xtr_assets.storage.remote.object_store import ObjectStore
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.storage.remote.conftest import next_generation, pull_from, push_to
from xtr_assets_tests.storage.remote.faulty import Faulty, FolderBucket, store_over

Host = Callable[[str], Warehouse]


def race(*pushes: Callable[[], object]) -> list[object]:
    """What each gave or raised, all of them begun at the same time."""
    start = Barrier(len(pushes))

    def one(push: Callable[[], object]) -> object:
        start.wait()
        try:
            return push()
        except StoreConflict as error:
            return error

    with ThreadPoolExecutor(len(pushes)) as pool:
        return list(pool.map(one, pushes))


def test_of_two_hosts_one_wins_and_the_other_is_told_what_to_do(host: Host, tmp_path: Path) -> None:
    """Four times over a store of which a tenth of the requests fails; each time one move and one winner."""
    a, b = host("a"), host("b")
    next_generation(a, "left")
    next_generation(b, "right")
    for seed in range(4):
        bucket = FolderBucket(tmp_path / f"bucket-{seed}")
        buckets = [Faulty(bucket, seed + 100 * i, 0.1, ("lost", "slow")) for i in range(2)]
        store_over(bucket).found()
        said = race(*(lambda w=w, f=f: push_to(w, store_over(f)) for w, f in zip((a, b), buckets, strict=True)))
        lost = [one for one in said if isinstance(one, StoreConflict)]
        assert len(lost) == 1, said
        assert "There: generation 2 was published" in str(lost[0]) and "Pull into a new folder" in str(lost[0])
        winner = (a, b)[1 - said.index(lost[0])]
        c = Warehouse.create(tmp_path / f"c-{seed}")
        pull_from(c, store_over(bucket))
        assert len(store_over(bucket).chain()) == 1
        assert c.layout.history.read_bytes() == winner.layout.history.read_bytes()


def test_one_warehouse_pushed_by_two_at_once_is_one_move(host: Host, store: ObjectStore) -> None:
    a = host("a")
    store.found()
    said = race(*(lambda: push_to(a, store) for _ in range(3)))
    assert not any(isinstance(one, StoreConflict) for one in said)
    assert len(store.chain()) == 1 and [one.moved for one in said].count(True) == 1  # type: ignore[attr-defined]


def test_a_first_push_of_two_hosts_makes_one_store(host: Host, bucket: FolderBucket) -> None:
    stores = [store_over(bucket), store_over(bucket)]
    found = race(*(store.found for store in stores))
    assert found[0] == found[1]
    a, b = host("a"), host("b")
    said = race(lambda: push_to(a, stores[0]), lambda: push_to(b, stores[1]))
    # Copies of one warehouse hold one history.
    assert not any(isinstance(one, StoreConflict) for one in said) and len(stores[0].chain()) == 1


def test_a_store_made_by_another_host_between_the_look_and_the_listing_is_that_store(bucket: FolderBucket) -> None:
    class Late(FolderBucket):
        """Lists after another host has made its store and pushed a file."""

        def listed(self, prefix: str, after: str = "") -> Iterator[Found]:
            if prefix == "":
                store_over(bucket).found()
                bucket.create(f"files/00/{'00' * 32}", b"")
            return super().listed(prefix, after)

    assert store_over(Late(bucket.root)).found() == store_over(bucket).found()


def test_many_pulls_of_one_store_end_alike(host: Host, store: ObjectStore, tmp_path: Path) -> None:
    push_to(host("a"), store)
    hosts = [Warehouse.create(tmp_path / f"b-{i}") for i in range(3)]
    race(*(lambda w=w: pull_from(w, store) for w in hosts))
    assert all(one.verify().ok and one.published is not None for one in hosts)
