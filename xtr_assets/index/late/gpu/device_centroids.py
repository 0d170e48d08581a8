"""The centroids of tokens on the device: step 2 of ReferenceBackend.retrieve for every document, with torch."""

from typing import TYPE_CHECKING

import numpy as np

from xtr_assets.index.late.backends.reference import Candidates
from xtr_assets.index.late.gpu.device_top_k import best_columns
from xtr_assets.index.late.query import LEVEL_ZERO, Query
from xtr_assets.index.late.state import IndexState

if TYPE_CHECKING:
    import torch
    from torch import Tensor

# Bytes of temporary memory while levels are looked up: a token's number and row as indices, and for each query token a
# level, once as it is stored and once as it is compared.
TOKEN_BYTES, LEVEL_BYTES = 20, 5


def centroids_bytes(state: IndexState) -> int:
    """Bytes that `DeviceCentroids` of a state holds on the device."""
    a_token = 4 + np.dtype(state.model.number_type).itemsize
    return state.token_count * a_token + len(state.live) + len(state.model.centroids) * (4 * state.model.dim + 4)


class DeviceCentroids:
    """The centroid and the row of every token of all segments on one device."""

    def __init__(self, state: IndexState, device: "torch.device") -> None:
        import torch

        self._device, self._end_row = device, len(state.live)
        # torch has no arithmetic of uint16 and uint32: the same bits. No number of 32 bits reaches the sign.
        self._narrow = np.dtype(state.model.number_type).itemsize == 2
        kind = torch.int16 if self._narrow else torch.int32
        self._numbers = torch.empty(state.token_count, dtype=kind, device=device)
        self._rows = torch.empty(state.token_count, dtype=torch.int32, device=device)
        start = 0
        for placed, part in zip(state.placed, state.tokens.parts, strict=True):
            stop = start + len(placed.postings.numbers)
            # A damaged number must not lead out of the centroids.
            numbers = np.minimum(placed.postings.numbers, len(state.model.centroids) - 1)
            self._numbers[start:stop] = torch.from_numpy(numbers.view(np.int16 if self._narrow else np.int32))
            rows = np.repeat(np.arange(part.base_row, part.end_row, dtype=np.int32), np.diff(part.offsets))
            self._rows[start:stop] = torch.from_numpy(rows)
            start = stop
        self._stored = torch.from_numpy(state.stored.copy()).to(device)
        self._centroids = torch.from_numpy(state.model.centroids.astype(np.float32)).to(device)
        self._centroid_scales = torch.from_numpy(np.array(state.model.centroid_scales)).to(device)

    def retrieve(self, query: Query, limit: int, allowed: "Tensor | None", scratch: int) -> Candidates:
        """ReferenceBackend.retrieve with nprobe and keep of 0; allowed : bool [end_row] on the device.

        scratch : bytes of temporary memory beside two numbers a row.
        """
        import torch

        # The integers stay exact in float32, whatever a matrix product rounds its input to.
        scores = torch.from_numpy(query.codes.astype(np.float32)).to(self._device) @ self._centroids.T
        scores *= self._centroid_scales
        scores *= torch.from_numpy(query.centroid_factors).to(self._device)[:, None]
        levels = scores.round_().add_(LEVEL_ZERO).clamp_(0, 255).to(torch.uint8)
        sums = torch.zeros(self._end_row, dtype=torch.int64, device=self._device)
        # As many query tokens, and of the documents' tokens as many, as the temporary memory holds.
        together = min(len(levels), max(1, scratch // 2 // (4 * self._end_row)))
        step = max(1, scratch // 2 // (TOKEN_BYTES + LEVEL_BYTES * together))
        for start in range(0, len(levels), together):
            asked = levels[start : start + together]
            best = torch.zeros((len(asked), self._end_row), dtype=torch.int32, device=self._device)
            for first in range(0, len(self._numbers), step):
                numbers = self._numbers[first : first + step].long()
                if self._narrow:
                    numbers.bitwise_and_(0xFFFF)
                rows = self._rows[first : first + step].long().expand(len(asked), -1)
                best.scatter_reduce_(1, rows, asked[:, numbers].int(), "amax")
            sums += best.sum(dim=0)
        if allowed is not None:
            sums[~allowed] = -1
        sums[~self._stored] = -1
        found = int((sums >= 0).sum())
        if not found:
            return Candidates(np.empty(0, np.int64), 0, 0, 0, 0, (0.0, 0.0, 0.0))
        rows = best_columns(sums[None], min(limit, found))[0]
        return Candidates(rows.cpu().numpy(), 0, found, 0, 0, (0.0, 0.0, 0.0))
