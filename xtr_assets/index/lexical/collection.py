"""What BM25 has to know of a whole collection, where an index holds only a part of it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Collection:
    """rows : N, live documents; length : the sum of their lengths; frequencies : term -> in how many of them it stands.

    Whole numbers all three, so that those of parts add up to exactly those of the whole.
    """

    rows: int
    length: int
    frequencies: Mapping[str, int]

    @property
    def mean_length(self) -> float:
        """As `bm25.mean_length` says it of one index."""
        return self.length / self.rows if self.rows else 0.0

    @classmethod
    def of(cls, parts: "Iterable[Collection]") -> "Collection":
        """The whole that parts make up.

        >>> Collection.of([Collection(2, 9, {"date": 1}), Collection(1, 4, {"date": 1, "zebra": 1})]).frequencies
        {'date': 2, 'zebra': 1}
        """
        rows = length = 0
        frequencies: dict[str, int] = {}
        for one in parts:
            rows, length = rows + one.rows, length + one.length
            for term, count in one.frequencies.items():
                frequencies[term] = frequencies.get(term, 0) + count
        return cls(rows, length, frequencies)
