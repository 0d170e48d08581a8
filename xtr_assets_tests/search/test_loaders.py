"""What is opened was verified; what is missing says which step makes it."""

import json
from pathlib import Path

import pytest

import xtr_assets as xa
from xtr_assets.core.errors import CorruptFile, GenerationError, UnknownFormat
from xtr_assets.search.loaders import TokenIndexFile, open_dense, open_tokens
from xtr_assets_tests.fixtures import ENCODER, encode, make_chunk, new_warehouse, write_shard

CHUNKS = [make_chunk(f"{i % 5}.py", f"f{i}", f"text number {i} about zebra") for i in range(40)]


def test_the_description_of_a_token_index_round_trips_byte_for_byte() -> None:
    described = TokenIndexFile(model="models/0a1b2c3d", postings={"b": "postings.0a1b2c3d", "a": "postings.0a1b2c3d"})
    data = described.to_bytes()
    assert TokenIndexFile.from_bytes(data) == described
    assert TokenIndexFile.from_bytes(data).to_bytes() == data
    assert list(json.loads(data)["postings"]) == ["a", "b"]


def test_a_newer_description_is_refused_with_both_versions_and_a_broken_one_as_corrupt() -> None:
    with pytest.raises(UnknownFormat, match="format_version 2, this release reads 1"):
        TokenIndexFile.from_bytes(b'{"format_version": 2, "model": "models/a", "postings": {}}')
    for data in (b"{", b'{"format_version": 1, "model": 3, "postings": {}}'):
        with pytest.raises(CorruptFile, match=r"xtr/index\.json"):
            TokenIndexFile.from_bytes(data)


def test_a_draft_without_indexes_says_which_assets_make_them(path: Path) -> None:
    warehouse = xa.Warehouse.create(path)
    write_shard(warehouse, "code", CHUNKS)
    for segment in warehouse.segments():
        encode(segment)
    snapshot = warehouse.snapshot("code")
    assert snapshot is not None
    draft = warehouse.draft(
        "run",
        encoder=ENCODER.describe(),
        fingerprint=ENCODER.fingerprint,
        snapshots={"code": snapshot.data_version},
    )
    with pytest.raises(GenerationError, match="no dense index; materialize `faiss_index`"):
        open_dense(draft)
    with pytest.raises(GenerationError, match="no token index; materialize `xtr_index`"):
        open_tokens(draft)


def test_a_dense_profile_of_a_later_release_is_refused_by_what_it_sets(path: Path) -> None:
    generation = new_warehouse(path, CHUNKS).generation(1)
    before = generation.manifest.profile["dense"]
    generation.manifest.profile["dense"] = {**before, "phases": 0}
    assert open_dense(generation).profile == before
    generation.manifest.profile["dense"] = {**before, "phases": 2}
    with pytest.raises(UnknownFormat, match=r"dense index of generation 1 sets phases.*release that wrote it"):
        open_dense(generation)


@pytest.mark.parametrize(
    "kind",
    [
        "dense.faiss",
        "xtr/index.json",
        "lexical/index.json",
        "model.json",
        "postings.json",
        "lexical.json",
        "term_bounds.npy",
        "chunks.arrow",
    ],
)
def test_a_flipped_byte_of_what_a_parser_reads_is_refused_by_name(path: Path, kind: str) -> None:
    new_warehouse(path, CHUNKS)
    (found,) = path.rglob(kind)
    data = bytearray(found.read_bytes())
    data[len(data) // 2] ^= 1
    found.write_bytes(data)
    with pytest.raises(CorruptFile, match=found.relative_to(path).as_posix()), xa.open(path) as searcher:
        searcher.search("zebra")


@pytest.mark.parametrize(
    "kind", ["embeddings.*.npy", "tokens.npy", "postings.*/documents.npy", "lexical.*/documents.npy"]
)
def test_a_truncated_array_is_refused_by_name(path: Path, kind: str) -> None:
    new_warehouse(path, CHUNKS)
    (found,) = path.rglob(kind)
    found.write_bytes(found.read_bytes()[:-1])
    with pytest.raises(CorruptFile, match=found.relative_to(path).as_posix()), xa.open(path) as searcher:
        searcher.search("zebra")


@pytest.mark.parametrize("recipe", ["Flat", "SQ8", "HNSW16_SQ8", "IVF16,Flat", "IVF200,PQ32x4fs", "IVF64,PQ16"])
def test_every_family_of_dense_indexes_opens_again(path: Path, recipe: str) -> None:
    chunks = [
        make_chunk(f"{i % 9}.py", f"f{i}", f"text number {i} of {i % 77} about {i % 13} zebras") for i in range(900)
    ]
    new_warehouse(path, chunks, recipe=recipe)
    with xa.open(path, device="cpu") as searcher:
        for wanted in (3, 500, 899):
            hit = searcher.search(chunks[wanted].text, 1, "dense")[0]
            assert hit.scores["dense"] == pytest.approx(1.0, abs=2e-3)
            assert hit.text == chunks[wanted].text
