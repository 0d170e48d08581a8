"""Compact rows: five bits a dimension of what a token's centroid leaves, decoded to int8 rows where they are read.

A row that is read is exactly the int8 row with its half-float scale that these bits stand for, so that a compact index
scores by the integers of any other one. At dim 128 a token takes 80 bytes in place of 130, and loses what five bits
lose: over 8,000 chunks its scores were off by 0.034 of a unit vector a token.
"""

from typing import Any, Final, Literal, cast

import numpy as np
import numpy.typing as npt

from xtr_assets.core.errors import InvalidInput
from xtr_assets.core.row_store import TokenPart
from xtr_assets.core.token_codec import TOKEN_CODEC
from xtr_assets.core.types import Bytes8, Floats, Halves, Ints
from xtr_assets.index.late.centroids import Numbers, TokenModel
from xtr_assets.index.late.postings import Postings

COMPACT_CODEC: Final = "residual-5-bit"
Codec = Literal["int8-row-scale", "residual-5-bit"]
CODECS: tuple[Codec, ...] = (TOKEN_CODEC, COMPACT_CODEC)
Packed = npt.NDArray[np.uint8]
# Tokens encoded at a time: 4 MB of float32 at dim 128, of which a few copies are made.
ENCODE_TOKENS = 8_192


class CompactTokens:
    """The int8 rows, as an array that decodes what is asked of it; `scales` is beside it.

    residuals : uint8 [T, packed_dim]; numbers : uint16 or uint32 [T], the centroid of each token.
    """

    ndim = 2
    dtype = np.dtype(np.int8)

    def __init__(self, model: TokenModel, residuals: Packed, numbers: Numbers) -> None:
        self.model, self.residuals, self.numbers = model, residuals, numbers
        self.shape = (len(residuals), model.dim)
        self.nbytes = residuals.nbytes

    def __len__(self) -> int:
        return len(self.residuals)

    def __getitem__(self, which: slice | Ints) -> Bytes8:
        return self.decode(which)[0]

    def decode(self, which: slice | Ints) -> tuple[Bytes8, Halves]:
        """int8 [n, d] with scales float16 [n]. By a reciprocal and no division (token_codec): a third of it."""
        values = self.model.decode_residuals(self.residuals[which], self.numbers[which])
        peaks = np.abs(values).max(axis=1, initial=0.0)
        scales = (peaks / np.float32(127)).astype(np.float16)
        steps = scales.astype(np.float32)
        factors = np.float32(1) / np.where(steps > 0, steps, np.float32(1))
        return np.clip(np.rint(values * factors[:, None]), -127, 127).astype(np.int8), scales


class CompactScales:
    """The scales of CompactTokens, float16 [T], decoded likewise."""

    ndim = 1
    dtype = np.dtype(np.float16)
    nbytes = 0

    def __init__(self, tokens: CompactTokens) -> None:
        self.tokens = tokens
        self.shape = (len(tokens),)

    def __len__(self) -> int:
        return len(self.tokens)

    def __getitem__(self, which: slice | Ints) -> Halves:
        return self.tokens.decode(which)[1]


def compact_part(model: TokenModel, base_row: int, residuals: Packed, numbers: Numbers, offsets: Ints) -> TokenPart:
    """A segment of compact rows, which reads as any other."""
    tokens = CompactTokens(model, residuals, numbers)
    return TokenPart(base_row, cast(Any, tokens), cast(Any, CompactScales(tokens)), offsets)


def compacted(model: TokenModel, part: TokenPart, postings: Postings) -> TokenPart:
    """A segment of int8 rows as compact ones."""
    scales = cast(Halves, part.scales)
    packed = np.empty((len(part.tokens), model.packed_dim), np.uint8)
    for start in range(0, len(packed), ENCODE_TOKENS):
        block = slice(start, start + ENCODE_TOKENS)
        values: Floats = part.tokens[block].astype(np.float32) * scales[block].astype(np.float32)[:, None]
        packed[block] = model.encode_residuals(values, postings.numbers[block])
    return compact_part(model, part.base_row, packed, postings.numbers, part.offsets)


def rows_of(part: TokenPart) -> CompactTokens | None:
    """The compact rows of a segment, None where it holds int8 rows."""
    tokens: object = part.tokens
    return tokens if isinstance(tokens, CompactTokens) else None


def check_codec(codec: str) -> Codec:
    """Raises InvalidInput for an unknown one."""
    if codec not in CODECS:
        raise InvalidInput(f"codec {codec!r} is unknown; allowed: {', '.join(CODECS)}")
    return codec
