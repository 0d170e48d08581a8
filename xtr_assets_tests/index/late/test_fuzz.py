"""The extension under arrays of any shape and content: it refuses or answers as the reference does, and never crashes.

Under AddressSanitizer (native/README.md) a read or write outside an array ends the process.
"""

from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from xtr_assets.core.row_store import RowTokens, TokenPart
from xtr_assets.core.token_codec import TOKEN_CODEC, encode_int8
from xtr_assets.index import TokenIndex, native
from xtr_assets.index.late.backends.native_backend import NativeBackend
from xtr_assets.index.late.backends.reference import PlacedPostings, ReferenceBackend
from xtr_assets.index.late.options import Depths
from xtr_assets.index.late.postings import Postings
from xtr_assets.index.late.query import make_query
from xtr_assets.index.late.residual_codec import CODECS, COMPACT_CODEC, Codec, rows_of
from xtr_assets.index.late.state import make_segment
from xtr_assets.index.late.training import train
from xtr_assets_tests.index.late.token_corpus import unit

INSTRUCTIONS = native.kernels.instruction_sets() if native.available() else []
pytestmark = pytest.mark.skipif(not INSTRUCTIONS, reason="the extension is not built")
ANY = settings(max_examples=25, suppress_health_check=list(HealthCheck))


def tokens_of(rng: np.random.Generator, lengths: list[int], dim: int) -> tuple[Any, Any]:
    """Unit tokens, of which some are the same."""
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    tokens = unit(rng.normal(size=(offsets[-1], dim)) + 1e-3)
    tokens[rng.integers(0, len(tokens), len(tokens) // 3)] = tokens[0]
    return tokens, offsets


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("instructions", INSTRUCTIONS)
@pytest.mark.parametrize(("query_tokens", "lengths", "dim"), [
    (1, [1], 1), (512, [1, 3, 1], 128), (33, [10_000, 1, 2], 8), (1, [70] * 20, 256), (64, [1] * 40, 33),
])  # fmt: skip
def test_the_smallest_and_the_largest(
    query_tokens: int, lengths: list[int], dim: int, instructions: str, codec: Codec
) -> None:
    rng = np.random.default_rng(query_tokens)
    tokens, offsets = tokens_of(rng, lengths, dim)
    part = TokenPart(0, *encode_int8(tokens), offsets)
    model = train(RowTokens([part], dim))
    own, postings = make_segment(model, part, codec)
    placed, stored = [PlacedPostings(0, own.rows, postings)], RowTokens([own], dim)
    reference, native = (
        ReferenceBackend(model, placed, stored),
        NativeBackend(model, placed, stored, instructions),
    )
    query = make_query(model, unit(rng.normal(size=(query_tokens, dim)) + 1e-3))
    for depths in (Depths(3, 1 << 31, 9, 5, 3), Depths(0, 1, 1, 9, 2)):
        np.testing.assert_array_equal(
            native.retrieve(query, depths, None).rows, reference.retrieve(query, depths, None).rows
        )
    rows = np.arange(len(lengths))
    np.testing.assert_array_equal(native.exact(query, rows), reference.exact(query, rows))
    np.testing.assert_array_equal(native.rescore(query, rows), reference.rescore(query, rows))


@ANY
@given(data=st.data())
def test_content_that_was_altered_leads_nowhere(data: st.DataObject) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 1 << 30)))
    dim, codec = data.draw(st.sampled_from([3, 16, 128])), data.draw(st.sampled_from(CODECS))
    tokens, offsets = tokens_of(rng, [int(n) for n in rng.integers(1, 30, 12)], dim)
    part = TokenPart(0, *encode_int8(tokens), offsets)
    model = train(RowTokens([part], dim))
    part, postings = make_segment(model, part, codec)
    # What is mapped and not read in full at opening: any bytes at all.
    documents = rng.integers(-(2**31), 2**31, len(postings.documents)).astype(np.int32)
    documents[::2] = postings.documents[::2]
    width: Any = data.draw(st.sampled_from([np.uint16, np.uint32]))
    damaged = Postings(postings.lists, documents, rng.integers(0, np.iinfo(width).max, len(tokens), width, True))
    if codec == COMPACT_CODEC:
        rows = rows_of(part)
        assert rows is not None
        rows.residuals[:] = rng.integers(0, 256, rows.residuals.shape)
        rows.numbers = damaged.numbers
    query = make_query(model, tokens[: data.draw(st.integers(1, 20))])
    allowed = data.draw(st.sampled_from([None, rng.random(12) < 0.5]))
    depths = Depths(data.draw(st.integers(0, 9)), data.draw(st.sampled_from([1, 1 << 31])), 12, 8, 4)
    placed, stored = [PlacedPostings(0, 12, damaged)], RowTokens([part], dim)
    expected = ReferenceBackend(model, placed, stored)
    for instructions in INSTRUCTIONS:
        found = NativeBackend(model, placed, stored, instructions)
        np.testing.assert_array_equal(
            found.retrieve(query, depths, allowed).rows, expected.retrieve(query, depths, allowed).rows
        )
        np.testing.assert_array_equal(found.exact(query, np.arange(12)), expected.exact(query, np.arange(12)))


def shapes(rank: int) -> st.SearchStrategy[tuple[int, ...]]:
    return st.tuples(*[st.sampled_from([0, 1, 2, 5, 32, 33])] * rank)


@ANY
@given(data=st.data())
def test_shapes_that_do_not_fit_are_refused(data: st.DataObject) -> None:
    """Every array gets a shape of its own: what happens to fit is used, everything else is a ValueError."""
    kernels = native.kernels
    instructions = data.draw(st.sampled_from(INSTRUCTIONS))

    def draw(dtype: Any, rank: int) -> Any:
        return np.zeros(data.draw(shapes(rank)), dtype)

    def part() -> tuple[Any, ...]:
        lists, width = draw(np.int32, 1), data.draw(st.sampled_from([np.uint16, np.uint32]))
        stored = draw(np.int8, 2), draw(np.uint16, 1), None
        if data.draw(st.booleans()):
            stored = None, None, draw(np.uint8, 2)
        return (data.draw(st.integers(-3, 3)), lists, draw(np.int32, 1), draw(width, 1), draw(np.int64, 1), *stored)

    compact = None
    if data.draw(st.booleans()):
        compact = draw(np.float32, 2), draw(np.int8, 1), draw(np.float32, 1)
    try:
        index = kernels.Index(draw(np.int8, 2), draw(np.float32, 1), [part() for _ in range(2)], compact, instructions)
    except ValueError:
        index = kernels.Index(np.ones((2, 5), np.int8), np.ones(2, np.float32), [], None, instructions)
    numbers = data.draw(st.lists(st.integers(-2, 40), min_size=6, max_size=6))
    with suppress(ValueError):
        index.retrieve(draw(np.int8, 2), draw(np.float32, 1), draw(np.float32, 1), *numbers, None)
    with suppress(ValueError):
        index.score(draw(np.int8, 2), None, draw(np.float32, 1), draw(np.int64, 1), np.array(numbers, np.int64))
    centroids = draw(np.int8, 2), draw(np.float32, 1), draw(np.float32, 1)
    with suppress(ValueError):
        kernels.assign(*centroids, draw(np.int8, 2), draw(np.float32, 1), instructions)


def test_a_query_of_no_tokens_and_of_nothing_but_zeros(tmp_path: Any) -> None:
    tokens, offsets = tokens_of(np.random.default_rng(0), [3] * 30, 16)
    for codec in (TOKEN_CODEC, COMPACT_CODEC):
        index = TokenIndex.build(tokens, offsets, codec=codec)
        assert index.search(np.empty((0, 16), np.float32), 2)[1].tolist() == [-1, -1]
        scores, rows = index.search(np.zeros((4, 16), np.float32), 3)
        assert rows.tolist() == [0, 1, 2] and scores.tolist() == [0, 0, 0]
        found = index._state.backend.retrieve(
            make_query(index.model, np.zeros((4, 16), np.float32)), Depths(2, 1 << 31, 20, 9, 4), None
        )
        assert len(found.rows) <= 4
