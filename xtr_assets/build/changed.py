"""Which rows of a draft are its parent's, which are new, and which died."""

import numpy as np

from xtr_assets.core.types import Mask
from xtr_assets.storage.generations import Generation


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
