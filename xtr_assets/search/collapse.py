"""The symbols of rows: one hit a symbol, and the rows that bear the name that was asked for."""

from collections.abc import Sequence
from threading import Lock
from typing import Protocol

import numpy as np

from xtr_assets.core.asked_name import Name, bears
from xtr_assets.core.lexical_terms import called_terms
from xtr_assets.core.types import Ints, Mask
from xtr_assets.storage.generation import Generation
from xtr_assets.storage.row_hydration import Hydrator

# What names a symbol: the same name in another file, or in another source, is another one.
PLACE = ("source", "path", "symbol")
# Symbols kept in memory by row: 200 bytes each, of what searches met.
MOST_KNOWN = 100_000

# Of these the terms of what they are called: 1.5 kB each.
MOST_CALLED = 20_000

Place = tuple[str, str, str]


class Fold(Protocol):
    """Which rows are one hit: those of a symbol, or of a text (equal_texts.py)."""

    def first(self, rows: Ints, k: int) -> Ints:
        """Positions int64 [m <= k], ascending, of the first row of each of the first k in rows int64 [n]."""
        ...

    def keys(self, rows: Ints) -> Sequence[Place | str | None]:
        """What names them, the same in every part of a set; None for a row that stands for itself."""
        ...


class Symbols:
    """Which symbol each row of a generation belongs to; what has no symbol stands for itself."""

    def __init__(self, generation: Generation) -> None:
        self._places = Hydrator(generation, PLACE)
        self._known: dict[int, Place | int] = {}
        self._called: dict[int, frozenset[str]] = {}
        self._lock = Lock()

    def first(self, rows: Ints, k: int) -> Ints:
        """Positions int64 [m <= k], ascending, of the first row of each of the first k symbols in rows int64 [n]."""
        met: dict[Place | int, int] = {}
        for position, row in enumerate(rows.tolist()):
            met.setdefault(self._key(row), position)
            if len(met) == k:
                break
        return np.fromiter(met.values(), np.int64, len(met))

    def keys(self, rows: Ints) -> list[Place | None]:
        """The symbol of each of rows int64 [n], (source, path, symbol); None for what has none."""
        keys = map(self._key, rows.tolist())
        return [None if isinstance(key, int) else key for key in keys]

    def bearing(self, name: Name, rows: Ints) -> Mask:
        """Which rows have the name that a query is: bool [len(rows)]."""
        keys = map(self._key, rows.tolist())
        borne = (not isinstance(key, int) and bears(name, key[1], key[2]) for key in keys)
        return np.fromiter(borne, np.bool_, len(rows))

    def called(self, rows: Ints) -> list[frozenset[str]]:
        """The terms of path and symbol of each of rows int64 [n]; none of what has no symbol."""
        found = []
        for row in rows.tolist():
            terms = self._called.get(row)
            if terms is None:
                key = self._key(row)
                terms = frozenset() if isinstance(key, int) else called_terms(key[1], key[2])
                with self._lock:
                    if len(self._called) >= MOST_CALLED:
                        self._called.clear()
                    self._called[row] = terms
            found.append(terms)
        return found

    def _key(self, row: int) -> Place | int:
        known = self._known.get(row)
        if known is None:
            (place,) = self._places.rows([row])
            known = (place["source"], place["path"], place["symbol"]) if place["symbol"] else row
            with self._lock:
                if len(self._known) >= MOST_KNOWN:
                    self._known.clear()
                self._known[row] = known
        return known
