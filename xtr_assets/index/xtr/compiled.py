"""Retrieval in numba: the results of reference.py, fast enough to serve without the C++ extension."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from xtr_assets.core.rows import RowTokens
from xtr_assets.core.types import Mask
from xtr_assets.index.xtr.model import TokenModel
from xtr_assets.index.xtr.query import Query, best_lists, centroid_scores
from xtr_assets.index.xtr.reference import Candidates, PlacedPostings, ReferenceBackend

NO_MASK = np.zeros(0, np.bool_)


class CompiledBackend(ReferenceBackend):
    """numba for the postings; the products are numpy's, which are at the speed of its matrix product already."""

    name = "numba"

    def __init__(self, model: TokenModel, segments: Sequence[PlacedPostings], tokens: RowTokens) -> None:
        super().__init__(model, segments, tokens)
        # Both levels of every byte, so that one look-up serves two dimensions.
        self._low = model.levels[np.arange(256) & 15].astype(np.int16)
        self._high = model.levels[np.arange(256) >> 4].astype(np.int16)

    def retrieve(self, query: Query, nprobe: int, k_prime: int, limit: int, allowed: Mask | None) -> Candidates:
        """See ReferenceBackend.retrieve."""
        # Here and not above: numba takes half a second to import, and an index that is only scanned does without.
        from xtr_assets.index.xtr.numba_kernels import accumulate, score_postings

        probes = best_lists(query, centroid_scores(self.model, query), nprobe)
        tables = self._tables(query)
        counts = np.zeros(len(query), np.int64)
        for segment in self.segments:
            bounds = segment.postings.lists
            counts += (bounds[probes.lists + 1] - bounds[probes.lists]).sum(axis=1, dtype=np.int64)
        starts = np.concatenate([[0], np.cumsum(counts)])
        rows, scores = np.empty(starts[-1], np.int32), np.empty(starts[-1], np.int32)
        ends = starts[:-1].copy()
        mask = NO_MASK if allowed is None else allowed
        for segment in self.segments:
            p = segment.postings
            score_postings(
                p.lists, p.positions, p.residuals, segment.base_row, segment.rows, probes.lists,
                probes.scores, tables, query.residual_factors, mask, rows, scores, ends,
            )  # fmt: skip
        gains = np.full(self.tokens.end_row, -1, np.int64)
        touched = accumulate(rows, scores, starts, ends, probes.floors, k_prime, gains)
        found = np.flatnonzero(gains >= 0)
        if len(found) > limit:
            kth = np.partition(gains[found], len(found) - limit)[len(found) - limit]
            above, ties = found[gains[found] > kth], found[gains[found] == kth]
            found = np.sort(np.concatenate([above, ties[: limit - len(above)]]))
        return Candidates(found, int((ends - starts[:-1]).sum()), touched)

    def _tables(self, query: Query) -> npt.NDArray[np.int16]:
        """int16 [t, packed_dim, 256]: the product of each residual byte with its two query components."""
        codes, half = query.residual_codes.astype(np.int16), self.model.packed_dim
        # 64 * 127 * 2 fits int16.
        tables: npt.NDArray[np.int16] = codes[:, :half, None] * self._low + codes[:, half:, None] * self._high
        return tables
