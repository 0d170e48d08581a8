"""The postings on the device: what reference.py states about candidates, computed with torch over the same integers."""

from typing import TYPE_CHECKING

import numpy as np

from xtr_assets.core.types import Floats, Ints
from xtr_assets.index.xtr.device.selecting import best_columns
from xtr_assets.index.xtr.query import FIXED_LIMIT, Probes, Query
from xtr_assets.index.xtr.reference import Candidates
from xtr_assets.index.xtr.segments import IndexState
from xtr_assets.index.xtr.store import concatenated_ranges

if TYPE_CHECKING:
    import torch
    from torch import Tensor

# What no posting scores: less than any floor, and a difference with one fits 32 bits.
NOTHING = -(1 << 30)
# Bytes of temporary memory a dimension while postings are decoded: indices, levels, query components and products.
DECODE_BYTES = 16


def lists_bytes(state: IndexState) -> int:
    """Bytes that `DeviceLists` of a state holds on the device."""
    postings = sum(len(placed.postings.positions) for placed in state.placed)
    return postings * (4 + state.model.packed_dim) + len(state.model.centroids) * (4 * state.model.dim + 4)


class DeviceLists:
    """Positions and residuals of all segments on one device; the bounds of the lists stay on the host."""

    def __init__(self, state: IndexState, device: "torch.device") -> None:
        import torch

        self._device = device
        # Row `end_row` takes what no search may return.
        self._end_row = len(state.live)
        sizes = [len(placed.postings.positions) for placed in state.placed]
        self._starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        self._bounds = [np.asarray(placed.postings.lists, np.int64) for placed in state.placed]
        self._rows = torch.empty(int(self._starts[-1]), dtype=torch.int32, device=device)
        self._residuals = torch.empty((len(self._rows), state.model.packed_dim), dtype=torch.uint8, device=device)
        for start, placed in zip(self._starts.tolist(), state.placed, strict=False):
            positions = np.asarray(placed.postings.positions, np.int64)
            # A damaged position must not lead out of the segment.
            inside = (positions >= 0) & (positions < placed.rows)
            rows = np.where(inside, placed.base_row + positions, self._end_row).astype(np.int32)
            stop = start + len(rows)
            self._rows[start:stop] = torch.from_numpy(rows)
            self._residuals[start:stop] = torch.from_numpy(np.array(placed.postings.residuals))
        self._levels = torch.from_numpy(state.model.levels.astype(np.float32)).to(device)
        self._centroids = torch.from_numpy(state.model.centroids.astype(np.float32)).to(device)
        self._centroid_scales = torch.from_numpy(np.array(state.model.centroid_scales)).to(device)

    def retrieve(
        self, query: Query, nprobe: int, k_prime: int, limit: int, allowed: "Tensor | None", scratch: int
    ) -> Candidates:
        """See ReferenceBackend.retrieve; allowed : bool [end_row] on the device, None where every row is.

        scratch : bytes of temporary memory beside two numbers a row.
        """
        import torch

        probes = self._probe(query, nprobe)
        mask = torch.zeros(self._end_row + 1, dtype=torch.bool, device=self._device)
        mask[:-1] = True if allowed is None else allowed
        gains = torch.zeros(self._end_row, dtype=torch.int64, device=self._device)
        touched = torch.zeros(self._end_row, dtype=torch.bool, device=self._device)
        retrieved = 0
        together = max(1, scratch // 4 // (4 * (self._end_row + 1)))
        for first in range(0, len(query), together):
            tokens = np.arange(first, min(first + together, len(query)))
            best, floors, read = self._best(query, tokens, probes, k_prime, mask, scratch)
            hit = best >= floors
            gains += torch.where(hit, best - floors, 0).sum(dim=0)
            touched |= hit.any(dim=0)
            retrieved += read
        found = int(touched.sum())
        if not found:
            return Candidates(np.empty(0, np.int64), retrieved, 0)
        gains[~touched] = -1
        rows = best_columns(gains[None], min(limit, found))[0]
        return Candidates(rows.cpu().numpy(), retrieved, found)

    def _probe(self, query: Query, nprobe: int) -> Probes:
        """See query.centroid_scores and query.best_lists."""
        import torch

        # The integers stay exact in float32, whatever a matrix product rounds its input to.
        scores = torch.from_numpy(query.codes.astype(np.float32)).to(self._device) @ self._centroids.T
        scores *= self._centroid_scales
        scores *= torch.from_numpy(query.centroid_factors).to(self._device)[:, None]
        nprobe = min(nprobe, scores.shape[1])
        lists = best_columns(scores, nprobe)
        following = scores.topk(min(nprobe + 1, scores.shape[1]), dim=1).values[:, -1].cpu().numpy()
        floors = np.clip(np.rint(following - query.margins), -FIXED_LIMIT, FIXED_LIMIT).astype(np.int32)
        return Probes(lists.cpu().numpy().astype(np.int32), scores.gather(1, lists).cpu().numpy(), floors)

    def _best(
        self, query: Query, tokens: Ints, probes: Probes, k_prime: int, mask: "Tensor", scratch: int
    ) -> "tuple[Tensor, Tensor, int]":
        """For some query tokens: best score a row int32 [g, end_row], floor int32 [g, 1], postings that counted."""
        import torch

        which, asked, list_scores = self._ranges(tokens, probes)
        factors = query.residual_factors[tokens]
        components = torch.from_numpy(query.residual_codes[tokens].astype(np.float32)).to(self._device)
        best = torch.full((len(tokens), self._end_row + 1), NOTHING, dtype=torch.int32, device=self._device)
        floors = torch.from_numpy(probes.floors[tokens].astype(np.int32)).to(self._device)[:, None]
        flat, pieces = best.view(-1), []
        step = max(1, scratch // 2 // (DECODE_BYTES * query.residual_codes.shape[1]))
        for first in range(0, len(which), step):
            place = torch.from_numpy(which[first : first + step]).to(self._device)
            token = torch.from_numpy(asked[first : first + step]).to(self._device)
            rows = self._rows[place].long()
            # float32: exact for these integers, and rounded where numpy rounds.
            products = self._products(self._residuals[place], components[token])
            products *= torch.from_numpy(factors[asked[first : first + step]]).to(self._device)
            products += torch.from_numpy(list_scores[first : first + step]).to(self._device)
            scores = products.round_().clamp_(-FIXED_LIMIT, FIXED_LIMIT).int()
            scores[~mask[rows]] = NOTHING
            flat.scatter_reduce_(0, token * (self._end_row + 1) + rows, scores, "amax")
            pieces.append(scores)
        scores = torch.cat(pieces) if pieces else torch.empty(0, dtype=torch.int32, device=self._device)
        ends = np.searchsorted(asked, np.arange(len(tokens) + 1))
        if int(np.diff(ends).max(initial=0)) > k_prime:
            for number in range(len(tokens)):
                own = scores[ends[number] : ends[number + 1]]
                if len(own) > k_prime and (edge := own.topk(k_prime + 1).values)[-1] > NOTHING:
                    floors[number] = torch.maximum(floors[number], edge[-2])
        return best[:, :-1], floors, int((scores > NOTHING).sum())

    def _ranges(self, tokens: Ints, probes: Probes) -> tuple[Ints, Ints, Floats]:
        """The postings that query tokens read: place int64 [n], number among the tokens int64 [n], list score [n]."""
        lists = probes.lists[tokens]
        starts = np.stack([base + b[lists] for base, b in zip(self._starts, self._bounds, strict=False)], axis=2)
        lengths = np.stack([b[lists + 1] - b[lists] for b in self._bounds], axis=2)
        shape = lengths.shape
        asked = np.broadcast_to(np.arange(len(tokens))[:, None, None], shape)
        scores = np.broadcast_to(probes.scores[tokens][:, :, None], shape)
        counts = lengths.ravel()
        which = concatenated_ranges(starts.ravel(), counts)
        return which, np.repeat(asked.ravel(), counts), np.repeat(scores.ravel(), counts)

    def _products(self, packed: "Tensor", components: "Tensor") -> "Tensor":
        """Residual levels times query components: float32 [n] of packed uint8 [n, p] and float32 [n, 2 p]."""
        half = packed.shape[1]
        low = self._levels[(packed & 15).long()] * components[:, :half]
        return low.sum(dim=1) + (self._levels[(packed >> 4).long()] * components[:, half:]).sum(dim=1)
