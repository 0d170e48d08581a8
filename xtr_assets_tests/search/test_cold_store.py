"""A store that answers from an empty cache: the answers are those of the whole, and no byte is read before it is known."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from xtr_assets.search import Searcher
from xtr_assets.storage.id_map import write_id_map
from xtr_assets.storage.remote import block_lists, cold_start, store_cache
from xtr_assets.storage.remote.address import Address
from xtr_assets.storage.remote.object_store import ObjectStore
from xtr_assets.storage.remote.store_cache import CachedWarehouse, CacheOptions
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.fixtures import drafted
from xtr_assets_tests.search.conftest import WORDS
from xtr_assets_tests.storage.remote.conftest import push_to
from xtr_assets_tests.storage.remote.faulty import FolderBucket, store_over

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
    for mine, theirs in zip(cold.search_vectors(vectors, 10), reference.search_vectors(vectors, 10), strict=True):
        assert np.array_equal(mine, theirs)
    ids = [hit.chunk_id for hit in reference.search(asked[0], 20, "dense")]
    # NaN scores are equal to nothing.
    assert [repr(hit) for hit in cold.hydrate(ids)] == [repr(hit) for hit in reference.hydrate(ids)]
    assert cold.arriving
