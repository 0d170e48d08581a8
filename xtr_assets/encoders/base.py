"""The protocol of an encoder. One forward pass gives the embedding and the token embeddings of a text."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from xtr_assets.core.errors import InvalidInput
from xtr_assets.core.types import Floats, Halves, Int32s, Ints, Legs, VectorKind

# Called with the number of texts finished since the last call.
Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Encoded:
    """Encoded documents, in the order of the texts.

    embeddings : float16 [n, dim], unit length. tokens : float16|float32 [T, token_dim], unit length; those of text i
    are `tokens[offsets[i]:offsets[i + 1]]`, at least one. offsets : int64 [n + 1]. token_ids : int32 [T], the
    vocabulary ids that `Encoder.surface` turns into strings. windows : texts that took more than one window.
    Of an encoder without embeddings these are [n, 0]; of one without tokens they are [0, 0], and every offset is 0.
    """

    embeddings: Halves
    tokens: Halves | Floats
    offsets: Ints
    token_ids: Int32s
    windows: int

    def __post_init__(self) -> None:
        if len(self.offsets) != len(self.embeddings) + 1:
            raise InvalidInput(
                f"{len(self.embeddings)} embeddings need {len(self.embeddings) + 1} offsets, not {len(self.offsets)}"
            )
        if not len(self.tokens) == len(self.token_ids) == int(self.offsets[-1]):
            raise InvalidInput(
                f"the offsets end at {int(self.offsets[-1])}, there are {len(self.tokens)} tokens and "
                f"{len(self.token_ids)} token ids"
            )
        if self.tokens.shape[1] == 0:
            if self.offsets.any():
                raise InvalidInput(f"tokens of dim 0 are none, and the offsets end at {int(self.offsets[-1])}")
        elif (np.diff(self.offsets) < 1).any():
            raise InvalidInput(f"text {int(np.argmax(np.diff(self.offsets) < 1))} has no token; each needs at least 1")

    def __len__(self) -> int:
        return len(self.embeddings)

    def first(self, count: int) -> "Encoded":
        """The first texts of it; `windows` stays that of all."""
        stop = int(self.offsets[count])
        return Encoded(
            self.embeddings[:count], self.tokens[:stop], self.offsets[: count + 1], self.token_ids[:stop], self.windows
        )


@dataclass(frozen=True, slots=True)
class EncodedQueries:
    """Encoded queries: embeddings float32 [n, dim] and, per query, tokens float32 [t, token_dim]; all unit length.

    A leg that the encoder does not give is [n, 0], or [0, 0] for each query.
    """

    embeddings: Floats
    tokens: tuple[Floats, ...]
    token_ids: tuple[Int32s, ...]


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far two vectors of one text may differ: least agreements (core/vector_agreement.py: 1 is the same vector).

    Between what is stored (embeddings float16, tokens int8) and another run of the same encoder: another precision,
    device or batch. `embedding` holds for each embedding, `token` for each token, `mean_token` for the mean over the
    tokens of a text. Token counts and token ids have no tolerance. The defaults are those of a model in bf16 or fp32,
    measured with MiniLM on 400 functions of the standard library and 13 odd texts (34,223 tokens; long, CJK, Thai,
    emoji, punctuation, empty): stored from fp32 or bf16 against fp32, bf16, numpy's fp32, and other batches, the least
    were 0.99993, 0.99965 and 0.99985. Of an error that is one part in twenty of the vector's length 0.99875 is left.
    """

    embedding: float = 0.9998
    token: float = 0.999
    mean_token: float = 0.9997


def vector_kind(encoder: "Encoder") -> VectorKind:
    """What segments hold of an encoder."""
    return VectorKind(encoder.fingerprint, encoder.legs)


class Encoder(Protocol):
    """Turns texts into vectors. Two encoders with one fingerprint give vectors that may be mixed in an index.

    `fingerprint` is 64 hex characters; folders are named by its first eight. Safe to use from several threads. A text
    of which it makes no usable vector is an UnusableText that names its place.
    """

    @property
    def name(self) -> str:
        """What people call it; it takes no part in the fingerprint."""
        ...

    @property
    def legs(self) -> Legs:
        """What it gives: "dense" (an embedding), "tokens", or both."""
        ...

    @property
    def dim(self) -> int:
        """Dimensions of an embedding; 0 where it gives none."""
        ...

    @property
    def token_dim(self) -> int:
        """Dimensions of a token embedding; 0 where it gives none."""
        ...

    @property
    def fingerprint(self) -> str:
        """Digest of all that changes its vectors: 64 hex characters."""
        ...

    @property
    def tolerance(self) -> Tolerance:
        """How far vectors of one fingerprint may differ."""
        ...

    def describe(self) -> dict[str, Any]:
        """Name, kind, weights, settings, fingerprint and the precision that serves; JSON-able."""
        ...

    def encode_documents(self, texts: Sequence[str], progress: Progress | None = None) -> Encoded:
        """Encode whole texts, whatever their length."""
        ...

    def encode_queries(self, texts: Sequence[str]) -> EncodedQueries:
        """Encode queries."""
        ...

    def surface(self, token_ids: Sequence[int] | Int32s) -> list[str]:
        """The strings of token ids, int32 [n], that it gave itself; for explanations."""
        ...
