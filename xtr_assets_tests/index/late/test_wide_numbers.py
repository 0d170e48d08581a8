"""More centroids than 16 bits count: what an index of them finds, keeps on the disk, and does with damaged numbers."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from xtr_assets.core.errors import CorruptFile, UnknownFormat
from xtr_assets.core.json_document import read_described
from xtr_assets.core.row_store import RowTokens, TokenPart
from xtr_assets.core.token_codec import encode_int8
from xtr_assets.core.types import Floats, Ints
from xtr_assets.index import TokenIndex, native
from xtr_assets.index.late import centroids
from xtr_assets.index.late.backends.reference import PlacedPostings, ReferenceBackend
from xtr_assets.index.late.centroids import LEVELS, TokenModel
from xtr_assets.index.late.gpu.device_centroids import DeviceCentroids, centroids_bytes
from xtr_assets.index.late.options import Depths, SearchProfile
from xtr_assets.index.late.postings import Postings, make_postings, open_postings, write_postings
from xtr_assets.index.late.query import make_query
from xtr_assets.index.late.residual_codec import CODECS, Codec
from xtr_assets.index.late.state import IndexState, make_segment
from xtr_assets_tests.index.late.test_backends import OTHERS, assert_same, make_backend
from xtr_assets_tests.index.late.token_corpus import TokenCorpus, make_corpus, unit

COUNT, DIM, DOCUMENTS = 70_000, 8, 1_000
# A width that a small corpus crosses: its index is then one of many centroids, at the cost of few.
FEW = 40
SMALL, MORE = make_corpus(150, length=8, seed=1, queries=6), make_corpus(60, length=8, seed=2, queries=3)


@pytest.fixture(scope="module")
def model() -> TokenModel:
    """70,000 centroids drawn at random, as no training of a second makes them."""
    rng = np.random.default_rng(0)
    numbers = rng.integers(-127, 128, (COUNT, DIM)).astype(np.int8)
    scales = (rng.random(COUNT) * 0.002 + 0.002).astype(np.float32)
    levels, steps = np.arange(LEVELS, dtype=np.int8) - np.int8(LEVELS // 2), np.full(DIM, 0.01, np.float32)
    mean = (rng.normal(size=DIM) / 20).astype(np.float32)
    return TokenModel(mean, numbers, scales, levels, steps, 1.0, {"tokens": 30_000})


@pytest.fixture(scope="module")
def corpus(model: TokenModel) -> TokenCorpus:
    """50,000 tokens near centroids of any number; queries near the tokens of a document."""
    rng = np.random.default_rng(1)
    lengths = rng.integers(1, 100, DOCUMENTS)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    near = model.anchors[rng.integers(0, COUNT, offsets[-1])]
    tokens = (near + 0.02 * rng.normal(size=near.shape)).astype(np.float32)
    queries = [unit(tokens[offsets[row] : offsets[row + 1]][:9]) for row in rng.integers(0, DOCUMENTS, 8)]
    return TokenCorpus(tokens, offsets, queries)


@pytest.fixture(scope="module")
def part(corpus: TokenCorpus) -> TokenPart:
    return TokenPart(0, *encode_int8(corpus.tokens), corpus.offsets)


@pytest.fixture(scope="module")
def postings(model: TokenModel, part: TokenPart) -> Postings:
    return make_postings(model, part)


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(centroids, "NARROW_CENTROIDS", FEW)


def index_of(corpus: TokenCorpus, codec: Codec = "int8-row-scale") -> TokenIndex:
    return TokenIndex.build(corpus.tokens, corpus.offsets, codec=codec, profile=SearchProfile(nprobe=8, rescore=60))


def answers(index: TokenIndex, queries: list[Floats]) -> list[list[Any]]:
    found = [index.search(query, 10, nprobe=6, rescore=40) for query in queries]
    return [[scores.tolist(), rows.tolist()] for scores, rows in found]


def test_tokens_lie_with_the_nearest_of_70_000(model: TokenModel, part: TokenPart, postings: Postings) -> None:
    assert postings.numbers.dtype == np.uint32 and postings.numbers.max() > 65_535
    rng = np.random.default_rng(2)
    chosen = np.concatenate([rng.choice(len(part.tokens), 100), np.flatnonzero(postings.numbers > 65_535)[:100]])
    assert part.scales is not None
    tokens = part.tokens[chosen].astype(np.float64) * part.scales[chosen].astype(np.float64)[:, None] - model.mean
    vectors = model.centroid_vectors.astype(np.float64)
    nearness = tokens @ vectors.T - (vectors**2).sum(axis=1) / 2
    own = nearness[np.arange(len(chosen)), postings.numbers[chosen]]
    np.testing.assert_allclose(own, nearness.max(axis=1), atol=1e-5)
    rows = np.repeat(np.arange(part.rows), np.diff(part.offsets))
    for number in np.unique(postings.numbers[chosen]).tolist():
        mine = postings.documents[postings.lists[number] : postings.lists[number + 1]]
        np.testing.assert_array_equal(mine, np.unique(rows[postings.numbers == number]))


@pytest.mark.parametrize("codec", CODECS)
def test_backends_agree_on_candidates_and_scores(model: TokenModel, corpus: TokenCorpus, codec: Codec) -> None:
    half, first = DOCUMENTS // 2, int(corpus.offsets[DOCUMENTS // 2])
    cuts = [
        (0, 0, corpus.tokens[:first], corpus.offsets[: half + 1]),
        (half + 3, first, corpus.tokens[first:], corpus.offsets[half:]),
    ]
    segments = [
        make_segment(model, TokenPart(base, *encode_int8(tokens), offsets - start), codec)
        for base, start, tokens, offsets in cuts
    ]
    tokens = RowTokens([own for own, _ in segments], DIM)
    placed = [PlacedPostings(own.base_row, own.rows, listed) for own, listed in segments]
    reference = ReferenceBackend(model, placed, tokens)
    others = [make_backend(name, model, placed, tokens) for name in OTHERS]
    some = np.random.default_rng(1).random(tokens.end_row) < 0.5
    for asked in corpus.queries[:2]:
        query = make_query(model, asked)
        for depths, allowed in ((Depths(100, 1 << 31, 500, 60, 12), None), (Depths(0, 1, 1, 80, 9), some)):
            expected = reference.retrieve(query, depths, allowed)
            assert len(expected.rows) >= 9
            scores, exact = reference.rescore(query, expected.rows), reference.exact(query, expected.rows)
            for other in others:
                assert_same(other.retrieve(query, depths, allowed), expected)
                np.testing.assert_array_equal(other.rescore(query, expected.rows), scores)
                np.testing.assert_array_equal(other.exact(query, expected.rows), exact)


def test_what_reads_all_lists_finds_what_exact_search_does(
    model: TokenModel, part: TokenPart, postings: Postings, corpus: TokenCorpus
) -> None:
    index = TokenIndex(IndexState(model, ((part, postings),), np.ones(part.rows, np.bool_)))
    for query in corpus.queries:
        scores, rows = index.exact(query, 10)
        by_loop = [(query @ index._state.tokens.document(row).T).max(axis=1).mean() for row in rows.tolist()]
        np.testing.assert_allclose(scores, by_loop, atol=2e-3)
        found = index.search_detailed(query, 10, nprobe=COUNT, rescore=DOCUMENTS - 1)
        assert not found.scanned and found.rows.tolist() == rows.tolist()
        assert found.scores.tolist() == scores.tolist()


@pytest.mark.parametrize("codec", CODECS)
def test_a_life_is_that_of_the_same_index_in_16_bits(
    codec: Codec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Added to, removed from, saved, opened, merged, compacted: every answer is the same in either width."""

    def life(folder: Path, wide: bool) -> list[Any]:
        seen: list[Any] = []
        index = index_of(SMALL, codec)
        kind = np.uint32 if wide else np.uint16

        def look() -> None:
            assert {own.numbers.dtype for _, own in index._state.segments} == {np.dtype(kind)}
            seen.append([answers(index, [*SMALL.queries, *MORE.queries]), index.live.tolist()])

        look()
        index.add(MORE.tokens, MORE.offsets)
        assert index.remove([0, 7, 149, 160]) == 4
        look()
        index.save(folder)
        index = TokenIndex.load(folder, verify="full")
        look()
        index.merge(index_of(MORE, codec))
        look()
        index.compact()
        look()
        index.save(folder)
        index = TokenIndex.load(folder, verify="full", mmap=False)
        look()
        return seen

    narrow = life(tmp_path / "narrow", wide=False)
    monkeypatch.setattr(centroids, "NARROW_CENTROIDS", FEW)
    assert life(tmp_path / "wide", wide=True) == narrow

    def arrays(folder: Path) -> dict[str, Ints]:
        found: dict[str, Ints] = {}
        for path in sorted(folder.glob("segments/*/**/*.npy")):
            found[f"{path.parent.name.partition('.')[0]}/{path.name}"] = np.load(path)
        return found

    small, large = arrays(tmp_path / "narrow"), arrays(tmp_path / "wide")
    for (name, mine), other in zip(small.items(), large.values(), strict=True):
        np.testing.assert_array_equal(mine, other)
        assert (mine.dtype == other.dtype) == (name != "postings/numbers.npy")


@pytest.mark.parametrize("upwards", [True, False])
def test_an_index_takes_in_one_of_the_other_width(upwards: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Retrained over the border, in both directions: its own documents and those of the other are all found."""
    small, large = index_of(MORE), index_of(SMALL)
    assert len(small.model.centroids) < len(large.model.centroids)
    monkeypatch.setattr(centroids, "NARROW_CENTROIDS", len(small.model.centroids))
    large = index_of(SMALL)
    into, other, asked = (large, small, MORE) if upwards else (small, large, SMALL)
    kinds = [{own.numbers.dtype.itemsize for _, own in one._state.segments} for one in (into, other)]
    assert kinds == ([{4}, {2}] if upwards else [{2}, {4}])
    before = [other.exact(query, 5) for query in asked.queries]
    places = into.merge(other)
    assert len({own.numbers.dtype for _, own in into._state.segments}) == 1
    for query, (scores, rows) in zip(asked.queries, before, strict=True):
        np.testing.assert_array_equal(into.score(query, places[rows]), scores)
    into.compact()
    assert len(into) == 210


def test_a_release_of_before_refuses_them_by_both_versions(few: None, tmp_path: Path) -> None:
    index_of(SMALL).save(tmp_path)
    (model,), (listed,) = tmp_path.glob("models/*/model.json"), tmp_path.glob("segments/*/*/postings.json")
    for path, kind in ((model, "xtr-token-model"), (listed, "xtr-postings")):
        assert json.loads(path.read_text())["format_version"] == 3
        # As it reads them.
        with pytest.raises(UnknownFormat, match="format_version 3, this release reads 2; open it with the release"):
            read_described(path, kind, 2)


@pytest.mark.parametrize("wide", [True, False])
def test_a_version_that_is_not_that_of_its_centroids_is_refused(
    wide: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if wide:
        monkeypatch.setattr(centroids, "NARROW_CENTROIDS", FEW)
    index = index_of(SMALL)
    own, other = (3, 2) if wide else (2, 3)
    ((part, _),) = index._state.segments
    folder = index.model.save(tmp_path)
    write_postings(index.model, part, tmp_path)
    for path in (folder / "model.json", tmp_path / "postings.json"):
        text = path.read_text()
        assert f'"format_version": {own}' in text
        path.write_text(text.replace(f'"format_version": {own}', f'"format_version": {other}'))
    with pytest.raises(CorruptFile, match=rf"format_version {own} of \d+ centroids"):
        TokenModel.load(folder)
    with pytest.raises(CorruptFile, match=rf"format_version {own} of \d+ centroids"):
        open_postings(index.model, part, tmp_path)
    (tmp_path / "postings.json").write_text(text)
    numbers = np.load(tmp_path / "numbers.npy")
    np.save(tmp_path / "numbers.npy", numbers.astype(np.uint16 if wide else np.uint32))
    with pytest.raises(CorruptFile, match="uint"):
        open_postings(index.model, part, tmp_path)


@pytest.mark.parametrize("name", ["numpy", *OTHERS])
def test_numbers_that_were_damaged_are_skipped_not_followed(name: str, few: None) -> None:
    index = index_of(SMALL)
    ((part, postings),) = index._state.segments
    numbers = postings.numbers.copy()
    numbers[::3], numbers[1::3] = (1 << 32) - 1, len(index.model.centroids)
    placed = [PlacedPostings(0, part.rows, Postings(postings.lists, postings.documents, numbers))]
    backend = make_backend(name, index.model, placed, RowTokens([part], 32))
    reference = ReferenceBackend(index.model, placed, RowTokens([part], 32))
    for depths in (Depths(20, 1 << 31, 100, 60, 30), Depths(0, 1, 1, 60, 30)):
        query = make_query(index.model, SMALL.queries[0])
        assert_same(backend.retrieve(query, depths, None), reference.retrieve(query, depths, None))


def test_damaged_numbers_are_found_in_full_and_are_no_matter_of_memory(few: None, tmp_path: Path) -> None:
    index_of(SMALL).save(tmp_path)
    (path,) = tmp_path.glob("segments/*/*/numbers.npy")
    numbers = np.load(path)
    numbers[5] = (1 << 32) - 1
    np.save(path, numbers)
    with pytest.raises(CorruptFile, match=r"numbers\.npy"):
        TokenIndex.load(tmp_path, verify="full")
    # Counted as they are, they would ask for 32 GB.
    index = TokenIndex.load(tmp_path)
    index.remove([3])
    with pytest.raises(CorruptFile, match=r"numbers below \d+, found 4294967295"):
        index.compact()
    assert len(index) == 149


@pytest.mark.skipif(not native.available(), reason="the extension is not built")
def test_the_extension_refuses_numbers_of_two_widths_and_too_many_for_16_bits() -> None:
    def part(base: int, kind: type[np.uint16 | np.uint32], lists: int) -> tuple[Any, ...]:
        bounds = np.zeros(lists + 1, np.int32)
        stored = np.zeros((1, 4), np.int8), np.ones(1, np.uint16), None
        return base, bounds, np.empty(0, np.int32), np.zeros(1, kind), np.array([0, 1]), *stored

    def index(count: int, *kinds: type[np.uint16 | np.uint32]) -> Any:
        parts = [part(base, kind, count) for base, kind in enumerate(kinds)]
        model = np.ones((count, 4), np.int8), np.ones(count, np.float32)
        return native.kernels.Index(*model, parts, None, native.fastest())

    assert index(3, np.uint16, np.uint16) and index(3, np.uint32, np.uint32) and index(70_000, np.uint32)
    with pytest.raises(ValueError, match="some numbers have 16 bits, others 32"):
        index(3, np.uint32, np.uint16)
    with pytest.raises(ValueError, match="more centroids than 16 bits count"):
        index(70_000, np.uint16)


def test_centroids_on_the_device_choose_the_candidates_of_the_reference(
    model: TokenModel, part: TokenPart, postings: Postings, corpus: TokenCorpus
) -> None:
    state = IndexState(model, ((part, postings),), np.ones(part.rows, np.bool_))
    held = len(state.live) + COUNT * (4 * DIM + 4)
    assert centroids_bytes(state) == state.token_count * 8 + held
    reference = ReferenceBackend(model, state.placed, state.tokens)
    store = DeviceCentroids(state, torch.device("cpu"))
    for asked in corpus.queries[:2]:
        query = make_query(model, asked)
        expected = reference.retrieve(query, Depths(0, 1, 1, 50, 0), None)
        assert store.retrieve(query, 50, None, 1 << 24).rows.tolist() == expected.rows.tolist()
