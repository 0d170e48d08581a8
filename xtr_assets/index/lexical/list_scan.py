"""Lists of postings read: what the index asks of whoever reads them, and the NumPy way, which states the maths.

`list_scan_native` (C++) gives the same bits. Lists are named by an array int64 [parts, terms] of term numbers within
each part, -1 where a part lacks the term; terms are in the order in which scores are summed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from xtr_assets.core.errors import CorruptFile
from xtr_assets.core.top_k import best_positions
from xtr_assets.core.types import Floats, Int32s, Ints, Mask
from xtr_assets.index.lexical.postings import LexicalPostings, check_documents


@dataclass(frozen=True, slots=True, eq=False)
class LexicalPart:
    """A segment at its place: document p of it is row `base_row + p`."""

    base_row: int
    postings: LexicalPostings

    @property
    def end_row(self) -> int:
        return self.base_row + self.postings.rows


class ListScan(Protocol):
    """Reads the lists of all parts."""

    @property
    def name(self) -> str:
        """ "native" or "numpy"."""

    def look_up(self, terms: Sequence[bytes]) -> tuple[Ints, Ints]:
        """Term numbers int64 [parts, terms], and in how many live rows each term stands, int64 [terms]."""

    def search(self, lists: Ints, weights: Floats, k: int, allowed: Mask | None) -> tuple[Floats, Ints]:
        """The best k live and allowed rows with a score above 0: float32 and int64 [<= k], best first, then by row."""

    def score(self, lists: Ints, weights: Floats, rows: Ints) -> Floats:
        """The scores of rows, float32 [len(rows)]."""


class NumpyScan:
    """See ListScan. norms : float32 [end_row] (bm25.length_norms); live : bool [end_row]."""

    name = "numpy"

    def __init__(self, parts: Sequence[LexicalPart], norms: Floats, live: Mask) -> None:
        self._parts, self._norms, self._live = tuple(parts), norms, live

    def look_up(self, terms: Sequence[bytes]) -> tuple[Ints, Ints]:
        lists = np.full((len(self._parts), len(terms)), -1, np.int64)
        frequencies = np.zeros(len(terms), np.int64)
        for line, part in enumerate(self._parts):
            for column, term in enumerate(terms):
                lists[line, column] = number = part.postings.number_of(term)
                frequencies[column] += np.count_nonzero(self._live[self._rows(part, number)[0]])
        return lists, frequencies

    def search(self, lists: Ints, weights: Floats, k: int, allowed: Mask | None) -> tuple[Floats, Ints]:
        totals = np.zeros(len(self._norms), np.float32)
        for column, weight in enumerate(weights):
            for part, number in zip(self._parts, lists[:, column], strict=True):
                rows, own = self._rows(part, int(number))
                counts = part.postings.counts[own].astype(np.float32)
                # A list holds a row once: adding by index adds each.
                totals[rows] += weight * (counts / (counts + self._norms[rows]))
        found = np.flatnonzero((totals > 0) & self._live & (True if allowed is None else allowed))
        best = best_positions(totals[found], found, k)
        return totals[found[best]], found[best]

    def score(self, lists: Ints, weights: Floats, rows: Ints) -> Floats:
        totals = np.zeros(len(rows), np.float32)
        for line, part in enumerate(self._parts):
            mine = np.flatnonzero((rows >= part.base_row) & (rows < part.end_row))
            positions, norms = rows[mine] - part.base_row, self._norms[rows[mine]]
            for column, weight in enumerate(weights):
                own = _list_of(part.postings, int(lists[line, column]))
                documents = part.postings.documents[own]
                at = np.searchsorted(documents, positions)
                met = np.flatnonzero(at < len(documents))
                met = met[documents[at[met]] == positions[met]]
                counts = part.postings.counts[own][at[met]].astype(np.float32)
                totals[mine[met]] += weight * (counts / (counts + norms[met]))
        return totals

    def _rows(self, part: LexicalPart, number: int) -> tuple[Ints, slice]:
        """Rows that hold a term of a part, and where its postings lie."""
        return _documents(part.postings, number).astype(np.int64) + part.base_row, _list_of(part.postings, number)


def rows_with_all(parts: Sequence[LexicalPart], lists: Ints, groups: Sequence[slice]) -> Ints:
    """Rows, dead ones too, that hold a term of each group of columns, ascending; every row where there are no groups.

    lists : see the module.
    """
    found: list[Ints] = [np.empty(0, np.int64)]
    for part, numbers in zip(parts, lists, strict=True):
        held = np.arange(part.postings.rows, dtype=np.int64)
        stored = [[_documents(part.postings, int(n)) for n in numbers[group]] for group in groups]
        # The shortest lists first: the others only make it shorter.
        for alternatives in sorted(stored, key=lambda some: sum(map(len, some))):
            kept = np.zeros(len(held), np.bool_)
            for documents in alternatives:
                at = np.searchsorted(documents, held)
                met = np.flatnonzero(at < len(documents))
                kept[met] |= documents[at[met]] == held[met]
            held = held[kept]
        found.append(held + part.base_row)
    return np.concatenate(found)


def _documents(postings: LexicalPostings, number: int) -> Int32s:
    documents = postings.documents[_list_of(postings, number)]
    check_documents(postings.name, documents, postings.rows)
    return documents


def _list_of(postings: LexicalPostings, number: int) -> slice:
    return slice(int(postings.lists[number]), int(postings.lists[number + 1])) if number >= 0 else slice(0, 0)


def corrupt_list(part: LexicalPart) -> CorruptFile:
    """What a search says of a part whose list it could not follow."""
    return CorruptFile(f"{part.postings.name}/documents.npy", f"rows from 0 to {part.postings.rows - 1}", "others")
