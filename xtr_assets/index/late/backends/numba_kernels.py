"""The numba kernels of numba.py: compiled once per machine (cached beside this file, or in NUMBA_CACHE_DIR)."""

from typing import Any

import numba
import numpy as np


@numba.njit(nogil=True, cache=True)
def gain_from_lists(
    bounds: Any, documents: Any, base: int, count: int, lists: Any, levels: Any, floors: Any, mask: Any, gains: Any,
    met: Any, retrieved: Any,
) -> int:  # fmt: skip
    """Step 1 of ReferenceBackend.retrieve for one segment; met : int32 [end_row], -1. Returns the meetings."""
    meetings = 0
    for token in range(lists.shape[0]):
        floor = floors[token]
        for probe in range(lists.shape[1]):
            number, level = lists[token, probe], np.int64(levels[token, probe])
            for place in range(bounds[number], bounds[number + 1]):
                position = documents[place]
                if position < 0 or position >= count:
                    continue
                row = base + position
                if len(mask) and not mask[row]:
                    continue
                retrieved[token] += 1
                if level < floor or met[row] == token:
                    continue
                met[row] = token
                meetings += 1
                gains[row] = max(gains[row], 0) + level - floor
    return meetings


@numba.njit(nogil=True, cache=True)
def best_levels(levels: Any, numbers: Any, offsets: Any, positions: Any, best: Any) -> None:
    """Step 2 of ReferenceBackend.retrieve for rows of one segment; best : uint8 [n, t], zeros."""
    last = len(levels) - 1
    for row in range(len(positions)):
        own = best[row]
        for place in range(offsets[positions[row]], offsets[positions[row] + 1]):
            found = levels[min(np.int64(numbers[place]), last)]
            for token in range(len(own)):
                own[token] = max(own[token], found[token])


@numba.njit(nogil=True, cache=True)
def reaching(levels: Any, numbers: Any, offsets: Any, positions: Any, thresholds: Any, places: Any, counts: Any) -> int:
    """The tokens of rows of one segment that token pruning keeps; returns how many."""
    last, kept = len(levels) - 1, 0
    for row in range(len(positions)):
        least, before = thresholds[row], kept
        for place in range(offsets[positions[row]], offsets[positions[row] + 1]):
            found = levels[min(np.int64(numbers[place]), last)]
            for token in range(len(least)):
                if found[token] >= least[token]:
                    places[kept] = place
                    kept += 1
                    break
        counts[row] = kept - before
    return kept


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
