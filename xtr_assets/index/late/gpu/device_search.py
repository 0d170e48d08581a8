"""Searches of a token index on a GPU: what fits the memory bound decides how candidates are found."""

import logging
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from xtr_assets.core.arguments import query_tokens
from xtr_assets.core.errors import ProviderError
from xtr_assets.core.top_k import best_rows
from xtr_assets.core.types import Floats, Ints, Mask
from xtr_assets.index.late.backends.reference import PHASES
from xtr_assets.index.late.gpu.availability import Choice
from xtr_assets.index.late.gpu.device_centroids import DeviceCentroids, centroids_bytes
from xtr_assets.index.late.gpu.device_rows import DeviceRows, rows_bytes
from xtr_assets.index.late.gpu.device_top_k import SELECT_BYTES, best_columns
from xtr_assets.index.late.options import SearchProfile
from xtr_assets.index.late.query import make_query
from xtr_assets.index.late.search import LIMIT_PER_RESULT, TokenResult
from xtr_assets.index.late.search import search as search_on_cpu
from xtr_assets.index.late.state import IndexState

if TYPE_CHECKING:
    import torch
    from torch import Tensor

log = logging.getLogger(__name__)

Holding = Literal["rows", "centroids"]
# Of the free memory of the GPU at opening: a dense index, an encoder and a generation opened beside this one need room.
MEMORY_SHARE = 0.5
# Temporary memory is this share of the bound, and no more than pays: blocks of 100,000 tokens fill any GPU.
SCRATCH_SHARE, MOST_SCRATCH = 0.25, 1 << 30
# Candidates of a scan beyond those asked for, which the CPU's integers then rank: float16 moves a score by about 3e-5.
SCAN_SLACK = 32


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """What lies on the device, of which segments."""

    segments: object
    kind: Holding
    store: DeviceRows | DeviceCentroids
    bytes: int
    scratch: int


class DeviceSearch:
    """Searches the states of one index on one device; safe from many threads, which take turns on the device.

    memory_bytes : what it may hold there, temporary memory included; None: MEMORY_SHARE of what is free. The documents'
    rows are held where they fit, else the centroids of their tokens; ProviderError where neither fits.
    """

    def __init__(
        self, device: "torch.device", dtype: "torch.dtype", choice: Choice, memory_bytes: int | None = None
    ) -> None:
        self.choice = choice
        self._device, self._dtype, self._memory_bytes = device, dtype, memory_bytes
        self._turn = threading.Lock()
        self._held: Held | None = None
        self._live: tuple[Mask, Tensor] | None = None

    @classmethod
    def on(cls, choice: Choice, memory_bytes: int | None = None) -> "DeviceSearch":
        """On the GPU of a choice, in float16."""
        import torch

        return cls(torch.device(choice.device), torch.float16, choice, memory_bytes)

    @property
    def scans(self) -> bool:
        """Whether searches look at every document, and so impute nothing."""
        return self._held is not None and self._held.kind == "rows"

    def describe(self) -> dict[str, Any]:
        """What lies on the device: "rows" or "centroids", their bytes, and the temporary memory beside them."""
        held = self._held
        if held is None:
            return {"holds": None, "bytes": 0, "scratch_bytes": 0}
        return {"holds": held.kind, "bytes": held.bytes, "scratch_bytes": held.scratch}

    def hold(self, state: IndexState) -> None:
        """Bring the segments of a state to the device unless they are there. Raises ProviderError: they do not fit."""
        with self._turn:
            self._hold(state)

    def search(
        self, state: IndexState, profile: SearchProfile, queries: Sequence[Floats], k: int, allowed: Mask | None
    ) -> list[TokenResult]:
        """What `search_many.search_all` answers to each query, with candidates from the device."""
        tokens = [query_tokens(query, state.model.dim) for query in queries]
        mask, count = state.allowed(allowed)
        wanted = min(k, count)
        asked = [number for number, own in enumerate(tokens) if len(own)] if wanted > 0 else []
        scores, rows = best_rows(np.empty(0, np.float32), np.empty(0, np.int64), k)
        nothing = TokenResult(scores, rows, True, 0, 0, 0, dict.fromkeys(PHASES, 0.0))
        results = [nothing] * len(tokens)
        if not asked:
            return results
        keep = wanted + SCAN_SLACK
        if count <= keep:
            every = state.rows_of(mask)
            return [_scored(state, own, every, k, count, 0.0) if len(own) else nothing for own in tokens]
        with self._turn:
            held = self._hold(state)
            if isinstance(held.store, DeviceRows):
                started = time.perf_counter()
                with self._memory(held.kind):
                    found = self._scan(held, state, [tokens[number] for number in asked], keep, mask)
                seconds = (time.perf_counter() - started) / len(asked)
        if isinstance(held.store, DeviceRows):
            for number, own in zip(asked, found, strict=True):
                results[number] = _scored(state, tokens[number], own, k, count, seconds)
        else:
            for number in asked:
                results[number] = self._by_centroids(held, state, profile, tokens[number], k, allowed)
        return results

    def _scan(
        self, held: Held, state: IndexState, queries: Sequence[Floats], keep: int, mask: Mask | None
    ) -> list[Ints]:
        """Rows of the `keep` best scores of each query, ascending, by products in the device's precision."""
        import torch

        assert isinstance(held.store, DeviceRows)
        on_device = self._mask(state, mask)
        at_once = max(1, held.scratch // 2 // (SELECT_BYTES * len(state.live)))
        found: list[Ints] = []
        for first in range(0, len(queries), at_once):
            block = queries[first : first + at_once]
            padded = np.zeros((len(block), max(map(len, block)), state.model.dim), np.float32)
            for own, query in zip(padded, block, strict=True):
                longest = np.sqrt(np.einsum("td,td->t", query, query).max())
                own[: len(query)] = query / (longest or 1.0)
            asked = torch.from_numpy(padded).to(self._device, self._dtype)
            scores = held.store.scores(asked, held.scratch // 2)
            if on_device is not None:
                scores.masked_fill_(~on_device, -torch.inf)
            found += list(best_columns(scores, keep).cpu().numpy())
        return found

    def _by_centroids(
        self, held: Held, state: IndexState, profile: SearchProfile, tokens: Floats, k: int, allowed: Mask | None
    ) -> TokenResult:
        """Candidates by their tokens' centroids on the device, rescored as the CPU's are; few rows are read there."""
        assert isinstance(held.store, DeviceCentroids)
        mask, count = state.allowed(allowed)
        limit = max(profile.rescore, LIMIT_PER_RESULT * k)
        if profile.scan or count <= limit:
            return search_on_cpu(state, profile, tokens, k, allowed)
        started = time.perf_counter()
        query = make_query(state.model, tokens)
        with self._turn, self._memory(held.kind):
            found = held.store.retrieve(query, limit, self._mask(state, mask), held.scratch)
        seconds = time.perf_counter() - started
        coarse = state.backend.rescore(query, found.rows)
        kept = np.sort(best_rows(coarse, found.rows, min(k + SCAN_SLACK, len(found.rows)))[1])
        result = _scored(state, tokens, kept, k, found.touched, seconds)
        return replace(result, scanned=False, imputed_share=1.0, rescored=len(found.rows))

    def _mask(self, state: IndexState, mask: Mask | None) -> "Tensor | None":
        """The mask on the device; that of the live rows stays there from search to search."""
        import torch

        if mask is None:
            return None
        if self._live is not None and self._live[0] is mask:
            return self._live[1]
        there = torch.from_numpy(np.ascontiguousarray(mask)).to(self._device)
        if mask is state.live:
            self._live = mask, there
        return there

    def _hold(self, state: IndexState) -> Held:
        if self._held is not None and self._held.segments is state.segments:
            return self._held
        # Old segments go first: old and new together may not fit.
        self._held = self._live = None
        bound = self._bound()
        scratch = min(MOST_SCRATCH, int(bound * SCRATCH_SHARE))
        a_row = SELECT_BYTES * len(state.live)
        needs: dict[Holding, int] = {"rows": rows_bytes(state) + a_row, "centroids": centroids_bytes(state) + 2 * a_row}
        kind = next((kind for kind, need in needs.items() if need + scratch <= bound), None)
        if kind is None:
            raise ProviderError(
                f"the token index needs {needs['centroids'] + scratch:,} bytes on {self.choice.device} for its tokens' "
                f"centroids, the memory bound is {bound:,}; raise it (device_memory=), free memory there, or use "
                "device='cpu'"
            )
        store = self._upload(kind, state)
        self._held = Held(state.segments, kind, store, needs[kind], scratch)
        log.info("token index: %s of %d documents lie on %s", kind, len(state.tokens), self.choice.device)
        return self._held

    def _upload(self, kind: Holding, state: IndexState) -> DeviceRows | DeviceCentroids:
        with self._memory(kind):
            if kind == "rows":
                return DeviceRows(state, self._device, self._dtype)
            return DeviceCentroids(state, self._device)

    @contextmanager
    def _memory(self, kind: Holding) -> Iterator[None]:
        """Says what to do where the device has less memory than it said."""
        import torch

        try:
            yield
        except torch.OutOfMemoryError as error:
            raise ProviderError(
                f"{self.choice.device} ran out of memory for the {kind} of the token index ({error}); lower the memory "
                "bound (device_memory=), free memory there, or use device='cpu'"
            ) from error

    def _bound(self) -> int:
        import torch

        if self._memory_bytes is not None:
            return self._memory_bytes
        # What torch keeps of memory that this process gave back is free for us.
        torch.cuda.empty_cache()
        return int(torch.cuda.mem_get_info(self._device)[0] * MEMORY_SHARE)


def _scored(state: IndexState, tokens: Floats, rows: Ints, k: int, candidates: int, seconds: float) -> TokenResult:
    """The k best of ascending rows by the CPU's exact scores; `seconds` were spent on finding them."""
    started = time.perf_counter()
    query = make_query(state.model, tokens)
    exact = state.backend.exact(query, rows) / np.float32(len(query))
    scores, best = best_rows(exact, rows, k)
    spent = {"retrieve": seconds, "impute": 0.0, "rescore": time.perf_counter() - started}
    return TokenResult(scores, best, True, 0, candidates, len(rows), spent)
