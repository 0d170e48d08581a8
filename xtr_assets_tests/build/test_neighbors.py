import numpy as np
import pytest

from xtr_assets.build import neighbors
from xtr_assets.build.neighbors import exact_tokens
from xtr_assets.core.codec import encode_int8
from xtr_assets.core.maxsim import best_rows, maxsim
from xtr_assets.core.rows import RowTokens, TokenPart


def part(rng: np.random.Generator, base_row: int, lengths: list[int], *, quantized: bool) -> TokenPart:
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    tokens = rng.standard_normal((offsets[-1], 8)).astype(np.float32)
    if quantized:
        codes, scales = encode_int8(tokens)
        return TokenPart(base_row, codes, scales, offsets)
    return TokenPart(base_row, tokens, None, offsets)


@pytest.mark.parametrize("block", [3, 50, 5000])
def test_exact_neighbours_equal_maxsim_of_every_live_row(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbors, "BLOCK_TOKENS", block)
    monkeypatch.setattr(neighbors, "MERGE_DOCUMENTS", 7)
    rng = np.random.default_rng(1)
    lengths = [list(rng.integers(1, 9, 20)), list(rng.integers(1, 9, 30))]
    # A hole of five rows between the segments.
    parts = [part(rng, 0, lengths[0], quantized=True), part(rng, 25, lengths[1], quantized=False)]
    rows = RowTokens(parts, 8)
    live = rng.random(55) < 0.7
    live[20:25] = False
    queries = [rng.standard_normal((t, 8)).astype(np.float32) for t in (1, 4, 9)]

    scores, found = exact_tokens(rows, live, queries, 6)

    ids = np.flatnonzero(live)
    for query, its_scores, its_rows in zip(queries, scores, found, strict=True):
        documents = [rows.document(int(row)) for row in ids]
        reference = np.array([maxsim(query, d, np.array([0, len(d)]))[0] for d in documents])
        expected_scores, expected_rows = best_rows(reference, ids, 6)
        assert its_rows.tolist() == expected_rows.tolist()
        np.testing.assert_allclose(its_scores, expected_scores, rtol=1e-5)


def test_rows_before_rows_from_are_left_out() -> None:
    rng = np.random.default_rng(2)
    rows = RowTokens([part(rng, 0, [2] * 10, quantized=False)], 8)
    _, found = exact_tokens(rows, np.ones(10, bool), [rng.standard_normal((3, 8)).astype("f4")], 10, rows_from=6)
    assert sorted(found[0].tolist()) == [-1] * 6 + [6, 7, 8, 9]


def test_a_query_without_tokens_and_a_corpus_without_live_rows_have_no_neighbours() -> None:
    rng = np.random.default_rng(3)
    rows = RowTokens([part(rng, 0, [2, 2], quantized=False)], 8)
    query = rng.standard_normal((2, 8)).astype("f4")
    scores, found = exact_tokens(rows, np.ones(2, bool), [np.empty((0, 8), "f4"), query], 3)
    assert found[0].tolist() == [-1, -1, -1]
    assert np.isneginf(scores[0]).all()
    assert sorted(found[1].tolist()) == [-1, 0, 1]
    assert exact_tokens(rows, np.zeros(2, bool), [query], 2)[1].tolist() == [[-1, -1]]
