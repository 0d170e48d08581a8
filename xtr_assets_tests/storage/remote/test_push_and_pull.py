"""What is pushed is what is pulled: bytes, verdicts, history, and what was taken back."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from xtr_assets.core.errors import (
    CorruptFile,
    GenerationError,
    InvalidInput,
    PublishRefused,
    StorageError,
    StoreConflict,
    StoreError,
    WarehouseNotFound,
)
from xtr_assets.storage.remote.move import Store
from xtr_assets.storage.remote.object_store import ObjectStore, file_name
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.storage import sample
from xtr_assets_tests.storage.remote.conftest import CORPUS, next_generation, pull_from, push_to
from xtr_assets_tests.storage.remote.faulty import FolderBucket
from xtr_assets_tests.storage.sample import REQUIRED, draft, publish, texts, vectors_of, write

Host = Callable[[str], Warehouse]


def test_a_pulled_warehouse_is_the_pushed_one(host: Host, tmp_path: Path) -> None:
    """Through the public methods and obstore, into a folder that is a store."""
    a = host("a")
    pushed = a.push(tmp_path / "store")
    assert (pushed.move, pushed.moved, pushed.there) == (1, True, 0) and pushed.files > 10
    again = a.push(f"file://{tmp_path}/store")
    assert (again.moved, again.files, again.move) == (False, 0, 1)
    b = Warehouse.create(tmp_path / "b")
    pulled = b.pull(tmp_path / "store")
    assert (pulled.generation, pulled.moved, pulled.files, pulled.bytes) == (1, True, pushed.files, pushed.bytes)
    assert b.published is not None and a.published is not None
    assert texts(b.published) == texts(a.published) and b.verify().ok
    assert b.published.check_results() == a.published.check_results() != ()
    assert b.layout.history.read_bytes() == a.layout.history.read_bytes()
    assert b.info.encoders == a.info.encoders and not b.layout.incoming.exists()
    assert not b.pull(tmp_path / "store").moved


def test_a_pulled_warehouse_is_built_on_and_pushed_back(host: Host, store: ObjectStore, tmp_path: Path) -> None:
    a, b = host("a"), Warehouse.create(tmp_path / "b")
    push_to(a, store)
    pull_from(b, store)
    change = write(b, {**CORPUS, "new.py": ["n new"]})
    assert (change.kept, change.added) == (2, 1)
    assert publish(b).number == 2
    report = push_to(b, store)
    assert report.move == 2 and report.there > 5
    assert pull_from(a, store).moved and a.published is not None
    assert texts(a.published) == ["f one", "g two", "n new"] and a.verify().ok
    # What a scans next begins at what it serves now.
    assert write(a, {**CORPUS, "new.py": ["n new"]}).added == 0


def test_what_was_scanned_here_and_serves_nowhere_yet_stays(host: Host, store: ObjectStore) -> None:
    a, b = host("a"), host("b")
    next_generation(a, "x")
    push_to(a, store)
    write(b, {**CORPUS, "mine.py": ["m mine"]})
    before = b.snapshot("s")
    pull_from(b, store)
    assert b.snapshot("s") == before and b.published is not None and b.published.number == 2


def test_withdrawn_content_stays_withdrawn_wherever_it_goes(host: Host, store: ObjectStore, tmp_path: Path) -> None:
    a, b = host("a"), Warehouse.create(tmp_path / "b")
    push_to(a, store)
    next_generation(a, "bad")
    push_to(a, store)
    pull_from(b, store)
    a.withdraw(2, "licence")
    report = push_to(a, store)
    assert (report.generation, report.move, report.files) == (1, 3, 0)
    assert pull_from(b, store).generation == 1
    assert b.generation(2).state == "withdrawn" and b.published is not None and b.published.number == 1
    with pytest.raises(PublishRefused, match=r"withdrawn.*licence"):
        b.publish(2, required=REQUIRED)
    # The same content under another number, and from an empty folder.
    c = Warehouse.create(tmp_path / "c")
    pull_from(c, store)
    write(c, {**CORPUS, "bad.py": ["bad more"]})
    made = draft(c)
    sample.check(made)
    with pytest.raises(PublishRefused, match=r"withdrawn.*licence"):
        c.publish(made.number, required=REQUIRED)
    # Who has not heard of it yet cannot bring it back: the store's history is not a beginning of theirs.
    assert made.number == 3


def test_what_was_forced_is_known_where_it_arrives(host: Host, store: ObjectStore, tmp_path: Path) -> None:
    a, b = host("a"), Warehouse.create(tmp_path / "b")
    write(a, {"a.py": ["only one"]})
    a.publish(draft(a).number, required=REQUIRED, force_reason="demo tonight")
    push_to(a, store)
    pull_from(b, store)
    assert b.published is not None and b.published.forced == "demo tonight"


def test_a_dry_run_says_what_would_be_and_does_nothing(
    host: Host, store: ObjectStore, bucket: FolderBucket, tmp_path: Path
) -> None:
    a, b = host("a"), Warehouse.create(tmp_path / "b")
    planned = push_to(a, store, dry_run=True)
    assert planned.dry_run and planned.moved and bucket.names() == []
    done = push_to(a, store)
    assert (planned.files, planned.bytes, planned.move) == (done.files, done.bytes, done.move)
    before = bucket.names()
    planned_pull = pull_from(b, store, dry_run=True)
    assert planned_pull.files == done.files and b.published is None and not b.layout.incoming.exists()
    assert not push_to(a, store, dry_run=True).moved
    assert bucket.names() == before


def test_nothing_to_push_and_nothing_to_pull_are_said(host: Host, store: ObjectStore, tmp_path: Path) -> None:
    empty = Warehouse.create(tmp_path / "empty")
    with pytest.raises(GenerationError, match="nothing is published"):
        push_to(empty, store)
    with pytest.raises(WarehouseNotFound, match=r"no store\.json.*push"):
        pull_from(empty, store)
    with pytest.raises(StoreError, match="no folder"):
        empty.pull(tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()
    store.found()
    with pytest.raises(WarehouseNotFound, match="nothing is published in"):
        pull_from(empty, store)


def test_a_place_that_holds_something_else_is_no_store(host: Host, store: ObjectStore, bucket: FolderBucket) -> None:
    bucket.create("holiday.jpg", b"photo")
    with pytest.raises(StoreError, match=r"holiday\.jpg.*empty prefix"):
        push_to(host("a"), store)
    assert bucket.names() == ["holiday.jpg"]


def test_a_folder_of_a_warehouse_is_no_store_and_a_store_no_folder(host: Host, tmp_path: Path) -> None:
    a = host("a")
    with pytest.raises(StoreError, match="so that it is no store"):
        a.push(a.root)
    for call in (Warehouse.open, Warehouse.create):
        with pytest.raises(StorageError, match="is an object store"):
            call("s3://bucket/prefix")
    assert not Path("s3:").exists()


def test_who_is_behind_is_told_to_pull(host: Host, store: ObjectStore) -> None:
    a, b = host("a"), host("b")
    next_generation(a, "x")
    push_to(a, store)
    with pytest.raises(StoreConflict, match=r"ahead of this warehouse: generation 2 was published.*xtr-assets pull"):
        push_to(b, store)
    pull_from(b, store)
    assert not push_to(b, store).moved


def test_who_is_ahead_is_told_to_push(host: Host, store: ObjectStore) -> None:
    a = host("a")
    push_to(a, store)
    next_generation(a, "x")
    report = pull_from(a, store)
    assert (report.moved, report.ahead) == (False, 1) and a.published is not None and a.published.number == 2


def test_hosts_that_went_different_ways_are_both_named(host: Host, store: ObjectStore, tmp_path: Path) -> None:
    a, b = host("a"), host("b")
    push_to(a, store)
    next_generation(a, "left")
    next_generation(b, "right")
    push_to(a, store)
    for attempt in (push_to, pull_from):
        with pytest.raises(StoreConflict) as said:
            attempt(b, store)
        assert "There: generation 2 was published" in str(said.value) and "Here: generation 2" in str(said.value)
        assert "ull into a new folder" in str(said.value)
    assert b.published is not None and texts(b.published) == ["f one", "g two", "right more"]
    # The way out that the message names.
    c = Warehouse.create(tmp_path / "c")
    pull_from(c, store)
    write(c, {**CORPUS, "left.py": ["left more"], "right.py": ["right more"]})
    publish(c)
    assert push_to(c, store).moved


def test_one_name_with_two_contents_is_refused_by_name(
    host: Host, store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = host("a"), host("b")
    next_generation(a, "x")
    push_to(a, store)
    a.rollback(1)
    push_to(a, store)
    # b encodes the same text on another machine: other bits.
    monkeypatch.setattr(sample, "vectors_of", lambda hashes, dim: -vectors_of(hashes, dim))
    write(b, {**CORPUS, "x.py": ["x more"]})
    sample.encode_all(b)
    pull_from(b, store)
    made = draft(b)
    sample.check(made)
    b.publish(made.number, required=REQUIRED, again_reason="tested elsewhere")
    with pytest.raises(StoreConflict, match=r"segments/\w+/embeddings.*encoded on two machines"):
        push_to(b, store)


def test_a_pull_never_replaces_what_was_made_here(host: Host, store: ObjectStore) -> None:
    a, b = host("a"), host("b")
    next_generation(a, "x")
    push_to(a, store)
    write(b, {"other.py": ["o other"]})
    made = draft(b)
    with pytest.raises(GenerationError, match="generation 2 of the store was made elsewhere"):
        pull_from(b, store)
    assert b.open_draft(made.number).number == 2 and b.published is not None and b.published.number == 1


def test_a_number_of_the_stores_history_stands_for_nothing_else_here(host: Host, store: ObjectStore) -> None:
    """Generation 2 serves nowhere any more, and a draft of that number is another one: it could never be published."""
    a, b = host("a"), host("b")
    push_to(a, store)
    next_generation(a, "x")
    a.rollback(1)
    push_to(a, store)
    write(b, {"other.py": ["o other"]})
    made = draft(b)
    with pytest.raises(GenerationError, match="generation 2 of the store was made elsewhere"):
        pull_from(b, store)
    b.discard(made.number)
    assert pull_from(b, store).moved and draft(b).number == 3


def test_an_object_of_another_size_is_an_error_by_name(host: Host, store: ObjectStore, bucket: FolderBucket) -> None:
    a = host("a")
    assert a.published is not None
    record = a.published.manifest.files["generations/1/dense.faiss"]
    bucket.create(file_name(record), b"half")
    store.bucket.create("store.json", Store(store="a" * 32, created_at="").to_bytes())
    with pytest.raises(StoreError, match=rf"generations/1/dense\.faiss.*with 4 bytes.*record has {record.bytes}"):
        push_to(a, store)
    assert not any(name.startswith("moves/") for name in bucket.names())


@pytest.mark.parametrize("left", [0, 9])
def test_an_object_that_was_cut_is_named_with_both_sizes(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, left: int
) -> None:
    """Through the client, which says of a range behind the end of an object that the request failed."""
    monkeypatch.setattr("xtr_assets.storage.remote.bucket.FIRST_PAUSE", 0.0)
    a, place = host("a"), tmp_path / "store"
    a.push(place)
    assert a.published is not None
    record = a.published.manifest.files["generations/1/dense.faiss"]
    os.truncate(place / file_name(record), left)
    wanted = rf"dense\.faiss.* {record.bytes} bytes.* {left} bytes.*remove that object.*`xtr-assets push`"
    with pytest.raises(CorruptFile, match=wanted):
        Warehouse.create(tmp_path / "b").pull(place)


def test_a_damaged_file_is_not_pushed(host: Host, store: ObjectStore, bucket: FolderBucket) -> None:
    a = host("a")
    sample.flip(a.generation(1).directory / "dense.faiss", 3)
    with pytest.raises(StorageError, match=r"generations/1/dense\.faiss"):
        push_to(a, store)
    assert not any(name.startswith("moves/") for name in bucket.names())


def test_a_large_file_travels_in_ranges(host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts of 64 bytes in place of 8 MiB, through obstore: the same paths as for files of gigabytes."""
    from xtr_assets.storage.remote import object_store

    monkeypatch.setattr(object_store, "RANGE_BYTES", 4096)
    a, b = host("a"), Warehouse.create(tmp_path / "b")
    a.push(tmp_path / "store")
    b.pull(tmp_path / "store")
    assert b.verify().ok
    sample.flip(next(a.layout.segments.glob("*/chunks.parquet")), -9)
    with pytest.raises(StorageError, match=r"chunks\.parquet"):
        a.push(tmp_path / "other")
    assert not list((tmp_path / "other").glob("moves/*"))


def test_lists_of_strange_addresses_are_refused(tmp_path: Path) -> None:
    for text in ("s3://key:secret@bucket/x", "ftp://host/x", "s3://bucket/../x", "s3://", "s3://bucket/x?versionId=1"):
        with pytest.raises(InvalidInput) as said:
            ObjectStore.at(text)
        assert "secret" not in str(said.value)
