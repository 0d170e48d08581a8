"""Encoding segments: every text once, resumed at the last finished block, rows in order."""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from xtr_assets.config import HashingConfig
from xtr_assets.core.errors import InvalidInput, UnusableText
from xtr_assets.core.ids import chunk_id
from xtr_assets.core.token_codec import decode_int8
from xtr_assets.core.types import Chunk, FileState, VectorKind
from xtr_assets.encoders import open_encoder
from xtr_assets.encoders.base import Encoded, EncodedQueries, vector_kind
from xtr_assets.encoders.encoder_pair import Paired
from xtr_assets.pipeline.ingest import encode_plan, fresh_blocks
from xtr_assets.pipeline.ingest.encode import encode_snapshot, missing_encodings
from xtr_assets.pipeline.ingest.encode_blocks import Block, Run, block_name, runs
from xtr_assets.pipeline.ingest.row_names import names_at
from xtr_assets.storage.segment import Segment
from xtr_assets.storage.snapshot import Snapshot
from xtr_assets.storage.warehouse import Warehouse


class Counting:
    """The hashing encoder, counting what it is given; dies at the text `fatal`."""

    def __init__(self) -> None:
        self.inner = open_encoder(HashingConfig())
        self.seen: list[str] = []
        self.fatal: str | None = None
        self.unusable: str | None = None

    legs = property(lambda self: self.inner.legs)
    name = property(lambda self: self.inner.name)
    dim = property(lambda self: self.inner.dim)
    token_dim = property(lambda self: self.inner.token_dim)
    fingerprint = property(lambda self: self.inner.fingerprint)
    tolerance = property(lambda self: self.inner.tolerance)

    def describe(self) -> dict[str, Any]:
        return self.inner.describe()

    def encode_documents(self, texts: Sequence[str], progress: Callable[[int], None] | None = None) -> Encoded:
        if self.fatal in texts:
            raise MemoryError(self.fatal)
        if self.unusable in texts:
            raise UnusableText(texts.index(self.unusable), "the model gave NaN")
        self.seen += texts
        return self.inner.encode_documents(texts, progress)

    def encode_queries(self, texts: Sequence[str]) -> EncodedQueries:
        return self.inner.encode_queries(texts)

    def surface(self, token_ids: Any) -> list[str]:
        return self.inner.surface(token_ids)


def write(warehouse: Warehouse, shard: str, texts: Sequence[str], path: str = "a.txt") -> Snapshot:
    chunks = [
        Chunk(chunk_id(shard, path, str(i)), shard, path, str(i), "section", 0, i + 1, i + 1, "", text)
        for i, text in enumerate(texts)
    ]
    sha = hashlib.sha256("\n".join(texts).encode()).hexdigest()
    files = {path: FileState(path, 1, 1, sha)}
    return warehouse.write_snapshot(
        shard, source_fingerprint="f" * 64, files=files, touched=[path], chunks=chunks
    ).snapshot


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return Warehouse.create(tmp_path / "warehouse")


@pytest.fixture
def encoder() -> Counting:
    return Counting()


def check_rows(warehouse: Warehouse, snapshot: Snapshot, encoder: Counting, texts: Sequence[str]) -> None:
    segment = warehouse.segment(snapshot.segments[-1].segment_id)
    alone = encoder.inner.encode_documents(texts)
    assert np.array_equal(segment.embeddings(encoder.fingerprint), alone.embeddings)
    stored = segment.tokens(encoder.fingerprint)
    assert np.array_equal(stored.offsets, alone.offsets)
    assert np.array_equal(stored.token_ids, alone.token_ids)
    np.testing.assert_allclose(
        decode_int8(np.asarray(stored.tokens), np.asarray(stored.scales)),
        np.asarray(alone.tokens, np.float32),
        atol=0.01,
    )


def test_rows_come_in_order_and_a_text_that_comes_twice_is_encoded_once(
    warehouse: Warehouse, encoder: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encode_plan, "BLOCK_TEXTS", 4)
    monkeypatch.setattr(fresh_blocks, "BLOCKS_IN_MEMORY", 1)
    texts = [f"text number {i % 11} of many" for i in range(30)]
    told: list[int] = []

    report = encode_snapshot(warehouse, write(warehouse, "s", texts), encoder, told.append)

    assert sorted(encoder.seen) == sorted(set(texts))
    assert (report.rows, report.encoded, report.reused) == (30, 11, 19)
    assert sum(told) == 30
    snapshot = warehouse.snapshot("s")
    assert snapshot is not None
    check_rows(warehouse, snapshot, encoder, texts)
    assert missing_encodings(warehouse, snapshot, vector_kind(encoder)) == []
    assert not warehouse.layout.staging_root.exists() or not any(warehouse.layout.staging_root.iterdir())


def test_a_segment_that_is_collected_while_others_are_encoded_gives_what_it_was_to_give(
    warehouse: Warehouse, encoder: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Encoding takes hours, and ended with "no embeddings, encode it first" where a night's collection lay between."""
    encode_snapshot(warehouse, write(warehouse, "one", ["alpha beta", "gamma delta"]), encoder, names="all")
    write(warehouse, "one", ["nothing of before"])
    texts = ["gamma delta", "new words here", "alpha beta"]
    snapshot = write(warehouse, "two", texts)
    real = encoder.encode_documents

    def beside(*given: Any) -> Encoded:
        assert len(Warehouse.open(warehouse.root).collect(keep=1).removed) == 2, "the segment and its snapshot"
        return real(*given)

    with monkeypatch.context() as patch:
        patch.setattr(encoder, "encode_documents", beside)
        report = encode_snapshot(warehouse, snapshot, encoder, names="all")
    assert (report.encoded, report.reused) == (1, 2)
    check_rows(warehouse, snapshot, encoder, texts)


def test_a_segment_that_goes_while_it_is_looked_up_is_looked_up_no_more(
    warehouse: Warehouse, encoder: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    encode_snapshot(warehouse, write(warehouse, "one", ["alpha beta", "gamma delta"]), encoder)
    write(warehouse, "one", ["nothing of before"])
    snapshot = write(warehouse, "two", ["gamma delta"])
    real = Block.stored

    def late(segment: Segment, kind: VectorKind) -> Block:
        monkeypatch.setattr(Block, "stored", real)
        Warehouse.open(warehouse.root).collect(keep=1)
        return real(segment, kind)

    monkeypatch.setattr(Block, "stored", late)
    assert encode_snapshot(warehouse, snapshot, encoder).encoded == 1
    check_rows(warehouse, snapshot, encoder, ["gamma delta"])


def test_texts_that_another_shard_holds_are_not_encoded_again(warehouse: Warehouse, encoder: Counting) -> None:
    encode_snapshot(warehouse, write(warehouse, "one", ["alpha beta", "gamma delta", "epsilon zeta"]), encoder)
    encoder.seen.clear()
    texts = ["gamma delta", "new words here", "alpha beta"]

    report = encode_snapshot(warehouse, write(warehouse, "two", texts), encoder)

    assert encoder.seen == ["new words here"]
    assert (report.encoded, report.reused) == (1, 2)
    snapshot = warehouse.snapshot("two")
    assert snapshot is not None
    check_rows(warehouse, snapshot, encoder, texts)


def test_encoding_that_died_goes_on_at_the_last_finished_block(
    warehouse: Warehouse, encoder: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encode_plan, "BLOCK_TEXTS", 4)
    texts = [f"text number {i}" for i in range(10)]
    snapshot = write(warehouse, "s", texts)
    encoder.fatal = "text number 9"
    with pytest.raises(MemoryError):
        encode_snapshot(warehouse, snapshot, encoder)
    assert encoder.seen == texts[:8]
    assert len(missing_encodings(warehouse, snapshot, vector_kind(encoder))) == 1
    encoder.seen.clear()
    encoder.fatal = None

    report = encode_snapshot(warehouse, snapshot, encoder)

    assert encoder.seen == texts[8:]
    assert (report.encoded, report.resumed) == (2, 8)
    check_rows(warehouse, snapshot, encoder, texts)


def test_of_two_that_encode_one_segment_the_later_takes_what_the_first_made(
    warehouse: Warehouse, encoder: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A build from a shell beside a run of the daemon: the first to end took the blocks of both away, and the other
    encoded the rest once more, and then missed its own first ones."""
    monkeypatch.setattr(encode_plan, "BLOCK_TEXTS", 4)
    monkeypatch.setattr(fresh_blocks, "BLOCKS_IN_MEMORY", 1)
    texts = [f"text number {i}" for i in range(14)]
    for number, after in enumerate((5, 13)):
        snapshot = write(warehouse, f"s{number}", [f"{text} {number}" for text in texts])

        def beside(given: Sequence[str], *more: Any, after: int = after, snapshot: Snapshot = snapshot) -> Encoded:
            if any(f"number {after} " in one for one in given):
                encode_snapshot(Warehouse.open(warehouse.root), snapshot, Counting(), names="all")
            encoder.seen += given
            return encoder.inner.encode_documents(given, *more)

        with monkeypatch.context() as patch:
            patch.setattr(encoder, "encode_documents", beside)
            encoder.seen.clear()
            report = encode_snapshot(warehouse, snapshot, encoder, names="all")
        assert not [one for one in encoder.seen if f"number {after + 3} " in one]
        assert (report.segments, report.rows, report.reused, report.encoded) == (1, 14, 14, 0)
        check_rows(warehouse, snapshot, encoder, [f"{text} {number}" for text in texts])
        assert not any(warehouse.layout.staging_root.iterdir())


def test_a_block_that_was_damaged_since_is_encoded_again(
    warehouse: Warehouse, encoder: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever numpy and zipfile raise for it: a build that died left five blocks of texts, and five of names."""
    monkeypatch.setattr(encode_plan, "BLOCK_TEXTS", 4)
    texts = [f"text number {i}" for i in range(22)]
    snapshot = write(warehouse, "s", texts)
    encoder.fatal = "text number 21"
    with pytest.raises(MemoryError):
        encode_snapshot(warehouse, snapshot, encoder, names="all")
    left = warehouse.layout.staging_root
    cut, flipped, newer, locked, _ = sorted(left.glob("*/*/*.npz"))
    _, no_header, fewer, swapped, longer = sorted(left.glob("*/*/names.*.npy"))
    cut.write_bytes(cut.read_bytes()[:-100])
    flip(flipped, lambda _: 300, 1)
    # The version that a reader needs, and the bit of encryption, in the directory at the end of the archive.
    flip(newer, lambda data: data.index(b"PK\1\2") + 6, 64)
    flip(locked, lambda data: data.index(b"PK\1\2") + 8, 1)
    flip(no_header, lambda _: 8, 64)
    flip(fewer, lambda data: data.index(b"(4,") + 1, 5)
    flip(swapped, lambda data: data.index(b"<f2"), 2)
    vectors = np.load(longer)
    flip(longer, lambda _: 128 + 2 * int(np.abs(vectors[0]).argmax()) + 1, 64)
    encoder.seen.clear()
    encoder.fatal = None
    encode_snapshot(warehouse, snapshot, encoder, names="all")
    assert len([text for text in encoder.seen if text in texts]) == len(texts) - 4, "one block is taken as it was"
    check_rows(warehouse, snapshot, encoder, texts)
    segment = warehouse.segment(snapshot.segments[-1].segment_id)
    names = names_at(segment.chunks(), np.arange(len(texts)))
    assert np.array_equal(segment.names(encoder.fingerprint), encoder.inner.encode_documents(names).embeddings)
    assert len([name for name in encoder.seen if name in names]) == len(texts) - 4, "one block is taken as it was"


def flip(path: Path, place: Callable[[bytes], int], bits: int) -> None:
    data = bytearray(path.read_bytes())
    data[place(bytes(data))] ^= bits
    path.write_bytes(data)


def test_a_text_without_a_vector_is_told_by_its_file(warehouse: Warehouse, encoder: Counting) -> None:
    """Of each thousand texts of a pair, too: "text 37" told nobody which document to leave out."""
    texts = [f"text {number}" for number in range(1030)]
    encoder.unusable = texts[1027]
    with pytest.raises(UnusableText, match="text 1027: the model gave NaN"):
        Paired(encoder, encoder).encode_documents(texts)
    snapshot = write(warehouse, "docs", texts, "notes/a.txt")
    with pytest.raises(
        InvalidInput, match=r"no vector of the text of notes/a\.txt \(1027\): the model gave NaN; .*`exclude`"
    ):
        encode_snapshot(warehouse, snapshot, encoder)


def test_runs_are_cut_at_the_longest_and_where_the_place_changes() -> None:
    places, positions = np.array([0, 0, 0, 2, 2]), np.array([5, 6, 7, 0, 1])
    assert list(runs(places, positions, 2)) == [Run(0, 5, 7), Run(0, 7, 8), Run(2, 0, 2)]
    assert list(runs(places[:0], positions[:0], 2)) == []


def test_a_block_is_found_again_only_for_the_same_texts_in_the_same_order() -> None:
    assert block_name([b"a" * 16, b"b" * 16]) != block_name([b"b" * 16, b"a" * 16])
