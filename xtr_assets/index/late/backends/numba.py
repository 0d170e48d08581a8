"""Retrieval in numba: the results of reference.py, fast enough to serve without the C++ extension."""

import numpy as np

from xtr_assets.core.types import Ints, Mask
from xtr_assets.index.late.backends.reference import LIKELY_MARGIN, ReferenceBackend
from xtr_assets.index.late.query import Levels, Probes
from xtr_assets.index.late.token_store import Likely

NO_MASK = np.zeros(0, np.bool_)


class CompiledBackend(ReferenceBackend):
    """numba for lists and levels; the products are numpy's, which are at the speed of its matrix product already."""

    name = "numba"

    def gains(self, probes: Probes, k_prime: int, allowed: Mask | None) -> tuple[Ints, int, int]:
        """See ReferenceBackend.gains."""
        # Here and not above: numba takes half a second to import, and an index that is only scanned does without.
        from xtr_assets.index.late.backends.numba_kernels import gain_from_lists

        gains = np.full(self.tokens.end_row, -1, np.int64)
        mask = NO_MASK if allowed is None else allowed
        retrieved, met = np.zeros(len(probes.lists), np.int64), np.full(self.tokens.end_row, -1, np.int32)
        floors = probes.floors.astype(np.int64)
        listed = sum(np.diff(segment.postings.lists)[probes.lists].sum(axis=1) for segment in self.segments)
        for token in np.flatnonzero(listed >= k_prime):
            floors[token] = self.counted(probes, int(token), k_prime, allowed)[2]
        meetings = 0
        for segment in self.segments:
            lists, documents = segment.postings.lists, segment.postings.documents
            meetings += gain_from_lists(
                lists, documents, segment.base_row, segment.rows, probes.lists, probes.levels, floors, mask, gains, met,
                retrieved,
            )  # fmt: skip
            met.fill(-1)
        return gains, int(retrieved.sum()), meetings

    def interact(self, levels: Levels, rows: Ints) -> Levels:
        """See ReferenceBackend.interact."""
        from xtr_assets.index.late.backends.numba_kernels import best_levels

        best = np.zeros((len(rows), levels.shape[1]), np.uint8)
        for segment, part, done, stop in self._parts(rows):
            best_levels(
                levels, segment.postings.numbers, part.offsets, rows[done:stop] - part.base_row, best[done:stop]
            )
        return best

    def likely(self, levels: Levels, best: Levels, rows: Ints) -> Likely:
        """See ReferenceBackend.likely."""
        from xtr_assets.index.late.backends.numba_kernels import reaching

        thresholds = np.maximum(best.astype(np.int16) - LIKELY_MARGIN, 0).astype(np.uint8)
        places, counts = [np.empty(0, np.int64)], np.empty(len(rows), np.int64)
        for segment, part, done, stop in self._parts(rows):
            positions = rows[done:stop] - part.base_row
            out = np.empty(int((part.offsets[positions + 1] - part.offsets[positions]).sum()), np.int64)
            kept = reaching(
                levels, segment.postings.numbers, part.offsets, positions, thresholds[done:stop], out, counts[done:stop]
            )
            places.append(out[:kept])
        return Likely(np.concatenate(places), counts)
