"""The rows that stand at the places of a query: by the last component of their paths, and by their lines."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np
import pyarrow as pa

from xtr_assets.core.asked_place import Place, agreeing, components, place_shares
from xtr_assets.core.line_shifts import Shift, shift_at
from xtr_assets.core.types import Floats, Ints
from xtr_assets.search.filter_masks import PlacedLike, SegmentLike
from xtr_assets.search.retrievers import Listed
from xtr_assets.storage.chunk_files import LINE_COLUMNS, rows_at

# Queries whose rows are kept: each is asked for them when candidates are listed and when they are scored.
QUERIES_KEPT = 8
NONE = Listed(np.empty(0, np.int64), np.empty(0, np.float32))


@dataclass(frozen=True, slots=True, eq=False)
class SegmentFiles:
    """The different paths of one segment. paths : each once; of_row : [rows], the place of each row's among them, as
    few bytes as hold it; names, of_name : int64 [paths], hashes of what the paths end with, ascending, and whose.

    Taken apart once, when the first place is asked for: 300,000 rows of 12,000 files in 82 CPU ms, a million of as many
    files in 1.3 s and 51 MB.
    """

    paths: pa.Array
    of_row: Any
    names: Ints
    of_name: Ints

    @classmethod
    def of(cls, segment: SegmentLike) -> "SegmentFiles":
        # 30 CPU ms of import, which a search without a place need not pay.
        import pyarrow.compute as pc

        column = segment.chunks().column("path")
        paths = column.unique()
        # What several batches share is one entry: a dictionary of each, joined, takes 34 s for a million paths.
        numbers = pc.index_in(column, value_set=paths).to_numpy()
        names = np.fromiter((hash(_name(path)) for path in paths.to_pylist()), np.int64, len(paths))
        order = np.argsort(names, kind="stable")
        return cls(paths, numbers.astype(np.min_scalar_type(len(paths))), names[order], order)

    def ending(self, name: str) -> Iterator[tuple[int, tuple[str, ...]]]:
        """The paths whose last component this is, by number, taken apart."""
        first, last = (int(np.searchsorted(self.names, hash(name), side)) for side in ("left", "right"))
        for number in self.of_name[first:last].tolist():
            own = components(self.paths[number].as_py())
            if own and own[-1] == name:
                yield number, own


def _name(path: str) -> str:
    """The last of `components`, "" where there is none; of most paths the rest need not be looked at."""
    last = path.replace("\\", "/").replace(":", "/").rpartition("/")[2]
    if last.strip(".~") and path.isascii():
        return last.casefold()
    return (components(path) or ("",))[-1]


class RowPlaces:
    """Which rows of a generation stand at places. `previous` hands over what was taken apart of shared segments."""

    def __init__(self, placed: Sequence[PlacedLike], previous: "RowPlaces | None" = None) -> None:
        self._placed = placed
        here = {one.segment.segment_id for one in placed}
        known: dict[str, SegmentFiles] = {} if previous is None else previous._files  # noqa: SLF001 (of its own class)
        self._files: dict[str, SegmentFiles] = {name: files for name, files in known.items() if name in here}
        # A cache of a method would hold its own object, and what that has mapped, until a full collection.
        self._kept: dict[tuple[Place, ...], Listed] = {}
        self._lock = Lock()

    def standing(self, places: tuple[Place, ...]) -> Listed:
        """All rows at these places, dead ones too, ascending; their shares (core.asked_place.place_shares)."""
        if not places:
            return NONE
        found = self._kept.get(places)
        if found is None:
            found = self._read(places)
            with self._lock:
                while len(self._kept) >= QUERIES_KEPT:
                    del self._kept[next(iter(self._kept))]
                self._kept[places] = found
        return found

    def _read(self, places: tuple[Place, ...]) -> Listed:
        found = [NONE, *(self._in_segment(one, places) for one in self._placed)]
        return Listed(np.concatenate([one.rows for one in found]), np.concatenate([one.scores for one in found]))

    def _in_segment(self, placed: PlacedLike, places: tuple[Place, ...]) -> Listed:
        files = self._files_of(placed.segment)
        asked = {
            number: own
            for name in dict.fromkeys(place.path[-1] for place in places)
            for number, own in files.ending(name)
            if any(agreeing(place.path, own) for place in places)
        }
        if not asked:
            return NONE
        positions = np.flatnonzero(np.isin(files.of_row, np.array(list(asked))))
        start, end = _lines(placed.segment.chunks(), positions, placed.shifts)
        shares = np.full(len(positions), np.nan, np.float32)
        of_row = files.of_row[positions]
        for number, own in asked.items():
            at = np.flatnonzero(of_row == number)
            shares[at] = place_shares(places, own, start[at], end[at])
        there = ~np.isnan(shares)
        return Listed(placed.base_row + positions[there], shares[there])

    def _files_of(self, segment: SegmentLike) -> SegmentFiles:
        # Two threads may both take it apart: the result is the same.
        known = self._files.get(segment.segment_id)
        if known is None:
            known = self._files[segment.segment_id] = SegmentFiles.of(segment)
        return known


def _lines(chunks: pa.Table, positions: Ints, shifts: Sequence[Shift]) -> tuple[Ints, Ints]:
    """First and last lines of rows at ascending positions, where they stand now, int64 [n]."""
    rows = rows_at(chunks.select(list(LINE_COLUMNS)), positions)
    moved = np.array([shift_at(shifts, one) for one in positions.tolist()] if shifts else 0, np.int64)
    start, end = (rows.column(name).to_numpy().astype(np.int64) + moved for name in LINE_COLUMNS)
    return start, end


def shares_of(standing: Listed, rows: Ints) -> Floats:
    """The shares of rows int64 [n] that stand at places: float32 [n], NaN where a row stands at none."""
    if not len(standing.rows):
        return np.full(len(rows), np.nan, np.float32)
    at = np.minimum(np.searchsorted(standing.rows, rows), len(standing.rows) - 1)
    found: Floats = np.where(standing.rows[at] == rows, standing.scores[at], np.float32(np.nan))
    return found
