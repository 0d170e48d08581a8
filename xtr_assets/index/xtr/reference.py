"""Retrieval in numpy: slow, and the statement of what the compiled backends compute."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from xtr_assets.core.imputation import best_per_document
from xtr_assets.core.rows import RowTokens
from xtr_assets.core.types import Floats, Ints, Mask
from xtr_assets.index.xtr.model import TokenModel
from xtr_assets.index.xtr.postings import Postings
from xtr_assets.index.xtr.query import FIXED_LIMIT, Probes, Query, best_lists, centroid_scores
from xtr_assets.index.xtr.store import stored_maxsim


@dataclass(frozen=True, slots=True, eq=False)
class PlacedPostings:
    """A segment's postings and where its rows lie."""

    base_row: int
    rows: int
    postings: Postings


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """Rows worth rescoring: int64 [n] ascending; `retrieved` postings were read for them, `touched` rows had any."""

    rows: Ints
    retrieved: int
    touched: int


class Backend(Protocol):
    """What computes. All backends return the same rows and scores."""

    name: str

    def retrieve(self, query: Query, nprobe: int, k_prime: int, limit: int, allowed: Mask | None) -> Candidates: ...

    def rescore(self, query: Query, rows: Ints) -> Floats: ...

    def exact(self, query: Query, rows: Ints) -> Floats: ...


class ReferenceBackend:
    """numpy only. See `retrieve` for the algorithm."""

    name = "numpy"

    def __init__(self, model: TokenModel, segments: Sequence[PlacedPostings], tokens: RowTokens) -> None:
        self.model, self.segments, self.tokens = model, tuple(segments), tokens

    def retrieve(self, query: Query, nprobe: int, k_prime: int, limit: int, allowed: Mask | None) -> Candidates:
        """The `limit` rows of highest imputed score.

        1. Each query token reads its nprobe best lists; postings of rows that are not allowed are skipped.
        2. A posting scores `round(centroid score + residual product * factor)` in fixed point.
        3. The floor of a query token is the score of its best unread list less a margin, or the k'-th best posting
           where more than k' were read and that is higher.
        4. A row gains, for each query token, what its best posting exceeds the floor by: but for the sum of all
           floors, which every row shares, that is XTR's score with imputation (core/imputation.py).
        5. The best rows by gain; equal gains by ascending row. A row that only equals the floor is one of them.

        allowed : bool [end_row], or None where every row is.
        """
        probes = best_lists(query, centroid_scores(self.model, query), nprobe)
        gains = np.full(self.tokens.end_row, -1, np.int64)
        retrieved = 0
        for token in range(len(query)):
            rows, scores, floor = self.counted(query, probes, token, k_prime, allowed)
            retrieved += len(rows)
            found, best = best_per_document(scores, rows)
            found, best = found[best >= floor], best[best >= floor]
            gains[found] = np.maximum(gains[found], 0) + (best - floor)
        touched = np.flatnonzero(gains >= 0)
        order = touched[np.lexsort((touched, -gains[touched]))][:limit]
        return Candidates(np.sort(order), retrieved, len(touched))

    def counted(
        self, query: Query, probes: Probes, token: int, k_prime: int, allowed: Mask | None
    ) -> tuple[Ints, Ints, int]:
        """What one query token read: rows int64 [n], fixed-point scores int64 [n], and its floor."""
        rows, scores = self._postings(query, probes, token, allowed)
        floor = int(probes.floors[token])
        if len(scores) > k_prime:
            floor = max(floor, int(np.partition(scores, len(scores) - k_prime)[len(scores) - k_prime]))
        return rows, scores, floor

    def _postings(self, query: Query, probes: Probes, token: int, allowed: Mask | None) -> tuple[Ints, Ints]:
        rows: list[Ints] = [np.empty(0, np.int64)]
        scores: list[Ints] = [np.empty(0, np.int64)]
        residual_query = query.residual_codes[token, : self.model.dim].astype(np.int32)
        for segment in self.segments:
            for number, list_score in zip(probes.lists[token], probes.scores[token], strict=True):
                start, stop = segment.postings.lists[number], segment.postings.lists[number + 1]
                positions = segment.postings.positions[start:stop]
                found = segment.base_row + positions.astype(np.int64)
                # A damaged position must not lead out of the segment.
                keep = (positions >= 0) & (positions < segment.rows)
                if allowed is not None:
                    keep[keep] = allowed[found[keep]]
                levels = self.model.decode_residuals(segment.postings.residuals[start:stop][keep])
                products = (levels.astype(np.int32) @ residual_query).astype(np.float32)
                fixed = np.rint(list_score + products * query.residual_factors[token])
                rows.append(found[keep])
                scores.append(np.clip(fixed, -FIXED_LIMIT, FIXED_LIMIT).astype(np.int64))
        return np.concatenate(rows), np.concatenate(scores)

    def rescore(self, query: Query, rows: Ints) -> Floats:
        """MaxSim of the query in 8 bits with stored tokens, summed over query tokens: float32 [n]; rows ascending."""
        return stored_maxsim(query.codes, None, query.scales, self.tokens, rows)

    def exact(self, query: Query, rows: Ints) -> Floats:
        """MaxSim of the query in 16 bits with stored tokens, summed over query tokens: float32 [n]; rows ascending."""
        return stored_maxsim(query.codes, query.fine_codes, query.scales / np.float32(256), self.tokens, rows)
