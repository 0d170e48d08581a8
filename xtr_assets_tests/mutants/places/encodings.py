"""Faults between a text and its vectors: order, buffers, other encoders, the text that is given, the look-up."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from xtr_assets.encoders.base import Encoded
from xtr_assets_tests.mutants.fault import FULL, INCREMENTAL, Mutant, Plant, locally, replaced

TEXTS = frozenset({"vectors_are_the_texts"})
# An encoder that is itself worse agrees with itself: only pinned texts, and what people find, can tell.
CANARY = frozenset({"encoder_canary", "known_item"})
PLACE = "encoding"
Floats = npt.NDArray[np.floating[Any]]


def encoded(alter: Callable[[Encoded], Encoded]) -> Plant:
    """What an encoder gave is altered on its way into a segment."""
    return replaced("pipeline.ingest.encode_blocks:Block.of", lambda original: lambda one: original(alter(one)))


def embeddings(alter: Callable[[Floats], Floats]) -> Plant:
    return encoded(
        lambda one: replace(one, embeddings=unit(alter(one.embeddings.astype(np.float32))).astype(np.float16))
    )


def tokens(alter: Callable[[Floats], Floats]) -> Plant:
    return encoded(lambda one: replace(one, tokens=unit(alter(one.tokens.astype(np.float32)))))


def unit(vectors: Floats) -> Floats:
    scaled: Floats = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    return scaled


def reordered(one: Encoded, order: npt.NDArray[np.int64], *, dense: bool, late: bool) -> Encoded:
    """Texts in another order, in one space or both."""
    if dense:
        one = replace(one, embeddings=one.embeddings[order])
    if not late:
        return one
    pieces = [np.arange(one.offsets[place], one.offsets[place + 1]) for place in order.tolist()]
    chosen = np.concatenate([np.empty(0, np.int64), *pieces])
    offsets = np.concatenate([[0], np.cumsum([len(piece) for piece in pieces])]).astype(np.int64)
    return replace(one, tokens=one.tokens[chosen], offsets=offsets, token_ids=one.token_ids[chosen])


def _rolled(one: Encoded) -> npt.NDArray[np.int64]:
    return np.roll(np.arange(len(one)), -1)


def _backwards_by_eight(one: Encoded) -> npt.NDArray[np.int64]:
    return np.concatenate(
        [np.empty(0, np.int64), *(np.arange(at, min(at + 8, len(one)))[::-1] for at in range(0, len(one), 8))]
    )


def _cut(one: Encoded) -> Encoded:
    starts = one.offsets[:-1]
    counts = np.minimum(np.diff(one.offsets), 2)
    chosen = np.concatenate(
        [np.arange(start, start + many) for start, many in zip(starts, counts, strict=True)] or [np.empty(0, int)]
    )
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return replace(one, tokens=one.tokens[chosen], offsets=offsets, token_ids=one.token_ids[chosen])


def _stale(vectors: Floats) -> Floats:
    half = len(vectors) // 2
    return np.concatenate([vectors[: len(vectors) - half], vectors[:half]])


def _noisy(vectors: Floats) -> Floats:
    return vectors + np.random.default_rng(1).normal(0, 0.1, vectors.shape)


def _constant(vectors: Floats) -> Floats:
    altered = vectors.copy()
    altered[::3] = np.ones(vectors.shape[1])
    return altered


def _turned(vectors: Floats) -> Floats:
    turned: Floats = vectors @ np.linalg.qr(np.random.default_rng(7).normal(size=(vectors.shape[1],) * 2))[0]
    return turned


def _zero(one: Encoded) -> Encoded:
    altered = one.embeddings.copy()
    altered[: len(altered) // 2] = 0
    return replace(one, embeddings=altered)


def _next_position(original: Any) -> Any:
    def find_encoded(segments: Any, hashes: Any, fingerprint: str, legs: Any) -> Any:
        found = original(segments, hashes, fingerprint, legs)
        rows = np.array([one.rows for one in found.segments] or [1])
        last = rows[np.maximum(found.owner, 0)] - 1
        return replace(found, position=np.where(found.found, np.minimum(found.position + 1, last), -1))

    return find_encoded


def _joined_runs(original: Any) -> Any:
    def runs(places: Any, positions: Any, longest: int) -> Any:
        # Whatever lies in one place is taken to lie there one after the other.
        starts = np.flatnonzero(np.diff(places, prepend=-1))
        straight = np.concatenate(
            [
                np.empty(0, int),
                *(positions[a] + np.arange(b - a) for a, b in zip(starts, [*starts[1:], len(places)], strict=True)),
            ]
        )
        return original(places, np.minimum(straight, positions.max(initial=0)), longest)

    return runs


def _half_scales(original: Any) -> Any:
    def encode_int8(values: Any) -> Any:
        codes, scales = original(values)
        scales[::2] *= np.float16(0.5)
        return codes, scales

    return encode_int8


def _first_words(original: Any) -> Any:
    def encode_documents(self: Any, texts: Any, progress: Any = None) -> Any:
        return original(self, [" ".join(text.split()[:4]) for text in texts], progress)

    return encode_documents


def _few_directions(original: Any) -> Any:
    return lambda hashes, dim, salt: original(hashes % np.uint64(7), dim, salt)


MUTANTS = (
    Mutant(
        "embeddings of the next text",
        PLACE,
        encoded(lambda one: reordered(one, _rolled(one), dense=True, late=False)),
        TEXTS,
    ),
    Mutant(
        "token embeddings of the next text",
        PLACE,
        encoded(lambda one: reordered(one, _rolled(one), dense=False, late=True)),
        TEXTS,
    ),
    Mutant(
        "batches of eight come out backwards",
        PLACE,
        encoded(lambda one: reordered(one, _backwards_by_eight(one), dense=True, late=True)),
        TEXTS,
    ),
    Mutant(
        "another encoder for the new documents",
        PLACE,
        encoded(
            lambda one: replace(
                one,
                embeddings=_turned(one.embeddings.astype(np.float32)).astype(np.float16),
                tokens=_turned(one.tokens.astype(np.float32)),
            )
        ),
        TEXTS,
    ),
    Mutant("tokens through another projection", PLACE, tokens(_turned), TEXTS),
    Mutant("tokens cut after two a text", PLACE, encoded(_cut), TEXTS),
    Mutant("a stale buffer: the second half is the first again", PLACE, embeddings(_stale), TEXTS),
    Mutant("noise in the embeddings", PLACE, embeddings(_noisy), TEXTS),
    Mutant("noise in the token embeddings", PLACE, tokens(_noisy), TEXTS),
    Mutant("half of the embeddings are zero", PLACE, encoded(_zero), frozenset({"InvalidInput", "embeddings_valid"})),
    Mutant("every third embedding is a constant", PLACE, embeddings(_constant), TEXTS),
    Mutant(
        "titles are encoded in place of texts",
        PLACE,
        locally("pipeline.ingest.fresh_blocks", "encoded_text", lambda _: lambda title, text: title or text[:12]),
        TEXTS,
    ),
    Mutant(
        "titles are left out",
        PLACE,
        locally("pipeline.ingest.fresh_blocks", "encoded_text", lambda _: lambda _title, text: text),
        TEXTS,
    ),
    Mutant(
        "every second token is half as long",
        PLACE,
        locally("pipeline.ingest.encode_blocks", "encode_int8", _half_scales),
        TEXTS,
    ),
    Mutant(
        "token ids of the next token",
        PLACE,
        encoded(lambda one: replace(one, token_ids=np.roll(one.token_ids, 1))),
        TEXTS,
    ),
    Mutant(
        "encodings are looked up one row further",
        PLACE,
        replaced("storage.encoding_lookup:find_encoded", _next_position),
        TEXTS,
        INCREMENTAL,
    ),
    Mutant(
        "what lies apart is read as one run",
        PLACE,
        locally("pipeline.ingest.encode", "runs", _joined_runs),
        TEXTS,
        FULL,
    ),
    Mutant(
        "an encoder that sees four words of a document",
        "encoder",
        replaced("encoders.hashing:Hashing.encode_documents", _first_words),
        CANARY,
        FULL,
        serves=True,
    ),
    Mutant(
        "an encoder that knows seven directions",
        "encoder",
        replaced("encoders.hashing:directions", _few_directions),
        CANARY,
        serves=True,
    ),
    Mutant(
        "a tokenizer that cuts words after two letters",
        "encoder",
        locally("encoders.hashing", "WORD", lambda _: __import__("re").compile(r"[^\W_]{1,2}")),
        CANARY,
        serves=True,
    ),
)
