import errno
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from xtr_assets.core.errors import CorruptFile, InvalidInput, UnknownFormat
from xtr_assets.core.row_store import RowVectors, VectorPart
from xtr_assets.core.types import Floats
from xtr_assets.index import DenseIndex
from xtr_assets_tests.index.dense.dense_data import clustered, one_thread, queries_near

RECIPES = ("Flat", "IVF8,PQ8x4fs", "HNSW8_SQ8", "PCA16,IVF8,SQ4")


@pytest.fixture(scope="module", autouse=True)
def threads() -> Iterator[None]:
    with one_thread():
        yield


@pytest.fixture(scope="module")
def vectors() -> Floats:
    return clustered(400)


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_loaded_index_answers_as_the_saved_one_did(recipe: str, vectors: Any, tmp_path: Path) -> None:
    index = DenseIndex.build(vectors, recipe)
    index.remove(np.arange(0, 400, 3))
    index.add(vectors[:5])
    queries = queries_near(vectors, 20)
    expected = index.search(queries, 10)
    index.save(tmp_path / "index")
    loaded = DenseIndex.load(tmp_path / "index")
    for before, after in zip(expected, loaded.search(queries, 10), strict=True):
        np.testing.assert_array_equal(before, after)
    assert (loaded.recipe, loaded.profile, len(loaded)) == (index.recipe, index.profile, len(index))
    assert isinstance(loaded.vectors.parts[0].vectors.base, np.memmap)
    assert loaded.placement.device == "cpu"
    assert sorted(path.name for path in (tmp_path / "index").iterdir()) == ["dense.faiss", "dense.json", "vectors.npy"]


def test_building_into_a_directory_gives_a_memory_mapped_index(vectors: Any, tmp_path: Path) -> None:
    index = DenseIndex.build(vectors, directory=tmp_path / "new" / "index")
    assert isinstance(index.vectors.parts[0].vectors.base, np.memmap)
    assert index.search(vectors[7:8], 1)[1].tolist() == [[7]]


def test_a_loaded_index_can_grow_and_be_saved_over_itself(vectors: Any, tmp_path: Path) -> None:
    DenseIndex.build(vectors, directory=tmp_path)
    index = DenseIndex.load(tmp_path)
    rows = index.add(clustered(3, seed=8))
    index.save(tmp_path)
    again = DenseIndex.load(tmp_path)
    assert again.search(clustered(3, seed=8), 1)[1].reshape(-1).tolist() == rows.tolist()
    assert len(again) == 403


def test_holes_between_parts_keep_rows_their_place_in_the_saved_file(tmp_path: Path) -> None:
    stored = RowVectors(
        [VectorPart(3, clustered(5).astype(np.float16)), VectorPart(20, clustered(6, seed=1).astype(np.float16))], 32
    )
    DenseIndex.build(stored).save(tmp_path)
    loaded = DenseIndex.load(tmp_path)
    assert np.flatnonzero(loaded.present).tolist() == [3, 4, 5, 6, 7, 20, 21, 22, 23, 24, 25]
    np.testing.assert_array_equal(loaded.reconstruct(np.array([21])), stored.gather(np.array([21])))


def test_an_index_of_nothing_is_saved_and_loaded(tmp_path: Path) -> None:
    DenseIndex.build(np.empty((0, 8), np.float32), directory=tmp_path)
    loaded = DenseIndex.load(tmp_path)
    assert loaded.search(np.ones((1, 8), np.float32), 2)[1].tolist() == [[-1, -1]]


@pytest.mark.parametrize("name", ["dense.faiss", "vectors.npy"])
def test_one_changed_byte_is_refused_by_name_before_a_parser_sees_it(name: str, vectors: Any, tmp_path: Path) -> None:
    DenseIndex.build(vectors, directory=tmp_path)
    path = tmp_path / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(CorruptFile, match=f"^{name}: expected sha256"):
        DenseIndex.load(tmp_path)


@pytest.mark.parametrize("name", ["dense.faiss", "vectors.npy"])
def test_a_missing_or_shortened_file_is_refused_by_name(name: str, vectors: Any, tmp_path: Path) -> None:
    DenseIndex.build(vectors, directory=tmp_path)
    data = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(data[:-1])
    with pytest.raises(CorruptFile, match=f"^{name}: expected {len(data)} bytes, found {len(data) - 1}"):
        DenseIndex.load(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(CorruptFile, match=f"^{name}: .* found no file"):
        DenseIndex.load(tmp_path)


def test_a_description_that_is_no_description_is_refused(vectors: Any, tmp_path: Path) -> None:
    DenseIndex.build(vectors, directory=tmp_path)
    (tmp_path / "dense.json").write_text("{}")
    with pytest.raises(CorruptFile, match=r"dense\.json: expected the description"):
        DenseIndex.load(tmp_path)
    (tmp_path / "dense.json").unlink()
    with pytest.raises(InvalidInput, match=r"dense\.json is missing"):
        DenseIndex.load(tmp_path)


def test_a_later_format_is_refused_with_both_versions(vectors: Any, tmp_path: Path) -> None:
    DenseIndex.build(vectors, directory=tmp_path)
    description = json.loads((tmp_path / "dense.json").read_text())
    (tmp_path / "dense.json").write_text(json.dumps({**description, "format_version": 2}))
    with pytest.raises(UnknownFormat, match="format_version 2, this release reads 1"):
        DenseIndex.load(tmp_path)


@pytest.mark.parametrize("junk", [b"", b"IxFI", b"not an index at all" * 9])
def test_what_faiss_cannot_parse_is_a_corrupt_file(junk: bytes, tmp_path: Path) -> None:
    (tmp_path / "dense.faiss").write_bytes(junk)
    with pytest.raises(CorruptFile, match=r"^dense\.faiss: expected a FAISS index"):
        DenseIndex.open(tmp_path / "dense.faiss", RowVectors([], 8), "Flat", {})


def test_a_length_beyond_the_file_is_refused_and_not_allocated(vectors: Any, tmp_path: Path) -> None:
    DenseIndex.build(vectors, "Flat").save_index(tmp_path / "dense.faiss")
    data = bytearray((tmp_path / "dense.faiss").read_bytes())
    length = (400 * 32).to_bytes(8, "little")
    at = data.index(length)
    data[at : at + 8] = (1 << 36).to_bytes(8, "little")
    (tmp_path / "dense.faiss").write_bytes(data)
    with pytest.raises(CorruptFile, match=r"dense\.faiss"):
        DenseIndex.open(tmp_path / "dense.faiss", RowVectors([VectorPart(0, vectors)], 32), "Flat", {})


def test_a_file_of_another_recipe_or_other_vectors_is_refused(vectors: Any, tmp_path: Path) -> None:
    index = DenseIndex.build(vectors, "IVF8,Flat")
    index.save_index(tmp_path / "dense.faiss")
    for recipe in ("Flat", "IVF9,Flat", "HNSW8"):
        with pytest.raises(CorruptFile, match=r"dense\.faiss: expected"):
            DenseIndex.open(tmp_path / "dense.faiss", index.vectors, recipe, {})
    with pytest.raises(InvalidInput, match="dim 32 in the index, 16 in the vectors"):
        DenseIndex.open(tmp_path / "dense.faiss", RowVectors([], 16), "IVF8,Flat", {})
    with pytest.raises(InvalidInput, match="rows up to 399, the vectors end at row 10"):
        short = RowVectors([VectorPart(0, vectors[:10])], 32)
        DenseIndex.open(tmp_path / "dense.faiss", short, "IVF8,Flat", {})


def test_a_row_between_the_segments_is_refused(vectors: Any, tmp_path: Path) -> None:
    DenseIndex.build(vectors, "Flat").save_index(tmp_path / "dense.faiss")
    holed = RowVectors([VectorPart(0, vectors[:100]), VectorPart(101, vectors[101:])], 32)
    with pytest.raises(InvalidInput, match="the index holds row 100, which lies in a hole"):
        DenseIndex.open(tmp_path / "dense.faiss", holed, "Flat", {})


def test_a_warehouse_opens_the_file_with_its_own_recipe_and_profile(vectors: Any, tmp_path: Path) -> None:
    index = DenseIndex.build(vectors, "IVF8,PQ8x4fs")
    index.save_index(tmp_path / "dense.faiss")
    profile = json.loads(json.dumps(index.profile))
    opened = DenseIndex.open(tmp_path / "dense.faiss", index.vectors, index.recipe, profile, device="cpu")
    queries = queries_near(vectors, 5)
    np.testing.assert_array_equal(opened.search(queries, 5)[1], index.search(queries, 5)[1])
    assert opened.profile == profile


@pytest.mark.parametrize(
    ("profile", "complaint"),
    [({"nprob": 3}, "unknown fields"), ({"nprobe": -1}, "nprobe is -1"), ({"rescore": "many"}, "rescore is 'many'")],
)
def test_a_profile_that_makes_no_sense_is_refused(
    profile: dict[str, Any], complaint: str, vectors: Any, tmp_path: Path
) -> None:
    index = DenseIndex.build(vectors, "Flat")
    index.save_index(tmp_path / "dense.faiss")
    with pytest.raises(InvalidInput, match=complaint):
        DenseIndex.open(tmp_path / "dense.faiss", index.vectors, "Flat", profile)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a disk that is always full is Linux's")
@pytest.mark.parametrize("rows", [10, 400])
def test_an_index_on_a_full_disk_is_no_index(vectors: Floats, rows: int) -> None:
    """FAISS said nothing of a small one, whose bytes are written as the file is closed; of others a RuntimeError."""
    index = DenseIndex.build(vectors[:rows], "Flat")
    with pytest.raises(OSError) as full:
        index.save_index("/dev/full")
    assert full.value.errno == errno.ENOSPC
