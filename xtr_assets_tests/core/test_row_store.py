import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xtr_assets.core.errors import InvalidInput
from xtr_assets.core.row_store import RowTokens, RowVectors, TokenPart, VectorPart
from xtr_assets.core.token_codec import encode_int8


@st.composite
def layouts(draw: st.DrawFn) -> tuple[list[VectorPart], int]:
    """Parts with holes between them, and their dim; a vector's first component is its row."""
    parts, base = [], 0
    for hole, rows in draw(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 5)), max_size=5)):
        base += hole
        vectors = np.zeros((rows, 3), np.float16)
        vectors[:, 0] = np.arange(base, base + rows)
        parts.append(VectorPart(base, vectors))
        base += rows
    return parts, base


@given(layouts(), st.randoms(use_true_random=False))
def test_gather_finds_every_stored_row_in_any_order(layout: tuple[list[VectorPart], int], random: object) -> None:
    parts, end = layout
    store = RowVectors(parts, 3)
    rows = store.rows()
    random.shuffle(rows)  # type: ignore[attr-defined]
    assert store.end_row == end
    assert len(rows) == len(store)
    np.testing.assert_array_equal(store.gather(rows)[:, 0], rows)


@given(layouts(), st.integers(1, 4))
def test_blocks_cover_the_rows_once_in_order(layout: tuple[list[VectorPart], int], size: int) -> None:
    store = RowVectors(layout[0], 3)
    blocks = list(store.blocks(size))
    assert all(len(rows) <= size for rows, _ in blocks)
    seen = np.concatenate([rows for rows, _ in blocks] or [np.empty(0, np.int64)])
    np.testing.assert_array_equal(seen, store.rows())
    for rows, vectors in blocks:
        np.testing.assert_array_equal(vectors[:, 0], rows)


def test_a_row_in_a_hole_or_before_the_first_segment_is_an_error() -> None:
    store = RowVectors([VectorPart(2, np.ones((2, 3), np.float16)), VectorPart(6, np.ones((1, 3), np.float16))], 3)
    for row in (0, 4, 5, 7):
        with pytest.raises(InvalidInput, match=rf"{row}"):
            store.gather(np.array([row]))


def test_overlapping_segments_and_a_wrong_dim_are_refused() -> None:
    ones = np.ones((4, 3), np.float16)
    with pytest.raises(InvalidInput, match="one ends at row 4, the next begins at row 3"):
        RowVectors([VectorPart(0, ones), VectorPart(3, ones)], 3)
    with pytest.raises(InvalidInput, match="dim 5 expected"):
        RowVectors([VectorPart(0, ones)], 5)


def test_a_document_is_read_through_its_scales_and_its_segment() -> None:
    tokens = np.eye(4, dtype=np.float32)[:3]
    codes, scales = encode_int8(tokens)
    raw = TokenPart(0, tokens[:1].astype(np.float16), None, np.array([0, 1]))
    coded = TokenPart(5, codes, scales, np.array([0, 1, 3]))
    store = RowTokens([raw, coded], 4)
    assert (store.end_row, len(store), store.token_count) == (7, 3, 4)
    np.testing.assert_allclose(store.document(0), tokens[:1])
    np.testing.assert_allclose(store.document(6), tokens[1:3], atol=1e-3)
    for row in (-1, 1, 4, 7):
        with pytest.raises(InvalidInput, match=f"row {row}"):
            store.document(row)
