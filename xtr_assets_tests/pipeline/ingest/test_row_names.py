"""Names of rows: encoded with the texts, once each, resumed, found again wherever they stand, and as what they say."""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from xtr_assets.core.errors import InvalidInput, StorageError
from xtr_assets.core.ids import chunk_id, text_hash
from xtr_assets.core.name_text import name_text
from xtr_assets.core.types import Chunk, FileState
from xtr_assets.encoders.base import Encoded, vector_kind
from xtr_assets.pipeline.ingest import encode_plan
from xtr_assets.pipeline.ingest.encode import encode_snapshot, missing_encodings
from xtr_assets.pipeline.ingest.row_names import names_at
from xtr_assets.storage.encoding_writer import names_writer
from xtr_assets.storage.generation import Generation
from xtr_assets.storage.snapshot import Snapshot
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.pipeline.ingest.test_encode import Counting
from xtr_assets_tests.storage.sample import of_two_gibibytes

FUNCTIONS = {"load_page": "return read(page)", "save_page": "return write(page)", "drop": "delete()"}


def write(warehouse: Warehouse, files: dict[str, dict[str, str]], shard: str = "s", kind: str = "function") -> Snapshot:
    """The next snapshot: files of functions by name, each with its body."""
    states = {
        path: FileState(path, 1, 1, hashlib.sha256(repr(functions).encode()).hexdigest())
        for path, functions in files.items()
    }
    known = warehouse.known_files(shard)
    touched = [path for path, one in states.items() if path not in known or known[path].sha256 != one.sha256]
    chunks = [
        Chunk(chunk_id(shard, path, name), shard, path, name, kind, 0, line, line, "", body)
        for path in touched
        for line, (name, body) in enumerate(files[path].items(), 1)
    ]
    return warehouse.write_snapshot(
        shard, source_fingerprint="f" * 64, files=states, touched=touched, chunks=chunks
    ).snapshot


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return Warehouse.create(tmp_path / "warehouse")


@pytest.fixture
def encoder() -> Counting:
    return Counting()


def check_names(warehouse: Warehouse, snapshot: Snapshot, encoder: Counting) -> None:
    """Each row has the vector of its own name, encoded alone, and its hash; no name, no vector."""
    for one in snapshot.segments:
        segment = warehouse.segment(one.segment_id)
        vectors, hashes = segment.names(encoder.fingerprint), segment.name_hashes(encoder.fingerprint)
        assert vectors.dtype == np.float16 and len(vectors) == len(hashes) == segment.rows
        for row, vector, hashed in zip(segment.chunks().to_pylist(), vectors, hashes, strict=True):
            name = name_text(row["path"], row["symbol"], row["text"], row["kind"])
            if name is None:
                assert not vector.any() and not hashed.any()
            else:
                assert np.array_equal(vector, encoder.inner.encode_documents([name]).embeddings[0])
                assert hashed.tobytes() == text_hash(name)


def drafted(warehouse: Warehouse, encoder: Counting, named: Sequence[str], **shards: Snapshot) -> Generation:
    versions = {shard: snapshot.data_version for shard, snapshot in shards.items()}
    return warehouse.draft(
        "run",
        encoder=encoder.describe(),
        fingerprint=encoder.fingerprint,
        snapshots=versions,
        named=dict.fromkeys(named, "all"),
    )


def test_texts_and_names_are_encoded_in_one_pass(
    warehouse: Warehouse, encoder: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = write(warehouse, {"web/store.py": FUNCTIONS, "_.py": {"": "nothing names this"}})
    passes: list[int] = []
    real = encoder.encode_documents

    def counted(texts: Sequence[str], progress: Callable[[int], None] | None = None) -> Encoded:
        passes.append(len(texts))
        return real(texts, progress)

    monkeypatch.setattr(encoder, "encode_documents", counted)
    told: list[int] = []

    report = encode_snapshot(warehouse, snapshot, encoder, told.append, names="all")

    assert passes == [7], "four texts and three names"
    assert encoder.seen[4:] == ["web store load page", "web store save page", "web store drop"]
    assert (report.encoded, report.named, sum(told)) == (4, 3, 4)
    check_names(warehouse, snapshot, encoder)
    assert missing_encodings(warehouse, snapshot, vector_kind(encoder), names="all") == []


def test_names_come_to_segments_of_before_without_their_texts(warehouse: Warehouse, encoder: Counting) -> None:
    snapshot = write(warehouse, {"web/store.py": FUNCTIONS})
    encode_snapshot(warehouse, snapshot, encoder)
    before = {path: path.stat().st_mtime_ns for path in warehouse.layout.segments.rglob("*") if path.is_file()}
    encoder.seen.clear()

    report = encode_snapshot(warehouse, snapshot, encoder, names="all")

    assert encoder.seen == ["web store load page", "web store save page", "web store drop"]
    assert (report.encoded, report.reused, report.named) == (0, 3, 3)
    assert before == {path: path.stat().st_mtime_ns for path in before}, "what was there is as it was"
    check_names(warehouse, snapshot, encoder)


def test_without_the_setting_nothing_is_written(warehouse: Warehouse, encoder: Counting) -> None:
    snapshot = write(warehouse, {"web/store.py": FUNCTIONS})
    assert encode_snapshot(warehouse, snapshot, encoder).named == 0
    assert not list(warehouse.layout.segments.rglob("names.*"))
    assert drafted(warehouse, encoder, [], s=snapshot).names() is None
    with pytest.raises(StorageError, match="has no names of encoder"):
        drafted(warehouse, encoder, ["s"], s=snapshot)


def test_a_rename_encodes_the_names_of_its_rows_and_no_text(warehouse: Warehouse, encoder: Counting) -> None:
    files = {"web/store.py": FUNCTIONS, "web/other.py": {"look": "look()"}}
    encode_snapshot(warehouse, write(warehouse, files), encoder, names="all")
    encoder.seen.clear()
    moved = {"web/shop.py": FUNCTIONS, "web/other.py": {"look": "look()"}}

    report = encode_snapshot(warehouse, write(warehouse, moved), encoder, names="all")

    assert encoder.seen == ["web shop load page", "web shop save page", "web shop drop"]
    assert (report.encoded, report.named) == (0, 3)
    snapshot = warehouse.snapshot("s")
    assert snapshot is not None
    check_names(warehouse, snapshot, encoder)

    encoder.seen.clear()
    back = write(warehouse, files)
    report = encode_snapshot(warehouse, back, encoder, names="all")
    assert (encoder.seen, report.named) == ([], 0), "a name that is stored is found again"
    check_names(warehouse, back, encoder)


def test_equal_names_are_encoded_once(warehouse: Warehouse, encoder: Counting) -> None:
    snapshot = write(warehouse, {"a.py": {"run": "one"}, "a.pyi": {"run": "two"}})
    report = encode_snapshot(warehouse, snapshot, encoder, names="all")
    assert (report.encoded, report.named, encoder.seen[2:]) == (2, 1, ["a run"])
    other = write(warehouse, {"a.py": {"run": "three"}}, shard="other")
    assert encode_snapshot(warehouse, other, encoder, names="all").named == 0
    check_names(warehouse, snapshot, encoder)
    check_names(warehouse, other, encoder)


@pytest.mark.parametrize("fatal", ["number 9 of many", "f9", "after the names", "before the texts"])
def test_what_died_goes_on_with_what_it_left(
    warehouse: Warehouse, encoder: Counting, monkeypatch: pytest.MonkeyPatch, fatal: str
) -> None:
    """In the midst of the texts, of the names, or between the folders of one and of the other."""
    monkeypatch.setattr(encode_plan, "BLOCK_TEXTS", 4)
    snapshot = write(warehouse, {"m.py": {f"f{i}": f"number {i} of many" for i in range(10)}})
    with monkeypatch.context() as patch, pytest.raises(MemoryError):
        if fatal == "after the names":
            patch.setattr("xtr_assets.pipeline.ingest.encode.embeddings_writer", _no_memory)
        elif fatal == "before the texts":
            patch.setattr("xtr_assets.pipeline.ingest.encode._write_names", _no_memory)
        else:
            encoder.fatal = fatal if " " in fatal else f"m {fatal}"
        encode_snapshot(warehouse, snapshot, encoder, names="all")
    encoder.fatal = None
    seen = list(encoder.seen)
    encoder.seen.clear()

    report = encode_snapshot(warehouse, snapshot, encoder, names="all")

    assert sorted([*seen, *encoder.seen]) == sorted(
        [text for i in range(10) for text in (f"number {i} of many", f"m f{i}")]
    ), "nothing twice, nothing left out"
    assert report.encoded + report.resumed == 10
    check_names(warehouse, snapshot, encoder)
    assert not warehouse.layout.staging_root.exists() or not any(warehouse.layout.staging_root.iterdir())


def _no_memory(*_: object, **__: object) -> None:
    raise MemoryError("no more")


def test_a_generation_gives_names_by_row_and_zeros_where_a_source_has_none(
    warehouse: Warehouse, encoder: Counting
) -> None:
    code, notes = (
        write(warehouse, {"web/store.py": FUNCTIONS}, "code"),
        write(warehouse, {"n": {"": "a note"}}, "notes"),
    )
    encode_snapshot(warehouse, code, encoder, names="all")
    encode_snapshot(warehouse, notes, encoder)
    generation = drafted(warehouse, encoder, ["code"], code=code, notes=notes)
    names = generation.names()
    assert names is not None and names.end_row == generation.end_row == len(generation.live)
    for row in generation.chunk_table(["path", "symbol"]).to_pylist():
        (vector,) = names.gather(np.array([row["row"]]))
        wanted = f"web store {row['symbol'].replace('_', ' ')}"
        right = encoder.inner.encode_documents([wanted]).embeddings[0] if row["symbol"] else np.zeros(encoder.dim)
        assert np.array_equal(vector, right.astype(np.float32))


def test_rows_without_a_name_have_no_vector_and_others_have_one(warehouse: Warehouse, encoder: Counting) -> None:
    snapshot = write(warehouse, {"a.py": {"f": "one", "g": "two"}})
    segment = warehouse.segment(snapshot.segments[0].segment_id)
    vectors = encoder.inner.encode_documents(["a f", "a g"]).embeddings
    hashes = np.ones((2, 2), np.uint64)
    for wrong, hashed, problem in (
        (vectors, np.array([[1, 1], [0, 0]], np.uint64), "row 1 has no name, and a vector"),
        (np.zeros_like(vectors), hashes, "row 0 has length 0"),
        (vectors * np.float16(2), hashes, "row 0 has length 2"),
        (vectors[:1], hashes[:1], "2 rows expected, 1 were given"),
        (np.full_like(vectors, np.nan), hashes, "row 0 is not finite"),
    ):
        with pytest.raises(InvalidInput, match=problem), names_writer(segment, encoder.fingerprint, encoder.dim) as to:
            to.append(wrong, hashed)
        assert not segment.has_names(encoder.fingerprint)


def test_names_are_read_beside_more_text_than_an_array_holds(warehouse: Warehouse) -> None:
    """Of a segment of a million texts of 2 kB, a block of names is read."""
    snapshot = write(warehouse, {"a.py": FUNCTIONS})
    table = of_two_gibibytes(warehouse.segment(snapshot.segments[0].segment_id).chunks())
    assert names_at(table, np.array([0, 2])) == names_at(table.slice(0, 3), np.array([0, 2])) != ["", ""]
