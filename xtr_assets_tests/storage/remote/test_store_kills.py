"""Pushes and pulls that are killed: the store and the folder are what they were or what they were to be, and doing it
again ends it."""

import os
import random
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from xtr_assets.core.errors import StorageError
from xtr_assets.core.files import write_atomic
from xtr_assets.storage import publish as publishing
from xtr_assets.storage.remote import download
from xtr_assets.storage.remote.object_store import ObjectStore
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.faults.dying import dying
from xtr_assets_tests.storage.remote.conftest import next_generation, pull_from, push_to
from xtr_assets_tests.storage.remote.faulty import FolderBucket, store_over
from xtr_assets_tests.storage.sample import texts

Host = Callable[[str], Warehouse]
KILLS = 5


class Deadly(FolderBucket):
    """Kills its process at the n-th request, before or after it was done."""

    def __init__(self, root: Path, at: int) -> None:
        super().__init__(root)
        self.at = at

    def _path(self, name: str) -> Path:
        self._step()
        return super()._path(name)

    def create(self, name: str, data: bytes) -> bool:
        done = super().create(name, data)
        self._step()
        return done

    def read(self, name: str, start: int, length: int) -> bytes:
        self._step()
        return super().read(name, start, length)

    def _step(self) -> None:
        self.at -= 1
        if self.at <= 0:
            os.kill(os.getpid(), signal.SIGKILL)


def killed(work: Callable[[], object]) -> bool:
    """Run it in a process of its own; whether that was killed."""
    child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_push_and_a_pull_that_are_killed_are_done_again(host: Host, bucket: FolderBucket, tmp_path: Path) -> None:
    a, b = host("a"), Warehouse.create(tmp_path / "b")
    chance = random.Random(18)
    deaths = 0
    for kill in range(KILLS):
        at = chance.randrange(1, 12)
        deaths += killed(partial(push_to, a, store_over(Deadly(bucket.root, at))))
        # Whatever is there: a reader finds nothing, or all of it.
        store = store_over(bucket)
        if store.described() is not None and store.head() is not None:
            c = Warehouse.create(tmp_path / f"c-{kill}")
            pull_from(c, store)
            assert c.verify().ok
    push_to(a, store_over(bucket))
    for _ in range(KILLS):
        at = chance.randrange(1, 9)
        deaths += killed(partial(pull_from, b, store_over(Deadly(bucket.root, at))))
        # Whatever is there, nothing yet among it.
        assert not b.verify().problems
    pull_from(b, store_over(bucket))
    assert deaths >= KILLS and len(store_over(bucket).chain()) == 1
    assert b.published is not None and texts(b.published) == ["f one", "g two"] and b.verify().ok
    assert not b.layout.incoming.exists()


def test_a_pull_that_dies_while_it_commits_is_done_again(
    host: Host, store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At every third of the last steps, with and without a writer that comes between and recovers what it finds."""
    a = host("a")
    next_generation(a, "x")
    push_to(a, store)
    counted = host("counted")
    with dying(monkeypatch, None) as life:
        pull_from(counted, store)
    total = len(life.steps)
    for index, at in enumerate(range(total - 24, total + 1, 3)):
        b = host(f"b-{index}")
        with dying(monkeypatch, at) as life:
            pull_from(b, store)
        assert life.dead
        opened = Warehouse.open(b.root)
        assert opened.published is not None
        assert texts(opened.published) in (["f one", "g two"], ["f one", "g two", "x more"]) and opened.verify().ok
        if index % 2:
            with opened.lock("a writer"):
                publishing.recover(opened.layout)
        pull_from(opened, store)
        assert opened.layout.history.read_bytes() == a.layout.history.read_bytes()
        assert opened.verify().ok and opened.published is not None and opened.published.number == 2


def test_a_recovered_move_is_the_stores_own_though_that_moved_on(
    host: Host, store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    from xtr_assets.core import files

    a, b = host("a"), host("b")
    next_generation(a, "x")
    push_to(a, store)
    real = files.write_atomic

    def dies(path: Path, data: bytes) -> None:
        if path == b.layout.history:
            raise KeyboardInterrupt
        real(path, data)

    with monkeypatch.context() as patch:
        patch.setattr(download, "write_atomic", dies)
        with pytest.raises(KeyboardInterrupt):
            pull_from(b, store)
    publishing.recover(b.layout)
    assert [one.action for one in b.history()] == ["published", "recovered"]
    a.rollback(1, reason="slow")
    push_to(a, store)
    assert pull_from(b, store).generation == 1
    assert b.layout.history.read_bytes() == a.layout.history.read_bytes() and b.verify().ok


def test_a_pull_that_is_killed_after_one_that_was_is_done_again(
    host: Host, store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first left a note of its crash, which the second takes out, and the end that warehouse.json names with it."""
    a, b = host("a"), host("b")
    next_generation(a, "x")
    push_to(a, store)
    real, last = write_atomic, a.layout.history.read_bytes()

    def kill(before: Path, brought: bool) -> None:
        def dies(path: Path, data: bytes) -> None:
            if path == before and (b.layout.history.read_bytes() == last) == brought:
                raise KeyboardInterrupt
            real(path, data)

        with monkeypatch.context() as patch:
            patch.setattr(download, "write_atomic", dies)
            with pytest.raises(KeyboardInterrupt):
                pull_from(b, store)
        assert b.history()[0].generation == 1

    kill(b.layout.history, brought=False)
    publishing.recover(b.layout)
    assert b.history()[1].action == "recovered"
    kill(b.layout.history, brought=False)
    kill(b.layout.warehouse_json, brought=True)
    pull_from(b, store)
    assert b.layout.history.read_bytes() == last and b.verify().ok


def test_a_history_that_lost_its_end_is_brought_back_by_a_pull(host: Host, store: ObjectStore, tmp_path: Path) -> None:
    a = host("a")
    next_generation(a, "x")
    a.push(tmp_path / "store")
    lines = a.layout.history.read_bytes().splitlines(keepends=True)
    a.layout.history.write_bytes(lines[0])
    with pytest.raises(StorageError, match="history"):
        a.history()
    assert a.pull(tmp_path / "store").moved
    assert a.layout.history.read_bytes() == b"".join(lines) and a.verify().ok
