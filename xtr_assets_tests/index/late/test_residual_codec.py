"""Compact rows: a fraction of the bytes, nearly the results, and nothing else changes."""

import json
from pathlib import Path

import numpy as np
import pytest

from xtr_assets.core.errors import CorruptFile, InvalidInput, ProviderError, UnknownFormat
from xtr_assets.core.maxsim import maxsim
from xtr_assets.index import TokenIndex
from xtr_assets.index.late.gpu import placement
from xtr_assets.index.late.gpu.availability import Choice
from xtr_assets.index.late.residual_codec import COMPACT_CODEC, CompactTokens
from xtr_assets_tests.index.late.token_corpus import TokenCorpus, make_corpus


@pytest.fixture(scope="module")
def corpus() -> TokenCorpus:
    return make_corpus(1500, dim=64, length=30, queries=40, seed=6)


@pytest.fixture(scope="module")
def built(corpus: TokenCorpus) -> TokenIndex:
    return TokenIndex.build(corpus.tokens, corpus.offsets, codec=COMPACT_CODEC)


def bytes_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*.npy") if "models" not in path.parts)


def test_it_finds_nearly_what_exact_search_over_the_floats_finds(corpus: TokenCorpus, built: TokenIndex) -> None:
    shared = []
    for query in corpus.queries:
        exact = np.argsort(-maxsim(query, corpus.tokens, corpus.offsets), kind="stable")[:10]
        scores, rows = built.search(query, 10)
        shared.append(len(np.intersect1d(rows, exact)))
        np.testing.assert_allclose(scores, maxsim(query, corpus.tokens, corpus.offsets)[rows], atol=0.02)
    assert np.mean(shared) / 10 >= 0.96, f"{len(shared)} queries"


def test_a_token_takes_five_bits_a_dimension_and_a_few_bytes(tmp_path: Path, corpus: TokenCorpus) -> None:
    compact = TokenIndex.build(corpus.tokens, corpus.offsets, tmp_path / "compact", codec=COMPACT_CODEC)
    TokenIndex.build(corpus.tokens, corpus.offsets, tmp_path / "int8")
    a_token = bytes_of(tmp_path / "compact") / len(corpus.tokens)
    # 40 bytes of residuals, 2 of its centroid, at most 4 of the list, 8 / 30 of the offsets, and what the lists hold.
    assert 40 <= a_token <= 49
    assert a_token < 0.7 * bytes_of(tmp_path / "int8") / len(corpus.tokens)
    assert compact.memory_bytes > bytes_of(tmp_path / "compact")


def test_a_row_that_is_decoded_is_near_the_row_that_was_encoded(corpus: TokenCorpus, built: TokenIndex) -> None:
    tokens = built._state.tokens.parts[0].tokens
    assert isinstance(tokens, CompactTokens)
    codes, scales = tokens.decode(slice(0, 500))
    error = np.linalg.norm(codes * scales.astype(np.float32)[:, None] - corpus.tokens[:500], axis=1)
    assert error.mean() < 0.06 and np.abs(codes).max() == 127


def test_it_says_what_it_is_and_is_loaded_as_what_it_is(tmp_path: Path, corpus: TokenCorpus, built: TokenIndex) -> None:
    built.save(tmp_path / "index")
    assert json.loads((tmp_path / "index/tokens.json").read_text())["codec"] == built.codec == "residual-5-bit"
    loaded = TokenIndex.load(tmp_path / "index", verify="full")
    assert loaded.describe()["codec"] == "residual-5-bit"
    for query in corpus.queries[:5]:
        for one, other in zip(loaded.search(query, 7), built.search(query, 7), strict=True):
            np.testing.assert_array_equal(one, other)


def test_rows_are_added_removed_and_compacted(corpus: TokenCorpus) -> None:
    cut = int(corpus.offsets[1000])
    index = TokenIndex.build(corpus.tokens[:cut], corpus.offsets[:1001], codec=COMPACT_CODEC)
    index.add(corpus.tokens[cut:], corpus.offsets[1000:] - cut)
    index.remove(np.arange(0, 1500, 4))
    before = [index.search(query, 8) for query in corpus.queries]
    new_rows = index.compact()
    assert index.codec == COMPACT_CODEC and index.segments == 1
    for query, (scores, rows) in zip(corpus.queries, before, strict=True):
        after_scores, after_rows = index.search(query, 8)
        assert after_rows.tolist() == new_rows[rows].tolist()
        np.testing.assert_array_equal(after_scores, scores)


def test_an_empty_one_stays_compact() -> None:
    index = TokenIndex.build(np.empty((0, 8), np.float32), np.array([0]), codec=COMPACT_CODEC)
    index.compact()
    index.add(np.eye(8, dtype=np.float32), np.array([0, 3, 8]))
    assert index.codec == COMPACT_CODEC and index.search(np.eye(8, dtype=np.float32)[:1], 1)[1].tolist() == [0]


def test_what_is_unknown_or_cut_is_refused(tmp_path: Path, corpus: TokenCorpus, built: TokenIndex) -> None:
    with pytest.raises(InvalidInput, match="codec 'pq' is unknown; allowed: int8-row-scale, residual-5-bit"):
        TokenIndex.build(corpus.tokens, corpus.offsets, codec="pq")  # type: ignore[arg-type]
    built.save(tmp_path / "index")
    path = tmp_path / "index/tokens.json"
    text = path.read_text()
    path.write_text(text.replace("residual-5-bit", "residual-3-bit"))
    with pytest.raises(UnknownFormat, match="codec residual-3-bit"):
        TokenIndex.load(tmp_path / "index")
    path.write_text(text)
    (residuals,) = tmp_path.rglob("residuals.npy")
    residuals.write_bytes(residuals.read_bytes()[:-7])
    with pytest.raises(CorruptFile, match=r"residuals\.npy"):
        TokenIndex.load(tmp_path / "index")


def test_a_gpu_does_not_search_it(built: TokenIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placement, "choose", lambda device: Choice("cuda:0", "a GPU is there"))
    with pytest.raises(ProviderError, match="its rows are residual-5-bit; a GPU searches int8-row-scale"):
        placement.place("cuda", None, built._state)
    choice, search = placement.place("auto", None, built._state)
    assert choice.device == "cpu" and "residual-5-bit" in choice.reason and search is None
