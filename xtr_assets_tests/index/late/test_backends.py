"""Every backend returns what the numpy reference returns: the same candidates, the same integer scores."""

import logging
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from xtr_assets.core.errors import ProviderError
from xtr_assets.core.row_store import RowTokens, TokenPart
from xtr_assets.core.token_codec import TOKEN_CODEC, encode_int8
from xtr_assets.index import native
from xtr_assets.index.late import centroid_assignment
from xtr_assets.index.late.backends import choice
from xtr_assets.index.late.backends.choice import open_backend
from xtr_assets.index.late.backends.native_backend import NativeBackend
from xtr_assets.index.late.backends.reference import Backend, Candidates, PlacedPostings, ReferenceBackend
from xtr_assets.index.late.centroid_assignment import assign, assign_numpy
from xtr_assets.index.late.centroids import TokenModel
from xtr_assets.index.late.options import Depths
from xtr_assets.index.late.postings import Postings, make_postings
from xtr_assets.index.late.query import centroid_levels, centroid_scores, make_query
from xtr_assets.index.late.residual_codec import CODECS, Codec
from xtr_assets.index.late.state import make_segment
from xtr_assets.index.late.token_store import stored_maxsim
from xtr_assets.index.late.training import train
from xtr_assets_tests.index.late.token_corpus import TokenCorpus, make_corpus
from xtr_assets_tests.long_cases import pairs

INSTRUCTIONS = native.kernels.instruction_sets() if native.available() else []
OTHERS = ["numba", *INSTRUCTIONS]


def segments_of(
    corpus: TokenCorpus, cuts: Sequence[int], model: TokenModel, codec: Codec, gap: int = 5
) -> list[tuple[TokenPart, Postings]]:
    """The corpus cut into segments, with holes between them."""
    segments = []
    base = 0
    for start, stop in pairwise(cuts):
        first, last = corpus.offsets[start], corpus.offsets[stop]
        bounds = corpus.offsets[start : stop + 1] - first
        part = TokenPart(base, *encode_int8(corpus.tokens[first:last]), bounds)
        segments.append(make_segment(model, part, codec))
        base += stop - start + gap
    return segments


def backends_of(
    corpus: TokenCorpus, cuts: Sequence[int], dim: int, others: Sequence[str], codec: Codec = TOKEN_CODEC
) -> tuple[TokenModel, ReferenceBackend, list[Backend]]:
    """The model, the reference and the others by name, over the same segments."""
    codes, scales = encode_int8(corpus.tokens)
    model = train(RowTokens([TokenPart(0, codes, scales, corpus.offsets)], dim))
    segments = segments_of(corpus, cuts, model, codec)
    tokens = RowTokens([part for part, _ in segments], dim)
    placed = [PlacedPostings(part.base_row, part.rows, postings) for part, postings in segments]
    reference = ReferenceBackend(model, placed, tokens)
    return model, reference, [make_backend(name, model, placed, tokens) for name in others]


def make_backend(name: str, model: TokenModel, placed: Sequence[PlacedPostings], tokens: RowTokens) -> Backend:
    """By name, or by the instruction set that the extension is held to."""
    if name in INSTRUCTIONS:
        return NativeBackend(model, placed, tokens, name)
    return open_backend(cast(choice.BackendName, name), model, placed, tokens)


def assert_same(found: Candidates, expected: Candidates) -> None:
    np.testing.assert_array_equal(found.rows, expected.rows)
    assert (found.retrieved, found.touched, found.meetings, found.rescored) == (
        expected.retrieved,
        expected.touched,
        expected.meetings,
        expected.rescored,
    )


@pytest.mark.parametrize(("dim", "codec"), pairs([32, 33, 128, 20], CODECS))
def test_backends_agree_on_candidates_and_scores(dim: int, codec: Codec) -> None:
    corpus = make_corpus(200, dim=dim, length=8, seed=dim, queries=5)
    model, reference, others = backends_of(corpus, [0, 1, 40, 200], dim, OTHERS, codec)
    end = reference.tokens.end_row
    some = np.random.default_rng(1).random(end) < 0.4
    for query_tokens in corpus.queries:
        query = make_query(model, query_tokens)
        for depths, allowed in (
            (Depths(1, 5, 30, 10, 4), None),
            (Depths(4, 1 << 31, 80, 40, 12), some),
            (Depths(10_000, 60, 1000, 1000, 20), None),
            (Depths(60, 1 << 31, 90, 20, 0), None),
            (Depths(0, 1, 1, 30, 9), some),
        ):
            expected = reference.retrieve(query, depths, allowed)
            scores = {name: getattr(reference, name)(query, expected.rows) for name in ("rescore", "exact")}
            for other in others:
                assert_same(other.retrieve(query, depths, allowed), expected)
                for name, wanted in scores.items():
                    np.testing.assert_array_equal(getattr(other, name)(query, expected.rows), wanted)


@pytest.mark.parametrize("length", [1, 3, 9])
def test_rows_that_lists_met_and_cannot_be_among_the_best_are_left_out_and_no_others(length: int) -> None:
    corpus = make_corpus(600, dim=16, length=length, seed=length, queries=12)
    model, reference, others = backends_of(corpus, [0, 250, 600], 16, OTHERS)
    some = np.random.default_rng(2).random(reference.tokens.end_row) < 0.7
    kept = set()
    for number, query_tokens in enumerate(corpus.queries):
        # Of few tokens lists say nearly all of a row, of many little.
        query = make_query(model, query_tokens[: 1 + number % 6])
        for nprobe, k_prime, limit, allowed in ((2, 1 << 31, 2, None), (9, 1 << 31, 4, some), (9, 40, 3, None)):
            depths = Depths(nprobe, k_prime, 400, limit, 0)
            expected = reference.retrieve(query, depths, allowed)
            kept.add(expected.touched > 16 * limit)
            for other in others:
                assert_same(other.retrieve(query, depths, allowed), expected)
    assert True in kept


@settings(max_examples=25, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_backends_agree_on_anything(data: st.DataObject) -> None:
    seed = data.draw(st.integers(0, 10_000))
    rng = np.random.default_rng(seed)
    dim = data.draw(st.sampled_from([1, 2, 7, 64, 128, 130]))
    lengths = rng.integers(1, data.draw(st.sampled_from([2, 9, 70])), data.draw(st.integers(1, 40)))
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    # Few distinct values make ties; magnitudes from nothing to large.
    size = data.draw(st.sampled_from([0, 1e-9, 1e-3, 1, 50]))
    tokens = rng.integers(-2, 3, (offsets[-1], dim)).astype(np.float32) * size
    corpus = TokenCorpus(tokens, offsets, [])
    cut = data.draw(st.integers(1, len(lengths)))
    codec = data.draw(st.sampled_from(CODECS))
    model, reference, others = backends_of(corpus, sorted({0, cut, len(lengths)}), dim, OTHERS, codec)
    query = make_query(model, rng.integers(-3, 4, (data.draw(st.integers(1, 40)), dim)).astype(np.float32))
    depths = Depths(
        nprobe=data.draw(st.integers(0, 60)),
        k_prime=data.draw(st.sampled_from([1, 3, 1 << 31])),
        met=data.draw(st.integers(1, 50)),
        limit=data.draw(st.integers(1, 50)),
        keep=data.draw(st.integers(0, 20)),
    )
    allowed = data.draw(st.sampled_from([None, rng.random(reference.tokens.end_row) < 0.5]))
    expected = reference.retrieve(query, depths, allowed)
    scores, exact = reference.rescore(query, expected.rows), reference.exact(query, expected.rows)
    for other in others:
        assert_same(other.retrieve(query, depths, allowed), expected)
        np.testing.assert_array_equal(other.rescore(query, expected.rows), scores)
        np.testing.assert_array_equal(other.exact(query, expected.rows), exact)


@pytest.mark.parametrize("dim", [127, 512, 513, 1024])
def test_products_as_large_as_codes_allow_are_exact(dim: int) -> None:
    # Documents that are the query or its opposite, every code at its largest: sums as far from zero as they get.
    signs = np.where(np.arange(dim) % 3, 1.0, -1.0).astype(np.float32)
    lengths = np.array([1, 2, 3, 5, 8])
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    tokens = np.where(np.arange(offsets[-1])[:, None] % 2, signs, -signs).astype(np.float32)
    model, reference, others = backends_of(TokenCorpus(tokens, offsets, []), [0, 5], dim, OTHERS)
    for count in (1, 16, 17, 33):
        query = make_query(model, np.tile(signs, (count, 1)) * np.float32(0.99))
        rows = np.arange(5)
        exact = reference.exact(query, rows)
        assert exact[1] == pytest.approx(0.99 * dim * count, rel=1e-3)
        for other in others:
            np.testing.assert_array_equal(other.rescore(query, rows), reference.rescore(query, rows))
            np.testing.assert_array_equal(other.exact(query, rows), exact)


def test_integer_rescoring_is_close_to_maxsim_of_floats() -> None:
    corpus = make_corpus(50, dim=128)
    model, reference, _ = backends_of(corpus, [0, 50], 128, [])
    rows = np.arange(50)
    for tokens in corpus.queries:
        approximate = reference.rescore(make_query(model, tokens), rows) / len(tokens)
        exact = [(tokens @ reference.tokens.document(row).T).max(axis=1).mean() for row in range(50)]
        np.testing.assert_allclose(approximate, exact, atol=2e-3)


def test_candidates_are_the_best_by_the_centroids_of_their_tokens() -> None:
    corpus = make_corpus(80, dim=32, length=8)
    model, backend, _ = backends_of(corpus, [0, 80], 32, [])
    numbers = backend.segments[0].postings.numbers
    for tokens in corpus.queries:
        best = np.array(
            [(tokens @ model.centroid_vectors[numbers[a:b]].T).max(axis=1) for a, b in pairwise(corpus.offsets)]
        )
        ranked = np.argsort(-best.sum(axis=1), kind="stable")
        for nprobe in (0, len(model.centroids)):
            found = backend.retrieve(make_query(model, tokens), Depths(nprobe, 1 << 31, 80, 10, 0), None)
            # Levels are rounded: neighbours may change places at the edge.
            assert np.isin(found.rows, ranked[:13]).all() and np.isin(ranked[:7], found.rows).all()


def test_likely_tokens_bring_a_row_close_to_its_score_and_are_few() -> None:
    corpus = make_corpus(300, dim=64, length=40)
    model, backend, _ = backends_of(corpus, [0, 300], 64, [])
    rows = np.arange(300)
    for tokens in corpus.queries[:5]:
        query = make_query(model, tokens)
        levels = centroid_levels(centroid_scores(model, query))
        likely = backend.likely(levels, backend.interact(levels, rows), rows)
        part = stored_maxsim(query.codes, None, query.scales, backend.tokens, rows, likely)
        whole = backend.rescore(query, rows)
        assert (likely.counts >= 1).all() and likely.counts.sum() < 0.7 * len(corpus.tokens)
        assert (part <= whole).all() and np.mean(whole - part) / len(tokens) < 0.02


@pytest.mark.parametrize("name", ["numpy", *OTHERS])
def test_positions_that_were_damaged_are_skipped_not_followed(name: str) -> None:
    corpus = make_corpus(100, dim=32, length=8)
    part = TokenPart(0, *encode_int8(corpus.tokens), corpus.offsets)
    model = train(RowTokens([part], 32))
    postings = make_postings(model, part)
    documents, numbers = postings.documents.copy(), postings.numbers.copy()
    documents[::3], documents[1::3] = -7, 1 << 30
    numbers[::2] = 65_535
    damaged = Postings(postings.lists, documents, numbers)
    backend = make_backend(name, model, [PlacedPostings(0, 100, damaged)], RowTokens([part], 32))
    found = backend.retrieve(
        make_query(model, corpus.queries[0]), Depths(50, 1 << 31, 1000, 1000, 90), np.ones(100, np.bool_)
    )
    assert len(found.rows) and found.rows.min() >= 0 and found.rows.max() < 100


def test_an_unknown_backend_is_refused() -> None:
    corpus = make_corpus(5)
    with pytest.raises(ProviderError, match="unknown backend 'fortran'"):
        backends_of(corpus, [0, 5], 32, ["fortran"])


@pytest.mark.parametrize("instructions", INSTRUCTIONS)
@pytest.mark.parametrize(("tokens", "count", "dim"), [(1, 1, 1), (70, 130, 33), (500, 64, 128), (3, 200, 1024)])
def test_the_extension_assigns_as_numpy_does(instructions: str, tokens: int, count: int, dim: int) -> None:
    rng = np.random.default_rng(tokens)
    codes, centroids = (rng.integers(-127, 128, (n, dim)).astype(np.int8) for n in (tokens, count))
    # Half of the centroids twice: ties go to the lower one.
    centroids[count // 2 :] = centroids[: count - count // 2]
    scales, drawn = rng.random(tokens).astype(np.float32), np.tile(rng.random(count // 2 + 1), 2)[:count]
    steps = np.full(count, 0.01, np.float32)
    biases = np.zeros(count, np.float32) if count < 100 else drawn.astype(np.float32)
    found = native.assign(centroids, steps, biases, codes, scales, instructions)
    np.testing.assert_array_equal(found, assign_numpy(codes, scales, biases, centroids, steps))


@pytest.mark.skipif(not native.available(), reason="threads are of the extension alone")
@pytest.mark.parametrize("tokens", [2, 3, 1_000])
def test_threads_that_share_the_tokens_assign_as_one_does(tokens: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(tokens)
    codes, centroids = (rng.integers(-127, 128, (n, 33)).astype(np.int8) for n in (tokens, 65))
    scales, mean = rng.random(tokens).astype(np.float32), rng.random(33).astype(np.float32)
    steps = rng.random(65).astype(np.float32)
    alone = assign(codes, scales, mean, centroids, steps)
    asked: list[int] = []
    one_thread = native.assign

    def counted(*arrays: Any) -> Any:
        asked.append(len(arrays[3]))
        return one_thread(*arrays)

    monkeypatch.setattr(centroid_assignment, "THREAD_SCORES", 65)
    monkeypatch.setattr(centroid_assignment, "processors", lambda: 3)
    monkeypatch.setattr(native, "assign", counted)
    np.testing.assert_array_equal(assign(codes, scales, mean, centroids, steps), alone)
    assert len(asked) == min(3, tokens) and sum(asked) == tokens


@pytest.mark.parametrize("instructions", INSTRUCTIONS)
def test_the_extension_refuses_arrays_that_do_not_fit(instructions: str) -> None:
    corpus = make_corpus(20, length=5)
    model, backend, _ = backends_of(corpus, [0, 20], 32, [])
    query = make_query(model, corpus.queries[0])
    other = NativeBackend(model, backend.segments, backend.tokens, instructions)
    with pytest.raises(ValueError, match="allowed does not fit"):
        other.retrieve(query, Depths(1, 1, 1, 1, 1), np.ones(3, np.bool_))
    with pytest.raises(ValueError, match="must be at least 1"):
        other.retrieve(query, Depths(1, 1, 1, 0, 1), None)
    with pytest.raises(ValueError, match="must not be negative"):
        other.retrieve(query, Depths(1, 1, 1, 1, -1), None)
    part = backend.tokens.parts[0]
    longer = TokenPart(0, part.tokens, part.scales, part.offsets + 1)
    with pytest.raises(ValueError, match="bounds do not span"):
        NativeBackend(model, backend.segments, RowTokens([longer], 32), instructions)
    with pytest.raises(ValueError, match="instruction set"):
        NativeBackend(model, backend.segments, backend.tokens, "sse9")


def test_the_log_says_which_backend_serves_and_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    choice.best.cache_clear()
    with caplog.at_level(logging.INFO):
        expected = "native" if native.available() else "numba"
        assert choice.best() == expected
        assert "serves" in caplog.text
    monkeypatch.setattr(native, "kernels", None)
    monkeypatch.setattr(native, "missing", "no such file")
    choice.best.cache_clear()
    with caplog.at_level(logging.INFO):
        assert choice.best() == "numba"
        assert "numba serves, several times slower than the C++ extension (no such file)" in caplog.text
    with pytest.raises(ProviderError, match="the extension is not there"):
        backends_of(make_corpus(5), [0, 5], 32, ["native"])
    choice.best.cache_clear()
