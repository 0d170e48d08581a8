"""Merging segments under one model: documents are listed anew by the centroids they have, none is assigned again."""

from collections.abc import Sequence

import numpy as np

from xtr_assets.core.rows import TokenPart
from xtr_assets.core.types import Ints, Mask
from xtr_assets.index.xtr.model import TokenModel
from xtr_assets.index.xtr.postings import Postings, list_documents
from xtr_assets.index.xtr.store import concatenated_ranges


def merge_segments(
    model: TokenModel, segments: Sequence[tuple[TokenPart, Postings]], live: Mask
) -> tuple[tuple[TokenPart, Postings], Ints]:
    """One segment at row 0 of the live rows of several, in row order, and int64 [len(live)]: new row, or -1.

    Equal, byte for byte, to postings made from the merged tokens.
    """
    new_rows = np.where(live, np.cumsum(live) - 1, -1).astype(np.int64)
    tokens, scales, lengths, kept_numbers = [], [], [], []
    for part, postings in segments:
        kept = np.flatnonzero(live[part.base_row : part.end_row])
        counts = np.diff(part.offsets)[kept]
        which = concatenated_ranges(part.offsets[kept], counts)
        tokens.append(part.tokens[which])
        scales.append(np.asarray(part.scales)[which])
        lengths.append(counts)
        kept_numbers.append(postings.numbers[which])
    offsets = np.concatenate([[0], np.cumsum(np.concatenate([np.empty(0, np.int64), *lengths]))]).astype(np.int64)
    merged = TokenPart(
        0,
        np.concatenate([np.empty((0, model.dim), np.int8), *tokens]),
        np.concatenate([np.empty(0, np.float16), *scales]),
        offsets,
    )
    numbers = [np.empty(0, np.uint16), *kept_numbers]
    return (merged, list_documents(np.concatenate(numbers), np.diff(offsets), len(model.centroids))), new_rows
