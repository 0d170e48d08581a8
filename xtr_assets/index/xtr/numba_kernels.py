"""The numba kernels of compiled.py: compiled once per machine (cached beside this file, or in NUMBA_CACHE_DIR)."""

from typing import Any

import numba
import numpy as np

from xtr_assets.index.xtr.query import FIXED_LIMIT


@numba.njit(nogil=True, cache=True)  # type: ignore[misc, unused-ignore]
def score_postings(
    bounds: Any, positions: Any, residuals: Any, base: int, count: int, lists: Any, list_scores: Any,
    tables: Any, factors: Any, mask: Any, rows: Any, scores: Any, ends: Any,
) -> None:  # fmt: skip
    half = residuals.shape[1]
    limit = np.float32(FIXED_LIMIT)
    for token in range(lists.shape[0]):
        end = ends[token]
        table = tables[token].ravel()
        for probe in range(lists.shape[1]):
            number = lists[token, probe]
            list_score = list_scores[token, probe]
            for posting in range(bounds[number], bounds[number + 1]):
                position = positions[posting]
                if position < 0 or position >= count:
                    continue
                if len(mask) and not mask[base + position]:
                    continue
                product = np.int32(0)
                for byte in range(half):
                    product += table[(byte << 8) + residuals[posting, byte]]
                fixed = np.rint(list_score + np.float32(product) * factors[token])
                rows[end] = base + position
                scores[end] = np.int32(min(max(fixed, -limit), limit))
                end += 1
        ends[token] = end


@numba.njit(nogil=True, cache=True)  # type: ignore[misc, unused-ignore]
def accumulate(
    rows: Any, scores: Any, starts: Any, ends: Any, floors: Any, k_prime: int, gains: Any
) -> int:  # fmt: skip
    """Steps 3 and 4 of ReferenceBackend.retrieve; returns how many rows were touched."""
    touched = 0
    best = np.zeros(len(gains), np.int32)
    for token in range(len(ends)):
        start, end = starts[token], ends[token]
        floor = floors[token]
        if end - start > k_prime:
            floor = max(floor, np.partition(scores[start:end], end - start - k_prime)[end - start - k_prime])
        for posting in range(start, end):
            # One more than it exceeds the floor by: 0 then means that the token has not met this row.
            excess = scores[posting] - floor + 1
            row = rows[posting]
            if excess > best[row]:
                if best[row] == 0:
                    if gains[row] < 0:
                        gains[row] = 0
                        touched += 1
                    gains[row] += excess - 1
                else:
                    gains[row] += excess - best[row]
                best[row] = excess
        for posting in range(start, end):
            best[rows[posting]] = 0
    return touched


@numba.njit(nogil=True, cache=True)
def pick_nearest(products: Any, centroid_scales: Any, scales: Any, biases: Any, out: Any) -> None:
    """See assignment.assign: one pass over the products in place of four."""
    for token in range(products.shape[0]):
        best, chosen = np.float32(-np.inf), 0
        for number in range(products.shape[1]):
            score = products[token, number] * centroid_scales[number] * scales[token] - biases[number]
            if score > best:
                best, chosen = score, number
        out[token] = chosen
