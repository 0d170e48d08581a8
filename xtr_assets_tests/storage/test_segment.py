"""Segments: what is validated, what is committed, what a reader is told."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from xtr_assets.core.errors import CorruptFile, InvalidInput, StorageError
from xtr_assets.core.token_codec import encode_int8
from xtr_assets.storage.digests import forget_digests
from xtr_assets.storage.encoding_writer import embeddings_writer, tokens_writer
from xtr_assets.storage.segment import Segment
from xtr_assets.storage.vector_files import LISTING_NAME, tokens_folder
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.storage.sample import FINGERPRINT, encode, flip, vectors_of, write

CORPUS = {"a.py": ["f one", "g two", "h three"]}


@pytest.fixture
def segment(warehouse: Warehouse) -> Segment:
    made = write(warehouse, CORPUS).new_segment
    assert made is not None
    return made


def tokens_of(rows: int) -> dict[str, Any]:
    codes, scales = encode_int8(vectors_of([bytes([i]) for i in range(2 * rows)], 4))
    ids = np.arange(2 * rows, dtype=np.int32)
    return {"tokens": codes, "scales": scales, "offsets": np.arange(rows + 1) * 2, "token_ids": ids}


def test_embeddings_come_back_as_float16_and_read_only(segment: Segment) -> None:
    vectors = vectors_of([b"a", b"b", b"c"], 8)
    assert segment.write_embeddings(FINGERPRINT, vectors)
    stored = segment.embeddings(FINGERPRINT)
    assert stored.dtype == np.float16 and np.array_equal(stored, vectors.astype(np.float16))
    assert not stored.flags.writeable


def test_tokens_come_back_as_written(segment: Segment) -> None:
    given = tokens_of(3)
    segment.write_tokens(FINGERPRINT, **given)
    stored = segment.tokens(FINGERPRINT)
    for name, array in given.items():
        assert np.array_equal(getattr(stored, name), array) and getattr(stored, name).dtype == array.dtype


def test_what_was_encoded_is_never_encoded_over(segment: Segment) -> None:
    first = vectors_of([b"a", b"b", b"c"], 8)
    segment.write_embeddings(FINGERPRINT, first)
    assert not segment.write_embeddings(FINGERPRINT, vectors_of([b"x", b"y", b"z"], 8))
    assert np.array_equal(segment.embeddings(FINGERPRINT), first.astype(np.float16))


def broken(row: int, value: float) -> np.ndarray:
    vectors = vectors_of([b"a", b"b", b"c"], 8)
    vectors[row] *= value
    return vectors


@pytest.mark.parametrize(
    ("vectors", "says"),
    [
        (broken(1, np.nan), r"embeddings\.5a5a5a5a\.npy: row 1 is not finite"),
        (broken(2, 0.0), r"row 2 has length 0"),
        (broken(0, 3.0), r"row 0 has length 3"),
        (vectors_of([b"a", b"b"], 8), r"3 rows expected, 2 were given"),
        (np.ones(3, np.float32), r"embeddings \[rows, dim\] expected"),
    ],
)
def test_unusable_embeddings_are_named_and_nothing_is_written(segment: Segment, vectors: np.ndarray, says: str) -> None:
    before = sorted(p.name for p in segment.directory.iterdir())
    with pytest.raises(InvalidInput, match=says):
        segment.write_embeddings(FINGERPRINT, vectors)
    assert sorted(p.name for p in segment.directory.iterdir()) == before
    assert not segment.has_embeddings(FINGERPRINT)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"offsets": np.array([0, 4, 2, 6])}, r"row 1 ends before it begins \(.*offsets\.npy 4 to 2\)"),
        ({"offsets": np.array([0, 2, 2, 6])}, r"row 1 is empty \(.*offsets\.npy 2 to 2\)"),
        ({"offsets": np.array([0, 2, 4])}, r"int64 \[4\] is needed for 3 rows"),
        ({"offsets": np.array([0, 2, 4, 7])}, r"offsets\.npy go from 0 to 7, the tokens from 0 to 6"),
        ({"scales": np.array([1, 1, np.nan, 1, 1, 1], np.float16)}, "token 2 has scale nan"),
        ({"scales": np.array([1, 1, 1, 1, 0, 1], np.float16)}, "token 4 has scale 0"),
        ({"token_ids": np.arange(5, dtype=np.int32)}, "5 token ids"),
        ({"tokens": np.ones(6, np.int8)}, r"tokens \[T, dim\] expected"),
    ],
)
def test_unusable_tokens_are_named_and_nothing_is_written(segment: Segment, change: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidInput, match=says):
        segment.write_tokens(FINGERPRINT, **{**tokens_of(3), **change})
    assert not segment.has_tokens(FINGERPRINT)
    assert not segment.folder(f"tokens.{FINGERPRINT[:8]}").exists()


def test_blocks_give_the_same_files_as_one_array(segment: Segment, warehouse: Warehouse) -> None:
    encode(segment)
    other = "77" * 32
    whole, arrays = segment.embeddings(FINGERPRINT), segment.tokens(FINGERPRINT)
    with embeddings_writer(segment, other, 8) as embeddings:
        embeddings.append(whole[:1])
        embeddings.append(whole[1:])
    with tokens_writer(segment, other, 4) as tokens:
        tokens.append(arrays.tokens[:2], arrays.scales[:2], np.array([2]), arrays.token_ids[:2])
        tokens.append(arrays.tokens[2:], arrays.scales[2:], np.array([2, 2]), arrays.token_ids[2:])
    listings = [segment.listing(f"tokens.{fp[:8]}/files.json") for fp in (FINGERPRINT, other)]
    assert listings[0] is not None and listings[1] is not None and listings[0].files == listings[1].files
    one = (segment.directory / f"embeddings.{FINGERPRINT[:8]}.npy").read_bytes()
    assert (segment.directory / f"embeddings.{other[:8]}.npy").read_bytes() == one


def test_an_encoder_that_shares_the_first_eight_digits_is_not_mistaken(segment: Segment) -> None:
    encode(segment)
    with pytest.raises(CorruptFile, match="made by"):
        segment.has_embeddings(FINGERPRINT[:8] + "00" * 28)


def test_a_missing_encoding_names_the_remedy(segment: Segment) -> None:
    with pytest.raises(StorageError, match="no embeddings of encoder 5a5a5a5a; encode it first"):
        segment.embeddings(FINGERPRINT)


def test_a_sealed_folder_lists_its_files_and_staging_is_gone(segment: Segment) -> None:
    staged = segment.staging("postings.abcdef01")
    (staged / "lists.npy").write_bytes(b"lists")
    assert not segment.has_folder("postings.abcdef01")
    segment.seal_folder("postings.abcdef01")
    listing = segment.listing("postings.abcdef01/files.json")
    assert listing is not None and listing.files["lists.npy"].bytes == 5
    assert (segment.folder("postings.abcdef01") / "lists.npy").read_bytes() == b"lists"
    assert not segment.layout.staging_root.joinpath(segment.segment_id).exists()


def test_the_first_to_seal_a_folder_wins(segment: Segment) -> None:
    for content in (b"first", b"second"):
        (segment.staging("postings.x") / "lists.npy").write_bytes(content)
        segment.seal_folder("postings.x")
    assert (segment.folder("postings.x") / "lists.npy").read_bytes() == b"first"


def test_a_token_folder_without_its_list_is_written_anew(segment: Segment) -> None:
    """What a damaged disk left of it is no encoding, and does not stand in the way of one."""
    segment.write_tokens(FINGERPRINT, **tokens_of(3))
    folder = segment.directory / tokens_folder(FINGERPRINT)
    (folder / LISTING_NAME).unlink()
    assert segment.write_tokens(FINGERPRINT, **tokens_of(3))
    assert len(segment.tokens(FINGERPRINT).tokens) == 6


def test_a_folder_that_lost_its_segment_json_is_named(segment: Segment, warehouse: Warehouse) -> None:
    (segment.directory / "segment.json").unlink()
    (warehouse.layout.shards / "s" / "CURRENT").unlink()
    with pytest.raises(
        StorageError, match=f"{segment.segment_id} holds files and no segment.json.*; remove the folder"
    ):
        write(warehouse, CORPUS)
    assert not list(warehouse.layout.scratch.iterdir())


def test_unfinished_work_survives_for_the_next_run(segment: Segment, warehouse: Warehouse) -> None:
    (segment.staging("encoding.5a5a5a5a") / "block-0.npy").write_bytes(b"block")
    warehouse.clean()
    again = Warehouse.open(warehouse.root).segment(segment.segment_id)
    assert (again.staging("encoding.5a5a5a5a") / "block-0.npy").read_bytes() == b"block"
    again.drop_staging("encoding.5a5a5a5a")
    assert not any(warehouse.layout.staging_root.iterdir())


def test_an_empty_folder_is_not_sealed(segment: Segment) -> None:
    segment.staging("postings.x")
    with pytest.raises(StorageError, match="nothing was written"):
        segment.seal_folder("postings.x")


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".hidden"])
def test_a_folder_name_never_leaves_the_segment(segment: Segment, name: str) -> None:
    with pytest.raises(InvalidInput, match="cannot be a folder name"):
        segment.folder(name)


def test_damaged_chunks_are_refused_before_arrow_reads_them(segment: Segment, warehouse: Warehouse) -> None:
    flip(segment.directory / "chunks.arrow", 400)
    forget_digests()
    with pytest.raises(CorruptFile, match=r"chunks\.arrow: expected sha256"):
        warehouse.segment(segment.segment_id).chunks()


def test_damaged_offsets_are_refused_although_they_are_raw(segment: Segment, warehouse: Warehouse) -> None:
    encode(segment)
    flip(segment.directory / f"tokens.{FINGERPRINT[:8]}" / "offsets.npy", 140)
    forget_digests()
    with pytest.raises(CorruptFile, match=r"offsets\.npy"):
        warehouse.segment(segment.segment_id).tokens(FINGERPRINT)


def test_an_array_of_another_shape_is_refused_by_its_header(segment: Segment, warehouse: Warehouse) -> None:
    encode(segment)
    path = segment.directory / f"embeddings.{FINGERPRINT[:8]}.npy"
    data = path.read_bytes()
    path.write_bytes(data.replace(b"(3, 8)", b"(8, 3)"))
    with pytest.raises(CorruptFile, match=r"float16 \[3, '\*'\]"):
        warehouse.segment(segment.segment_id).embeddings(FINGERPRINT)


def test_two_steps_of_one_segment_begin_and_end_beside_each_other(
    segment: Segment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One ends, and takes the folder of both for empty, in the moment in which the other begins."""
    (segment.staging("one") / "block").write_bytes(b"1")
    real = Path.rmdir

    def begins(path: Path) -> None:
        (segment.staging("two") / "block").write_bytes(b"2")
        real(path)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rmdir", begins)
        segment.drop_staging("one")
    assert (segment.staging("two") / "block").read_bytes() == b"2"
    segment.drop_staging("two")
    made, ended = Path.mkdir, [real]

    def ends(path: Path, mode: int = 0o777, parents: bool = False, exist_ok: bool = False) -> None:
        if path.name == "three" and path.parent.is_dir() and ended:
            ended.pop()(path.parent)
        made(path, mode, parents, exist_ok)

    monkeypatch.setattr(Path, "mkdir", ends)
    assert segment.staging("three").is_dir() and not ended
