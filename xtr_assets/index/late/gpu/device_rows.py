"""Every document on the device: int8 rows, bucketed by length, scanned by matrix products in the device's precision."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from xtr_assets.core.types import Ints
from xtr_assets.index.late.state import IndexState

if TYPE_CHECKING:
    import torch
    from torch import Tensor

# Tokens brought to the device at a time: 32 MB of int8 at dim 128, and as much again on the host.
UPLOAD_TOKENS = 262_144
# Shorter documents are padded to this: half a warp of rows costs what a few do.
SHORTEST = 8


def padded_length(lengths: Ints) -> Ints:
    """The bucket of each length: 8, 12, 16, 24, 32, 48, ... so that padding adds at most a half, a fifth on average.

    >>> padded_length(np.array([1, 8, 9, 13, 100, 10_000])).tolist()
    [8, 8, 12, 16, 128, 12288]
    """
    power = np.maximum(SHORTEST, 1 << np.ceil(np.log2(np.maximum(lengths, 1))).astype(np.int64))
    smaller = power - power // 4
    padded: Ints = np.where((lengths <= smaller) & (smaller > SHORTEST), smaller, power)
    return padded


def rows_bytes(state: IndexState) -> int:
    """Bytes that `DeviceRows` of a state holds on the device."""
    lengths = [np.diff(part.offsets) for part in state.tokens.parts]
    padded = sum(int(padded_length(own).sum()) for own in lengths)
    return padded * (state.model.dim + 2) + len(state.tokens) * 8


@dataclass(frozen=True, slots=True, eq=False)
class Bucket:
    """Documents of one padded length L. codes int8 [n, L, d]; scales [n, L, 1]; rows int64 [n], ascending."""

    codes: "Tensor"
    scales: "Tensor"
    rows: "Tensor"


class DeviceRows:
    """The store of an index on one device. A document is padded by its own last token, which changes no maximum."""

    def __init__(self, state: IndexState, device: "torch.device", dtype: "torch.dtype") -> None:
        import torch

        self._device, self._dtype, self._dim = device, dtype, state.model.dim
        self._end_row = len(state.live)
        # Relative to the longest token of training: no length of the vectors overflows float16.
        self._unit = np.float32(state.model.token_norm or 1.0)
        parts = state.tokens.parts
        rows = np.concatenate([np.arange(p.base_row, p.end_row) for p in parts] or [np.empty(0, np.int64)])
        lengths = np.concatenate([np.diff(p.offsets) for p in parts] or [np.empty(0, np.int64)])
        padded = padded_length(lengths)
        self._buckets = []
        for length in np.unique(padded).tolist():
            own = rows[padded == length]
            codes = torch.empty((len(own), length, self._dim), dtype=torch.int8, device=device)
            scales = torch.empty((len(own), length, 1), dtype=torch.float16, device=device)
            for first, block, factors in self._blocks(state, own, length):
                codes[first : first + len(block)] = torch.from_numpy(block)
                scales[first : first + len(block)] = torch.from_numpy(factors)
            self._buckets.append(Bucket(codes, scales, torch.from_numpy(own).to(device)))

    def _blocks(self, state: IndexState, rows: Ints, length: int) -> Iterator[tuple[int, Any, Any]]:
        """(position of the first, codes int8 [m, length, d], scales float16 [m, length, 1]) in row order."""
        step = max(1, UPLOAD_TOKENS // length)
        for part in state.tokens.parts:
            assert part.scales is not None, "check_part refuses rows without scales"
            begin, stop = np.searchsorted(rows, (part.base_row, part.end_row))
            for first in range(begin, stop, step):
                positions = rows[first : min(first + step, stop)] - part.base_row
                starts = part.offsets[positions]
                last = part.offsets[positions + 1] - 1
                which = np.minimum(starts[:, None] + np.arange(length), last[:, None]).ravel()
                scales = part.scales[which].astype(np.float32) / self._unit
                codes = np.ascontiguousarray(part.tokens[which]).reshape(len(starts), length, self._dim)
                yield first, codes, scales.astype(np.float16).reshape(len(starts), length, 1)

    def scores(self, queries: "Tensor", scratch: int) -> "Tensor":
        """MaxSim of every document, up to a factor that is the same for all: float32 [q, end_row], -inf in holes.

        queries : [q, t, d] in the store's precision, a query of fewer tokens ended by zeros; scratch : bytes of
        temporary memory beside the result.
        """
        import torch

        count, tokens, _ = queries.shape
        columns = queries.reshape(count * tokens, self._dim).T
        out = torch.full((count, self._end_row), -torch.inf, device=self._device)
        a_token = queries.element_size() * (self._dim + count * tokens)
        for bucket in self._buckets:
            documents, length, _ = bucket.codes.shape
            step = max(1, scratch // (a_token * length))
            for first in range(0, documents, step):
                block = bucket.codes[first : first + step].to(self._dtype)
                block *= bucket.scales[first : first + step]
                products = block.reshape(-1, self._dim) @ columns
                best = products.reshape(len(block), length, count, tokens).amax(dim=1)
                out.index_copy_(1, bucket.rows[first : first + step], best.sum(dim=2, dtype=torch.float32).T)
        return out
