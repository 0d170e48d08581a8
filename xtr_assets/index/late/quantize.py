"""Quantized vectors: small integers. Products are exact in int32, and up to dim 1,024 in float32, in any order."""

import numpy as np

from xtr_assets.core.types import Bytes8, Floats

# 128 * 127 * 1,024 is the largest sum of products that stays below 2**24, where float32 stops being exact.
MAX_DIM = 1024


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


def quantize_fine(vectors: Floats) -> tuple[Bytes8, Bytes8, Floats]:
    """16 bits as two int8: a row is about `(256 * coarse + fine) * scale / 256`, and about `coarse * scale`.

    vectors : float32 [n, d]. Returns (coarse int8 [n, d], fine int8 [n, d], scales float32 [n]).

    >>> coarse, fine, scales = quantize_fine(np.array([[1.27, -0.505]], "f4"))
    >>> coarse.tolist(), fine.tolist(), round(float(scales[0]), 4)
    ([[127, -50]], [[0, -128]], 0.01)
    """
    steps = (np.abs(vectors).max(axis=1, initial=0.0) / np.float32(127 * 256)).astype(np.float32)
    divisor = np.where(steps > 0, steps, np.float32(1))
    whole = np.clip(np.rint(vectors / divisor[:, None]), -127 * 256, 127 * 256).astype(np.int32)
    coarse = (whole + 128) >> 8
    return coarse.astype(np.int8), (whole - (coarse << 8)).astype(np.int8), steps * np.float32(256)
