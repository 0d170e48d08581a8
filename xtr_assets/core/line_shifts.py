"""Line shifts: lines added above stored rows move their line numbers, not the rows. Pure functions over numpy.

A shift (start, stop, by) says that the rows at positions start to stop of a segment stand `by` lines further down than
their columns say. An edit moves whole runs of rows by one number, so that a few shifts say it of a file.
"""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from xtr_assets.core.types import Int32s

Shift = tuple[int, int, int]


def shifts_of(by: Int32s) -> tuple[Shift, ...]:
    """The runs of equal shifts other than 0, ascending; by : int32 [rows].

    >>> shifts_of(np.array([0, 2, 2, -1, 0], np.int32))
    ((1, 3, 2), (3, 4, -1))
    """
    bounds = np.flatnonzero(np.diff(by, prepend=0, append=0)).tolist()
    return tuple((start, stop, int(by[start])) for start, stop in pairwise(bounds) if by[start])


def shift_array(shifts: Sequence[Shift], rows: int) -> Int32s:
    """int32 [rows]: how far down each row stands.

    >>> shift_array(((1, 3, 2), (3, 4, -1)), 5).tolist()
    [0, 2, 2, -1, 0]
    """
    by = np.zeros(rows, np.int32)
    for start, stop, lines in shifts:
        by[start:stop] = lines
    return by


def shift_at(shifts: Sequence[Shift], position: int) -> int:
    """How far down the row at one position stands.

    >>> [shift_at(((1, 3, 2),), position) for position in range(4)]
    [0, 2, 2, 0]
    """
    found = bisect_right(shifts, position, key=lambda shift: shift[0]) - 1
    return shifts[found][2] if found >= 0 and position < shifts[found][1] else 0
