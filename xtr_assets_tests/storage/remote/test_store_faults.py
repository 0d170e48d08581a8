"""Requests that fail, answers that get lost, bytes that come wrong: nothing half serves, and doing it again ends it."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from xtr_assets.core.errors import CorruptFile, StorageError, StoreError, StoreUnreachable
from xtr_assets.core.files import FileRecord
from xtr_assets.storage.remote import arrival, object_store, probe
from xtr_assets.storage.remote.bucket import ATTEMPTS, Found, Interrupted
from xtr_assets.storage.remote.move import move_name
from xtr_assets.storage.remote.object_store import ObjectStore, file_name
from xtr_assets.storage.stored_json import sha256_bytes
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.storage.remote.conftest import next_generation, pull_from, push_to
from xtr_assets_tests.storage.remote.faulty import FAULTS, Away, Faulty, FolderBucket, store_over
from xtr_assets_tests.storage.sample import flip, texts

Host = Callable[[str], Warehouse]


@pytest.fixture(autouse=True)
def small_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of a few kilobytes travel as those of gigabytes do."""
    monkeypatch.setattr(object_store, "RANGE_BYTES", 8192)


def test_a_store_that_fails_often_is_pushed_to_and_pulled_from(
    host: Host, bucket: FolderBucket, tmp_path: Path
) -> None:
    """Six stories, a sixth of the requests going wrong; what gives up is done again, as the message says."""
    a = host("a")
    seen: set[str] = set()
    for seed in range(6):
        other = FolderBucket(tmp_path / f"bucket-{seed}")
        faulty = Faulty(other, seed, 1 / 6)
        b = Warehouse.create(tmp_path / f"b-{seed}")
        for step in (lambda store: push_to(a, store), lambda store, b=b: pull_from(b, store)):
            for _ in range(10):
                # Three mangled answers to one question look like damage.
                with suppress(StoreUnreachable, CorruptFile):
                    step(store_over(faulty))
                    break
            else:
                pytest.fail("it never ended")
        assert b.published is not None and texts(b.published) == ["f one", "g two"] and b.verify().ok
        assert len(store_over(other).chain()) == 1
        seen |= set(faulty.seen)
    assert seen == set(FAULTS)


def test_a_move_whose_answer_got_lost_is_the_own_one(host: Host, bucket: FolderBucket) -> None:
    class Losing(FolderBucket):
        def create(self, name: str, data: bytes) -> bool:
            done = super().create(name, data)
            if name.startswith("moves/") and done:
                raise Interrupted("the connection was reset")
            return done

    a = host("a")
    store = store_over(Losing(bucket.root))
    report = push_to(a, store)
    assert report.moved and report.move == 1 and len(store.chain()) == 1
    next_generation(a, "x")
    assert push_to(a, store).move == 2 and len(store.chain()) == 2


def test_wrong_bytes_are_named_and_nothing_serves(
    host: Host, store: ObjectStore, bucket: FolderBucket, tmp_path: Path
) -> None:
    a, b = host("a"), Warehouse.create(tmp_path / "b")
    push_to(a, store)
    assert a.published is not None
    path = bucket.path(file_name(a.published.manifest.files["generations/1/dense.faiss"]))
    good = path.read_bytes()
    for damage, found in ((good[:-1] + b"!", "sha256"), (good[:-7], f"found {len(good) - 7} bytes")):
        path.write_bytes(damage)
        with pytest.raises(CorruptFile, match=rf"generations/1/dense\.faiss.*{found}"):
            pull_from(b, store)
        assert b.published is None and b.generations() == [] and b.history() == []
    path.unlink()
    with pytest.raises(CorruptFile, match=r"every file that it names.*dense\.faiss"):
        pull_from(b, store)
    path.write_bytes(good)
    assert pull_from(b, store).moved and b.verify().ok


def test_a_damaged_manifest_history_or_move_is_named(
    host: Host, store: ObjectStore, bucket: FolderBucket, tmp_path: Path
) -> None:
    a, b = host("a"), Warehouse.create(tmp_path / "b")
    push_to(a, store)
    head = store.head()
    assert head is not None
    move = head.move
    for name, said in (
        (file_name(move.generations[1]), r"generations/1/manifest\.json"),
        (file_name(move.history), r"history\.jsonl"),
        (file_name(move.info), r"warehouse\.json"),
        (move_name(1), r"moves/00000001\.json"),
    ):
        flip(bucket.path(name), 0)
        with pytest.raises(CorruptFile, match=said):
            pull_from(b, store)
        assert b.published is None
        flip(bucket.path(name), 0)
    assert pull_from(b, store).moved


def test_a_chain_without_a_link_is_no_chain(host: Host, store: ObjectStore, bucket: FolderBucket) -> None:
    a = host("a")
    push_to(a, store)
    for text in ("x", "y"):
        next_generation(a, text)
        push_to(a, store)
    second = bucket.path(move_name(2))
    kept = second.read_bytes()
    second.unlink()
    with pytest.raises(CorruptFile, match=r"moves/00000002\.json.*a move"):
        store.head()
    second.write_bytes(kept.replace(b"root@", b"r00t@").replace(b'"who": "', b'"who": "x'))
    with pytest.raises(CorruptFile, match=r"moves/00000003\.json.*after sha256"):
        store.head()
    with pytest.raises(CorruptFile, match=r"after sha256"):
        store.chain()


def test_a_pull_goes_on_where_it_ended(host: Host, bucket: FolderBucket, tmp_path: Path) -> None:
    class Tired(FolderBucket):
        left = 12

        def read(self, name: str, start: int, length: int) -> bytes:
            if name.startswith("files/"):
                self.left -= 1
                if self.left < 0:
                    raise Interrupted("no route to host")
            return super().read(name, start, length)

    a, b = host("a"), Warehouse.create(tmp_path / "b")
    push_to(a, store_over(bucket))
    tired = Tired(bucket.root)
    with pytest.raises(StoreUnreachable, match="goes on where it was"):
        pull_from(b, store_over(tired))
    assert b.published is None
    kept = sum(path.stat().st_size for path in b.layout.incoming.rglob("*") if path.is_file())
    total = pull_from(b, store_over(bucket)).bytes
    assert 0 < kept < total and bucket.bytes_read < total - kept + 20_000
    assert b.verify().ok and not b.layout.incoming.exists()


def test_what_lies_in_incoming_is_not_believed(host: Host, store: ObjectStore, tmp_path: Path) -> None:
    """Files of the right name and size, a part of other bytes, and files that nobody asked for."""
    a, b = host("a"), Warehouse.create(tmp_path / "b")
    push_to(a, store)
    assert a.published is not None
    name = "generations/1/dense.faiss"
    record = a.published.manifest.files[name]
    target = b.layout.incoming / name
    target.parent.mkdir(parents=True)
    target.write_bytes(b"x" * record.bytes)
    other = b.layout.incoming / "generations/1/id_map.parquet"
    arrival.part_of(other, a.published.manifest.files["generations/1/id_map.parquet"]).write_bytes(b"not the beginning")
    (b.layout.incoming / "generations/1/evil.so").write_bytes(b"\x7fELF")
    pull_from(b, store)
    assert b.verify().ok and not (b.generation(1).directory / "evil.so").exists()


def test_links_in_incoming_are_refused(host: Host, store: ObjectStore, tmp_path: Path) -> None:
    a, b = host("a"), Warehouse.create(tmp_path / "b")
    push_to(a, store)
    (tmp_path / "elsewhere").mkdir()
    b.layout.incoming.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StorageError, match="incoming is a link"):
        pull_from(b, store)
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_full_disk_is_said_before_anything_comes(
    host: Host, store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = host("a"), Warehouse.create(tmp_path / "b")
    push_to(a, store)
    monkeypatch.setattr(arrival, "SPARE_BYTES", 2**60)
    with pytest.raises(StorageError, match=r"\d+ bytes free, and \d+ are to come"):
        pull_from(b, store)
    assert b.published is None


def test_names_of_a_listing_lead_nowhere(host: Host, bucket: FolderBucket, tmp_path: Path) -> None:
    class Hostile(FolderBucket):
        removed: list[str]

        def listed(self, prefix: str, after: str = "") -> Iterator[Found]:
            yield from super().listed(prefix, after)
            for one in super().listed("store.json"):
                for name in ("moves/../../evil.json", "moves/0000000x.json", "moves/99999999999.json", "files/../../x"):
                    yield Found(name, 10, one.modified)
                yield Found(f"files/ab/{'a' * 63}/", 10, one.modified)
                yield Found("leases/../x.json", 10, one.modified)

        def remove(self, name: str) -> None:
            assert ".." not in name and not name.endswith("/")
            super().remove(name)

    a, b = host("a"), Warehouse.create(tmp_path / "b")
    push_to(a, store_over(bucket))
    store = store_over(Hostile(bucket.root))
    before = sorted(path.name for path in tmp_path.iterdir())
    assert pull_from(b, store).moved
    from xtr_assets.storage.remote.store_garbage import collect_store

    assert collect_store(store, 1, grace_hours=0).objects == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_a_manifest_that_names_files_elsewhere_is_refused(
    host: Host, store: ObjectStore, bucket: FolderBucket, tmp_path: Path
) -> None:
    a, b = host("a"), Warehouse.create(tmp_path / "b")
    push_to(a, store)
    head = store.head()
    assert head is not None
    manifest = bucket.path(file_name(head.move.generations[1])).read_bytes()
    evil = manifest.replace(b"generations/1/dense.faiss", b"generations/1/../../../e")
    record = store.put_bytes(evil, "manifest")
    move = head.move.model_copy(update={"number": 2, "before": head.sha256, "generations": {1: record}})
    assert store.append(move)
    with pytest.raises(CorruptFile, match=r"is no file of generation 1"):
        pull_from(b, store)
    # Nor is a manifest believed that the history does not know, though it be whole.
    record = store.put_bytes(manifest.replace(b'"run_id": "run"', b'"run_id": "fun"'), "manifest")
    forged = move.model_copy(update={"number": 3, "before": sha256_bytes(move.to_bytes()), "generations": {1: record}})
    assert store.append(forged)
    with pytest.raises(CorruptFile, match=r"generations/1/manifest\.json"):
        pull_from(b, store)
    assert b.published is None


def test_a_store_that_is_away_is_tried_and_then_said(tmp_path: Path) -> None:
    away = Away(tmp_path / "away")
    with pytest.raises(StoreUnreachable, match=r"failed 6 times.*connection refused.*credentials in the environment"):
        store_over(away).later(1)
    assert away.asked["gone"] == ATTEMPTS


# -- create-if-absent -------------------------------------------------------------------------------------------------


class Overwriting(FolderBucket):
    """An old gateway: it takes the header and overwrites."""

    def create(self, name: str, data: bytes) -> bool:
        self._path(name).write_bytes(data)
        return True


class LookingFirst(FolderBucket):
    """A gateway that looks whether there is one, and then writes."""

    def create(self, name: str, data: bytes) -> bool:
        import time

        if self.stat(name) is not None:
            return False
        time.sleep(0.02)
        self._path(name).write_bytes(data)
        return True


class Deaf(FolderBucket):
    """Whoever comes first wins the race, and whoever comes later wins too."""

    count = 0

    def create(self, name: str, data: bytes) -> bool:
        if data == b"later":
            self._path(name).write_bytes(data)
            return True
        return super().create(name, data)


@pytest.mark.parametrize("kind", [Overwriting, LookingFirst, Deaf])
def test_a_store_that_lets_two_win_is_refused_by_name(kind: type[FolderBucket], host: Host, tmp_path: Path) -> None:
    bad = kind(tmp_path / "bad")
    store = store_over(bad, "s3://old/gateway")
    store._probed = False
    with pytest.raises(StoreError, match=r"s3://old/gateway does not honour create-if-absent"):
        push_to(host("a"), store)
    assert bad.names() == []


def test_the_probe_lets_a_slow_and_lossy_store_pass(bucket: FolderBucket) -> None:
    lossy = Faulty(bucket, 1, 0.12, ("lost", "before", "slow"))
    for _ in range(4):
        probe.refuse_overwriting(store_over(lossy).bucket, "test://lossy")
    assert lossy.seen
    assert bucket.names() == []


def test_obstore_in_memory_and_in_a_folder_honour_create_if_absent(tmp_path: Path) -> None:
    for address in ("memory://probe", tmp_path / "folder"):
        store = ObjectStore.at(address, "made")
        assert store.found().store == store.found().store
        record = FileRecord(3, sha256_bytes(b"abc"))
        assert not store.has(record, "x") and store.put_bytes(b"abc", "x") == record and store.has(record, "x")
        assert store.bytes_of(record, "x") == b"abc"
        names = sorted(one.name for one in store.bucket.listed(""))
        assert names == [file_name(record), "store.json"] == sorted(one.name for one in store.bucket.listed(""))
        assert list(store.bucket.listed("moves/")) == [] and store.bucket.stat("moves/1") is None
        store.bucket.remove("store.json")
        store.bucket.remove("store.json")
        with pytest.raises(FileNotFoundError):
            store.bucket.read("store.json", 0, 3)


def test_an_upload_whose_bytes_differ_never_ends(tmp_path: Path) -> None:
    """Whatever the size: parts are compared before the last of them is handed over."""
    store = ObjectStore.at(tmp_path / "folder", "made")
    (tmp_path / "file").write_bytes(b"a" * 20_000)
    wrong = FileRecord(20_000, "0" * 64)
    with pytest.raises(CorruptFile, match="sha256 0000"):
        store.put_file(tmp_path / "file", wrong, "file")
    assert not store.has(wrong, "file")
