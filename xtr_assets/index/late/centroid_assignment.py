"""Centroid assignment: the nearest centroid of a token, by integers, the same on every machine and backend."""

from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from itertools import pairwise

import numpy as np

from xtr_assets.core.types import Bytes8, Floats, Int32s
from xtr_assets.index import native
from xtr_assets.index.device import processors

# Scores of so many tokens at a time: 512 x 8,000 centroids are 16 MB, which the last-level cache holds. Of so many
# centroids that they would be more than 128 MB, fewer tokens.
ASSIGN_TOKENS, ASSIGN_SCORES = 512, 1 << 25
# numba takes seconds to compile on its first day: fewer scores than this are compared in numpy.
COMPILED_SCORES = 50_000_000
# A thread more for each so many scores, 10 ms of a core: four fifths of the build of a large token index are these
# scores, and the extension holds no lock meanwhile (docs/dev/trials.md, "A rebuild over processes").
THREAD_SCORES = 25_000_000


def assign(codes: Bytes8, scales: Floats, mean: Floats, centroids: Bytes8, centroid_scales: Floats) -> Int32s:
    """The nearest centroid of each token: int32 [n], ties to the lower one.

    With x the token, m the mean and c a centroid, |x - m - c|^2 is least where `x.c - (m.c + |c|^2 / 2)` is most. The
    product is that of integers, times the centroid's scale, times the token's, less the bias, in float32.

    codes : int8 [n, d] with scales float32 [n]; mean : float32 [d]; centroids : int8 [C, d] with scales float32 [C].
    """
    vectors = centroids.astype(np.float64) * centroid_scales.astype(np.float64)[:, None]
    biases = (vectors @ mean.astype(np.float64) + np.einsum("cd,cd->c", vectors, vectors) / 2).astype(np.float32)
    if native.available():
        return _assign_native(np.ascontiguousarray(codes), scales, biases, centroids, centroid_scales)
    return assign_numpy(codes, scales, biases, centroids, centroid_scales)


def _assign_native(codes: Bytes8, scales: Floats, biases: Floats, centroids: Bytes8, centroid_scales: Floats) -> Int32s:
    """See `assign`. Each token is compared by itself: however many threads share them, the result is the same."""
    threads = min(processors(), len(codes) * len(centroids) // THREAD_SCORES)
    if threads < 2:
        return native.assign(centroids, centroid_scales, biases, codes, scales, None)
    bounds = np.linspace(0, len(codes), threads + 1).astype(np.int64).tolist()

    def part(span: tuple[int, int]) -> Int32s:
        own = slice(*span)
        return native.assign(centroids, centroid_scales, biases, codes[own], scales[own], None)

    with ThreadPoolExecutor(threads, "assign") as pool:
        return np.concatenate(list(pool.map(part, pairwise(bounds))))


def assign_numpy(codes: Bytes8, scales: Floats, biases: Floats, centroids: Bytes8, centroid_scales: Floats) -> Int32s:
    """See `assign`."""
    pick = _pick_numpy
    if len(codes) * len(centroids) > COMPILED_SCORES and find_spec("numba") is not None:
        from xtr_assets.index.late.backends.numba_kernels import pick_nearest as pick
    values = np.ascontiguousarray(centroids.astype(np.float32).T)
    found = np.empty(len(codes), np.int32)
    step = max(1, min(ASSIGN_TOKENS, ASSIGN_SCORES // len(centroids)))
    for start in range(0, len(codes), step):
        stop = min(start + step, len(codes))
        products = codes[start:stop].astype(np.float32) @ values
        pick(products, centroid_scales, scales[start:stop], biases, found[start:stop])
    return found


def _pick_numpy(products: Floats, centroid_scales: Floats, scales: Floats, biases: Floats, out: Int32s) -> None:
    products *= centroid_scales
    products *= scales[:, None]
    products -= biases
    out[:] = products.argmax(axis=1)
