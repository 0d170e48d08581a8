"""LexicalIndex: the postings of all segments asked together, by BM25 over the live rows (bm25.py states the maths)."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from xtr_assets.core.arguments import boolean_mask, row_mask, row_numbers, whole
from xtr_assets.core.errors import InvalidInput
from xtr_assets.core.search_options import SearchOptions
from xtr_assets.core.types import Floats, Int32s, Ints, Mask
from xtr_assets.index.lexical.bm25 import K1, B, length_norms, mean_length, rarity, term_weight
from xtr_assets.index.lexical.collection import Collection
from xtr_assets.index.lexical.list_scan import LexicalPart, ListScan, rows_with_all
from xtr_assets.index.lexical.list_scan_native import list_scan
from xtr_assets.index.lexical.postings import LexicalPostings, term_bytes
from xtr_assets.index.lexical.pruned_search import common_terms, pruned_search
from xtr_assets.index.lifetime import Lifetime

__all__ = ["LexicalIndex", "LexicalMatch", "LexicalPart", "LexicalPostings", "LexicalResult"]


@dataclass(frozen=True, slots=True, eq=False)
class LexicalResult:
    """scores float32 [n] and rows int64 [n], n <= k: best first, equal scores by ascending row, all above 0."""

    scores: Floats
    rows: Ints


@dataclass(frozen=True, slots=True)
class LexicalMatch:
    """What one term of a query adds to the score of a row.

    count : how often the row holds it, 0 where not at all; rows : the live rows that hold it; score : float32.
    """

    term: str
    count: int
    rows: int
    score: float


@dataclass(frozen=True, slots=True, eq=False)
class _Asked:
    """The terms of a query that some live row holds, in the order of their sum."""

    terms: tuple[str, ...]
    lists: Ints
    frequencies: Ints
    weights: Floats


class LexicalIndex(Lifetime):
    """Answers by BM25 over the live rows of all parts. Safe from many threads.

    Postings of documents, each given as its terms, are written by `postings_writer.write_postings` and opened by
    `postings.open_postings` (both of `xtr_assets.index.lexical`); document p of a part is row `base_row + p`. Nothing
    here cuts texts into terms: for a warehouse `xtr_assets.core.lexical_terms` does.
    """

    _held = ("_scan", "_parts")

    def __init__(self, parts: Sequence[LexicalPart], live: Mask, *, k1: float = K1, b: float = B) -> None:
        """parts : in row order; live : bool [end_row]. Raises InvalidInput: parts that overlap or reach beyond."""
        live = boolean_mask(live, "live")
        end = 0
        for part in parts:
            if part.base_row < end or part.end_row > len(live):
                raise InvalidInput(
                    f"rows {part.base_row} to {part.end_row - 1} after row {end - 1}, of {len(live)} in all; give "
                    "parts in row order, and the mask of the same generation"
                )
            end = part.end_row
        self._parts, self.k1, self.b = tuple(parts), k1, b
        self._stored = np.zeros(len(live), np.bool_)
        lengths: Int32s = np.zeros(len(live), np.int32)
        for part in self._parts:
            self._stored[part.base_row : part.end_row] = True
            lengths[part.base_row : part.end_row] = part.postings.lengths
        # A live row that no part holds would count as an empty document.
        self._live = np.ascontiguousarray(live & self._stored)
        self.live_rows = int(np.count_nonzero(self._live))
        self.mean_length = mean_length(lengths, self._live)
        self._lengths = lengths
        norms = length_norms(lengths, self.mean_length, k1, b)
        self._scan: ListScan = list_scan(self._parts, norms, self._live)
        # Of a larger collection that this is a part of; None where it is all.
        self._collection: Collection | None = None
        self._share_scan: tuple[tuple[int, int], ListScan] | None = None

    @property
    def parts(self) -> tuple[LexicalPart, ...]:
        """The parts as they were given, in row order."""
        return self._parts

    @property
    def backend(self) -> str:
        """What reads the lists: "native" (C++) or "numpy"; both give the same bits."""
        return self._scan.name

    @property
    def memory_bytes(self) -> int:
        """Bytes of the postings, which are memory-mapped where they were opened from files."""
        return sum(part.postings.memory_bytes for part in self._parts)

    def describe(self) -> dict[str, Any]:
        """What the index holds and what reads it, JSON-able."""
        return {
            "rows": self.live_rows,
            "segments": len(self._parts),
            "terms": sum(part.postings.term_count for part in self._parts),
            "postings": sum(len(part.postings.documents) for part in self._parts),
            "memory_bytes": self.memory_bytes,
            "mean_length": self.mean_length,
            "k1": self.k1,
            "b": self.b,
            "backend": self.backend,
        }

    @property
    def end_row(self) -> int:
        """One past the last row: the length of a row mask."""
        return len(self._live)

    def counted(self, terms: Sequence[str]) -> Collection:
        """What this index adds to a collection that it is a part of, for a query of these terms."""
        distinct = sorted(set(terms))
        _, frequencies = self._scan.look_up([term_bytes(term) for term in distinct])
        found = {term: int(count) for term, count in zip(distinct, frequencies, strict=True) if count}
        return Collection(self.live_rows, int(self._lengths[self._live].sum(dtype=np.int64)), found)

    def within(self, collection: Collection) -> "LexicalIndex":
        """The same postings, scored as a part of a collection: the bits that one index over all of it gives."""
        # Postings never change: both may hold them.
        share = object.__new__(LexicalIndex)
        vars(share).update(vars(self))
        key = collection.rows, collection.length
        scan = self._share_scan
        if scan is None or scan[0] != key:
            # The norms of all rows, once for each state of the whole: 10 ms for 5,000,000.
            norms = length_norms(self._lengths, collection.mean_length, self.k1, self.b)
            self._share_scan = scan = key, list_scan(self._parts, norms, self._live)
        share._collection, share._scan = collection, scan[1]
        share.mean_length = collection.mean_length
        return share

    def answer(self, queries: Sequence[Sequence[str]], options: SearchOptions) -> list[LexicalResult]:
        """The best options.k rows of each query, given as its terms. A term given twice counts twice.

        Only live rows that options.allowed names, and only those that hold a term of the query: fewer than k where
        fewer do, none for a query of no terms. Raises InvalidInput, and CorruptFile for lists that name no row.
        """
        allowed = options.allowed
        if allowed is not None:
            allowed = np.ascontiguousarray(row_mask(allowed, self.end_row, "allowed"))
        return [self._answer(query, options.k, allowed) for query in queries]

    def score(self, terms: Sequence[str], rows: Ints) -> Floats:
        """The scores of rows in any order, float32 [len(rows)]: the bits that `answer` gives, 0 where no term stands.

        Raises InvalidInput for a row that no part holds; dead rows still have a score.
        """
        asked, places = self._asked(terms), row_numbers(rows, self.end_row)
        if not self._stored[places].all():
            raise InvalidInput(f"row {int(places[~self._stored[places]][0])} is in no segment: its own is gone")
        return self._scan.score(asked.lists, asked.weights, np.ascontiguousarray(places))

    def frequencies(self, terms: Sequence[str]) -> tuple[int, dict[str, int]]:
        """(N, n of each distinct term that n > 0 of N live rows hold), those of the whole collection where this is a
        part of one; in the order of their bytes."""
        distinct = sorted(set(terms))
        whole_of = self._collection
        if whole_of is None:
            rows, counts = self.live_rows, self._scan.look_up([term_bytes(term) for term in distinct])[1].tolist()
        else:
            rows, counts = whole_of.rows, [whole_of.frequencies.get(term, 0) for term in distinct]
        return rows, {term: int(count) for term, count in zip(distinct, counts, strict=True) if count}

    def rarity(self, terms: Sequence[str]) -> dict[str, float]:
        """ln(1 + (N - n + 1/2) / (n + 1/2)) of each distinct term, N and n as `frequencies` says them."""
        rows, counts = self.frequencies(terms)
        return {term: rarity(rows, count) for term, count in counts.items()}

    def matching(self, terms: Sequence[str | tuple[str, ...]]) -> Ints:
        """Live rows that hold all of the terms, int64 [n] ascending; every live row where there are no terms.

        A tuple stands for whichever of its terms (lexical_terms.needed_terms).
        """
        groups: list[slice] = []
        asked: list[bytes] = []
        for term in terms:
            alternatives = (term,) if isinstance(term, str) else term
            groups.append(slice(len(asked), len(asked) + len(alternatives)))
            asked += [term_bytes(one) for one in alternatives]
        lists, _ = self._scan.look_up(asked)
        held = rows_with_all(self._parts, lists, groups)
        return held[self._live[held]]

    def explain(self, terms: Sequence[str], row: int) -> list[LexicalMatch]:
        """What each distinct term adds to the score of a row, in the order of the sum. Raises as `score` does."""
        row = whole(row, "row", 0, self.end_row - 1)
        asked, only = self._asked(terms), np.array([row])
        self.score([], only)
        (part,) = (one for one in self._parts if one.base_row <= row < one.end_row)
        scores = {
            term: float(self._scan.score(asked.lists[:, [at]], asked.weights[[at]], only)[0])
            for at, term in enumerate(asked.terms)
        }
        whole_of = self._collection
        own = dict(zip(asked.terms, asked.frequencies.tolist(), strict=True))
        frequencies = own if whole_of is None else whole_of.frequencies
        return [
            LexicalMatch(
                term,
                part.postings.count_of(term_bytes(term), row - part.base_row),
                frequencies.get(term, 0),
                scores.get(term, 0.0),
            )
            for term in sorted(set(terms))
        ]

    def stored_terms(self, rows: Ints) -> list[dict[str, int]]:
        """Term -> count of each row, read back from the stored lists without the search, dead rows too.

        One pass over the postings of every part that is asked. Raises as `score` does.
        """
        self.score([], rows)
        found: dict[int, dict[str, int]] = {}
        for part in self._parts:
            mine = np.unique([row for row in rows if part.base_row <= row < part.end_row]).astype(np.int64)
            if len(mine):
                found |= zip(mine.tolist(), part.postings.stored_terms(mine - part.base_row), strict=True)
        return [found[int(row)] for row in rows]

    def _answer(self, terms: Sequence[str], k: int, allowed: Mask | None) -> LexicalResult:
        asked = self._asked(terms)
        common = common_terms(asked.frequencies, asked.weights)
        found = None
        if common is not None:
            found = pruned_search(self._scan, asked.lists, asked.weights, common, k, allowed)
        return LexicalResult(*(found or self._scan.search(asked.lists, asked.weights, k, allowed)))

    def _asked(self, terms: Sequence[str]) -> _Asked:
        occurrences = Counter(terms)
        # Texts sort as their bytes do: the order of the sum is that of the stored terms.
        distinct = sorted(occurrences)
        lists, frequencies = self._scan.look_up([term_bytes(term) for term in distinct])
        known = np.flatnonzero(frequencies)
        whole_of = self._collection
        rows = self.live_rows if whole_of is None else whole_of.rows
        of_all = frequencies if whole_of is None else [whole_of.frequencies.get(term, 0) for term in distinct]
        weights = [term_weight(rows, int(of_all[at]), occurrences[distinct[at]], self.k1) for at in known]
        return _Asked(
            tuple(distinct[at] for at in known),
            np.ascontiguousarray(lists[:, known]),
            frequencies[known],
            np.array(weights, np.float32),
        )
