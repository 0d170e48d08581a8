from typing import Any

import numpy as np
import pytest

from xtr_assets.core.maxsim import maxsim
from xtr_assets.core.row_store import RowTokens, TokenPart
from xtr_assets.core.token_codec import decode_int8, encode_int8
from xtr_assets.core.top_k import best_rows
from xtr_assets.index.late.int8_scan import ScanQueries, scan
from xtr_assets.index.native import available, kernels
from xtr_assets.pipeline.derive import exact_maxsim
from xtr_assets.pipeline.derive.exact_maxsim import by_products, by_scan, exact_tokens, likely_rows

needs_extension = pytest.mark.skipif(not available(), reason="the extension is not built")


def part(
    rng: np.random.Generator, base_row: int, lengths: list[int], *, quantized: bool = True, dim: int = 8
) -> TokenPart:
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    tokens = rng.standard_normal((offsets[-1], dim)).astype(np.float32)
    if quantized:
        codes, scales = encode_int8(tokens)
        return TokenPart(base_row, codes, scales, offsets)
    return TokenPart(base_row, tokens, None, offsets)


def arrays_of(stored: TokenPart) -> tuple[Any, Any]:
    """The int8 tokens of a part and their scales."""
    return stored.tokens, stored.scales


@pytest.mark.parametrize("block", [3, 50, 5000])
@pytest.mark.parametrize("quantized", [False, True])
def test_exact_neighbours_equal_maxsim_of_every_live_row(
    block: int, quantized: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("BLOCK_TOKENS", "SCAN_TOKENS"):
        monkeypatch.setattr(exact_maxsim, name, block)
    for name in ("MERGE_DOCUMENTS", "RANKED_DOCUMENTS"):
        monkeypatch.setattr(exact_maxsim, name, 7)
    rng = np.random.default_rng(1)
    lengths = [list(rng.integers(1, 9, 20)), list(rng.integers(1, 9, 30))]
    # A hole of five rows between the segments.
    parts = [part(rng, 0, lengths[0], quantized=True), part(rng, 25, lengths[1], quantized=quantized)]
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


@needs_extension
@pytest.mark.parametrize("dim", [1, 7, 32, 130])
def test_neighbours_by_integers_are_those_by_products(dim: int) -> None:
    rng = np.random.default_rng(dim)
    lengths = [list(rng.integers(0, 12, 300)), list(rng.integers(1, 12, 200))]
    rows = RowTokens([part(rng, 0, lengths[0], dim=dim), part(rng, 310, lengths[1], dim=dim)], dim)
    live = rng.random(510) < 0.8
    live[300:310] = False
    queries = [rng.standard_normal((t, dim)).astype(np.float32) * size for t, size in ((1, 1.0), (5, 0.01), (20, 40.0))]

    scores, found = by_scan(rows, live, queries, 30)

    expected_scores, expected = by_products(rows, live, queries, 30)
    np.testing.assert_allclose(scores, expected_scores, rtol=1e-5)
    # Two rows may change places where sums of the same products differ by rounding.
    assert (found == expected).mean() >= 0.99


@needs_extension
def test_rows_above_a_score_are_found_and_those_far_below_are_not_scored() -> None:
    rng = np.random.default_rng(9)
    rows = RowTokens([part(rng, 0, [4] * 200, dim=32)], 32)
    queries = [rng.standard_normal((t, 32)).astype(np.float32) for t in (2, 5)]
    scores, found = by_products(rows, np.ones(200, bool), queries, 20)
    above = scores[:, 7]
    assert [len(one) for one in likely_rows(rows, np.ones(200, bool), queries, 20, above)] == [8, 8]
    kept_scores, kept = exact_tokens(rows, np.ones(200, bool), queries, 20, above=above)
    assert kept[:, :7].tolist() == found[:, :7].tolist()
    np.testing.assert_allclose(kept_scores[:, :7], scores[:, :7], rtol=1e-5)
    assert (kept[:, 8:] == -1).all()


@needs_extension
def test_equal_rows_beyond_the_last_place_are_all_looked_at_and_tie_by_row() -> None:
    rng = np.random.default_rng(5)
    codes, scales = arrays_of(part(rng, 0, [3]))
    same = TokenPart(0, np.tile(codes, (50, 1)), np.tile(scales, 50), np.arange(51) * 3)
    rows = RowTokens([same], 8)
    query = rng.standard_normal((4, 8)).astype(np.float32)
    assert len(likely_rows(rows, np.ones(50, bool), [query], 5)[0]) == 50
    assert by_scan(rows, np.ones(50, bool), [query], 5)[1].tolist() == [[0, 1, 2, 3, 4]]


@needs_extension
def test_a_score_in_integers_lies_within_its_bound_of_the_score_in_floats() -> None:
    rng = np.random.default_rng(6)
    stored = part(rng, 0, list(rng.integers(1, 9, 400)), dim=32)
    rows = RowTokens([stored], 32)
    queries = [rng.standard_normal((t, 32)).astype(np.float32) for t in (1, 3, 11)]
    asked = ScanQueries.of(queries)
    found = scan(stored, np.arange(400), asked)
    floats = np.stack([maxsim(query, decode_int8(*arrays_of(stored)), stored.offsets) for query in queries])
    bounds = asked.error_bounds(rows)
    assert (np.abs(found - floats) <= bounds[:, None]).all()
    # Small enough to tell rows apart: the scores of these queries spread over more than 1.
    assert bounds.max() < 0.01


@needs_extension
def test_every_instruction_set_scans_to_the_same_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(7)
    stored = part(rng, 0, list(rng.integers(0, 9, 60)), dim=37)
    asked = ScanQueries.of([rng.standard_normal((t, 37)).astype(np.float32) for t in (2, 19)])
    positions = np.flatnonzero(np.diff(stored.offsets))
    found = []
    for name in kernels.instruction_sets():
        monkeypatch.setattr(kernels, "instruction_sets", lambda name=name: [name])
        found.append(scan(stored, positions, asked).tobytes())
        monkeypatch.undo()
    assert len(set(found)) == 1


@needs_extension
def test_a_scan_of_arrays_that_do_not_fit_is_refused() -> None:
    rng = np.random.default_rng(8)
    stored = part(rng, 0, [2, 3])
    codes, scales = arrays_of(stored)
    asked = ScanQueries.of([rng.standard_normal((2, 8)).astype(np.float32)])
    with pytest.raises(ValueError, match="no such document"):
        scan(stored, np.array([2]), asked)
    with pytest.raises(ValueError, match="offsets go beyond the tokens"):
        scan(TokenPart(0, codes[:4], scales[:4], stored.offsets), np.array([0]), asked)
    with pytest.raises(ValueError, match="differ in dim"):
        scan(part(rng, 0, [2], dim=9), np.array([0]), asked)


def test_a_query_without_tokens_and_a_corpus_without_live_rows_have_no_neighbours() -> None:
    rng = np.random.default_rng(3)
    rows = RowTokens([part(rng, 0, [2, 2], quantized=False)], 8)
    query = rng.standard_normal((2, 8)).astype("f4")
    scores, found = exact_tokens(rows, np.ones(2, bool), [np.empty((0, 8), "f4"), query], 3)
    assert found[0].tolist() == [-1, -1, -1]
    assert np.isneginf(scores[0]).all()
    assert sorted(found[1].tolist()) == [-1, 0, 1]
    assert exact_tokens(rows, np.zeros(2, bool), [query], 2)[1].tolist() == [[-1, -1]]
