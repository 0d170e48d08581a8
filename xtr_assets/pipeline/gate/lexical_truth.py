"""BM25 worked out slowly, from the raw arrays of the segments' lexical postings: no code of the index is asked.

docs/format.md says what lies where; docs/searching.md, "Words", says what is computed.
"""

import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from xtr_assets.core.types import Ints, Mask
from xtr_assets.storage.draft import LEXICAL_INDEX
from xtr_assets.storage.generation import Generation

K1, B = 1.2, 0.75
# A term is counted no further in a row.
MOST_COUNTED = 65_535
# Rows of a list whose shares are kept: a word that most rows hold stands in most questions, 8 bytes a row each time.
LONG_LIST, LISTS_KEPT = 1 << 14, 4
# Words with a digit of a question that count, as docs/searching.md says.
MOST_NUMBERED = 16
# Postings looked at at a time: 16 MB, and as much again.
BLOCK = 1 << 22
# Values of which the largest stands for all, where few are wanted.
SPAN = 64
ARRAYS = ("terms", "term_bounds", "lists", "documents", "counts", "lengths")

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class StoredPostings:
    """The arrays of one segment as they lie, and its first row."""

    segment_id: str
    base_row: int
    rows: int
    terms: npt.NDArray[np.uint8]
    term_bounds: Ints
    lists: Ints
    documents: npt.NDArray[np.int32]
    counts: npt.NDArray[np.uint16]
    lengths: npt.NDArray[np.int32]

    def term(self, number: int) -> str:
        """The term of a list."""
        stored = self.terms[int(self.term_bounds[number]) : int(self.term_bounds[number + 1])].tobytes()
        return stored.decode("utf-8", "surrogatepass")

    def list_of(self, term: str) -> tuple[Ints, Ints]:
        """(rows of the generation, counts) of a term; nothing where the segment lacks it."""
        low, high = 0, len(self.lists) - 1
        wanted = term.encode("utf-8", "surrogatepass")
        while low < high:
            middle = (low + high) // 2
            if self.term(middle).encode("utf-8", "surrogatepass") < wanted:
                low = middle + 1
            else:
                high = middle
        if low >= len(self.lists) - 1 or self.term(low) != term:
            return np.empty(0, np.int64), np.empty(0, np.int64)
        own = slice(int(self.lists[low]), int(self.lists[low + 1]))
        return self.base_row + self.documents[own].astype(np.int64), self.counts[own].astype(np.int64)

    def counted(self, positions: Ints) -> dict[int, Counter[str]]:
        """How often which term is listed for the rows at these positions."""
        wanted = np.zeros(self.rows + 1, np.bool_)
        wanted[positions] = True
        found: dict[int, Counter[str]] = {int(one): Counter() for one in positions}
        for start in range(0, len(self.documents), BLOCK):
            # What lies outside is nobody's (rows_everywhere tells of it); below zero is far above, unsigned.
            block = np.ascontiguousarray(self.documents[start : start + BLOCK]).view(np.uint32)
            places = start + np.flatnonzero(wanted[np.minimum(block, np.uint32(self.rows))])
            numbers = np.searchsorted(self.lists, places, side="right") - 1
            terms = {number: self.term(number) for number in set(numbers.tolist())}
            held = zip(self.documents[places].tolist(), numbers.tolist(), self.counts[places].tolist(), strict=True)
            for document, number, times in held:
                found[document][terms[number]] += times
        return found


def stored_postings(generation: Generation, segments: Sequence[str] | None = None) -> Iterator[StoredPostings]:
    """Those of the segments named, or of all. Raises ValueError, OSError or KeyError for files that are none."""
    described = json.loads(generation.path(f"{LEXICAL_INDEX}/index.json").read_bytes())
    for one in generation.manifest.segments:
        if segments is None or one.segment_id in segments:
            folder = generation.layout.segment(one.segment_id) / described["postings"][one.segment_id]
            yield StoredPostings(one.segment_id, one.base_row, one.rows, **_arrays(folder))


def _arrays(folder: Path) -> dict[str, Any]:
    # Mapped, as plain arrays: each slice of a memmap takes ten times as long.
    return {
        name: np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False).view(np.ndarray) for name in ARRAYS
    }


def nth_largest(values: Doubles, n: int) -> float:
    """The n-th largest of float64 [m], 1 <= n <= m; a million that many words share take 40 ms to sort apart.

    The n-th largest of the largest of each block is not above it, so that few values are left to choose from.

    >>> nth_largest(np.arange(10_000.0), 3), nth_largest(np.array([1.0, 2.0, 2.0]), 2)
    (9997.0, 2.0)
    """
    whole = len(values) // SPAN * SPAN
    if whole >= n * SPAN:
        least = np.partition(values[:whole].reshape(-1, SPAN).max(axis=1), -n)[-n]
        values = values[values >= least]
    return float(np.partition(values, -n)[-n])


class StoredWords:
    """Scores of rows by the postings that lie in their segments.

    live : bool [end_row], rows that count, as the ID map has them
    """

    def __init__(self, generation: Generation, live: Mask) -> None:
        self._parts = list(stored_postings(generation))
        self._live = live
        self._lengths = np.zeros(len(live), np.float64)
        for one in self._parts:
            self._lengths[one.base_row : one.base_row + one.rows] = one.lengths
        self._rows = int(live.sum())
        self._mean = float(self._lengths[live].mean()) if self._rows else 0.0
        self._kept: dict[str, tuple[Ints, Doubles]] = {}

    def scores(self, terms: Mapping[str, int]) -> Doubles:
        """float64 [end_row]: of every row, 0 where none of the terms stands, and for dead ones."""
        total = np.zeros(len(self._live), np.float64)
        for term, times in terms.items():
            rows, shares = self._kept.get(term) or self._shares(term)
            np.add.at(total, rows, times * shares)
        return total

    def rarity(self, terms: Mapping[str, int]) -> dict[str, float]:
        """ln(1 + (N - n + 1/2) / (n + 1/2)) of each term that n > 0 of the N live rows hold."""
        return {term: self._rarity(n) for term, n in self._held(terms).items()}

    def _held(self, terms: Iterable[str]) -> dict[str, int]:
        """How many live rows hold each term that some do."""
        held = {term: sum(int(self._live[one.list_of(term)[0]].sum()) for one in self._parts) for term in terms}
        return {term: n for term, n in held.items() if n}

    def _rarity(self, n: int) -> float:
        return math.log(1 + (self._rows - n + 0.5) / (n + 0.5))

    def digits(self, terms: Sequence[str]) -> Doubles:
        """float64 [end_row]: of those of the terms that few live rows hold the share that each row holds, by rarity."""
        few = {term: n for term, n in self._held(terms).items() if n <= 5 or n / self._rows <= 1 / 200}
        told = {term: self._rarity(n) for term, n in few.items()}
        kept = sorted(told, key=lambda term: (-told[term], term.encode("utf-8", "surrogatepass")))[:MOST_NUMBERED]
        held = np.zeros(len(self._live), np.float64)
        for term in kept:
            for part in self._parts:
                held[part.list_of(term)[0]] += told[term]
        return np.where(self._live, held, 0.0) / (sum(told[term] for term in kept) or 1.0)

    def _shares(self, term: str) -> tuple[Ints, Doubles]:
        """(live rows that hold a term, what it adds to each of them)"""
        lists = [one.list_of(term) for one in self._parts]
        rows = np.concatenate([np.empty(0, np.int64), *(one for one, _ in lists)])
        counts = np.concatenate([np.empty(0, np.int64), *(one for _, one in lists)])
        alive = self._live[rows]
        counts, rows = counts[alive], rows[alive]
        if not len(rows):
            return rows, np.empty(0, np.float64)
        weight = self._rarity(len(rows))
        lengths = self._lengths[rows] / self._mean if self._mean else np.ones(len(rows))
        norms = K1 * (1 - B + B * lengths)
        shares: Doubles = weight * (K1 + 1) * counts / (counts + norms)
        if len(rows) >= LONG_LIST and len(self._kept) < LISTS_KEPT:
            self._kept[term] = rows, shares
        return rows, shares
