"""An index takes in another one: as if its live documents had been added, under any two models and codecs."""

from pathlib import Path

import numpy as np
import pytest

from xtr_assets.core.errors import EncoderMismatch, InvalidInput
from xtr_assets.core.types import Floats, Ints
from xtr_assets.index import TokenIndex
from xtr_assets.index.late.options import SearchProfile
from xtr_assets.index.late.residual_codec import CODECS, Codec
from xtr_assets_tests.index.late.token_corpus import TokenCorpus, make_corpus

MINE, THEIRS = make_corpus(300, length=8, seed=1), make_corpus(200, length=8, seed=2)
GONE = np.array([0, 7, 199])


def index_of(corpus: TokenCorpus, codec: Codec = "int8-row-scale") -> TokenIndex:
    return TokenIndex.build(corpus.tokens, corpus.offsets, codec=codec, profile=SearchProfile(nprobe=8, rescore=100))


def part_of(corpus: TokenCorpus, rows: Ints) -> tuple[Floats, Ints]:
    documents = [corpus.document(row) for row in rows]
    return np.concatenate(documents), np.concatenate([[0], np.cumsum([len(one) for one in documents])])


def check_rows(places: Ints) -> Ints:
    """The rows of THEIRS that are live, after holding the answer of a merge against the arithmetic of it."""
    kept = np.setdiff1d(np.arange(200), GONE)
    assert places.dtype == np.int64 and len(places) == 200
    assert (places[GONE] == -1).all()
    np.testing.assert_array_equal(places[kept], 300 + np.arange(len(kept)))
    return kept


@pytest.mark.parametrize("theirs", CODECS)
@pytest.mark.parametrize("mine", CODECS)
def test_a_merged_index_is_one_to_which_the_documents_were_added(mine: Codec, theirs: Codec, tmp_path: Path) -> None:
    index_of(MINE, mine).save(tmp_path)
    index, added = TokenIndex.load(tmp_path, "cpu"), TokenIndex.load(tmp_path, "cpu")
    other = index_of(THEIRS, theirs)
    other.remove(GONE)
    kept = check_rows(index.merge(other))
    added.add(*part_of(THEIRS, kept))
    assert len(index) == len(added) == 300 + len(kept)
    assert (index.codec, index.segments) == (mine, 2)
    rows = np.arange(len(index))
    for query in [*MINE.queries[:5], *THEIRS.queries[:5]]:
        difference = np.abs(index.score(query, rows) - added.score(query, rows))
        if theirs == "int8-row-scale":
            # The same bytes, whatever they are encoded to here.
            assert not difference.any()
            np.testing.assert_array_equal(index.search(query, 10), added.search(query, 10))
            np.testing.assert_array_equal(index.exact(query, 10), added.exact(query, 10))
        else:
            # Residuals of five bits are decoded: 0.038 at most here. Scores of other documents differ by 0.1.
            assert difference.max() < 0.08 and difference.mean() < 0.02
    # The other one is what it was.
    assert len(other) == len(kept) and not other.live[GONE].any()


@pytest.mark.parametrize("codec", CODECS)
def test_under_one_model_nothing_is_encoded_again(codec: Codec, tmp_path: Path) -> None:
    """Two copies of one index that grew apart: scores are the same bits before and after."""
    index_of(MINE, codec).save(tmp_path)
    one, two = TokenIndex.load(tmp_path, "cpu"), TokenIndex.load(tmp_path, "cpu")
    two.add(THEIRS.tokens, THEIRS.offsets)
    two.remove(np.arange(300))
    places = one.merge(two)
    assert (places[:300] == -1).all()
    for query in THEIRS.queries[:5]:
        before = two.score(query, np.arange(300, 500))
        np.testing.assert_array_equal(one.score(query, places[300:]), before)


def test_a_merged_index_is_saved_and_opened(tmp_path: Path) -> None:
    index = index_of(MINE)
    index.save(tmp_path)
    index.merge(index_of(THEIRS))
    index.save(tmp_path)
    opened = TokenIndex.load(tmp_path, "cpu", verify="full")
    for query in THEIRS.queries[:5]:
        np.testing.assert_array_equal(opened.search(query, 10), index.search(query, 10))


def test_an_index_of_no_live_rows_adds_nothing() -> None:
    index, empty = index_of(MINE), index_of(THEIRS)
    empty.remove(np.arange(200))
    assert (index.merge(empty) == -1).all()
    assert (len(index), index.segments) == (300, 1)
    query = MINE.queries[0]
    before = index.search(query, 10)
    places = empty.merge(index)
    np.testing.assert_array_equal(places, 200 + np.arange(300))
    scores, rows = empty.search(query, 10)
    np.testing.assert_array_equal(rows - 200, before[1])
    np.testing.assert_array_equal(scores, before[0])


def test_what_cannot_be_merged_is_refused_and_changes_nothing() -> None:
    index = index_of(MINE)
    with pytest.raises(InvalidInput, match="into itself"):
        index.merge(index)
    narrow = make_corpus(20, dim=16, length=4)
    with pytest.raises(EncoderMismatch, match="dim 32 in the index, 16 in the one to merge"):
        index.merge(TokenIndex.build(narrow.tokens, narrow.offsets))
    assert (len(index), index.segments) == (300, 1)
