"""The values that pass between modules. Arrays state dtype, shape and order where they are used."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Halves = npt.NDArray[np.float16]
Bytes8 = npt.NDArray[np.int8]
Ints = npt.NDArray[np.int64]
Int32s = npt.NDArray[np.int32]
Mask = npt.NDArray[np.bool_]

# What an encoder may give of a text: an embedding, token embeddings, or both.
Leg = Literal["dense", "tokens"]
Legs = frozenset[Leg]
BOTH_LEGS: Legs = frozenset(("dense", "tokens"))
# The space that a leg is searched in: its name in modes, recipes and profiles.
Space = Literal["dense", "xtr"]
SPACE_OF: Mapping[Leg, Space] = {"dense": "dense", "tokens": "xtr"}
# What a leg is made of, in words.
MADE_OF: Mapping[Leg, str] = {"dense": "embeddings", "tokens": "token embeddings"}


def legs_of(dim: int, token_dim: int) -> Legs:
    """The legs of an encoder of these dims: one without a leg has 0 there.

    >>> sorted(legs_of(384, 128)), sorted(legs_of(384, 0))
    (['dense', 'tokens'], ['dense'])
    """
    dims: tuple[tuple[Leg, int], ...] = (("dense", dim), ("tokens", token_dim))
    return frozenset(leg for leg, size in dims if size)


@dataclass(frozen=True, slots=True)
class VectorKind:
    """Vectors that may be mixed in an index: the fingerprint of what made them, and the legs that it gives."""

    fingerprint: str
    legs: Legs = BOTH_LEGS


@dataclass(frozen=True, slots=True)
class Chunk:
    """One retrievable piece of text with its place.

    `title` is context that is encoded before the text but is not part of the lines: the class of a method, the heading
    path of a section, the title of a record. `text` is verbatim from `start_line` to `end_line` (1-based, inclusive).
    `metadata` is a JSON object in canonical form ("{}" where there is none).
    """

    chunk_id: int
    source: str
    path: str
    symbol: str
    kind: str
    part: int
    start_line: int
    end_line: int
    title: str
    text: str
    metadata: str = "{}"

    @property
    def encoded(self) -> str:
        """The text an encoder sees."""
        return encoded_text(self.title, self.text)

    @property
    def fields(self) -> dict[str, Any]:
        """The metadata as a dict."""
        loaded: dict[str, Any] = json.loads(self.metadata)
        return loaded


def encoded_text(title: str, text: str) -> str:
    """The text an encoder sees: the title as a line of its own before the text, where there is one."""
    return f"{title}\n{text}" if title else text


@dataclass(frozen=True, slots=True)
class FileState:
    """A source file as last read. The sha256 is the truth; size and mtime_ns are hints that save a read.

    A file is *stale* where `unread` says why what lies at its path now was not taken: the other fields then tell of
    what its rows came from (file_diff.UNREAD_SHA256 where it has none). `refused` is the sha256 of what was read and
    not taken, a cut-off export for example; "" where nothing could be read.
    """

    path: str
    size: int
    mtime_ns: int
    sha256: str
    unread: str = ""
    refused: str = ""


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A file or record that could not be used, and why. `line` is 0 where the whole file is meant."""

    source: str
    path: str
    line: int
    reason: str
    detail: str
