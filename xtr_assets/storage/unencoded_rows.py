"""Segments that nobody encoded yet and that lost many rows since: what lives of them moves into the next segment.

A segment is encoded whole. Who built too much, stopped, corrected the source and built again would pay for all that is
dead by then: 70,511 of 71,039 rows, seen once. No generation has a row of such a segment: nothing moves in an index.
"""

import numpy as np

from xtr_assets.core.line_shifts import shifts_of
from xtr_assets.storage.chunk_files import BATCH_ROWS, ChunkWriter, rows_at, shifted
from xtr_assets.storage.layout import Layout
from xtr_assets.storage.row_match import StandingRows
from xtr_assets.storage.segment import Segment

# Texts per block of an encoding: about 7 s of the embedded encoder on two cores is what a crash may cost, and 1,024
# texts are enough for the encoder to sort into batches of equal length.
BLOCK_TEXTS = 1024


def move_unencoded(layout: Layout, old: StandingRows, writer: ChunkWriter) -> int:
    """Write the live rows of such segments, which are dead where they stood then. Returns how many."""
    moved = 0
    for (segment_id, dead), table in zip(old.dead.items(), old.tables, strict=True):
        count = int(dead.sum())
        if count < BLOCK_TEXTS or not _worth_moving(Segment.open(layout, segment_id), count):
            continue
        positions = np.flatnonzero(~dead)
        standing = shifted(table, shifts_of(old.shifts[segment_id]))
        for start in range(0, len(positions), BATCH_ROWS):
            writer.append_stored(rows_at(standing, positions[start : start + BATCH_ROWS]))
        dead[:] = True
        moved += len(positions)
    return moved


def _worth_moving(segment: Segment, dead: int) -> bool:
    """Whether at least a block less is to be encoded. What a run that ended early left encoded is lost by moving, as it
    is found again by the texts of a whole block."""
    left = BLOCK_TEXTS * sum(1 for _ in segment.layout.staging_root.glob(f"{segment.segment_id}/*/*.npz"))
    return not segment.listings() and dead - left >= BLOCK_TEXTS
