"""Where segments lie in a generation: base rows, dead ranges, tombstones. Pure functions over numpy."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from xtr_assets.core.errors import InvalidInput
from xtr_assets.core.types import Mask

# A hole costs every opened generation about twelve bytes: a place in the table of chunk_ids, and a bit or a byte in
# each mask of rows. Below 65,536 holes nobody notices; beyond, rows are placed anew once holes are the greater part, so
# that the tables stay below twice their need and moving all rows costs no more than what made the holes did.
HOLES_UNNOTICED = 65_536
HOLES_SHARE = 0.5

Range = tuple[int, int]
PackedBits = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Placed:
    """A segment at its place: its position p is row `base_row + p`."""

    segment_id: str
    base_row: int
    rows: int

    @property
    def end_row(self) -> int:
        return self.base_row + self.rows


@dataclass(frozen=True, slots=True)
class Wanted:
    """A segment that a generation must hold, with its dead positions: bool [rows]."""

    segment_id: str
    dead: Mask


@dataclass(frozen=True, slots=True)
class Placement:
    """Segments in row order, one past the last row ever given out, and which rows are live: bool [end_row]."""

    segments: tuple[Placed, ...]
    end_row: int
    live: Mask

    @property
    def holes(self) -> int:
        """Rows that no segment fills."""
        return self.end_row - sum(one.rows for one in self.segments)


def too_many_holes(holes: int, end_row: int) -> bool:
    """Whether rows are worth placing anew.

    >>> too_many_holes(65_536, 70_000), too_many_holes(100_000, 150_000), too_many_holes(100_000, 250_000)
    (False, True, False)
    """
    return holes > max(HOLES_UNNOTICED, HOLES_SHARE * end_row)


def ranges_of(mask: Mask) -> tuple[Range, ...]:
    """The set positions as half-open runs, ascending and never touching.

    >>> ranges_of(np.array([True, True, False, True]))
    ((0, 2), (3, 4))
    """
    edges = np.flatnonzero(np.diff(mask.astype(np.int8), prepend=0, append=0))
    return tuple((int(start), int(stop)) for start, stop in edges.reshape(-1, 2))


def mask_of(ranges: Iterable[Range], length: int) -> Mask:
    """bool [length], True inside the runs.

    >>> mask_of([(0, 2), (3, 4)], 5).tolist()
    [True, True, False, True, False]
    """
    mask = np.zeros(length, np.bool_)
    previous = 0
    for start, stop in ranges:
        if not previous <= start < stop <= length:
            raise InvalidInput(f"run {[start, stop]} after {previous} does not fit {length} positions in order")
        mask[start:stop] = True
        previous = stop
    return mask


def place(wanted: Sequence[Wanted], parent: Placement | None = None) -> Placement:
    """Give every wanted segment its rows.

    A segment of the parent stays where it is, so that derived indexes can be carried over; a new one is appended after
    every row that was ever given out. A segment that left is a hole. A row that is dead in the parent never comes back
    to life (its entry may have been removed from derived indexes): a segment that would need that is appended again.
    """
    known = {placed.segment_id: placed for placed in parent.segments} if parent else {}
    end = parent.end_row if parent else 0
    placed: list[Placed] = []
    for one in wanted:
        old = known.get(one.segment_id)
        if old is not None and parent is not None and old.rows == len(one.dead):
            was_live = parent.live[old.base_row : old.end_row]
            if not bool(np.any(~was_live & ~one.dead)):
                placed.append(old)
                continue
        placed.append(Placed(one.segment_id, end, len(one.dead)))
        end += len(one.dead)
    dead = {one.segment_id: one.dead for one in wanted}
    if len(dead) != len(wanted):
        raise InvalidInput("a segment is wanted twice; two shards cannot share one")
    placed.sort(key=lambda one: one.base_row)
    return Placement(tuple(placed), end, live_mask(placed, dead, end))


def live_mask(placed: Iterable[Placed], dead: Mapping[str, Mask], end_row: int) -> Mask:
    """bool [end_row]: False in holes and where a row is dead."""
    live = np.zeros(end_row, np.bool_)
    for one in placed:
        live[one.base_row : one.end_row] = ~dead[one.segment_id]
    return live


def pack_tombstones(live: Mask) -> PackedBits:
    """uint8 [ceil(rows / 8)]: bit r % 8 (lowest first) of byte r // 8 is set where row r must not be returned.

    >>> pack_tombstones(np.array([True, False, True])).tolist()
    [2]
    """
    return np.packbits(~live, bitorder="little")


def unpack_tombstones(packed: PackedBits, end_row: int) -> Mask:
    """The live mask, bool [end_row], of `pack_tombstones`."""
    if packed.shape != ((end_row + 7) // 8,):
        raise InvalidInput(f"tombstones of {end_row} rows take {(end_row + 7) // 8} bytes, found {packed.shape}")
    return ~np.unpackbits(packed, count=end_row, bitorder="little").astype(np.bool_)
