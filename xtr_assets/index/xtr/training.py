"""Training a TokenModel on a bounded sample: seconds of CPU and a few hundred megabytes whatever the corpus."""

import math
from typing import Any

import numpy as np

from xtr_assets.core.rows import RowTokens, TokenPart
from xtr_assets.core.types import Bytes8, Floats, Ints
from xtr_assets.index.xtr.model import LEVEL_MAX, LEVEL_MIN, LEVELS, TokenModel

# Lists then hold about sqrt(T) / 4 tokens, and finding the nearest lists costs about as much as reading them.
CENTROIDS_PER_ROOT = 4.0
# 65,536 centroids are 8 MB in int8: beyond that, finding lists no longer fits a core's cache.
MAX_CENTROIDS = 65_536
# Fewer tokens a list leave k-means with lists of one token; below this a corpus is scanned anyway.
MIN_TOKENS_PER_CENTROID = 8
SEED = 20_231
SAMPLE_PER_CENTROID = 32
ITERATIONS = 6
# 131,072 tokens x 128 dimensions give 16 million residual components: far more than 16 levels need.
LEVEL_SAMPLE = 16_384


def centroid_count(tokens: int) -> int:
    """How many centroids a corpus of so many tokens gets."""
    wanted = int(CENTROIDS_PER_ROOT * math.sqrt(tokens))
    return max(1, min(wanted, MAX_CENTROIDS, tokens // MIN_TOKENS_PER_CENTROID))


def train(tokens: RowTokens, *, centroids: int | None = None, seed: int = SEED) -> TokenModel:
    """Train mean, centroids and residual levels on a sample of the tokens.

    The sample is drawn without replacement by a seeded generator from the tokens in row order: the same tokens give the
    same model on the same machine. Without a token there is one centroid at zero, and the first tokens retrain.
    """
    total = tokens.token_count
    if total == 0:
        return _untrained(tokens.dim, seed)
    count = min(centroids or centroid_count(total), total)
    size = min(total, max(count * SAMPLE_PER_CENTROID, LEVEL_SAMPLE))
    chosen = np.random.default_rng(seed).choice(total, size, replace=False)
    sample = gather_tokens(tokens, np.sort(chosen))
    mean = sample.mean(axis=0, dtype=np.float64).astype(np.float32)
    norm = float(np.sqrt(np.einsum("td,td->t", sample, sample).max())) or 1.0
    sample -= mean
    codes, scales = quantize_rows(_cluster(sample, count, seed))
    vectors = codes.astype(np.float32) * scales[:, None]
    probe = sample[:: max(1, size // LEVEL_SAMPLE)]
    residuals = probe - vectors[nearest(probe, vectors)]
    levels, steps = residual_levels(residuals)
    training: dict[str, Any] = {
        "tokens": total,
        "sample": size,
        "seed": seed,
        "iterations": ITERATIONS,
    }
    rms = float(np.sqrt(np.einsum("td,td->t", residuals, residuals).mean()))
    return TokenModel(mean, codes, scales, levels, steps, norm, rms, training)


def _untrained(dim: int, seed: int) -> TokenModel:
    levels = np.arange(LEVELS, dtype=np.int8) - np.int8(LEVELS // 2)
    training: dict[str, Any] = {"tokens": 0, "sample": 0, "seed": seed, "iterations": 0}
    zeros = np.zeros(dim, np.float32)
    return TokenModel(
        zeros, np.zeros((1, dim), np.int8), zeros[:1].copy(), levels, np.ones(dim, np.float32), 1.0, 0.0, training
    )


def gather_tokens(tokens: RowTokens, chosen: Ints) -> Floats:
    """float32 [len(chosen), d] by ascending token number, counted over all parts."""
    out = np.empty((len(chosen), tokens.dim), np.float32)
    base = 0
    for part in tokens.parts:
        first, last = int(part.offsets[0]), int(part.offsets[-1])
        start, stop = np.searchsorted(chosen, [base, base + last - first])
        out[start:stop] = token_values(part, chosen[start:stop] - base + first)
        base += last - first
    return out


def token_values(part: TokenPart, which: Ints | slice) -> Floats:
    """float32 [n, d]: tokens of one part as numbers."""
    values = np.asarray(part.tokens[which], np.float32)
    if part.scales is not None:
        values *= np.asarray(part.scales[which], np.float32)[:, None]
    return values


def quantize_rows(vectors: Floats) -> tuple[Bytes8, Floats]:
    """int8 [n, d] and float32 scales [n]: each row in steps of a 127th of its largest component; 0 for zero rows.

    >>> codes, scales = quantize_rows(np.array([[1.27, -0.5]], "f4"))
    >>> codes.tolist(), round(float(scales[0]), 4)
    ([[127, -50]], 0.01)
    """
    scales = (np.abs(vectors).max(axis=1, initial=0.0) / np.float32(127)).astype(np.float32)
    divisor = np.where(scales > 0, scales, np.float32(1))
    codes = np.clip(np.rint(vectors / divisor[:, None]), -127, 127).astype(np.int8)
    return codes, scales


def nearest(vectors: Floats, centroids: Floats) -> Ints:
    """int64 [n]: the nearest centroid of each vector by Euclidean distance."""
    import faiss  # loads in .3 s; only builders pay for it

    index = faiss.IndexFlatL2(centroids.shape[1])
    index.add(np.ascontiguousarray(centroids))
    found: Ints = index.search(np.ascontiguousarray(vectors), 1)[1][:, 0]
    return found


def residual_levels(residuals: Floats) -> tuple[Bytes8, Floats]:
    """16 levels for residuals, and the size of a level step per dimension.

    Dimensions are brought to one variance, the pooled components get the 16 levels of least squared error (Lloyd,
    "Least squares quantization in PCM", 1982), and the levels are rounded to integers within [-64, 63].

    residuals : float32 [n, d]. Returns (levels int8 [16] ascending, steps float32 [d]).
    """
    deviation = residuals.std(axis=0, dtype=np.float64)
    # A dimension that never varies gets a step that rounds its residual to nothing.
    deviation = np.maximum(deviation, max(float(deviation.max()) * 1e-4, 1e-9))
    pooled = np.sort((residuals / deviation).ravel()[: 1 << 20])
    summed = np.concatenate([[0.0], np.cumsum(pooled, dtype=np.float64)])
    levels = np.quantile(pooled, (np.arange(LEVELS) + 0.5) / LEVELS)
    for _ in range(30):
        borders = np.searchsorted(pooled, (levels[1:] + levels[:-1]) / 2)
        edges = np.concatenate([[0], borders, [len(pooled)]])
        counts = np.diff(edges)
        levels = np.where(counts > 0, np.diff(summed[edges]) / np.maximum(counts, 1), levels)
    factor = LEVEL_MAX / max(float(np.abs(levels).max()), 1e-9)
    whole = np.clip(np.rint(levels * factor), LEVEL_MIN, LEVEL_MAX).astype(np.int8)
    return whole, (deviation / factor).astype(np.float32)


def _cluster(sample: Floats, count: int, seed: int) -> Floats:
    if count >= len(sample):
        return sample.copy()
    import faiss  # loads in .3 s; only builders pay for it

    kmeans = faiss.Kmeans(
        sample.shape[1], count, niter=ITERATIONS, seed=seed, min_points_per_centroid=1, max_points_per_centroid=1 << 20
    )
    kmeans.train(sample)
    return np.asarray(kmeans.centroids, np.float32)
