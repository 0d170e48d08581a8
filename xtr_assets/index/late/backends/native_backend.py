"""Retrieval, rescoring and assignment in the C++ extension (native/), which a machine without a compiler lacks."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from xtr_assets.core.row_store import RowTokens
from xtr_assets.core.types import Floats, Ints, Mask
from xtr_assets.index.late.backends.reference import LIKELY_MARGIN, Candidates, PlacedPostings
from xtr_assets.index.late.centroids import TokenModel
from xtr_assets.index.late.options import Depths
from xtr_assets.index.late.query import Query
from xtr_assets.index.late.residual_codec import rows_of
from xtr_assets.index.native import fastest, kernels


class NativeBackend:
    """The extension over the same arrays. It holds no lock while it computes."""

    def __init__(
        self,
        model: TokenModel,
        segments: Sequence[PlacedPostings],
        tokens: RowTokens,
        instructions: str | None = None,
    ) -> None:
        self.instructions = instructions or fastest()
        self.name = "native"
        parts = []
        for segment, part in zip(segments, tokens.parts, strict=True):
            postings, rows = segment.postings, rows_of(part)
            stored: tuple[Any, Any, Any]
            if rows is None:
                stored = np.asarray(part.tokens), np.asarray(part.scales).view(np.uint16), None
            else:
                stored = None, None, rows.residuals
            placed = (segment.base_row, postings.lists, postings.documents, postings.numbers, np.asarray(part.offsets))
            parts.append((*placed, *stored))
        compact = None
        if any(rows_of(part) is not None for part in tokens.parts):
            compact = (model.anchors, model.levels, model.residual_scales)
        self._index = kernels.Index(model.centroids, model.centroid_scales, parts, compact, self.instructions)

    def retrieve(self, query: Query, depths: Depths, allowed: Mask | None) -> Candidates:
        """See ReferenceBackend.retrieve."""
        mask = None if allowed is None else np.ascontiguousarray(allowed).view(np.uint8)
        return Candidates(
            *self._index.retrieve(
                query.codes,
                query.scales,
                query.centroid_factors,
                depths.nprobe,
                depths.k_prime,
                depths.met,
                depths.limit,
                depths.keep,
                LIKELY_MARGIN,
                mask,
            )
        )

    def rescore(self, query: Query, rows: Ints) -> Floats:
        """See ReferenceBackend.rescore."""
        scores: Floats = self._index.score(query.codes, None, query.scales, np.array([len(query)]), rows)[0]
        return scores

    def exact(self, query: Query, rows: Ints) -> Floats:
        """See ReferenceBackend.exact."""
        scores: Floats = self.exact_many([query], rows)[0]
        return scores

    def exact_many(self, queries: Sequence[Query], rows: Ints) -> Floats:
        """See ReferenceBackend.exact_many. A row is read once for all queries."""
        scores: Floats = self._index.score(
            np.concatenate([query.codes for query in queries]),
            np.concatenate([query.fine_codes for query in queries]),
            np.concatenate([query.scales for query in queries]) / np.float32(256),
            np.cumsum([len(query) for query in queries], dtype=np.int64),
            rows,
        )
        return scores
