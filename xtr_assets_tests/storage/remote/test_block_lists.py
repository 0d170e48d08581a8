"""Lists of blocks: made with a push, kept by collections and mirrors, proved by whoever has the file."""

import hashlib
import shutil
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xtr_assets.core.errors import CorruptFile, UnknownFormat
from xtr_assets.storage.remote import block_lists, list_pass
from xtr_assets.storage.remote.block_lists import BlockDigests, BlockLists, read_list, read_lists
from xtr_assets.storage.remote.move import Move, read_move
from xtr_assets.storage.remote.object_store import ObjectStore, file_name
from xtr_assets.storage.remote.replica import mirror
from xtr_assets.storage.remote.store_garbage import collect_store
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.storage.remote.conftest import next_generation, pull_from, push_to
from xtr_assets_tests.storage.remote.faulty import FolderBucket, store_over

Host = Callable[[str], Warehouse]
BLOCK = 100


@pytest.fixture(autouse=True)
def of_any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(block_lists, "LISTED_BYTES", 1)
    monkeypatch.setattr(block_lists, "BLOCK_BYTES", BLOCK)


@given(st.binary(max_size=300), st.integers(1, 70), st.lists(st.integers(0, 300), max_size=5))
def test_a_list_is_the_digest_of_each_block(data: bytes, size: int, cuts: list[int]) -> None:
    digests = BlockDigests(size)
    digests.update(b"another pass that failed")
    digests.begin()
    places = sorted({0, len(data), *(min(one, len(data)) for one in cuts)})
    for start, stop in pairwise(places):
        digests.update(data[start:stop])
    expected = [hashlib.sha256(data[at : at + size]).digest() for at in range(0, len(data), size)]
    assert digests.finish() == b"".join(expected)


def lists_of(store: ObjectStore) -> BlockLists:
    head = store.head()
    assert head is not None
    found = read_lists(store, head.move, head.move.serving)
    assert found is not None
    return found


def large(warehouse: Warehouse) -> dict[str, Path]:
    """What is listed: embeddings and chunks of every segment."""
    found = warehouse.published
    assert found is not None
    names = [one for one in found.manifest.files if one.endswith("/chunks.arrow") or "/embeddings." in one]
    return {one: warehouse.layout.resolve(one) for one in names if not one.endswith(".json")}


def test_a_push_lists_rows_of_embeddings_and_chunks(host: Host, store: ObjectStore) -> None:
    a = host("a")
    push_to(a, store)
    lists, paths = lists_of(store), large(a)
    assert lists.block_bytes == BLOCK and len(lists.lists) == len(paths) == 2
    assert a.published is not None
    for name, path in paths.items():
        data = path.read_bytes()
        expected = b"".join(hashlib.sha256(data[at : at + BLOCK]).digest() for at in range(0, len(data), BLOCK))
        assert read_list(store, lists, a.published.manifest.files[name], name) == expected


def test_a_move_names_them_in_version_2_and_is_version_1_without(
    host: Host, store: ObjectStore, bucket: FolderBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    a = host("a")
    with monkeypatch.context() as patch:
        patch.setattr(block_lists, "LISTED_BYTES", 2**60)
        push_to(a, store)
    first = bucket.path("moves/00000001.json").read_bytes()
    assert b'"format_version": 1' in first and b"blocks" not in first
    # A push of this release adds what an older one did not make, and sends no file again.
    report = push_to(a, store)
    assert report.moved and report.files == 0 and len(lists_of(store).lists) == 2
    second = bucket.path("moves/00000002.json").read_bytes()
    assert b'"format_version": 2' in second and b'"blocks": {' in second
    assert read_move(second, 2).to_bytes() == second and not push_to(a, store).moved
    with pytest.raises(UnknownFormat, match="format_version 3, this release reads 1 and 2"):
        Move.from_bytes(second.replace(b'"format_version": 2', b'"format_version": 3'), "x")
    for wrong in (
        second.replace(b'"format_version": 2', b'"format_version": 1'),
        first.replace(b'"format_version": 1', b'"format_version": 2'),
    ):
        with pytest.raises(CorruptFile, match="version 2 where it names block lists"):
            Move.from_bytes(wrong, "x")


def test_of_what_was_pushed_before_nothing_is_read_again(
    host: Host, store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    a = host("a")
    push_to(a, store)
    before = lists_of(store).lists
    monkeypatch.setattr(list_pass, "_read", lambda *_: pytest.fail("it was listed before"))
    next_generation(a, "x")
    push_to(a, store)
    after = lists_of(store).lists
    assert before.items() < after.items() and len(after) == 4
    head = store.head()
    assert head is not None and set(head.move.blocks) == {1, 2}


def test_a_list_that_is_gone_is_made_again(host: Host, store: ObjectStore, bucket: FolderBucket) -> None:
    a = host("a")
    push_to(a, store)
    head = store.head()
    assert head is not None
    lists = lists_of(store)
    bucket.remove(file_name(head.move.blocks[1]))
    next_generation(a, "x")
    push_to(a, store)
    assert lists.lists.items() < lists_of(store).lists.items()


def test_a_list_that_lies_is_an_error_by_name(
    host: Host, store: ObjectStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    a = host("a")
    finish = BlockDigests.finish
    with monkeypatch.context() as patch:
        patch.setattr(
            BlockDigests, "finish", lambda self: (told := finish(self))[:40] + bytes([told[40] ^ 1]) + told[41:]
        )
        push_to(a, store)
    b = Warehouse.create(tmp_path / "b")
    with pytest.raises(CorruptFile, match=r"block list of segments/.* \(from test://store\): .*block 1 of sha256"):
        pull_from(b, store)
    assert b.published is None and not b.verify().problems


def test_a_list_of_another_length_is_refused(
    host: Host, store: ObjectStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    a = host("a")
    finish = BlockDigests.finish
    with monkeypatch.context() as patch:
        patch.setattr(BlockDigests, "finish", lambda self: finish(self)[:-32])
        push_to(a, store)
    with pytest.raises(CorruptFile, match=r"block list of segments/.*: expected \d+ bytes"):
        pull_from(Warehouse.create(tmp_path / "b"), store)


def test_collections_and_mirrors_keep_the_lists_of_what_stays(
    host: Host, store: ObjectStore, bucket: FolderBucket, tmp_path: Path
) -> None:
    a = host("a")
    push_to(a, store)
    next_generation(a, "x")
    push_to(a, store)
    before = store.head()
    assert before is not None
    gone = before.move.blocks[1]
    report = collect_store(store, 1, grace_hours=0)
    assert report.generations == (1,) and not store.has(gone, "the lists of what went")
    head = store.head()
    assert head is not None and set(head.move.blocks) == {2} and head.move.format_version == 2
    copied = store_over(FolderBucket(tmp_path / "mirror"))
    mirror(store, copied)
    assert lists_of(copied) == lists_of(store)
    for one, name in ((store, "b"), (copied, "c")):
        assert pull_from(Warehouse.create(tmp_path / name), one).generation == 2
    # A second collection finds nothing that nobody names.
    assert collect_store(store, 1, grace_hours=0).objects == 0
    everything = [one.name for one in bucket.listed("files/")]
    assert len(everything) == len(set(everything))


def test_a_push_that_reads_a_file_for_its_list_compares_it(
    host: Host, store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    a = host("a")
    with monkeypatch.context() as patch:
        patch.setattr(block_lists, "LISTED_BYTES", 2**60)
        push_to(a, store)
    path = next(iter(large(a).values()))
    shutil.copy(path, path.with_suffix(".kept"))
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(CorruptFile, match=r"segments/.*sha256"):
        push_to(a, store)
