"""Searching in plain numpy over the stored vectors: what every mode is compared with."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from xtr_assets.search import Hit
from xtr_assets.storage.generation import Generation
from xtr_assets_tests.fixtures import ENCODER

DEPTH = 100


@dataclass
class Reference:
    """Every live row's scores in both spaces for one query."""

    ids: list[int]
    dense: Any
    xtr: Any

    @classmethod
    def of(cls, generation: Generation, query: str) -> "Reference":
        encoded = ENCODER.encode_queries([query])
        rows = np.flatnonzero(generation.live)
        vectors, tokens = generation.vectors(), generation.tokens()
        dense = np.dot(vectors.gather(rows), encoded.embeddings[0])
        asked = encoded.tokens[0]
        xtr = [np.dot(asked, tokens.document(row).T).max(axis=1).mean() for row in rows.tolist()]
        return cls(generation.chunk_table(["chunk_id"])["chunk_id"].to_pylist(), dense, np.array(xtr))

    def restricted(self, ids: set[int]) -> "Reference":
        """Over these chunks only."""
        keep = [i for i, chunk_id in enumerate(self.ids) if chunk_id in ids]
        return Reference([self.ids[i] for i in keep], self.dense[keep], self.xtr[keep])

    def zsum(self) -> Any:
        """Sum of z-scores over all rows, mean and spread taken over the best of both spaces."""
        spaces = (self.dense, self.xtr)
        best = np.unique(np.concatenate([self.order(values)[:DEPTH] for values in spaces]))
        return np.sum([(values - values[best].mean()) / values[best].std() for values in spaces], axis=0)

    def order(self, values: Any) -> Any:
        """Best first; equal scores, which differ in the last digits from machine to machine, by chunk_id."""
        return np.lexsort((np.array(self.ids), -values.round(6)))

    def rrf(self) -> Any:
        """Sum of 1 / (60 + rank) over both spaces."""
        ranks = [np.empty(len(self.ids)), np.empty(len(self.ids))]
        for rank, values in zip(ranks, (self.dense, self.xtr), strict=True):
            rank[self.order(values)] = np.arange(1, len(self.ids) + 1)
        return np.sum([1 / (60 + rank) for rank in ranks], axis=0)

    def check(self, hits: list[Hit], scores: Any, k: int, *, tolerance: float = 1e-4) -> None:
        """The hits are k best ones by these scores, best first, each with its own score."""
        assert len(hits) == min(k, len(self.ids))
        by_id = dict(zip(self.ids, scores.tolist(), strict=True))
        assert len({hit.chunk_id for hit in hits}) == len(hits)
        found = np.array([by_id[hit.chunk_id] for hit in hits])
        np.testing.assert_allclose([hit.score for hit in hits], found, atol=tolerance)
        np.testing.assert_allclose(found, np.sort(scores)[::-1][:k], atol=tolerance)
        keys = [(-hit.score, hit.chunk_id) for hit in hits]
        assert keys == sorted(keys)
