"""The token codec: int8 rows with one float16 scale each. 130 bytes a token of dim 128 in place of 256 (float16)."""

from typing import Final

import numpy as np

from xtr_assets.core.types import Bytes8, Floats, Halves

TOKEN_CODEC: Final = "int8-row-scale"


def encode_int8(tokens: Floats | Halves) -> tuple[Bytes8, Halves]:
    """Quantize each row symmetrically to its own largest component.

    tokens : float32|float16 [T, d]. Returns (int8 [T, d], float16 [T]); a row of zeros gets scale 0.

    >>> codes, scales = encode_int8(np.array([[0.5, -1.0]], "f4"))
    >>> codes.tolist(), round(float(scales[0]), 5)
    ([[64, -127]], 0.00787)
    """
    values = np.asarray(tokens, np.float32)
    peak = np.abs(values).max(axis=1, initial=0.0)
    # The scale is rounded to float16 first and the codes made against the rounded one, so that its error cancels.
    scales = (peak / 127.0).astype(np.float16)
    divisor = np.where(scales > 0, scales.astype(np.float32), 1.0)
    codes = np.clip(np.rint(values / divisor[:, None]), -127, 127).astype(np.int8)
    return codes, scales


def decode_int8(codes: Bytes8, scales: Halves) -> Floats:
    """float32 [T, d] from the stored form."""
    decoded: Floats = codes.astype(np.float32) * scales.astype(np.float32)[:, None]
    return decoded
