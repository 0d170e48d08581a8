"""Encoded texts while they are on their way into a segment: blocks that survive a crash, and runs that find them."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from xtr_assets.core.files import replacing
from xtr_assets.core.token_codec import encode_int8
from xtr_assets.core.types import Bytes8, Halves, Int32s, Ints, VectorKind
from xtr_assets.encoders.base import Encoded
from xtr_assets.storage.segment import Segment, TokenArrays


@dataclass(frozen=True, slots=True)
class Slice:
    """Some texts of a block.

    embeddings : float16 [n, dim]; tokens : int8 [t, token_dim]; scales : float16 [t]; counts : int64 [n], the tokens of
    each text; token_ids : int32 [t].
    """

    embeddings: Halves
    tokens: Bytes8
    scales: Halves
    counts: Ints
    token_ids: Int32s


@dataclass(frozen=True, slots=True)
class Block:
    """Vectors of the texts of one block, or of a whole segment; a leg that is not there is empty."""

    embeddings: Halves
    tokens: TokenArrays

    @classmethod
    def of(cls, encoded: Encoded) -> "Block":
        """What an encoder gave, in the form in which it is stored."""
        if not encoded.tokens.shape[1]:
            return cls(encoded.embeddings.astype(np.float16, copy=False), _no_tokens(len(encoded)))
        codes, scales = encode_int8(encoded.tokens)
        ids = encoded.token_ids.astype(np.int32, copy=False)
        tokens = TokenArrays(codes, scales, encoded.offsets.astype(np.int64, copy=False), ids)
        return cls(encoded.embeddings.astype(np.float16, copy=False), tokens)

    @classmethod
    def stored(cls, segment: Segment, kind: VectorKind) -> "Block":
        """What a segment holds."""
        fingerprint, rows = kind.fingerprint, segment.rows
        return cls(
            segment.embeddings(fingerprint) if "dense" in kind.legs else np.empty((rows, 0), np.float16),
            segment.tokens(fingerprint) if "tokens" in kind.legs else _no_tokens(rows),
        )

    @classmethod
    def load(cls, path: Path) -> "Block":
        """Read what `save` wrote."""
        # Opened here: of a damaged file numpy leaves it open.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            tokens = TokenArrays(arrays["tokens"], arrays["scales"], arrays["offsets"], arrays["token_ids"])
            return cls(arrays["embeddings"], tokens)

    def save(self, path: Path) -> None:
        """Write the block durably: it is there whole, or not at all."""
        t = self.tokens
        with replacing(path) as temporary, temporary.open("wb") as file:
            np.savez(
                file,
                embeddings=self.embeddings,
                tokens=t.tokens,
                scales=t.scales,
                offsets=t.offsets,
                token_ids=t.token_ids,
            )

    def slice(self, start: int, stop: int) -> "Slice":
        """The texts start..stop."""
        t = self.tokens
        offsets = np.asarray(t.offsets[start : stop + 1])
        span = slice(int(offsets[0]), int(offsets[-1]))
        return Slice(self.embeddings[start:stop], t.tokens[span], t.scales[span], np.diff(offsets), t.token_ids[span])


def _no_tokens(rows: int) -> TokenArrays:
    """The tokens of so many rows where there are none."""
    return TokenArrays(
        np.empty((0, 0), np.int8), np.empty(0, np.float16), np.zeros(rows + 1, np.int64), np.empty(0, np.int32)
    )


def block_name(text_hashes: Sequence[bytes]) -> str:
    """The file name of a block: it is found again only for the same texts in the same order."""
    return f"{hashlib.sha256(b''.join(text_hashes)).hexdigest()[:24]}.npz"


@dataclass(frozen=True, slots=True)
class Run:
    """Consecutive rows that lie one after the other in one place: texts start..stop of that place."""

    place: int
    start: int
    stop: int


def runs(places: Ints, positions: Ints, longest: int) -> Iterator[Run]:
    """The rows in order as runs of at most `longest` texts.

    places : int64 [rows], number of the place; positions : int64 [rows], number of the text in it.

    >>> list(runs(np.array([0, 0, 1, 1]), np.array([3, 4, 9, 8]), 100))
    [Run(place=0, start=3, stop=5), Run(place=1, start=9, stop=10), Run(place=1, start=8, stop=9)]
    """
    if not len(places):
        return
    breaks = np.flatnonzero((np.diff(places) != 0) | (np.diff(positions) != 1)) + 1
    for first, last in zip(np.append(0, breaks), np.append(breaks, len(places)), strict=True):
        for row in range(int(first), int(last), longest):
            stop = min(row + longest, int(last))
            start = int(positions[row])
            yield Run(int(places[row]), start, start + stop - row)


def gathered(places: Ints, positions: Ints, vectors_of: Callable[[int], Halves], dim: int) -> Halves:
    """float16 [n, dim]: vector `positions[i]` of place `places[i]`, int64 [n]; zeros where the place is -1."""
    found = np.zeros((len(places), dim), np.float16)
    for place in np.unique(places[places >= 0]).tolist():
        mine = places == place
        found[mine] = vectors_of(place)[positions[mine]]
    return found
