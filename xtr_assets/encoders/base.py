"""What every encoder is and gives back. One forward pass yields the embedding and the token embeddings of a text."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from xtr_assets.core.errors import InvalidInput
from xtr_assets.core.types import Floats, Halves, Int32s, Ints

# Called with the number of texts finished since the last call.
Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Encoded:
    """Encoded documents, in the order of the texts.

    embeddings : float16 [n, dim], unit length. tokens : float16|float32 [T, token_dim], unit length; those of text i
    are `tokens[offsets[i]:offsets[i + 1]]`, at least one. offsets : int64 [n + 1]. token_ids : int32 [T], the
    vocabulary ids that `Encoder.surface` turns into strings. windows : texts that took more than one window.
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
        if (np.diff(self.offsets) < 1).any():
            raise InvalidInput(f"text {int(np.argmax(np.diff(self.offsets) < 1))} has no token; each needs at least 1")

    def __len__(self) -> int:
        return len(self.embeddings)


@dataclass(frozen=True, slots=True)
class EncodedQueries:
    """Encoded queries: embeddings float32 [n, dim] and, per query, tokens float32 [t, token_dim]; all unit length."""

    embeddings: Floats
    tokens: tuple[Floats, ...]
    token_ids: tuple[Int32s, ...]


class Encoder(Protocol):
    """Turns texts into vectors. Two encoders with one fingerprint give vectors that may be mixed in an index.

    `fingerprint` is 64 hex characters; folders are named by its first eight. Safe to use from several threads.
    """

    @property
    def name(self) -> str: ...
    @property
    def dim(self) -> int: ...
    @property
    def token_dim(self) -> int: ...
    @property
    def fingerprint(self) -> str: ...

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
        """The strings of token ids, for explanations."""
        ...
