"""A store that answers from an empty cache: as the whole would, and no byte is read before it was compared."""

import errno
import os
import re
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from fnmatch import fnmatch
from pathlib import Path
from time import monotonic, sleep

import numpy as np
import pytest

from xtr_assets.core.errors import (
    CorruptFile,
    GenerationError,
    StillArriving,
    StorageError,
    StoreError,
    StoreUnreachable,
)
from xtr_assets.search import Searcher
from xtr_assets.storage.id_map import write_id_map
from xtr_assets.storage.remote import arrival, arriving_files, block_lists, cold_start, store_cache
from xtr_assets.storage.remote.address import Address
from xtr_assets.storage.remote.object_store import ObjectStore, file_name
from xtr_assets.storage.remote.store_cache import CachedWarehouse, CacheOptions
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.fixtures import drafted
from xtr_assets_tests.search.conftest import WORDS
from xtr_assets_tests.storage.remote.conftest import push_to
from xtr_assets_tests.storage.remote.faulty import Away, Faulty, FolderBucket, store_over
from xtr_assets_tests.storage.sample import flip

PLACE = Address("s3", "bucket/docs")
# Smaller than a row of chunks, larger than a row of embeddings, and a divisor of nothing.
BLOCK = 611


@pytest.fixture(scope="module")
def whole(warehouse: Warehouse, tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """The search tests' warehouse with a generation more, which has a map of its chunks."""
    made = Warehouse.open(shutil.copytree(warehouse.root, tmp_path_factory.mktemp("whole") / "warehouse"))
    draft = drafted(made, recipe="IVF16,Flat")
    write_id_map(draft)
    made.publish(draft.number, force_reason="these tests have no gate")
    return made


@pytest.fixture(scope="module")
def reference(whole: Warehouse) -> Iterator[Searcher]:
    with Searcher(whole, device="cpu") as opened:
        yield opened


@pytest.fixture(scope="module")
def bucket(whole: Warehouse, tmp_path_factory: pytest.TempPathFactory) -> FolderBucket:
    """Its store, with all rows in lists of tiny blocks."""
    made = FolderBucket(tmp_path_factory.mktemp("cold"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(block_lists, "BLOCK_BYTES", BLOCK)
        patch.setattr(block_lists, "LISTED_BYTES", 1)
        push_to(whole, store_over(made))
    return made


@pytest.fixture(autouse=True)
def of_any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cold_start, "WHOLE_BYTES", 0)
    monkeypatch.setattr(block_lists, "LISTED_BYTES", 1)
    monkeypatch.setattr(store_cache, "LOOK_SECONDS", 0.0)
    # Nothing comes behind a question, unless a test asks for it.
    monkeypatch.setattr(cold_start, "QUIET_SECONDS", 3600.0)


Opened = Callable[..., CachedWarehouse]


@pytest.fixture
def opened(bucket: FolderBucket, tmp_path: Path) -> Opened:
    def cold(store: ObjectStore | None = None, folder: str = "cache") -> CachedWarehouse:
        return CachedWarehouse.at(PLACE, store or store_over(bucket), CacheOptions(tmp_path / folder), cold=True)

    return cold


@pytest.fixture
def cold(opened: Opened) -> Iterator[Searcher]:
    with Searcher(opened(), device="cpu") as found:
        yield found


def questions(count: int) -> list[str]:
    random = np.random.default_rng(5)
    return [" ".join(random.choice(WORDS, random.integers(1, 9))) for _ in range(count)]


def test_answers_are_those_of_the_whole(cold: Searcher, reference: Searcher) -> None:
    assert cold.arriving and not reference.arriving and cold.generation == reference.generation
    asked = questions(40)
    for k in (1, 10, 60):
        assert cold.search_batch(asked, k, "dense") == reference.search_batch(asked, k, "dense")
    for nprobe in (1, 16):
        assert cold.search_batch(asked, 10, "dense", nprobe=nprobe) == reference.search_batch(
            asked, 10, "dense", nprobe=nprobe
        )
    dim = reference.manifest.encoder.dim
    vectors = np.random.default_rng(6).normal(size=(20, dim)).astype(np.float32)
    scores, found = cold.search_vectors(vectors, 10)
    expected = reference.search_vectors(vectors, 10)
    assert np.array_equal(scores, expected[0]) and np.array_equal(found, expected[1])
    ids = [hit.chunk_id for hit in reference.search(asked[0], 20, "dense")]
    # NaN scores are equal to nothing.
    assert [repr(hit) for hit in cold.hydrate(ids)] == [repr(hit) for hit in reference.hydrate(ids)]
    assert cold.arriving


def test_what_needs_all_waits_for_it_and_nothing_stays_of_before(
    cold: Searcher, reference: Searcher, opened: Opened
) -> None:
    asked = questions(5)
    assert cold.search_batch(asked, 10, "dense") == reference.search_batch(asked, 10, "dense") and cold.arriving
    assert cold.modes == ("dense",) and cold.generation == reference.generation
    assert cold.search_batch(asked, 10) == reference.search_batch(asked, 10)
    assert not cold.arriving and cold.modes == reference.modes
    cached = opened()
    assert cached.published is not None and not cached.published.arriving and cached.verify().ok
    assert not cached.layout.early.exists() and not cached.layout.incoming.exists()


NEEDS_ALL: dict[str, Callable[[Searcher], object]] = {
    "a filter": lambda s: s.search("parse", 5, "dense", {"source": "docs"}),
    "a phrase": lambda s: s.search('"parse date"', 5, "dense"),
    "a demanded word": lambda s: s.search("+zebra", 5, "dense"),
    "collapse": lambda s: s.search("parse", 5, "dense", collapse="symbol"),
    "equal texts": lambda s: s.search("parse", 5, "dense", collapse="text"),
    "an explanation": lambda s: s.search("parse", 5, "dense", explain=True),
    "words": lambda s: s.search("parse", 5, "lexical"),
    "tokens": lambda s: s.search("parse", 5, "xtr"),
    "the reference": lambda s: s.search("parse", 5, "exact"),
    "vectors": lambda s: [
        (one.embedding.tolist(), one.tokens.tolist())
        for one in s.reconstruct([hit.chunk_id for hit in s.search("parse", 2, "dense")])
    ],
}


@pytest.mark.parametrize("kind", NEEDS_ALL)
def test_every_other_question_is_answered_from_all_of_it(kind: str, cold: Searcher, reference: Searcher) -> None:
    assert NEEDS_ALL[kind](cold) == NEEDS_ALL[kind](reference)
    assert not cold.arriving


def test_who_does_not_wait_is_told_what_is_to_come(opened: Opened) -> None:
    with (
        Searcher(opened(), device="cpu", wait=False) as asked,
        pytest.raises(StillArriving, match=r"mode hybrid needs all of generation 3.*0 of 2 MB are here; mode dense"),
    ):
        asked.search("parse")


def test_the_rest_comes_behind_the_questions(
    opened: Opened, reference: Searcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cold_start, "QUIET_SECONDS", 0.0)
    with Searcher(opened(), device="cpu", wait=False) as served, Searcher(opened(), device="cpu") as beside:
        until = monotonic() + 60
        while served.arriving or beside.arriving:
            assert monotonic() < until
            assert served.search("parse", 5, "dense") == reference.search("parse", 5, "dense")
            assert beside.search("parse", 5, "dense") == reference.search("parse", 5, "dense")
            # A server moves by itself, between questions.
            served.refresh()
        assert served.search("parse") == reference.search("parse") == beside.search("parse")
    assert opened().verify().ok


def test_a_part_of_a_generation_is_none(cold: Searcher, tmp_path: Path) -> None:
    """Whoever opens the folder as a warehouse sees nothing of what is arriving."""
    cold.search("parse", 5, "dense")
    (root,) = [path for path in (tmp_path / "cache").iterdir() if path.is_dir()]
    other = Warehouse.open(root)
    assert other.published is None and other.generations() == []
    assert (other.verify().files, other.verify().problems) == (0, ())
    assert (root / "early").is_dir()
    with pytest.raises(GenerationError):
        other.rollback()
    assert other.collect(1).generations == () and cold.search("parse", 5, "dense")


def damaged(bucket: FolderBucket, folder: Path, whole: Warehouse, name: str) -> FolderBucket:
    """A copy of the store in which a bit is another one in the middle of each segment's file of that name."""
    copy = FolderBucket(shutil.copytree(bucket.root, folder))
    found = whole.published
    assert found is not None
    for one, record in found.manifest.files.items():
        if fnmatch(one, f"segments/*/{name}"):
            flip(copy.path(file_name(record)), record.bytes // 2)
    return copy


def test_a_block_that_differs_is_an_error_and_no_answer(
    bucket: FolderBucket, whole: Warehouse, opened: Opened, tmp_path: Path
) -> None:
    for name in ("embeddings.*.npy", "chunks.arrow"):
        store = store_over(damaged(bucket, tmp_path / name, whole, name))
        with Searcher(opened(store, f"cache-{name}"), device="cpu") as cold:
            seen = []
            for one in questions(60):
                try:
                    cold.search(one, 30, "dense")
                except CorruptFile as error:
                    seen.append(str(error))
            assert seen and all(
                re.search(rf"{name.replace('*', '.*')} \(from test://store\).*block \d+", e) for e in seen
            )
            with pytest.raises(CorruptFile, match=r"segments/.*sha256"):
                cold.search("parse")
            assert cold.arriving


@pytest.mark.parametrize("name", ["dense.faiss", "tombstones.npy", "id_map.parquet"])
def test_a_file_that_differs_opens_nothing(
    name: str, bucket: FolderBucket, whole: Warehouse, opened: Opened, tmp_path: Path
) -> None:
    copy = FolderBucket(shutil.copytree(bucket.root, tmp_path / "copy"))
    assert whole.published is not None
    flip(copy.path(file_name(whole.published.manifest.files[f"generations/3/{name}"])), 60)
    with pytest.raises(CorruptFile, match=rf"generations/3/{name} \(from test://store\)"):
        Searcher(opened(store_over(copy)), device="cpu")
    assert not [one.name for one in copy.listed("leases/")]


@pytest.mark.parametrize("seed", range(3))
def test_a_store_that_fails_now_and_then_answers_the_same(
    seed: int, bucket: FolderBucket, opened: Opened, reference: Searcher
) -> None:
    faulty = Faulty(bucket, seed, 0.0)
    store = store_over(faulty)
    with Searcher(opened(store), device="cpu") as cold:
        faulty.share = 0.1
        for one in questions(25):
            try:
                found = cold.search(one, 10, "dense")
            except (StoreUnreachable, CorruptFile):
                # More tries in a row went wrong than are made; the next question asks anew.
                continue
            assert found == reference.search(one, 10, "dense")
        assert len(faulty.seen) >= 4
        faulty.share = 0.0
        assert cold.search("parse", 10, "dense") == reference.search("parse", 10, "dense")


def test_a_store_that_breaks_off_leaves_what_is_there(bucket: FolderBucket, opened: Opened, tmp_path: Path) -> None:
    store = store_over(bucket)
    with Searcher(opened(store), device="cpu") as cold:
        answered = cold.search("parse date", 10, "dense")
        store.bucket = store_over(Away(tmp_path / "away")).bucket
        assert cold.search("parse date", 10, "dense") == answered
        with pytest.raises(StoreUnreachable, match="test://store"):
            for one in questions(40):
                cold.search(one, 60, "dense")
        with pytest.raises(StoreUnreachable, match="test://store"):
            cold.search("parse date")
        store.bucket = store_over(bucket).bucket
        assert cold.search("parse date", 10, "dense") == answered and len(cold.search("parse date")) == 10


def test_a_collection_under_a_reader_is_said(bucket: FolderBucket, opened: Opened, tmp_path: Path) -> None:
    copy = FolderBucket(shutil.copytree(bucket.root, tmp_path / "copy"))
    with Searcher(opened(store_over(copy)), device="cpu") as cold:
        assert [one.name for one in copy.listed("leases/")], "who reads holds a lease"
        shutil.rmtree(copy.root / "files")
        with pytest.raises(StoreError, match=r"test://store has no files/.*another generation serves"):
            for one in questions(40):
                cold.search(one, 60, "dense")
    assert not [one.name for one in copy.listed("leases/")]


def test_a_disk_that_is_full_is_said(opened: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.pwrite

    def full(descriptor: int, data: bytes, at: int) -> int:
        # The note of a lock still fits.
        if len(data) > 500:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(descriptor, data, at)

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        with pytest.raises(StorageError, match=r"cache.*does not take what comes from test://store: .*No space"):
            Searcher(opened(), device="cpu")
        # What was begun beside it ends the same way.
        until = monotonic() + 60
        while "cold start" in [one.name for one in threading.enumerate()]:
            assert monotonic() < until
            sleep(0.01)
    assert not list(tmp_path.rglob("*.part"))
    with monkeypatch.context() as patch:
        patch.setattr(arriving_files, "SPARE_BYTES", 2**62)
        with pytest.raises(StorageError, match=r"bytes free, and \d+ are to come"):
            Searcher(opened(), device="cpu")
    with Searcher(opened(), device="cpu") as cold:
        monkeypatch.setattr(arrival, "SPARE_BYTES", 2**62)
        assert cold.search("parse", 5, "dense")
        with pytest.raises(StorageError, match="bytes free"):
            cold.search("parse", 5)
        assert cold.search("parse", 5, "dense") and cold.arriving


def test_a_budget_that_is_too_small_is_said_before_anything_comes(bucket: FolderBucket, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"needs \d+ bytes, the cache may hold 1000"):
        CachedWarehouse.at(PLACE, store_over(bucket), CacheOptions(tmp_path / "cache", 1000), cold=True)


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_killed_in_the_middle_it_goes_on(
    bucket: FolderBucket, opened: Opened, reference: Searcher, tmp_path: Path
) -> None:
    """The process ends itself after so many reads: while it opens, between blocks, while the rest comes."""

    class Ends(FolderBucket):
        left = 0

        def read(self, name: str, start: int, length: int) -> bytes:
            self.left -= 1
            if self.left < 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return super().read(name, start, length)

    for reads in (3, 9, 20, 40, 80, 120):
        child = os.fork()
        if not child:
            try:
                ending = Ends(bucket.root)
                ending.left = reads
                with Searcher(opened(store_over(ending)), device="cpu") as cold:
                    cold.search("parse", 10, "dense")
                    cold.search("parse", 10)
            finally:
                os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL, reads
        (root,) = [path for path in (tmp_path / "cache").iterdir() if path.is_dir()]
        if (root / "warehouse.json").exists():
            assert not Warehouse.open(root).verify().problems and Warehouse.open(root).published is None
    with Searcher(opened(), device="cpu") as cold:
        assert cold.arriving and cold.search("parse", 10, "dense") == reference.search("parse", 10, "dense")
        assert cold.search("parse", 10) == reference.search("parse", 10)
    assert opened().verify().ok and not opened().layout.early.exists()


def test_a_store_without_block_lists_comes_whole(whole: Warehouse, opened: Opened, tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(block_lists, "LISTED_BYTES", 2**60)
        plain = store_over(FolderBucket(tmp_path / "plain"))
        push_to(whole, plain)
    cached = opened(plain)
    assert cached.published is not None and not cached.published.arriving


def test_what_is_small_comes_whole(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cold_start, "WHOLE_BYTES", 2**40)
    cached = opened()
    assert cached.published is not None and not cached.published.arriving


def test_a_cold_warehouse_is_opened_again(opened: Opened, reference: Searcher) -> None:
    cached = opened()
    for _ in range(2):
        with Searcher(cached, device="cpu") as cold:
            assert cold.arriving and cold.search("parse", 3, "dense") == reference.search("parse", 3, "dense")
    assert [one.number for one in cached.generations()] == [3]


def test_a_store_that_moved_on_meanwhile_is_followed(whole: Warehouse, opened: Opened, tmp_path: Path) -> None:
    """What was opened answers until the newer one is here; that one is what comes."""
    mine = Warehouse.open(shutil.copytree(whole.root, tmp_path / "mine"))
    store = store_over(FolderBucket(tmp_path / "moving"))
    push_to(mine, store)
    with Searcher(opened(store), device="cpu") as cold:
        before = cold.search("parse", 5, "dense")
        draft = drafted(mine, recipe="IVF16,Flat")
        write_id_map(draft)
        mine.publish(draft.number, force_reason="these tests have no gate")
        push_to(mine, store)
        assert cold.generation == 3 and cold.search("parse", 5, "dense") == before
        assert cold.search("parse", 5) and cold.generation == 4 and not cold.arriving
    assert opened(store).verify().ok


def test_an_error_that_nobody_expected_ends_the_waiting(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("planted")

    with Searcher(opened(), device="cpu") as cold:
        with monkeypatch.context() as patch:
            patch.setattr(CachedWarehouse, "_pull", broken)
            for _ in range(2):
                with pytest.raises(StorageError, match="nobody expected: ZeroDivisionError"):
                    cold.search("parse")
        assert len(cold.search("parse")) == 10
