"""Training a TokenModel on a bounded sample: seconds of CPU and a few hundred megabytes whatever the corpus.

Everything is decided by integers and a seed: the same tokens give the same model on every machine.
"""

import math
from typing import Any

import numpy as np

from xtr_assets.core.errors import InvalidInput
from xtr_assets.core.row_store import RowTokens, TokenPart
from xtr_assets.core.token_codec import encode_int8
from xtr_assets.core.types import Bytes8, Floats, Halves, Int32s, Ints
from xtr_assets.index.late.centroid_assignment import assign
from xtr_assets.index.late.centroids import LEVEL_MAX, LEVEL_MIN, LEVELS, NARROW_CENTROIDS, TokenModel
from xtr_assets.index.late.quantize import MAX_DIM, quantize_rows

# Lists then hold about sqrt(T) / 4 tokens, and finding the nearest lists costs about as much as reading them.
CENTROIDS_PER_ROOT = 4.0
# Beyond 65,536 the number of a centroid takes 32 bits. Where 4 sqrt(T) asks for less than twice as many, 65,536 serve:
# finding candidates then costs a query up to a third more, and finding the nearest centroid of every token, most of a
# build, up to twice less (docs/sizing.md, "How many centroids").
PAYING_CENTROIDS = 131_072
# 6.9e10 tokens: the levels of a query of 32 tokens take 32 MB there, and the sample of training 13 GB at dim 48.
MAX_CENTROIDS = 1 << 20
# Fewer tokens a list leave k-means with lists of one token; below this a corpus is scanned anyway.
MIN_TOKENS_PER_CENTROID = 8
SEED = 20_231
SAMPLE_PER_CENTROID = 32
ITERATIONS = 6
# 16,384 tokens x 128 dimensions give 2 million residual components: far more than 32 levels need.
LEVEL_SAMPLE = 16_384


def centroid_count(tokens: int) -> int:
    """How many centroids a corpus of so many tokens gets."""
    wanted = int(CENTROIDS_PER_ROOT * math.sqrt(tokens))
    if NARROW_CENTROIDS < wanted < PAYING_CENTROIDS:
        wanted = NARROW_CENTROIDS
    return max(1, min(wanted, MAX_CENTROIDS, tokens // MIN_TOKENS_PER_CENTROID))


def train(tokens: RowTokens, *, centroids: int | None = None, seed: int = SEED) -> TokenModel:
    """Train mean, centroids and residual levels on a sample of the tokens.

    The sample is drawn without replacement by a seeded generator from the tokens in row order. Without a token there is
    one centroid at zero, and the first tokens retrain. Raises InvalidInput where dim is beyond 1,024.
    """
    if not 1 <= tokens.dim <= MAX_DIM:
        raise InvalidInput(f"tokens have dim {tokens.dim}; a token index takes 1 to {MAX_DIM}: project them first")
    total = tokens.token_count
    if total == 0:
        return _untrained(tokens.dim, seed)
    count = min(centroids or centroid_count(total), total)
    size = min(total, max(count * SAMPLE_PER_CENTROID, LEVEL_SAMPLE))
    chosen = np.random.default_rng(seed).choice(total, size, replace=False)
    codes, scales = gather_codes(tokens, np.sort(chosen))
    sample = codes.astype(np.float32) * scales[:, None]
    mean = sample.mean(axis=0, dtype=np.float64).astype(np.float32)
    norm = float(np.sqrt(np.einsum("td,td->t", sample, sample).max())) or 1.0
    sample -= mean
    numbers, steps = _cluster(codes, scales, sample, mean, count, seed)
    some = slice(None, None, max(1, size // LEVEL_SAMPLE))
    nearest = assign(codes[some], scales[some], mean, numbers, steps)
    residuals = sample[some] - numbers[nearest].astype(np.float32) * steps[nearest, None]
    levels, residual_steps = residual_levels(residuals)
    training: dict[str, Any] = {"tokens": total, "sample": size, "seed": seed, "iterations": ITERATIONS}
    return TokenModel(mean, numbers, steps, levels, residual_steps, norm, training)


def gather_codes(tokens: RowTokens, chosen: Ints) -> tuple[Bytes8, Floats]:
    """int8 [n, d] and scales float32 [n] by ascending token number, counted over all parts."""
    codes, scales = np.empty((len(chosen), tokens.dim), np.int8), np.empty(len(chosen), np.float32)
    base = 0
    for part in tokens.parts:
        first, last = int(part.offsets[0]), int(part.offsets[-1])
        start, stop = np.searchsorted(chosen, [base, base + last - first])
        codes[start:stop], scales[start:stop] = part_codes(part, chosen[start:stop] - base + first)
        base += last - first
    return codes, scales


def part_codes(part: TokenPart, which: Ints | slice) -> tuple[Bytes8, Halves]:
    """int8 [n, d] with scales float16 [n]: tokens of one part in the codec of the store."""
    if part.scales is None:
        return encode_int8(np.asarray(part.tokens[which], np.float32))
    return np.asarray(part.tokens[which], np.int8), part.scales[which]


def residual_levels(residuals: Floats) -> tuple[Bytes8, Floats]:
    """32 levels for residuals, and the size of a level step per dimension.

    Dimensions are brought to one variance, the pooled components get the 32 levels of least squared error (Lloyd,
    "Least squares quantization in PCM", 1982), and the levels are rounded to integers within [-64, 63].

    residuals : float32 [n, d]. Returns (levels int8 [32] ascending, steps float32 [d]).
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


def _cluster(
    codes: Bytes8, scales: Floats, sample: Floats, mean: Floats, count: int, seed: int
) -> tuple[Bytes8, Floats]:
    """k-means (Lloyd) over the sample; centroids are integers in every round, as they will be when tokens meet them.

    sample : float32 [n, d], the tokens less their mean. Returns (int8 [count, d], float32 [count]).
    """
    generator = np.random.default_rng(seed + 1)
    numbers, steps = quantize_rows(sample[np.sort(generator.choice(len(sample), count, replace=False))])
    for _ in range(ITERATIONS if count < len(sample) else 0):
        nearest = assign(codes, scales, mean, numbers, steps)
        centres, sizes = _means(sample, nearest, count)
        # A centroid that nothing is nearest to starts again at some token of the sample.
        empty = np.flatnonzero(sizes == 0)
        centres[empty] = sample[generator.choice(len(sample), len(empty), replace=False)]
        numbers, steps = quantize_rows(centres)
    return numbers, steps


def _means(sample: Floats, nearest: Int32s, count: int) -> tuple[Floats, Ints]:
    """float32 [count, d], zero where empty, and sizes int64 [count]."""
    sizes = np.bincount(nearest, minlength=count)
    filled = np.flatnonzero(sizes)
    starts = (np.cumsum(sizes) - sizes)[filled]
    sums = np.add.reduceat(sample[np.argsort(nearest, kind="stable")], starts, axis=0)
    means = np.zeros((count, sample.shape[1]), np.float32)
    means[filled] = sums / sizes[filled, None].astype(np.float32)
    return means, sizes


def _untrained(dim: int, seed: int) -> TokenModel:
    levels = np.arange(LEVELS, dtype=np.int8) - np.int8(LEVELS // 2)
    training: dict[str, Any] = {"tokens": 0, "sample": 0, "seed": seed, "iterations": 0}
    zeros = np.zeros(dim, np.float32)
    return TokenModel(
        zeros, np.zeros((1, dim), np.int8), zeros[:1].copy(), levels, np.ones(dim, np.float32), 1.0, training
    )
