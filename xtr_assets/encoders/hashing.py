"""An encoder without a model, for tests and for benchmarks of everything but encoding: words as random directions."""

import hashlib
import json
import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from xtr_assets.core.errors import InvalidInput
from xtr_assets.core.types import Floats, Int32s, Ints, legs_of
from xtr_assets.encoders.base import Encoded, EncodedQueries, Progress, Tolerance
from xtr_assets.encoders.encoder_record import CODE_VERSIONS

CODE_VERSION = CODE_VERSIONS["hashing"]

# parse_date gives "parse" and "date".
WORD = re.compile(r"[^\W_]+")
# A text without a word keeps this one.
NO_WORD = ""
# How much of its neighbours' directions a token takes: some, so that a word's tokens differ from text to text as those
# of a model do, little enough that a word is nearest to itself (cosine 0.86 between two contexts without a common
# word).
CONTEXT = 0.28
# Texts of one step: bounds the arrays to some 10 MB at 50 words a text.
STEP = 2048
# The vectors are the same everywhere; what differs is how they are stored. The least of the same texts as in
# `Tolerance`, at 8 to 4,096 components: 0.999999, 0.999974 and 0.999985.
TOLERANCE = Tolerance(embedding=0.99999, token=0.9999, mean_token=0.99995)
# Words whose strings `surface` can give: those of queries, since explanations are about a query's words.
REMEMBERED = 100_000

Uint64s = npt.NDArray[np.uint64]


def mix(values: Uint64s) -> Uint64s:
    """The finalizer of splitmix64 (Steele, Lea, Flood 2014): uint64 in, well-mixed uint64 out."""
    z = values + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: Uint64s = z ^ (z >> np.uint64(31))
    return mixed


def directions(hashes: Uint64s, dim: int, salt: int) -> Floats:
    """Pseudo-random unit vectors, float32 [n, dim]: each component from 32 bits of its own, the same everywhere."""
    counters = np.arange(-(-dim // 2), dtype=np.uint64) + np.uint64(salt << 32)
    bits = mix(hashes[:, None] ^ mix(counters)[None, :])
    halves = np.stack([bits & np.uint64(0xFFFFFFFF), bits >> np.uint64(32)], axis=2).reshape(
        len(hashes), 2 * len(counters)
    )
    values = halves[:, :dim].astype(np.float32) / np.float32(2**31) - np.float32(1.0)
    return unit(values)


def unit(vectors: Floats) -> Floats:
    """The same with rows of unit length."""
    scaled: Floats = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return scaled


class Hashing:
    """Words hashed to random unit directions of `dim` and `token_dim`; no files, no torch, about 25,000 functions/s.

    An embedding is the sum over a text's distinct words of (1 + ln count) times the word's direction, scaled to unit
    length, so that texts which share words are near. A token embedding is the word's direction with a little of its
    neighbours'. Deterministic across machines and releases of numpy. A dim of 0 leaves embeddings out, a token_dim of 0
    token embeddings.
    """

    def __init__(self, dim: int = 64, token_dim: int = 32) -> None:
        if not (dim or token_dim):
            raise InvalidInput("dim and token_dim are both 0, which leaves nothing to search; give one of them")
        self.name = f"hashing-{dim}-{token_dim}"
        self.legs = legs_of(dim, token_dim)
        self.dim, self.token_dim = dim, token_dim
        self.fingerprint = hashlib.sha256(json.dumps(self._identity(), sort_keys=True).encode()).hexdigest()
        self.tolerance = TOLERANCE
        self._surfaces: dict[int, str] = {}

    def _identity(self) -> dict[str, Any]:
        return {"kind": "hashing", "code": CODE_VERSION, "dim": self.dim, "token_dim": self.token_dim}

    def describe(self) -> dict[str, Any]:
        """Name, kind, settings and fingerprint; JSON-able."""
        return {"name": self.name, **self._identity(), "fingerprint": self.fingerprint, "precision": "fp32"}

    def encode_documents(self, texts: Sequence[str], progress: Progress | None = None) -> Encoded:
        """Encode texts; tokens in float16."""
        parts = []
        for start in range(0, max(1, len(texts)), STEP):
            step = texts[start : start + STEP]
            embeddings, tokens, counts, token_ids = self._encode(step)
            parts.append((embeddings.astype(np.float16), tokens.astype(np.float16), counts, token_ids))
            if progress is not None and step:
                progress(len(step))
        halves, small, lengths, ids = (np.concatenate(column) for column in zip(*parts, strict=True))
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        return Encoded(halves, small, offsets, ids, windows=0)

    def encode_queries(self, texts: Sequence[str]) -> EncodedQueries:
        """Encode queries; remembers their words for `surface`."""
        embeddings, tokens, counts, token_ids = self._encode(texts, remember=True)
        places = [slice(start, stop) for start, stop in pairwise([0, *np.cumsum(counts).tolist()])]
        return EncodedQueries(
            embeddings, tuple(tokens[place] for place in places), tuple(token_ids[place] for place in places)
        )

    def surface(self, token_ids: Sequence[int] | Int32s) -> list[str]:
        """The words of token ids that a query held; "#" and the id for others, since a hash cannot be turned back."""
        return [self._surfaces.get(int(number), f"#{int(number):08x}") for number in token_ids]

    def _encode(self, texts: Sequence[str], remember: bool = False) -> tuple[Floats, Floats, Ints, Int32s]:
        """Embeddings float32 [n, dim], tokens float32 [T, token_dim], token counts int64 [n], ids int32 [T]."""
        numbers: dict[str, int] = {}
        flat: list[int] = []
        counts = np.empty(len(texts), np.int64)
        for place, text in enumerate(texts):
            words = WORD.findall(text.lower()) or [NO_WORD]
            flat.extend([numbers.setdefault(word, len(numbers)) for word in words])
            counts[place] = len(words)
        hashes = np.array([_hash(word) for word in numbers], np.uint64)
        word_ids = (hashes & np.uint64(0x7FFFFFFF)).astype(np.int32)
        if remember and len(self._surfaces) < REMEMBERED:
            self._surfaces.update(zip(word_ids.tolist(), numbers, strict=True))
        words_of = np.array(flat, np.int64)
        owner = np.repeat(np.arange(len(texts)), counts)
        embeddings = np.empty((len(texts), 0), np.float32)
        if self.dim:
            embeddings = self._embeddings(directions(hashes, self.dim, 1), words_of, owner)
        if not self.token_dim:
            return embeddings, np.empty((0, 0), np.float32), np.zeros(len(texts), np.int64), np.empty(0, np.int32)
        return (
            embeddings,
            self._tokens(directions(hashes, self.token_dim, 2), words_of, owner),
            counts,
            word_ids[words_of] if len(words_of) else np.empty(0, np.int32),
        )

    def _embeddings(self, table: Floats, words: Ints, owner: Ints) -> Floats:
        if not len(words):
            return np.empty((0, self.dim), np.float32)
        pairs, times = np.unique(owner * len(table) + words, return_counts=True)
        text, word = np.divmod(pairs, len(table))
        weighted = table[word] * (1.0 + np.log(times)).astype(np.float32)[:, None]
        # Every text has a word, so that no slice of reduceat is empty.
        return unit(np.add.reduceat(weighted, np.flatnonzero(np.diff(text, prepend=-1)), axis=0))

    def _tokens(self, table: Floats, words: Ints, owner: Ints) -> Floats:
        own = table[words] if len(words) else np.empty((0, self.token_dim), np.float32)
        mixed = own.copy()
        together = (owner[1:] == owner[:-1])[:, None] * np.float32(CONTEXT)
        mixed[1:] += own[:-1] * together
        mixed[:-1] += own[1:] * together
        return unit(mixed)


def _hash(word: str) -> int:
    return int.from_bytes(hashlib.blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")
