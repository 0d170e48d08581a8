"""The stories of xtr_assets_tests/storage/remote over real stores, with processes that are killed at random.

Whatever speaks to the store runs in a process of its own, forked before this one ever spoke to one: a client's threads
do not survive a fork.
"""

import os
import random
import shutil
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from xtr_assets.core.errors import StoreConflict, StoreError
from xtr_assets.storage.chunk_files import CHUNK_COLUMNS
from xtr_assets.storage.remote import block_lists, cold_start
from xtr_assets.storage.remote.arriving_generation import ArrivingGeneration
from xtr_assets.storage.remote.object_store import ObjectStore
from xtr_assets.storage.remote.store_cache import CacheOptions, open_place
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.storage.remote.conftest import CORPUS, next_generation
from xtr_assets_tests.storage.sample import publish, texts, write
from xtr_assets_tests.stores.conftest import Server

pytestmark = [
    pytest.mark.stores,
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning"),
]
# The exit code of a child that was told of a conflict.
CONFLICT = 3


def begun(work: Callable[[], object]) -> int:
    """A child that runs it: 0 where it ended, CONFLICT where another host won, 1 for any other error."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        work()
        code = 0
    except StoreConflict:
        code = CONFLICT
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        os._exit(code)


def ended(child: int) -> int:
    """Its exit code; minus the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def done(work: Callable[[], object]) -> None:
    assert ended(begun(work)) == 0


def killed_after(work: Callable[[], object], seconds: float) -> bool:
    child = begun(work)
    time.sleep(seconds)
    with suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)
    return ended(child) == -signal.SIGKILL


@pytest.fixture(autouse=True)
def with_block_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pushes list the blocks of small files, and pulls prove the lists, in all children."""
    monkeypatch.setattr(block_lists, "LISTED_BYTES", 1)
    monkeypatch.setattr(block_lists, "BLOCK_BYTES", 100)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "warehouse"
    warehouse = Warehouse.create(folder)
    write(warehouse, CORPUS)
    publish(warehouse)
    return folder


def host(made: Path, root: Path) -> Warehouse:
    return Warehouse.open(shutil.copytree(made, root))


def test_a_store_is_used_for_all_it_is_for(server: Server, made: Path, tmp_path: Path) -> None:
    a = host(made, tmp_path / "a")
    address = f"{server.address}/all"

    def story() -> None:
        assert a.push(address).moved and not a.push(address).moved
        next_generation(a, "x")
        assert a.push(address, dry_run=True).move == a.push(address).move == 2
        b = Warehouse.create(tmp_path / "b")
        assert b.pull(address).generation == 2 and b.verify().ok
        cached = open_place(address, CacheOptions(tmp_path / "cache"))
        assert cached.published is not None and len(texts(cached.published)) == 3
        copy = f"{server.address}/copy"
        assert Warehouse.mirror(address, copy).moves == 2
        assert Warehouse.mirror(address, tmp_path / "folder").files > 10
        with pytest.raises(StoreError, match="is a mirror"):
            b.push(copy)
        assert Warehouse.collect_store(address, 1, grace_hours=0).generations == (1,)
        assert b.pull(address).moved is False and Warehouse.create(tmp_path / "c").pull(address).generation == 2

    done(story)


def test_an_empty_cache_reads_by_ranges(server: Server, made: Path, tmp_path: Path) -> None:
    a = host(made, tmp_path / "a")
    address = f"{server.address}/ranges"

    def story() -> None:
        cold_start.WHOLE_BYTES = 0
        a.push(address)
        cached = open_place(address, CacheOptions(tmp_path / "cache"), cold=True)
        coming, whole = cached.published, a.published
        assert isinstance(coming, ArrivingGeneration) and whole is not None
        with coming.pin():
            rows = np.arange(whole.end_row)
            columns = [name for name in CHUNK_COLUMNS if name != "text_hash"]
            found = [
                {"row": row, **one} for row, one in zip(rows, coming.chunks_at(rows.tolist(), columns), strict=True)
            ]
            assert found == whole.chunk_table(columns, live=False).to_pylist()
            assert np.array_equal(coming.vectors().gather(rows), whole.vectors().gather(rows))
            assert np.array_equal(
                coming.chunk_ids(), whole.chunk_table(["chunk_id"], live=False)["chunk_id"].to_numpy()
            )
            coming.holder.wait()
        assert cached.published is not None and not cached.published.arriving and cached.verify().ok

    done(story)


def test_large_files_go_up_in_parts(server: Server, tmp_path: Path) -> None:
    from xtr_assets.core.files import record

    path = tmp_path / "large"
    path.write_bytes(random.Random(1).randbytes(40 * 2**20))

    def story() -> None:
        store, one = ObjectStore.at(f"{server.address}/large"), record(path)
        store.put_file(path, one, "large")
        assert store.has(one, "large") and b"".join(store.parts(one, "large")) == path.read_bytes()

    done(story)


def test_of_two_hosts_one_wins(server: Server, made: Path, tmp_path: Path) -> None:
    a, b = host(made, tmp_path / "a"), host(made, tmp_path / "b")
    next_generation(a, "left")
    next_generation(b, "right")
    for index in range(5):
        address = f"{server.address}/race-{index}"
        children = [begun(lambda one=one, to=address: one.push(to)) for one in (a, b)]  # type: ignore[misc]
        assert sorted(map(ended, children)) == [0, CONFLICT]


def test_pushes_and_pulls_that_are_killed_are_done_again(server: Server, made: Path, tmp_path: Path) -> None:
    """Each is killed at a random moment; whatever is read between is whole, and the chain has no gap and no double."""
    chance = random.Random(18)
    a = host(made, tmp_path / "a")
    b = Warehouse.create(tmp_path / "b")
    address, kills, round_ = f"{server.address}/kills", 0, 0
    while kills < server.kills:
        round_ += 1
        next_generation(a, f"w{round_}")
        for _ in range(5):
            kills += killed_after(lambda: a.push(address), chance.uniform(0.0, 0.5))
        done(lambda: a.push(address))
        for _ in range(5):
            kills += killed_after(lambda: b.pull(address), chance.uniform(0.0, 0.4))
            assert not Warehouse.open(b.root).verify().problems
        done(lambda: b.pull(address))
        opened = Warehouse.open(b.root)
        assert opened.published is not None and opened.published.number == round_ + 1 and opened.verify().ok
        assert opened.layout.history.read_bytes() == a.layout.history.read_bytes()
    chain = tmp_path / "chain"
    done(lambda: chain.write_text(str(len(ObjectStore.at(address).chain()))))
    assert int(chain.read_text()) == round_ and kills >= server.kills
    print(f"{kills} kills in {round_} rounds")
