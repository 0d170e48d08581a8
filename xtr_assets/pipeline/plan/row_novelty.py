"""Which chunks of a draft are new to who searches: rows that were written anew with the same text are not."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from xtr_assets.core.types import Ints, Mask
from xtr_assets.pipeline.plan.row_diff import changed_rows
from xtr_assets.storage.generation import Generation


def new_chunks(parent: Generation, draft: Generation) -> Mask:
    """bool [draft.end_row]: live rows whose chunk the parent did not serve, or served with another text.

    A compaction writes rows anew, and a line above a function moves its lines: what is searched is the same then, with
    the same chunk_id and the same text hash. Linear in the rows that came and went.
    """
    gone, added = changed_rows(parent, draft)
    before_ids, before_hashes = _chunks(parent, gone)
    ids, hashes = _chunks(draft, added)
    new = added.copy()
    if len(before_ids) and len(ids):
        order = np.argsort(before_ids)
        place = order[np.minimum(np.searchsorted(before_ids, ids, sorter=order), len(order) - 1)]
        known = (before_ids[place] == ids) & (before_hashes[place] == hashes).all(axis=1)
        new[np.flatnonzero(added)[known]] = False
    return new


@dataclass(frozen=True, slots=True)
class Change:
    """Live rows of a draft beside its parent's: chunks that are new or have another text, chunks that went or had
    another text, and chunks that stayed what they were in a row that was written anew."""

    rows_added: int
    rows_removed: int
    rows_rewritten: int


def counted_change(parent: Generation | None, draft: Generation) -> Change:
    """The change in numbers; without a parent every row is added."""
    if parent is None:
        return Change(draft.live_rows, 0, 0)
    gone, added = (int(rows.sum()) for rows in changed_rows(parent, draft))
    new = int(new_chunks(parent, draft).sum())
    return Change(new, gone - (added - new), added - new)


def churn(parent: Generation, draft: Generation) -> int:
    """How many chunks came or went, which is what profiles and lists wear out by: rows written anew are the vectors
    there were."""
    change = counted_change(parent, draft)
    return change.rows_added + change.rows_removed


def _chunks(generation: Generation, rows: Mask) -> tuple[Ints, npt.NDArray[np.uint64]]:
    """(chunk_ids int64 [n], text hashes uint64 [n, 2]) of some rows, ascending."""
    ids, hashes = [np.empty(0, np.int64)], [np.empty((0, 2), np.uint64)]
    for one in generation.segments:
        positions = np.flatnonzero(rows[one.base_row : one.end_row])
        if len(positions):
            ids.append(one.segment.chunk_ids()[positions])
            hashes.append(one.segment.text_hashes()[positions])
    return np.concatenate(ids), np.concatenate(hashes)
