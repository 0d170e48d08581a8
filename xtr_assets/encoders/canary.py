"""Pinned texts and what an encoder made of them: an encoder that has become another one under the same fingerprint.

A fingerprint covers files and settings, not the libraries that turn them into vectors. Canaries of the embedded
encoders lie in canaries.json, made by `make_canaries.py`; those of others are kept by the warehouse that first used
them.
"""

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from importlib import metadata, resources
from typing import Any, Self, TypeVar

import numpy as np

from xtr_assets.core.errors import InvalidInput, UnusableText
from xtr_assets.core.types import Floats, Halves, Int32s, Ints
from xtr_assets.core.vector_agreement import agreement
from xtr_assets.encoders.base import Encoded, EncodedQueries, Encoder, Tolerance

Made = TypeVar("Made", Encoded, EncodedQueries)

PINNED_NAME = "canaries.json"
# What may change vectors while files and settings stay: kept beside them, so that a difference names its likely cause.
LIBRARIES = ("numpy", "torch", "tokenizers", "transformers")

# What tokenizers and models go wrong about: case, accents, scripts without spaces, scripts written from the right,
# code, digits, emoji, nothing but punctuation; and one text of more than 256 word pieces, which takes two windows.
DOCUMENTS = (
    "Parse a date in ISO 8601 format; returns None where the text is no date.",
    'def parse_date(text: str, *, strict=False) -> "date | None":\n    return None if not text else _DATES[text[:10]]',
    "Die Straße nach Ålesund führt über naïve Brücken — déjà vu, ÉCOLE, İstanbul.",
    "数据库索引的构建与查询。検索エンジンのテスト、한국어 문장",
    "Привет, мир! Поиск по тексту. Αναζήτηση κειμένου.",
    "ابحث عن النص שלום עולם การค้นหาข้อความ हिन्दी",
    "v2.7.1 -> 0x1F600 🙂🚀 1,234.5e-6 @user #tag http://example.com/a?b=c",
    "() [] {} ... !!!",
    "[CLS] the [MASK] token, [SEP] and [PAD], <s> and [UNK]",
    "Every change builds a new immutable generation, and checks decide whether it may serve. " * 18,
)
QUERIES = ("how is a date parsed", "ISO8601 parse_date() strict", "検索 Straße")


@dataclass(frozen=True, slots=True)
class Sketch:
    """Of n encoded texts: embeddings float16 [n, dim], token counts int64 [n], token ids int32 [T], and the first, the
    middle and the last token of each text, float16 [3 n, token_dim]. Of a leg that the encoder does not give: no
    components; counts of 0 and no tokens."""

    embeddings: Halves
    counts: Ints
    token_ids: Int32s
    tokens: Halves

    @classmethod
    def of(
        cls, embeddings: Halves | Floats, tokens: Halves | Floats, token_ids: Int32s, offsets: Sequence[int] | Ints
    ) -> Self:
        starts = np.asarray(offsets, np.int64)
        counts = np.diff(starts)
        if not tokens.shape[1]:
            nothing = np.empty((0, 0), np.float16)
            return cls(embeddings.astype(np.float16), 0 * counts, np.empty(0, np.int32), nothing)
        places = (starts[:-1, None] + np.stack([0 * counts, counts // 2, counts - 1], axis=1)).ravel()
        return cls(embeddings.astype(np.float16), counts, token_ids.astype(np.int32), tokens[places].astype(np.float16))

    def as_json(self) -> dict[str, Any]:
        """Arrays of vectors as base64 of little-endian float16 in C order."""
        return {
            "embeddings": _packed(self.embeddings),
            "counts": self.counts.tolist(),
            "token_ids": self.token_ids.tolist(),
            "tokens": _packed(self.tokens),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        counts = np.array(value["counts"], np.int64)
        late = bool(value["tokens"])
        if not len(counts) or (counts < late).any() or int(counts.sum()) != len(value["token_ids"]):
            raise ValueError(f"{len(value['token_ids'])} token ids, {int(counts.sum())} tokens in the counts")
        if not late and not value["embeddings"]:
            raise ValueError("neither embeddings nor tokens")
        embeddings = _unpacked(value["embeddings"], len(counts))
        tokens = _unpacked(value["tokens"], 3 * len(counts) if late else 0)
        return cls(embeddings, counts, np.array(value["token_ids"], np.int32), tokens)

    def differences(self, found: "Sketch", texts: Sequence[str], tolerance: Tolerance) -> list[str]:
        """What of `found`, sketched from the same texts, is not what this says; a sentence for each text."""
        told = []
        shapes = [(s.embeddings.shape[1], s.tokens.shape[1]) for s in (self, found)]
        if shapes[0] != shapes[1]:
            return [f"vectors of {shapes[1]} dimensions (embedding, token), recorded are {shapes[0]}"]
        # What the encoder does not give agrees with itself.
        dense, late = shapes[0]
        nothing = np.ones((len(texts), 3), np.float32)
        embedding = agreement(found.embeddings, self.embeddings) if dense else nothing[:, 0]
        token = agreement(found.tokens, self.tokens).reshape(-1, 3) if late else nothing
        ids = [np.split(s.token_ids, np.cumsum(s.counts)[:-1]) for s in (self, found)]
        for i, text in enumerate(texts):
            name = repr(text if len(text) <= 40 else text[:37] + "...")
            if len(ids[0][i]) != len(ids[1][i]):
                told.append(f"{name}: {len(ids[1][i])} tokens, recorded are {len(ids[0][i])}")
            elif not np.array_equal(ids[0][i], ids[1][i]):
                told.append(f"{name}: other token ids than recorded")
            elif embedding[i] < tolerance.embedding:
                told.append(f"{name}: embedding agrees to {embedding[i]:.5f}, tolerated is {tolerance.embedding:g}")
            elif token[i].min() < tolerance.token:
                told.append(f"{name}: a token agrees to {token[i].min():.5f}, tolerated is {tolerance.token:g}")
        return told


@dataclass(frozen=True, slots=True)
class Canary:
    """Texts with what an encoder made of them; whole in itself, so that a later release asks about the same texts.

    `libraries` : the versions they were encoded with.
    """

    documents: tuple[str, ...]
    queries: tuple[str, ...]
    document_sketch: Sketch
    query_sketch: Sketch
    libraries: Mapping[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return {
            "documents": list(self.documents),
            "queries": list(self.queries),
            "document_sketch": self.document_sketch.as_json(),
            "query_sketch": self.query_sketch.as_json(),
            "libraries": dict(self.libraries),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Raises InvalidInput where this is no canary."""
        try:
            documents, queries = tuple(map(str, value["documents"])), tuple(map(str, value["queries"]))
            sketches = Sketch.from_json(value["document_sketch"]), Sketch.from_json(value["query_sketch"])
            libraries = {str(name): str(version) for name, version in value.get("libraries", {}).items()}
            if [len(s.counts) for s in sketches] != [len(documents), len(queries)]:
                raise ValueError(f"{len(documents)} documents and {len(queries)} queries, other numbers of vectors")
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise InvalidInput(
                f"the canary of an encoder cannot be read ({type(error).__name__}: {error}); remove the key `canary` "
                "of this encoder, and the key `check`, from warehouse.json, and the next build records it anew"
            ) from error
        return cls(documents, queries, *sketches, libraries)


def sketch_canary(encoder: Encoder, documents: Sequence[str] = DOCUMENTS, queries: Sequence[str] = QUERIES) -> Canary:
    """Encode the texts, but for those of which the encoder says that it makes no vector, as it may of odd ones."""
    told, known = _usable(encoder.encode_documents, documents)
    asked, found = _usable(encoder.encode_queries, queries)
    return Canary(told, asked, sketch_documents(known), sketch_queries(found), library_versions())


def _usable(encode: Callable[[Sequence[str]], Made], texts: Sequence[str]) -> tuple[tuple[str, ...], Made]:
    """Those of the texts that are encoded, and what is made of them. UnusableText where none is."""
    left = list(texts)
    while True:
        try:
            return tuple(left), encode(left)
        except UnusableText as error:
            if len(left) < 2 or not 0 <= error.index < len(left):
                raise
            del left[error.index]


def library_versions() -> dict[str, str]:
    """The installed versions of LIBRARIES."""
    found = {}
    for name in LIBRARIES:
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def sketch_documents(encoded: Encoded) -> Sketch:
    """What is kept of encoded documents."""
    return Sketch.of(encoded.embeddings, encoded.tokens, encoded.token_ids, encoded.offsets)


def sketch_queries(encoded: EncodedQueries) -> Sketch:
    """What is kept of encoded queries."""
    offsets = np.cumsum([0, *(len(one) for one in encoded.tokens)])
    return Sketch.of(encoded.embeddings, np.concatenate(encoded.tokens), np.concatenate(encoded.token_ids), offsets)


def pinned_canary(fingerprint: str) -> Canary | None:
    """The canary that the package ships for this fingerprint."""
    return _pinned().get(fingerprint)


@cache
def _pinned() -> dict[str, Canary]:
    loaded = json.loads(resources.files("xtr_assets.encoders").joinpath(PINNED_NAME).read_text("ascii"))
    return {fingerprint: Canary.from_json(one) for fingerprint, one in loaded.items()}


def _packed(array: Halves) -> str:
    return base64.b64encode(np.ascontiguousarray(array, "<f2").tobytes()).decode("ascii")


def _unpacked(text: str, rows: int) -> Halves:
    """float16 [rows, n]; no components where the text is empty."""
    if not text:
        return np.empty((rows, 0), np.float16)
    array = np.frombuffer(base64.b64decode(text, validate=True), "<f2").reshape(rows, -1)
    if not array.size or not np.isfinite(array).all():
        raise ValueError("vectors that are empty or no numbers")
    return array.astype(np.float16)
