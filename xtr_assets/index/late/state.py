"""What an index searches at one moment: segments, the mask of live rows, and the backend over them. Never changed."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from xtr_assets.core.arguments import any_array, check_offsets, distinct_rows, row_mask
from xtr_assets.core.errors import InvalidInput
from xtr_assets.core.row_store import RowTokens, TokenPart
from xtr_assets.core.token_codec import TOKEN_CODEC, encode_int8
from xtr_assets.core.types import Floats, Halves, Ints, Mask
from xtr_assets.index.late.backends.choice import BackendName, open_backend
from xtr_assets.index.late.backends.reference import Backend, PlacedPostings
from xtr_assets.index.late.centroids import TokenModel
from xtr_assets.index.late.postings import Postings, make_postings
from xtr_assets.index.late.residual_codec import COMPACT_CODEC, Codec, compacted

# Tokens brought to float32 at a time: 16 MB at dim 128, of which the codec makes a few copies.
ENCODE_TOKENS = 32_768


@dataclass(frozen=True, eq=False)
class IndexState:
    """Segments in row order, and live : bool [end_row], False for removed rows and holes."""

    model: TokenModel
    segments: tuple[tuple[TokenPart, Postings], ...]
    live: Mask
    backend_name: BackendName = "auto"
    codec: Codec = TOKEN_CODEC

    def __post_init__(self) -> None:
        # Rows after the last segment are a hole: their own segment may be gone, their numbers are never given again.
        if len(self.live) < self.tokens.end_row:
            raise InvalidInput(
                f"the mask of live rows has {len(self.live)} rows, the segments end at row {self.tokens.end_row}"
            )

    @cached_property
    def tokens(self) -> RowTokens:
        return RowTokens([part for part, _ in self.segments], self.model.dim)

    @cached_property
    def placed(self) -> list[PlacedPostings]:
        return [PlacedPostings(part.base_row, part.rows, postings) for part, postings in self.segments]

    @cached_property
    def backend(self) -> Backend:
        return open_backend(self.backend_name, self.model, self.placed, self.tokens)

    @property
    def memory_bytes(self) -> int:
        """Bytes of all arrays, mapped or not."""
        store = sum(
            part.tokens.nbytes + part.offsets.nbytes + (0 if part.scales is None else part.scales.nbytes)
            for part in self.tokens.parts
        )
        return store + self.model.memory_bytes + sum(postings.memory_bytes for _, postings in self.segments)

    @cached_property
    def token_count(self) -> int:
        return self.tokens.token_count

    @cached_property
    def stored(self) -> Mask:
        """bool [end_row]: rows that some segment holds."""
        stored = np.zeros(len(self.live), np.bool_)
        for part, _ in self.segments:
            stored[part.base_row : part.end_row] = True
        return stored

    @cached_property
    def live_rows(self) -> int:
        return int(np.count_nonzero(self.live))

    @cached_property
    def all_live(self) -> bool:
        # Row by row: as many rows as are stored may still be others.
        return bool(np.array_equal(self.live, self.stored))

    def without(self, gone: Ints | Sequence[int]) -> "IndexState":
        """The same with rows int64 [n] no longer live. Raises InvalidInput for rows out of range or given twice."""
        gone = distinct_rows(gone, len(self.live))
        live = self.live.copy()
        live[gone] = False
        return replace(self, live=live)

    def allowed(self, allowed: Mask | None) -> tuple[Mask | None, int]:
        """The rows a search may return, None for all stored ones, and how many they are. Raises InvalidInput."""
        if allowed is None:
            return (None if self.all_live else self.live), self.live_rows
        both = row_mask(allowed, len(self.live), "allowed") & self.live
        return both, int(np.count_nonzero(both))

    def rows_of(self, mask: Mask | None) -> Ints:
        """int64, ascending: the rows of a mask from `allowed`."""
        return np.flatnonzero(self.stored if mask is None else mask)


def encode_documents(base_row: int, tokens: Floats | Halves, offsets: Ints) -> TokenPart:
    """Documents in the codec of the store, a block of tokens at a time.

    tokens : float32|float16 [T, d]; offsets : int64 [n + 1]. Raises InvalidInput naming the first row at fault.
    """
    array = any_array(tokens, "tokens")
    if array.ndim != 2 or array.shape[1] < 1 or array.dtype.kind not in "fiu":
        raise InvalidInput(f"tokens are {array.dtype} {array.shape}; pass float32 or float16 [tokens, dim]")
    bounds = check_offsets(offsets, len(array))
    codes, scales = np.empty(array.shape, np.int8), np.empty(len(array), np.float16)
    for start in range(0, len(array), ENCODE_TOKENS):
        with np.errstate(over="ignore"):
            block = np.asarray(array[start : start + ENCODE_TOKENS], np.float32)
        finite = np.isfinite(block).all(axis=1)
        if not finite.all():
            token = start + int(np.flatnonzero(~finite)[0])
            raise InvalidInput(f"{_place(bounds, token)} holds NaN or infinity; check the encoder")
        with np.errstate(over="ignore"):
            own_codes, own_scales = encode_int8(block)
        # Only what is all zero has a scale of zero; of an infinite one no product would be a number.
        held = np.isfinite(own_scales) & ((own_scales > 0) | ~block.any(axis=1))
        if not held.all():
            token = int(np.flatnonzero(~held)[0])
            largest = float(np.abs(block[token]).max())
            raise InvalidInput(
                f"{_place(bounds, start + token)} has {largest:.3g} as its largest component, beyond what a scale in "
                "half precision stands for, 8e-06 to 8e+06; scale the tokens to unit length"
            )
        codes[start : start + len(block)], scales[start : start + len(block)] = own_codes, own_scales
    return TokenPart(base_row, codes, scales, bounds)


def _place(bounds: Ints, token: int) -> str:
    """Which token of which row one of all is."""
    row = int(np.searchsorted(bounds, token, side="right")) - 1
    return f"row {row}: token {token - int(bounds[row])}"


def make_segment(model: TokenModel, part: TokenPart, codec: Codec) -> tuple[TokenPart, Postings]:
    """A segment of int8 rows with its postings, in the codec of an index."""
    postings = make_postings(model, part)
    return (compacted(model, part, postings) if codec == COMPACT_CODEC else part), postings


def check_part(part: TokenPart, model: TokenModel) -> None:
    """A segment of the store as the index reads it. Raises InvalidInput naming what differs."""
    where = f"the segment at row {part.base_row}"
    if part.tokens.ndim != 2 or part.tokens.shape[1] != model.dim:
        raise InvalidInput(f"{where} has tokens {part.tokens.shape}, the model dim {model.dim}; use its own model")
    if part.tokens.dtype != np.int8 or part.scales is None or part.scales.shape != (len(part.tokens),):
        raise InvalidInput(
            f"{where} has no int8 tokens with a scale each; encode them with core.token_codec.encode_int8"
        )
    check_offsets(part.offsets, len(part.tokens), f"{where}: offsets")
