"""The exact neighbours that a generation keeps: their files, read and written."""

from dataclasses import dataclass

import numpy as np

from xtr_assets.core.raw_arrays import open_array, save_array
from xtr_assets.core.types import Floats, Ints, Mask
from xtr_assets.storage.draft import Draft
from xtr_assets.storage.generation import Generation


@dataclass(frozen=True, slots=True)
class Neighbors:
    """Exact neighbours: scores float32 [q, depth], rows int64 [q, depth]; best first, padded with (-inf, -1).

    A padded list is exact as far as it goes, and at least as deep as the gate looks.
    """

    scores: Floats
    rows: Ints

    @classmethod
    def empty(cls, depth: int) -> "Neighbors":
        """Those of no query."""
        return cls(np.empty((0, depth), np.float32), np.empty((0, depth), np.int64))

    def of(self, chosen: Mask) -> "Neighbors":
        """Those of some queries, bool [q]."""
        return Neighbors(self.scores[chosen], self.rows[chosen])


def neighbor_files(space: str) -> tuple[str, str]:
    """(rows, scores) of a space: dense or xtr."""
    return f"evaluation/exact_{space}.npy", f"evaluation/exact_{space}_scores.npy"


def read_neighbors(generation: Generation, space: str) -> Neighbors:
    """The exact neighbours that a generation keeps."""
    rows, scores = neighbor_files(space)
    return Neighbors(
        np.array(open_array(generation.path(scores, full=True), scores, np.float32, (None, None))),
        np.array(open_array(generation.path(rows, full=True), rows, np.int64, (None, None))),
    )


def write_neighbors(draft: Draft, space: str, found: Neighbors) -> None:
    """Keep exact neighbours in the draft's evaluation folder."""
    rows, scores = neighbor_files(space)
    with draft.writing(rows) as path:
        save_array(path, found.rows)
    with draft.writing(scores) as path:
        save_array(path, found.scores)
