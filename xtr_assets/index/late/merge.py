"""Merging postings of segments under one model: centroid assignments are kept, only the lists are made anew."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from xtr_assets.core.row_store import TokenPart
from xtr_assets.core.types import Halves, Ints, Mask
from xtr_assets.index.late.centroids import TokenModel
from xtr_assets.index.late.postings import Postings, list_documents
from xtr_assets.index.late.residual_codec import COMPACT_CODEC, ENCODE_TOKENS, Codec, compact_part, rows_of
from xtr_assets.index.late.state import IndexState, make_segment
from xtr_assets.index.late.token_store import concatenated_ranges


def taken_in(state: IndexState, other: IndexState, base_row: int) -> tuple[tuple[TokenPart, Postings], Ints]:
    """The live rows of another index as a segment of this one at `base_row`, and int64 [len(other.live)]: the place of
    each in it, or -1."""
    same = state.model.fingerprint == other.model.fingerprint
    merged, places = merge_segments(other.model, other.segments, other.live, other.codec)
    part = replace(merged[0], base_row=base_row)
    if same and state.codec == other.codec:
        return (part, merged[1]), places
    if rows_of(part) is not None:
        # int8 again: what is compared with is what the other index compared with.
        part = TokenPart(base_row, *_int8(part), part.offsets)
    return make_segment(state.model, part, state.codec), places


def _int8(part: TokenPart) -> tuple[npt.NDArray[np.int8], Halves]:
    """int8 [T, d] and scales float16 [T] of compact rows, decoded a block at a time."""
    blocks = [slice(start, start + ENCODE_TOKENS) for start in range(0, len(part.tokens), ENCODE_TOKENS)]
    rows = rows_of(part)
    assert rows is not None
    decoded = [rows.decode(block) for block in blocks] or [rows.decode(slice(0, 0))]
    return np.concatenate([one for one, _ in decoded]), np.concatenate([one for _, one in decoded])


def merge_segments(
    model: TokenModel, segments: Sequence[tuple[TokenPart, Postings]], live: Mask, codec: Codec
) -> tuple[tuple[TokenPart, Postings], Ints]:
    """One segment at row 0 of the live rows of several, in row order, and int64 [len(live)]: new row, or -1.

    Equal, byte for byte, to postings made from the merged tokens.
    """
    new_rows = np.where(live, np.cumsum(live) - 1, -1).astype(np.int64)
    compact = codec == COMPACT_CODEC
    width, dtype = (model.packed_dim, np.uint8) if compact else (model.dim, np.int8)
    stored: list[npt.NDArray[Any]] = [np.empty((0, width), dtype)]
    scales = [np.empty(0, np.float16)]
    lengths = [np.empty(0, np.int64)]
    numbers: list[npt.NDArray[Any]] = [np.empty(0, model.number_type)]
    for part, postings in segments:
        kept = np.flatnonzero(live[part.base_row : part.end_row])
        counts = np.diff(part.offsets)[kept]
        which = concatenated_ranges(part.offsets[kept], counts)
        rows = rows_of(part)
        stored.append(part.tokens[which] if rows is None else rows.residuals[which])
        if rows is None:
            scales.append(np.asarray(part.scales)[which])
        lengths.append(counts)
        numbers.append(postings.numbers[which])
    offsets = np.concatenate([[0], np.cumsum(np.concatenate(lengths))]).astype(np.int64)
    postings = list_documents(np.concatenate(numbers), np.diff(offsets), len(model.centroids))
    if compact:
        merged = compact_part(model, 0, np.concatenate(stored), postings.numbers, offsets)
    else:
        merged = TokenPart(0, np.concatenate(stored), np.concatenate(scales), offsets)
    return (merged, postings), new_rows
