"""BM25 as a textbook has it: dictionaries over the live documents, and nothing of the index."""

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np

# A count beyond is taken for this one: part of what the index promises.
MOST = 65_535


class DictionaryBM25:
    """documents : the terms of each row, None in a hole; live : whether a row may be returned."""

    def __init__(
        self, documents: Sequence[Sequence[str] | None], live: Sequence[bool], k1: float = 1.2, b: float = 0.75
    ) -> None:
        self.k1, self.b = k1, b
        self.counts = [None if one is None else Counter(one) for one in documents]
        self.live = [row for row, own in enumerate(self.counts) if own is not None and live[row]]
        lengths = {row: sum(own.values()) for row, own in enumerate(self.counts) if own is not None}
        total = sum(lengths[row] for row in self.live)
        self.shares = {row: len(self.live) * length / total if total else 0.0 for row, length in lengths.items()}
        self.frequencies = Counter(term for row in self.live for term in self.counts[row] or ())

    def parts(self, query: Sequence[str], row: int) -> list[tuple[str, float, float, int]]:
        """(term, weight, norm, count) of each term of the query that some live row holds, ascending."""
        own = self.counts[row]
        assert own is not None
        norm = self.k1 * (1 - self.b + self.b * self.shares[row])
        found = []
        for term, occurrences in sorted(Counter(query).items()):
            df = self.frequencies[term]
            if df and own[term]:
                idf = math.log(1 + (len(self.live) - df + 0.5) / (df + 0.5))
                found.append((term, idf * (self.k1 + 1) * occurrences, norm, min(own[term], MOST)))
        return found

    def score(self, query: Sequence[str], row: int) -> float:
        """In double precision: the maths."""
        return sum(weight * count / (count + norm) for _, weight, norm, count in self.parts(query, row))

    def score_float32(self, query: Sequence[str], row: int) -> np.float32:
        """In float32, rounded at every step in the order of the terms: the bits."""
        total = np.float32(0)
        for _, weight, norm, count in self.parts(query, row):
            tf = np.float32(count)
            total += np.float32(weight) * (tf / (tf + np.float32(norm)))
        return total

    def best(self, query: Sequence[str], k: int, allowed: Sequence[bool] | None = None) -> list[tuple[int, np.float32]]:
        scored = [(row, self.score_float32(query, row)) for row in self.live if allowed is None or allowed[row]]
        return sorted(((row, one) for row, one in scored if one > 0), key=lambda one: (-one[1], one[0]))[:k]

    def matching(self, needed: Sequence[Sequence[str]]) -> list[int]:
        """Live rows that hold at least one term of each."""
        return [
            row for row in self.live if all(any(term in (self.counts[row] or {}) for term in some) for some in needed)
        ]
