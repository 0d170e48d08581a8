"""Where the vector of each row comes from: a segment that holds it, or a text that has to be encoded."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from xtr_assets.core.types import Ints
from xtr_assets.storage.encoding_lookup import EncodedAt
from xtr_assets.storage.segment import Segment
from xtr_assets.storage.unencoded_rows import BLOCK_TEXTS

Hashes = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class EncodePlan:
    """What rows need, by the hash of their text.

    held : segments that have some of it. blocks : rows int64 whose texts are to be encoded, the first row of each such
    text, in row order, BLOCK_TEXTS at a time. place, position : int64 [rows], text `position` of `held[place]`, or of
    block `place - len(held)`; -1 where a row has no text.
    """

    held: tuple[Segment, ...]
    blocks: tuple[Ints, ...]
    place: Ints
    position: Ints

    @property
    def unknown(self) -> int:
        """How many texts have to be encoded."""
        return sum(map(len, self.blocks))

    @property
    def taken(self) -> list[int]:
        """Which of `held` some row has its vector from."""
        used = np.unique(self.place)
        found: list[int] = used[(used >= 0) & (used < len(self.held))].tolist()
        return found


def plan_encoding(hashes: Hashes, find: Callable[[Hashes], EncodedAt]) -> EncodePlan:
    """The plan for rows with these hashes, uint64 [rows, 2]; a hash of 0 is that of no text."""
    there = hashes.any(axis=1)
    rows = np.flatnonzero(there)
    unique, first, inverse = np.unique(hashes[rows], axis=0, return_index=True, return_inverse=True)
    found = find(unique)
    # Unknown texts in row order, each at its first row.
    unknown = np.flatnonzero(~found.found)
    unknown = unknown[np.argsort(first[unknown], kind="stable")]
    place, position = found.owner.copy(), found.position.copy()
    place[unknown] = len(found.segments) + np.arange(len(unknown)) // BLOCK_TEXTS
    position[unknown] = np.arange(len(unknown)) % BLOCK_TEXTS
    of_row = np.full((2, len(hashes)), -1, np.int64)
    of_row[:, rows] = np.stack([place, position])[:, inverse.ravel()]
    chosen = rows[first[unknown]]
    blocks = tuple(chosen[start : start + BLOCK_TEXTS] for start in range(0, len(chosen), BLOCK_TEXTS))
    return EncodePlan(found.segments, blocks, of_row[0], of_row[1])
