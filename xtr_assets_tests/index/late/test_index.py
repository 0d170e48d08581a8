import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from xtr_assets.core.errors import EncoderMismatch, InvalidInput, ProviderError
from xtr_assets.core.maxsim import maxsim
from xtr_assets.core.search_options import SearchOptions
from xtr_assets.core.types import Floats, Ints
from xtr_assets.index import TokenIndex, native
from xtr_assets.index.late.backends.choice import BackendName
from xtr_assets.index.late.index import write_postings
from xtr_assets.index.late.options import SearchProfile
from xtr_assets_tests.index.late.token_corpus import TokenCorpus, make_corpus, unit


@pytest.fixture(scope="module")
def corpus() -> TokenCorpus:
    return make_corpus(3000)


@pytest.fixture(scope="module")
def built(corpus: TokenCorpus) -> TokenIndex:
    return TokenIndex.build(corpus.tokens, corpus.offsets, profile=SearchProfile(nprobe=8, rescore=200))


@pytest.fixture(scope="module")
def small() -> TokenCorpus:
    return make_corpus(60, length=6, seed=3)


def index_of(corpus: TokenCorpus) -> TokenIndex:
    return TokenIndex.build(corpus.tokens, corpus.offsets)


def truth(corpus: TokenCorpus, query: Floats, k: int) -> Ints:
    return np.argsort(-maxsim(query, corpus.tokens, corpus.offsets), kind="stable")[:k]


def test_lists_find_what_exact_search_over_the_original_floats_finds(corpus: TokenCorpus, built: TokenIndex) -> None:
    assert not built.search_detailed(corpus.queries[0], 10).scanned
    shared = [len(np.intersect1d(built.search(q, 10)[1], truth(corpus, q, 10))) for q in corpus.queries]
    assert np.mean(shared) / 10 >= 0.97


def test_scores_are_maxsim_over_the_number_of_query_tokens(corpus: TokenCorpus, built: TokenIndex) -> None:
    query = corpus.queries[1]
    scores, rows = built.search(query, 5)
    originals = maxsim(query, corpus.tokens, corpus.offsets)[rows]
    np.testing.assert_allclose(scores, originals, atol=2e-3)
    np.testing.assert_allclose(scores, built.score(query, rows), atol=1e-6)
    assert (np.diff(scores) <= 0).all()


def test_a_small_corpus_is_scanned_and_equals_the_exact_search(small: TokenCorpus) -> None:
    index = index_of(small)
    for query in small.queries:
        scores, rows = index.search(query, 10)
        exact_scores, exact_rows = index.exact(query, 10)
        assert rows.tolist() == exact_rows.tolist()
        np.testing.assert_allclose(scores, exact_scores, atol=1e-6)
    assert index.search_detailed(small.queries[0], 10).scanned


def test_exact_is_maxsim_of_the_stored_tokens(small: TokenCorpus) -> None:
    index, query = index_of(small), small.queries[0]
    stored = np.concatenate([index._state.tokens.document(row) for row in range(len(index))])
    expected = maxsim(query, stored, small.offsets)
    scores, rows = index.exact(query, 60)
    # The query has 16 bits: its components are off by up to a 65,024th of the largest.
    np.testing.assert_allclose(scores, expected[rows], atol=1e-5)
    assert sorted(rows.tolist()) == list(range(60))


def test_no_token_no_result(small: TokenCorpus) -> None:
    scores, rows = index_of(small).search(np.empty((0, 32), np.float32), 3)
    assert rows.tolist() == [-1, -1, -1] and np.isneginf(scores).all()


def test_k_of_zero_and_k_beyond_the_rows(small: TokenCorpus) -> None:
    index, query = index_of(small), small.queries[0]
    scores, rows = index.search(query, 100)
    assert sorted(rows[:60].tolist()) == list(range(60)) and (rows[60:] == -1).all()
    assert np.isfinite(scores[:60]).all() and np.isneginf(scores[60:]).all()


def test_more_results_than_lists_meet_still_come_back(corpus: TokenCorpus, built: TokenIndex) -> None:
    rows = built.search(corpus.queries[0], 2900, rescore=1, nprobe=1)[1]
    assert len(np.unique(rows)) == 2900


def test_queries_of_one_and_of_512_tokens(corpus: TokenCorpus, built: TokenIndex) -> None:
    one = corpus.queries[0][:1]
    many = unit(corpus.tokens[:512] + 0.1 * np.random.default_rng(1).normal(size=(512, 32)))
    assert built.search(one, 1)[1][0] in truth(corpus, one, 3)
    shared = np.intersect1d(built.search(many, 10)[1], truth(corpus, many, 10))
    assert len(shared) >= 9


def test_documents_of_one_token_and_of_ten_thousand() -> None:
    rng = np.random.default_rng(2)
    lengths = np.array([1, 10_000, 1, 3])
    tokens = unit(rng.normal(size=(lengths.sum(), 16)))
    index = TokenIndex.build(tokens, np.concatenate([[0], np.cumsum(lengths)]))
    assert index.search(tokens[:1], 1)[1].tolist() == [0]
    assert index.search(tokens[5000:5004], 1)[1].tolist() == [1]
    assert index.search(tokens[10_001:10_002], 1)[1].tolist() == [2]


def test_one_document_of_one_token() -> None:
    index = TokenIndex.build(np.ones((1, 4), np.float32), np.array([0, 1]))
    scores, rows = index.search(np.ones((1, 4), np.float32), 2)
    assert rows.tolist() == [0, -1] and scores[0] == pytest.approx(4.0, rel=1e-3)


def test_no_documents_at_all() -> None:
    index = TokenIndex.build(np.empty((0, 8), np.float32), np.array([0]))
    assert index.search(np.ones((1, 8), np.float32), 2)[1].tolist() == [-1, -1]
    assert index.add(np.ones((2, 8), np.float32), np.array([0, 2])).tolist() == [0]
    assert index.search(np.ones((1, 8), np.float32), 1)[1].tolist() == [0]


def test_equal_documents_come_by_ascending_row() -> None:
    tokens = np.tile(unit(np.random.default_rng(0).normal(size=(2, 8))), (6, 1))
    index = TokenIndex.build(tokens, np.arange(0, 13, 2))
    assert index.search(tokens[:2], 4)[1].tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("tokens", "offsets", "words"),
    [
        (np.full((2, 4), np.nan, np.float32), [0, 1, 2], "row 0: token 0 holds NaN"),
        (np.ones((3, 4), np.float32), [0, 2, 1, 3], "row 1 ends before it begins"),
        (np.ones((3, 4), np.float32), [0, 2, 2, 3], "row 1 is empty"),
        (np.ones((3, 4), np.float32), [0, 2], "from 0 to 2, the tokens from 0 to 3"),
        (np.ones((3, 4), np.bool_), [0, 3], "bool"),
        (np.full((3, 4), 1e300), [0, 3], "row 0: token 0 holds NaN or infinity"),
        (np.array([[1.0] * 4, [0.0] * 4, [1e8] * 4]), [0, 1, 3], r"row 1: token 1 has 1e\+08 as its largest"),
        (np.array([[1.0] * 4, [1e-7] * 4]), [0, 1, 2], "row 1: token 0 has 1e-07 as its largest"),
        (np.ones(3, np.float32), [0, 3], r"\(3,\)"),
    ],
)
def test_documents_that_cannot_be_used_are_refused_by_row(
    tmp_path: Path, tokens: npt.NDArray[Any], offsets: list[int], words: str
) -> None:
    with pytest.raises(InvalidInput, match=words):
        TokenIndex.build(tokens, np.array(offsets), tmp_path / "index")
    assert not (tmp_path / "index").exists()


def test_queries_that_cannot_be_used_are_refused(small: TokenCorpus) -> None:
    index = index_of(small)
    with pytest.raises(InvalidInput, match="query 0, token 1 holds NaN"):
        index.search(np.array([[0] * 32, [np.nan] * 32], np.float32), 1)
    with pytest.raises(EncoderMismatch, match="dim 32 in the index, 16 in query 0"):
        index.search(np.ones((1, 16), np.float32), 1)
    with pytest.raises(InvalidInput, match="rescore is 0"):
        index.search(small.queries[0], 1, rescore=0)
    with pytest.raises(InvalidInput, match="k is -2"):
        index.search(small.queries[0], -2)
    with pytest.raises(InvalidInput, match=r"`allowed` has 3 entries; bool \(60,\) is needed"):
        index.search(small.queries[0], 1, allowed=np.ones(3, np.bool_))
    with pytest.raises(InvalidInput, match="holds 60; the rows here are 0 to 59"):
        index.score(small.queries[0], np.array([1, 60]))


def test_a_device_that_cannot_serve_is_refused(tmp_path: Path, small: TokenCorpus) -> None:
    TokenIndex.build(small.tokens, small.offsets, tmp_path / "index")
    with pytest.raises(
        ProviderError, match=r"device 'cuda' cannot serve the token index: .*use device='cpu' or 'auto'"
    ):
        TokenIndex.load(tmp_path / "index", device="cuda")


@pytest.mark.parametrize("share", [0.5, 0.1, 0.01])
def test_a_filter_keeps_the_filtered_exact_results(corpus: TokenCorpus, built: TokenIndex, share: float) -> None:
    allowed = np.random.default_rng(5).random(3000) < share
    shared, asked = 0, 0
    for query in corpus.queries:
        rows = built.search(query, 10, allowed=allowed)[1]
        exact = built.exact(query, 10, allowed=allowed)[1]
        assert allowed[rows[rows >= 0]].all()
        shared += len(np.intersect1d(rows[rows >= 0], exact))
        asked += int((exact >= 0).sum())
    assert shared / asked >= 0.98


def test_a_filter_that_allows_nothing_finds_nothing(corpus: TokenCorpus, built: TokenIndex) -> None:
    assert built.search(corpus.queries[0], 2, allowed=np.zeros(3000, np.bool_))[1].tolist() == [-1, -1]


def test_removed_rows_never_come_back(corpus: TokenCorpus) -> None:
    index = TokenIndex.build(corpus.tokens, corpus.offsets)
    query = corpus.queries[0]
    gone = index.search(query, 5)[1]
    assert index.remove(gone) == 5
    assert index.remove(gone[:1]) == 0
    assert len(index) == 2995
    after = index.search(query, 20)[1]
    assert not np.isin(after, gone).any()
    assert not np.isin(index.search(query, 20, allowed=np.ones(3000, np.bool_))[1], gone).any()
    with pytest.raises(InvalidInput, match="holds 3000; the rows here are 0 to 2999"):
        index.remove([3000])


def test_added_documents_are_found_beside_the_old_ones(corpus: TokenCorpus) -> None:
    cut = int(corpus.offsets[2800])
    index = TokenIndex.build(corpus.tokens[:cut], corpus.offsets[:2801])
    for start, stop in ((2800, 2801), (2801, 3000)):
        first, last = corpus.offsets[start], corpus.offsets[stop]
        rows = index.add(corpus.tokens[first:last], corpus.offsets[start : stop + 1] - first)
        assert rows.tolist() == list(range(start, stop))
    assert index.segments == 3
    shared = [len(np.intersect1d(index.search(q, 10)[1], truth(corpus, q, 10))) for q in corpus.queries]
    assert np.mean(shared) / 10 >= 0.97
    own = corpus.document(2800)[:8]
    assert index.search(own, 1)[1].tolist() == truth(corpus, own, 1).tolist()


def test_compaction_changes_rows_but_no_result(corpus: TokenCorpus) -> None:
    index = TokenIndex.build(corpus.tokens, corpus.offsets)
    index.add(corpus.document(7), np.array([0, len(corpus.document(7))]))
    index.remove(np.arange(0, 3000, 3))
    before = [index.search(query, 10) for query in corpus.queries]
    new_rows = index.compact()
    assert index.segments == 1 and len(index) == 2001
    for query, (scores, rows) in zip(corpus.queries, before, strict=True):
        after_scores, after_rows = index.search(query, 10)
        assert after_rows.tolist() == new_rows[rows].tolist()
        np.testing.assert_array_equal(after_scores, scores)
    assert (new_rows[np.arange(0, 3000, 3)] == -1).all()


def test_explain_says_what_each_query_token_met(corpus: TokenCorpus, built: TokenIndex) -> None:
    query = corpus.queries[2]
    row = int(built.search(query, 1)[1][0])
    matches = built.explain(query, row)
    similarities = query @ built._state.tokens.document(row).T
    assert [match.position for match in matches] == similarities.argmax(axis=1).tolist()
    assert [match.similarity for match in matches] == pytest.approx(similarities.max(axis=1).tolist())
    assert np.mean([m.similarity for m in matches]) == pytest.approx(
        float(built.score(query, np.array([row]))[0]), abs=1e-5
    )
    assert any(match.retrieved for match in matches)


def test_a_token_far_from_the_document_is_explained_as_imputed(corpus: TokenCorpus, built: TokenIndex) -> None:
    query = corpus.queries[2]
    worst = int(built.exact(query, 3000)[1][-1])
    assert not all(match.retrieved for match in built.explain(query, worst))
    # Several rows at once, in any order and one of them twice, are explained as each is alone.
    rows = [worst, *built.search(query, 2)[1].tolist(), worst]
    assert built.explain_rows(query, rows) == [built.explain(query, row) for row in rows]
    assert built.explain_rows(query, []) == []


SETTINGS: list[dict[str, Any]] = [
    {},
    {"nprobe": 1},
    {"nprobe": 2, "k_prime": 40},
    {"k_prime": 1, "rescore": 1},
    {"nprobe": 2, "allowed": np.arange(3000) % 8 > 0},
    {"nprobe": 4, "allowed": np.arange(3000) % 2 == 0},
    {"allowed": np.arange(3000) < 20},
]


@pytest.mark.parametrize("settings", SETTINGS)
def test_an_explanation_counts_what_that_search_met(
    corpus: TokenCorpus, built: TokenIndex, settings: dict[str, Any]
) -> None:
    """The kernel counts the rows that it met, and the pairs of token and row: explanations of all rows add up to it."""
    options = SearchOptions(10, **settings)
    query = corpus.queries[2]
    (cost,) = built.answer([query], options)
    allowed = np.flatnonzero(settings.get("allowed", np.ones(3000, np.bool_))).tolist()
    met = np.array([[match.retrieved for match in one] for one in built.explain_rows(query, allowed, options)])
    if cost.imputed_share < 1:
        # Else it read no list: the centroids of every allowed row cost less.
        assert np.count_nonzero(met.any(axis=1)) == cost.candidates
    assert 1.0 - met.sum() / (len(query) * cost.candidates) == pytest.approx(cost.imputed_share)
    assert cost.scanned == met.all()


def test_a_batch_equals_single_queries_with_any_number_of_threads(corpus: TokenCorpus, built: TokenIndex) -> None:
    single = [built.search(query, 7) for query in corpus.queries]
    for threads in (1, 3):
        scores, rows = built.search_batch(corpus.queries, 7, threads=threads)
        assert rows.tolist() == [one.tolist() for _, one in single]
        np.testing.assert_array_equal(scores, [one for one, _ in single])
    assert built.search_batch([], 7)[1].shape == (0, 7)


def test_a_batch_of_no_threads_is_refused(built: TokenIndex, corpus: TokenCorpus) -> None:
    with pytest.raises(InvalidInput, match="threads is 0; pass a whole number of at least 1"):
        built.search_batch(corpus.queries, 3, threads=0)


def test_a_search_says_what_it_cost(built: TokenIndex, corpus: TokenCorpus) -> None:
    result = built.search_detailed(corpus.queries[0], 10)
    assert not result.scanned and 10 <= result.cost.rescored <= result.cost.candidates <= result.retrieved
    assert 0 < result.cost.imputed_share < 1
    assert list(result.cost.seconds) == ["retrieve", "impute", "rescore"]
    assert all(seconds >= 0 for seconds in result.cost.seconds.values())
    few = np.zeros(3000, np.bool_)
    few[:20] = True
    scan = built.search_detailed(corpus.queries[0], 10, allowed=few)
    assert scan.scanned and scan.cost.imputed_share == 0 and scan.cost.rescored == 20


def test_a_filter_that_is_neither_wide_nor_narrow_reads_no_lists(built: TokenIndex, corpus: TokenCorpus) -> None:
    allowed = np.random.default_rng(0).random(3000) < 0.3
    result = built.search_detailed(corpus.queries[0], 10, allowed=allowed)
    assert not result.scanned and result.retrieved == 0 and result.cost.imputed_share == 1.0
    assert result.candidates == np.count_nonzero(allowed) > result.rescored


def test_searching_while_rows_are_added_and_removed_sees_whole_states(small: TokenCorpus) -> None:
    index, query = index_of(small), small.queries[0]
    stop, problems = threading.Event(), []

    def search() -> None:
        while not stop.is_set():
            rows = index.search(query, 200)[1]
            found = rows[rows >= 0]
            if len(found) % 10 or len(np.unique(found)) != len(found):
                problems.append(found)

    thread = threading.Thread(target=search)
    thread.start()
    for _ in range(8):
        rows = index.add(small.tokens[: small.offsets[10]], small.offsets[:11])
        index.remove(rows)
    stop.set()
    thread.join()
    assert not problems


def test_as_many_live_rows_as_stored_ones_but_others_are_masked(small: TokenCorpus) -> None:
    """A mask that says a hole is live must not make a dead row an answer."""
    state = index_of(small)._state
    live = np.ones(len(state.live) + 1, np.bool_)
    live[7] = False
    assert live.sum() == len(state.live)
    mask, _ = replace(state, live=live).allowed(None)
    assert mask is not None and not mask[7]


@pytest.mark.parametrize("backend", ["native", "numpy"])
def test_a_live_row_that_no_segment_holds_is_no_answer(
    tmp_path: Path, small: TokenCorpus, backend: BackendName
) -> None:
    """Two segments with a hole between them, opened with a mask that says nothing of it."""
    if backend == "native" and not native.available():
        pytest.skip("the C++ extension is not installed here")
    made = index_of(small)
    ((first, _),) = made._state.segments
    parts = [(replace(first, base_row=base), tmp_path / str(base)) for base in (0, 100)]
    for part, folder in parts:
        folder.mkdir()
        write_postings(made.model, part, folder)
    index = TokenIndex.open(made.model, parts, np.ones(160, np.bool_), backend=backend)
    assert len(index) == 120 and not index.live[60:100].any()
    for scores, rows in (index.search(small.queries[0], 160), index.exact(small.queries[0], 160)):
        assert sorted(rows[rows >= 0].tolist()) == [*range(60), *range(100, 160)]
        assert np.isfinite(scores[rows >= 0]).all()
