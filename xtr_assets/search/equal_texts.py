"""Equal texts: one hit a text, and where else a hit's text stands.

Texts are equal where their title and text are, told by the text hash that a build writes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from threading import Lock
from typing import Any

import numpy as np

from xtr_assets.core.text_groups import TextGroups
from xtr_assets.core.types import Ints, Mask
from xtr_assets.search.hits import Copy, Hit
from xtr_assets.storage.chunk_files import rows_at
from xtr_assets.storage.generation import Generation
from xtr_assets.storage.row_hydration import Hydrator

COLUMNS = ("chunk_id", "source", "path", "symbol", "start_line")
# What copies are ordered by.
PLACED = ("source", "path", "start_line", "chunk_id")
# Places that a hit names of its copies.
MOST_NAMED = 20
# Rows of texts whose places were put in order, kept in memory: 8 bytes each.
MOST_ORDERED = 1_000_000
# Rows of one text from which Arrow puts them in order: one by one they take 5 us and 1 kB each, and it 1.5 us.
MANY = 1_000
# How many more rows are looked at each time that k different texts are not among those before.
GROWTH = 8


@dataclass(frozen=True, slots=True)
class Copies:
    """Where else a text stands. count : rows in all; first : those that come first by source, path and line."""

    count: int
    first: tuple[Copy, ...]


class EqualTexts:
    """Which text each live row of a generation holds. Nothing is read before the first search that asks."""

    def __init__(self, generation: Generation) -> None:
        self._generation = generation
        self._hydrator = Hydrator(generation, COLUMNS)
        self._groups: TextGroups | None = None
        # Of large texts the rows in the order of their places, by the first row.
        self._ordered: dict[int, Ints] = {}
        self._held = 0
        self._lock = Lock()

    def first(self, rows: Ints, k: int) -> Ints:
        """Positions int64 [m <= k], ascending, of the first row of each of the first k texts in rows int64 [n]."""
        texts, size = self._known().texts(rows), GROWTH * k
        while True:
            _, positions = np.unique(texts[:size], return_index=True)
            if len(positions) >= k or size >= len(texts):
                return np.sort(positions)[:k].astype(np.int64)
            size *= GROWTH

    def keys(self, rows: Ints) -> list[str]:
        """The hash of the text of each of rows int64 [n], in hexadecimal digits."""
        return [one.tobytes().hex() for one in self._known().hashes(rows)]

    def copies(self, row: int, allowed: Mask) -> Copies:
        """Where else the text of a row stands among the rows that are allowed, bool [end_row]."""
        groups = self._known()
        found = self._in_order(groups.equal(row), allowed)
        return self._told(found[found != row])

    def holding(self, key: str, allowed: Mask) -> Copies:
        """Where the text of this hash stands among the rows that are allowed; one place more than a hit names, as the
        hit itself may be among them."""
        first, second = np.frombuffer(bytes.fromhex(key), np.uint64).tolist()
        return self._told(self._in_order(self._known().holding(first, second), allowed), MOST_NAMED + 1)

    def _told(self, rows: Ints, most: int = MOST_NAMED) -> Copies:
        return Copies(len(rows), tuple(Copy(**columns) for columns in self._hydrator.rows(rows[:most].tolist())))

    def _in_order(self, rows: Ints, allowed: Mask) -> Ints:
        """Those of the rows of one text that are allowed, by their places."""
        if len(rows) < 2:
            return rows[allowed[rows]]
        ordered = self._ordered.get(int(rows[0]))
        if ordered is None:
            ordered = rows[self._order(rows)]
            with self._lock:
                if self._held + len(rows) > MOST_ORDERED:
                    self._ordered.clear()
                    self._held = 0
                self._ordered[int(rows[0])] = ordered
                self._held += len(rows)
        return ordered[allowed[ordered]]

    def _order(self, rows: Ints) -> Sequence[int] | Ints:
        """Positions of ascending rows by their places."""
        if len(rows) < MANY:
            places = [placed(one) for one in self._hydrator.rows(rows.tolist())]
            return sorted(range(len(rows)), key=places.__getitem__)
        # 30 CPU ms of import, which few searches need.
        import pyarrow.compute as pc

        table = self._generation.chunk_table(PLACED, live=False)
        own = rows_at(table, np.searchsorted(table["row"].to_numpy(), rows))
        order: Ints = pc.sort_indices(own, sort_keys=[(name, "ascending") for name in PLACED]).to_numpy()
        return order

    def _known(self) -> TextGroups:
        if self._groups is None:
            with self._lock:
                # Only one of several threads that begin with it builds it.
                if self._groups is None:
                    self._groups = _groups(self._generation)
        return self._groups


def with_copies(hits: Sequence[Hit], copies: Sequence[Copies]) -> list[Hit]:
    """The hits with where else the text of each stands."""
    return [replace(hit, copies=own.count, also=own.first) for hit, own in zip(hits, copies, strict=True)]


def placed(columns: Mapping[str, Any]) -> tuple[str, str, int, int]:
    """What a copy is ordered by."""
    return columns["source"], columns["path"], columns["start_line"], columns["chunk_id"]


def _groups(generation: Generation) -> TextGroups:
    hashes, rows = [np.empty((0, 2), np.uint64)], [np.empty(0, np.int64)]
    for one in generation.segments:
        live = np.flatnonzero(generation.live[one.base_row : one.end_row])
        hashes.append(one.segment.text_hashes()[live])
        rows.append(live + one.base_row)
    return TextGroups.of(np.concatenate(hashes), np.concatenate(rows), generation.end_row)
