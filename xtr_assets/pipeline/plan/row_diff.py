"""Row diff of a draft and its parent: rows kept, new and dead, and the chunks that are new to a user."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from xtr_assets.core.types import Ints, Mask
from xtr_assets.storage.chunk_files import rows_at
from xtr_assets.storage.generation import Generation


@dataclass(frozen=True, slots=True)
class Change:
    """Live rows of a draft beside its parent's: chunks that are new or have another text, chunks that went or had
    another text, and chunks that stayed what they were in a row that was written anew."""

    rows_added: int
    rows_removed: int
    rows_rewritten: int


class RowDiff:
    """A draft's rows beside its parent's; each part is computed when it is first asked for, and kept.

    Without a parent every live row is added and new.
    """

    def __init__(self, parent: Generation | None, draft: Generation) -> None:
        self._parent, self._draft = parent, draft

    @cached_property
    def same(self) -> Mask:
        """bool [draft.end_row]: live rows that were the same chunk, live, in the parent."""
        same = np.zeros(self._draft.end_row, np.bool_)
        if self._parent is None:
            return same
        there = {(one.segment_id, one.base_row) for one in self._parent.manifest.segments}
        for one in self._draft.manifest.segments:
            if (one.segment_id, one.base_row) in there:
                rows = slice(one.base_row, one.base_row + one.rows)
                same[rows] = self._draft.live[rows] & self._parent.live[rows]
        return same

    @cached_property
    def gone(self) -> Mask:
        """bool [parent.end_row]: rows that died."""
        if self._parent is None:
            return np.zeros(0, np.bool_)
        gone = self._parent.live.copy()
        gone[: len(self.same)] &= ~self.same[: len(gone)]
        return gone

    @cached_property
    def added(self) -> Mask:
        """bool [draft.end_row]: live rows that the parent does not have."""
        added: Mask = self._draft.live & ~self.same
        return added

    @cached_property
    def new(self) -> Mask:
        """bool [draft.end_row]: live rows whose chunk the parent did not serve, or served with another text.

        A compaction writes rows anew, and a line above a function moves its lines: what is searched is the same then,
        with the same chunk_id and the same text hash. Linear in the rows that came and went.
        """
        new = self.added.copy()
        if self._parent is None:
            return new
        before_ids, before_hashes = _chunks(self._parent, self.gone)
        ids, hashes = _chunks(self._draft, self.added)
        if len(before_ids) and len(ids):
            order = np.argsort(before_ids)
            place = order[np.minimum(np.searchsorted(before_ids, ids, sorter=order), len(order) - 1)]
            known = (before_ids[place] == ids) & (before_hashes[place] == hashes).all(axis=1)
            new[np.flatnonzero(self.added)[known]] = False
        return new

    @cached_property
    def change(self) -> Change:
        """The change in numbers; without a parent every row is added."""
        added, new, gone = (int(rows.sum()) for rows in (self.added, self.new, self.gone))
        return Change(new, gone - (added - new), added - new)

    @property
    def churn(self) -> int:
        """How many chunks came or went, which is what profiles and lists wear out by: rows written anew are the vectors
        there were."""
        return self.change.rows_added + self.change.rows_removed


def sources_of(generation: Generation, rows: Ints) -> npt.NDArray[np.str_]:
    """The source of each row int64 [n], as text; "" for -1."""
    names = [""] * len(rows)
    for one in generation.segments:
        inside = np.flatnonzero((rows >= one.base_row) & (rows < one.end_row))
        inside = inside[np.argsort(rows[inside], kind="stable")]
        found = rows_at(one.segment.chunks().select(["source"]), rows[inside] - one.base_row)["source"].to_pylist()
        for at, name in zip(inside.tolist(), found, strict=True):
            names[at] = name
    return np.array(names, np.str_)


def _chunks(generation: Generation, rows: Mask) -> tuple[Ints, npt.NDArray[np.uint64]]:
    """(chunk_ids int64 [n], text hashes uint64 [n, 2]) of some rows, ascending."""
    ids, hashes = [np.empty(0, np.int64)], [np.empty((0, 2), np.uint64)]
    for one in generation.segments:
        positions = np.flatnonzero(rows[one.base_row : one.end_row])
        if len(positions):
            ids.append(one.segment.chunk_ids()[positions])
            hashes.append(one.segment.text_hashes()[positions])
    return np.concatenate(ids), np.concatenate(hashes)
