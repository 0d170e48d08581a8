"""Centroid assignment: the nearest centroid of a token, by integers, the same on every machine and backend."""

from importlib.util import find_spec

import numpy as np

from xtr_assets.core.types import Bytes8, Floats, Int32s
from xtr_assets.index import native

# Scores of so many tokens at a time: 512 x 8,000 centroids are 16 MB, which the last-level cache holds.
ASSIGN_TOKENS = 512
# numba takes seconds to compile on its first day: fewer scores than this are compared in numpy.
COMPILED_SCORES = 50_000_000


def assign(codes: Bytes8, scales: Floats, mean: Floats, centroids: Bytes8, centroid_scales: Floats) -> Int32s:
    """The nearest centroid of each token: int32 [n], ties to the lower one.

    With x the token, m the mean and c a centroid, |x - m - c|^2 is least where `x.c - (m.c + |c|^2 / 2)` is most. The
    product is that of integers, times the centroid's scale, times the token's, less the bias, in float32.

    codes : int8 [n, d] with scales float32 [n]; mean : float32 [d]; centroids : int8 [C, d] with scales float32 [C].
    """
    vectors = centroids.astype(np.float64) * centroid_scales.astype(np.float64)[:, None]
    biases = (vectors @ mean.astype(np.float64) + np.einsum("cd,cd->c", vectors, vectors) / 2).astype(np.float32)
    if native.available():
        return native.assign(centroids, centroid_scales, biases, np.ascontiguousarray(codes), scales, None)
    return assign_numpy(codes, scales, biases, centroids, centroid_scales)


def assign_numpy(codes: Bytes8, scales: Floats, biases: Floats, centroids: Bytes8, centroid_scales: Floats) -> Int32s:
    """See `assign`."""
    pick = _pick_numpy
    if len(codes) * len(centroids) > COMPILED_SCORES and find_spec("numba") is not None:
        from xtr_assets.index.late.backends.numba_kernels import pick_nearest as pick
    values = np.ascontiguousarray(centroids.astype(np.float32).T)
    found = np.empty(len(codes), np.int32)
    for start in range(0, len(codes), ASSIGN_TOKENS):
        stop = min(start + ASSIGN_TOKENS, len(codes))
        products = codes[start:stop].astype(np.float32) @ values
        pick(products, centroid_scales, scales[start:stop], biases, found[start:stop])
    return found


def _pick_numpy(products: Floats, centroid_scales: Floats, scales: Floats, biases: Floats, out: Int32s) -> None:
    products *= centroid_scales
    products *= scales[:, None]
    products -= biases
    out[:] = products.argmax(axis=1)
