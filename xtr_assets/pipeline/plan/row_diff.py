"""Which rows of a draft are its parent's, which are new, which died; and where rows come from."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from xtr_assets.core.types import Ints, Mask
from xtr_assets.storage.generation import Generation


def same_rows(parent: Generation, draft: Generation) -> Mask:
    """bool [draft.end_row]: live rows that were the same chunk, live, in the parent."""
    same = np.zeros(draft.end_row, np.bool_)
    there = {(one.segment_id, one.base_row) for one in parent.manifest.segments}
    for one in draft.manifest.segments:
        if (one.segment_id, one.base_row) in there:
            rows = slice(one.base_row, one.base_row + one.rows)
            same[rows] = draft.live[rows] & parent.live[rows]
    return same


def changed_rows(parent: Generation, draft: Generation) -> tuple[Mask, Mask]:
    """(bool [parent.end_row] rows that died, bool [draft.end_row] rows that are new)."""
    same = same_rows(parent, draft)
    gone = parent.live.copy()
    gone[: len(same)] &= ~same[: len(gone)]
    return gone, draft.live & ~same


def sources_of(generation: Generation, rows: Ints) -> npt.NDArray[np.str_]:
    """The source of each row int64 [n], as text; "" for -1."""
    names = [""] * len(rows)
    for one in generation.segments:
        inside = np.flatnonzero((rows >= one.base_row) & (rows < one.end_row))
        found = one.segment.chunks()["source"].take(pa.array(rows[inside] - one.base_row)).to_pylist()
        for at, name in zip(inside.tolist(), found, strict=True):
            names[at] = name
    return np.array(names, np.str_)
