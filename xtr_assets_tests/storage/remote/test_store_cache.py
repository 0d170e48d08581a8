"""A store read through a cache: it follows the moves, holds what it may, and serves on where the store is away."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from xtr_assets.core.errors import (
    CorruptFile,
    GenerationError,
    InvalidInput,
    StorageError,
    StoreConflict,
    StoreError,
    StoreUnreachable,
    WarehouseNotFound,
)
from xtr_assets.storage.remote import arrival, store_cache
from xtr_assets.storage.remote.address import Address
from xtr_assets.storage.remote.object_store import ObjectStore
from xtr_assets.storage.remote.store_cache import (
    SIZE_VARIABLE,
    CachedWarehouse,
    CacheOptions,
    cache_size,
    open_place,
)
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.forked_child import forked
from xtr_assets_tests.storage import sample
from xtr_assets_tests.storage.remote.conftest import next_generation, pull_from, push_to
from xtr_assets_tests.storage.remote.faulty import Away, FolderBucket, store_over
from xtr_assets_tests.storage.sample import flip, texts

Host = Callable[[str], Warehouse]
PLACE = Address("s3", "bucket/docs")


@pytest.fixture(autouse=True)
def looks_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_cache, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(store_cache, "TRIM_SECONDS", 0.0)


@pytest.fixture
def opened(store: ObjectStore, tmp_path: Path) -> Callable[..., CachedWarehouse]:
    def cached(budget: int | None = None, through: ObjectStore | None = None) -> CachedWarehouse:
        return CachedWarehouse.at(PLACE, through or store, CacheOptions(tmp_path / "cache", budget))

    return cached


Opened = Callable[..., CachedWarehouse]


def test_a_store_is_opened_by_its_address(host: Host, tmp_path: Path) -> None:
    a = host("a")
    a.push(tmp_path / "store")
    address = f"file://{tmp_path}/store"
    for place in (address, Path(address)):
        cached = open_place(place, CacheOptions(tmp_path / "cache"))
        assert cached.published is not None and texts(cached.published) == ["f one", "g two"] and cached.verify().ok
    assert len([path for path in (tmp_path / "cache").iterdir() if path.is_dir()]) == 1
    assert type(open_place(a.root)) is Warehouse
    with pytest.raises(StoreError, match="no folder"):
        open_place(f"file://{tmp_path}/nowhere", CacheOptions(tmp_path / "cache"))


def test_it_follows_forward_and_back(
    host: Host, store: ObjectStore, opened: Opened, bucket: FolderBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    a = host("a")
    push_to(a, store)
    cached = opened()
    next_generation(a, "x")
    push_to(a, store)
    assert cached.published is not None and cached.published.number == 1
    cached.follow()
    assert cached.published.number == 2 and texts(cached.published) == ["f one", "g two", "x more"]
    a.rollback(1, reason="slow")
    push_to(a, store)
    cached.follow()
    assert cached.published.number == 1 and [one.action for one in cached.history()][-1] == "rolled_back"
    assert cached.verify().ok
    bucket.asked.clear()
    cached.follow()
    assert dict(bucket.asked) == {"stat": 1}, "a look at a store that did not move is one request"

    def beside(*_: object) -> bool:
        # Another thread's look finds that the store went back.
        cached._known, cached._behind_at = None, 0.0
        return False

    monkeypatch.setattr(ObjectStore, "later", beside)
    cached.follow()


def test_a_shard_that_left_what_serves_leaves_the_cache_and_who_pulls(
    host: Host, store: ObjectStore, opened: Opened
) -> None:
    a, b = host("a"), host("b")
    sample.write(a, {"t.py": ["t secret"]}, shard="t")
    sample.write(b, {"u.py": ["u of here"]}, shard="u")
    sample.publish(a)
    push_to(a, store)
    cached = opened()
    pull_from(b, store)
    assert cached.shards() == ["s", "t"] and b.shards() == ["s", "t", "u"]
    shutil.rmtree(a.layout.shard("t"))
    next_generation(a, "x")
    push_to(a, store)
    cached.follow()
    cached.follow()
    pull_from(b, store)
    b.collect(keep=1)
    assert cached.shards() == ["s"] and b.shards() == ["s", "u"], "u serves nowhere yet"
    assert "t" not in {one.shard for one in (*cached.segments(), *b.segments())}
    assert cached.verify().ok and b.verify().ok


def test_nobody_writes_to_a_cache(host: Host, store: ObjectStore, opened: Opened) -> None:
    push_to(host("a"), store)
    cached = opened()
    for write in (
        lambda: cached.rollback(1),
        lambda: cached.withdraw(1, "x"),
        lambda: cached.collect(1),
        lambda: cached.clean(),
        lambda: sample.write(cached, {"z.py": ["z"]}),
    ):
        with pytest.raises(StoreError):
            write()
    with pytest.raises(StoreError, match=r"cache of test://store.*pushed from"):
        cached.publish(1)


def test_what_is_open_stays_and_what_was_used_longest_ago_goes(
    host: Host, store: ObjectStore, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    a = host("a")
    push_to(a, store)
    cached = opened()
    with cached.generation(1).pin():
        next_generation(a, "x")
        push_to(a, store)
        cached.follow()
        # Nothing may stay beside what serves, but somebody reads it.
        assert cached.layout.numbers() == [1, 2] and texts(cached.generation(1)) == ["f one", "g two"]
    cached.follow()
    assert cached.layout.numbers() == [2] and cached.verify().ok
    # With a budget the last used stay.
    size = cached.bytes()
    roomy = opened(budget=3 * size)
    for number, text in ((3, "y"), (4, "z")):
        assert next_generation(a, text) == number
        push_to(a, store)
        roomy.follow()
    assert roomy.layout.numbers() == [2, 3, 4] and roomy.bytes() <= 3 * size
    tight = opened(budget=int(1.9 * size))
    next_generation(a, "zz")
    push_to(a, store)
    tight.follow()
    assert tight.published is not None and tight.published.number == 5
    assert 2 not in tight.layout.numbers() and tight.bytes() <= 1.9 * size and tight.verify().ok


def test_what_generations_share_takes_its_room_once(host: Host, store: ObjectStore, opened: Opened) -> None:
    """Beside what serves, and what comes, the one before stays where all of them fit."""
    a = host("a")
    push_to(a, store)
    cached = opened(budget=2**40)
    files = dict(a.generation(1).manifest.files)
    for text in ("x", "y"):
        files |= a.generation(next_generation(a, text)).manifest.files
        cached.budget = sum(one.bytes for one in files.values())
        push_to(a, store)
        cached.follow()
    assert cached.layout.numbers() == [1, 2, 3] and cached.bytes() == cached.budget
    assert opened(budget=cached.budget - 1).layout.numbers() == [2, 3]


def test_a_generation_larger_than_the_budget_is_said_before_it_comes(
    host: Host, store: ObjectStore, opened: Opened, bucket: FolderBucket
) -> None:
    push_to(host("a"), store)
    bucket.bytes_read = 0
    with pytest.raises(StorageError, match=r"needs \d+ bytes, the cache may hold 1000;.*--cache-size"):
        opened(budget=1000)
    assert bucket.bytes_read < 20_000


def test_a_damaged_file_of_the_cache_comes_anew(host: Host, store: ObjectStore, opened: Opened) -> None:
    a = host("a")
    push_to(a, store)
    cached = opened()
    damaged = next(cached.layout.segments.glob("*/chunks.parquet"))
    flip(damaged, 40)
    assert not cached.verify().ok
    next_generation(a, "x")
    push_to(a, store)
    cached.follow()
    assert cached.verify().ok


def test_what_serves_goes_on_where_the_store_is_away(
    host: Host, store: ObjectStore, opened: Opened, bucket: FolderBucket, caplog: pytest.LogCaptureFixture
) -> None:
    a = host("a")
    push_to(a, store)
    away = store_over(Away(bucket.root))
    with pytest.raises(StoreUnreachable):
        opened(through=away)
    opened()
    offline = opened(through=away)
    assert offline.published is not None and texts(offline.published) == ["f one", "g two"]
    assert "generation 1 of the cache serves meanwhile" in caplog.text
    with pytest.raises(StoreUnreachable):
        offline.follow()
    offline.store = store
    next_generation(a, "x")
    push_to(a, store)
    offline.follow()
    assert offline.published.number == 2


def test_another_store_at_the_same_address_is_not_followed(
    host: Host, store: ObjectStore, opened: Opened, tmp_path: Path
) -> None:
    push_to(host("a"), store)
    cached = opened()
    other = store_over(FolderBucket(tmp_path / "other"))
    push_to(host("b"), other)
    with pytest.raises(WarehouseNotFound, match="no warehouse at"):
        opened(through=store_over(FolderBucket(tmp_path / "empty")))
    with pytest.raises(StoreConflict, match=r"remove that folder"):
        opened(through=other)
    assert cached.published is not None and cached.published.number == 1


def test_a_store_that_went_back_is_not_followed(
    host: Host, store: ObjectStore, opened: Opened, bucket: FolderBucket
) -> None:
    a = host("a")
    push_to(a, store)
    next_generation(a, "x")
    push_to(a, store)
    opened()
    bucket.remove("moves/00000002.json")
    with pytest.raises(StoreConflict, match=r"went back behind.*moves/00000002\.json"):
        opened()


def test_a_cache_that_somebody_wrote_to_is_told(host: Host, store: ObjectStore, opened: Opened) -> None:
    a = host("a")
    push_to(a, store)
    cached = opened()
    next_generation(Warehouse.open(cached.root), "mine")
    next_generation(a, "x")
    push_to(a, store)
    with pytest.raises((StoreConflict, GenerationError), match=r"another generation 2 here|different ways"):
        cached.follow()


def test_a_pull_stops_when_it_is_asked_and_goes_on(
    host: Host, store: ObjectStore, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    a = host("a")
    push_to(a, store)
    cached = opened()
    next_generation(a, "x")
    push_to(a, store)
    with pytest.raises(GenerationError, match="stopped"):
        cached.follow(lambda: True)
    assert cached.published is not None and cached.published.number == 1
    cached.follow(lambda: False)
    assert cached.published.number == 2
    assert arrival.Stopped.__mro__[1] is Exception


def test_a_damaged_note_is_said_by_name(host: Host, store: ObjectStore, opened: Opened) -> None:
    push_to(host("a"), store)
    cached = opened()
    cached.layout.cache_json.write_text('{"format_version": 1, "move": "x"}')
    with pytest.raises(CorruptFile, match=r"cache\.json"):
        opened()
    cached.layout.cache_json.unlink()
    assert opened().published is not None


def test_two_addresses_have_two_folders_below_the_cache(tmp_path: Path) -> None:
    options = CacheOptions(tmp_path)
    roots = {options.root(Address("s3", place)) for place in ("a/b", "a-b", "a/b/c", "A/b", "../../x", "a" * 500)}
    assert len(roots) == 6 and all(root.parent == tmp_path for root in roots)


@pytest.mark.parametrize(("text", "size"), [("20GB", 20 * 10**9), ("500MiB", 500 * 2**20), ("123", 123)])
def test_a_size_is_read(text: str, size: int) -> None:
    assert cache_size(text) == size


@pytest.mark.parametrize("text", ["", "-1", "0", "much", "20 parsecs"])
def test_what_is_no_size_is_told(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidInput, match="is no size of a cache"):
        cache_size(text)
    monkeypatch.setenv(SIZE_VARIABLE, text or "none")
    with pytest.raises(InvalidInput, match=rf"^\${SIZE_VARIABLE}: '{text or 'none'}' is no size"):
        open_place("s3://bucket/index")


def test_a_forked_child_is_told_that_the_client_does_not_outlive_a_fork(host: Host, tmp_path: Path) -> None:
    """A server that opened a store and forks then: it would wait for ever for threads that no fork takes along."""
    host("a").push(tmp_path / "store")
    cached = open_place(f"file://{tmp_path}/store", CacheOptions(tmp_path / "cache"))
    with pytest.raises(StoreError, match="open the store in each process after the fork"):
        forked(cached.follow)
    assert forked(lambda: cached.published and texts(cached.published)) == ["f one", "g two"]
    cached.follow()
