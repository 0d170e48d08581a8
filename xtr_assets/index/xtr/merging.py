"""Merging segments under one model: lists are concatenated, nothing is assigned or encoded again."""

from collections.abc import Sequence

import numpy as np

from xtr_assets.core.rows import TokenPart
from xtr_assets.core.types import Ints, Mask
from xtr_assets.index.xtr.model import TokenModel
from xtr_assets.index.xtr.postings import Postings
from xtr_assets.index.xtr.store import concatenated_ranges


def merge_segments(
    model: TokenModel, segments: Sequence[tuple[TokenPart, Postings]], live: Mask
) -> tuple[tuple[TokenPart, Postings], Ints]:
    """One segment at row 0 of the live rows of several, in row order, and int64 [len(live)]: new row, or -1.

    Equal, byte for byte, to postings made from the merged tokens.
    """
    new_rows = np.where(live, np.cumsum(live) - 1, -1).astype(np.int64)
    tokens, scales, lengths, residuals = [], [], [], []
    for part, _ in segments:
        kept = np.flatnonzero(live[part.base_row : part.end_row])
        counts = np.diff(part.offsets)[kept]
        which = concatenated_ranges(part.offsets[kept], counts)
        tokens.append(part.tokens[which])
        scales.append(np.asarray(part.scales)[which])
        lengths.append(counts)
    offsets = np.concatenate([[0], np.cumsum(np.concatenate([np.empty(0, np.int64), *lengths]))]).astype(np.int64)
    merged = TokenPart(
        0,
        np.concatenate([np.empty((0, model.dim), np.int8), *tokens]),
        np.concatenate([np.empty(0, np.float16), *scales]),
        offsets,
    )
    numbers, positions = [np.empty(0, np.int32)], [np.empty(0, np.int32)]
    for part, postings in segments:
        rows = new_rows[part.base_row + postings.positions.astype(np.int64)]
        keep = rows >= 0
        every = np.repeat(np.arange(len(model.centroids), dtype=np.int32), np.diff(postings.lists))
        numbers.append(every[keep])
        positions.append(rows[keep].astype(np.int32))
        residuals.append(postings.residuals[keep])
    # Segments come in row order and each list ascends: a stable sort by list keeps both.
    number = np.concatenate(numbers)
    order = np.argsort(number, kind="stable")
    lists = np.zeros(len(model.centroids) + 1, np.int32)
    np.cumsum(np.bincount(number, minlength=len(model.centroids)), out=lists[1:])
    codes = np.concatenate([np.empty((0, model.packed_dim), np.uint8), *residuals])[order]
    return (merged, Postings(lists, np.concatenate(positions)[order], codes)), new_rows
