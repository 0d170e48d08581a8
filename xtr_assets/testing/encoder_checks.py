"""What `check_encoder` asks of an encoder: generators of breaches, a sentence each."""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np

from xtr_assets.core.errors import UnusableText
from xtr_assets.core.types import Floats, legs_of
from xtr_assets.core.vector_agreement import agreement
from xtr_assets.encoders.base import Encoded, EncodedQueries, Encoder, Tolerance

# What encoders go wrong about: nothing at all, blanks, one letter, punctuation alone, scripts without spaces, emoji,
# half of a character, NUL, text that looks like special tokens, and texts of many lengths.
ODD = (
    "",
    " \n\t",
    "a",
    "?!...",
    "数据库索引",
    "שלום עולם",
    "🙂🚀",
    "bad \ud800 half",
    "a\0b",
    "[CLS] [SEP] [PAD] </s> <unk>",
)
PLAIN = (
    "Parse a date in ISO 8601 format; returns None where the text is no date.",
    "def area(width, height):\n    return width * height",
    "The ferry to the island leaves at noon and comes back before dark.",
    "Boil the potatoes in salt water, then mash them with butter and milk.",
)
LONG = "Every change of the index is a new generation, which checks let serve. " * 60
QUERIES = ("how is a date parsed", "when does the ferry leave", "")
# Unit length: what halves round away at 4,096 dimensions, and more.
UNIT = 2e-3
THREADS = 4


def _says(encoder: Encoder) -> Iterator[str]:
    """Name, legs, dims, fingerprint, tolerance."""
    if not (isinstance(encoder.name, str) and encoder.name):
        yield f"name is {encoder.name!r}; give a text"
    if not (isinstance(encoder.dim, int) and isinstance(encoder.token_dim, int)):
        yield f"dim and token_dim are {encoder.dim!r} and {encoder.token_dim!r}; give whole numbers"
    given = legs_of(encoder.dim, encoder.token_dim)
    if not given or encoder.legs != given:
        yield f"legs is {set(encoder.legs)}, by dim {encoder.dim} and token_dim {encoder.token_dim} it is {set(given)}"
    if not re.fullmatch(r"[0-9a-f]{64}", str(encoder.fingerprint)):
        yield f"fingerprint is {encoder.fingerprint!r}; give 64 hex characters (a sha256)"
    if not isinstance(encoder.tolerance, Tolerance):
        yield f"tolerance is a {type(encoder.tolerance).__name__}; give a Tolerance"


def _describes(encoder: Encoder) -> Iterator[str]:
    """`describe` is JSON and agrees with the properties."""
    told = encoder.describe()
    try:
        again = json.loads(json.dumps(told, allow_nan=False))
    except (TypeError, ValueError) as error:
        yield f"describe() is no JSON ({error})"
        return
    for name in ("name", "dim", "token_dim", "fingerprint"):
        if again.get(name) != getattr(encoder, name):
            yield f"describe()[{name!r}] is {again.get(name)!r}, {name} is {getattr(encoder, name)!r}"
    if not isinstance(again.get("kind"), str):
        yield f"describe()['kind'] is {again.get('kind')!r}; give a text"


def _document_faults(encoder: Encoder, texts: Sequence[str], encoded: Encoded) -> Iterator[str]:
    """Shapes, dtypes and unit length of documents."""
    if encoded.embeddings.shape != (len(texts), encoder.dim) or encoded.embeddings.dtype != np.float16:
        yield (
            f"embeddings are {encoded.embeddings.dtype} {encoded.embeddings.shape}, "
            f"they must be float16 ({len(texts)}, {encoder.dim})"
        )
        return
    if encoded.tokens.ndim != 2 or encoded.tokens.shape[1] != encoder.token_dim:
        yield f"tokens are {encoded.tokens.shape}, they must be (T, {encoder.token_dim})"
        return
    if encoded.tokens.dtype not in (np.float16, np.float32):
        yield f"tokens are {encoded.tokens.dtype}, they must be float16 or float32"
    if encoded.offsets.dtype != np.int64 or encoded.token_ids.dtype != np.int32:
        yield f"offsets are {encoded.offsets.dtype} and token_ids {encoded.token_ids.dtype}; give int64 and int32"
    if "tokens" in encoder.legs and len(texts) and (np.diff(encoded.offsets) < 1).any():
        yield f"{texts[int(np.argmin(np.diff(encoded.offsets)))][:40]!r} has no token; each text needs one at least"
    yield from _unit_faults("embeddings", encoded.embeddings if encoder.dim else None)
    yield from _unit_faults("tokens", encoded.tokens if encoder.token_dim else None)


def _unit_faults(what: str, vectors: np.ndarray | None) -> Iterator[str]:
    if vectors is None or not len(vectors):
        return
    values = vectors.astype(np.float32)
    if not np.isfinite(values).all():
        yield f"{what} hold NaN or infinity"
        return
    norms = np.linalg.norm(values, axis=1)
    off = int(np.argmax(np.abs(norms - 1.0)))
    if abs(norms[off] - 1.0) > UNIT:
        yield f"row {off} of {what} has the length {norms[off]:.4f}; scale each to 1"


def _documents(encoder: Encoder) -> Iterator[str]:
    yield from _document_faults(encoder, PLAIN, encoder.encode_documents(PLAIN))


def _no_texts(encoder: Encoder) -> Iterator[str]:
    """Nothing in, nothing out."""
    yield from _document_faults(encoder, [], encoder.encode_documents([]))
    found = encoder.encode_queries([])
    if found.embeddings.shape != (0, encoder.dim) or found.tokens or found.token_ids:
        yield f"no queries give embeddings {found.embeddings.shape} and {len(found.tokens)} token arrays; give none"


def _queries(encoder: Encoder) -> Iterator[str]:
    yield from _query_faults(encoder, QUERIES, encoder.encode_queries(QUERIES))


def _query_faults(encoder: Encoder, texts: Sequence[str], found: EncodedQueries) -> Iterator[str]:
    """Shapes, dtypes and unit length of queries."""
    if found.embeddings.shape != (len(texts), encoder.dim) or found.embeddings.dtype != np.float32:
        yield (
            f"query embeddings are {found.embeddings.dtype} {found.embeddings.shape}, "
            f"they must be float32 ({len(texts)}, {encoder.dim})"
        )
        return
    if not len(found.tokens) == len(found.token_ids) == len(texts):
        yield f"{len(texts)} queries have {len(found.tokens)} token arrays and {len(found.token_ids)} of ids"
        return
    yield from _unit_faults("query embeddings", found.embeddings if encoder.dim else None)
    for text, tokens, ids in zip(texts, found.tokens, found.token_ids, strict=True):
        if tokens.dtype != np.float32 or ids.dtype != np.int32 or tokens.shape != (len(ids), encoder.token_dim):
            yield f"{text!r}: tokens {tokens.dtype} {tokens.shape}, ids {ids.dtype} {ids.shape}; give float32 and int32"
            return
        if "tokens" in encoder.legs and not len(tokens):
            yield f"the query {text!r} has no token; each needs one at least"
        yield from _unit_faults(f"query tokens of {text!r}", tokens)


def _odd_texts(encoder: Encoder) -> Iterator[str]:
    """Odd texts are encoded, or refused by UnusableText with their place."""
    for text in ODD:
        try:
            encoded = encoder.encode_documents(["before", text])
            queries = encoder.encode_queries([text])
        except UnusableText as error:
            if error.index not in (0, 1):
                yield f"{text!r}: UnusableText names place {error.index} of 2 texts"
        except Exception as error:
            yield f"{text!r}: raised {type(error).__name__}: {str(error)[:100]}; encode it, or raise UnusableText"
        else:
            for told in (
                *_document_faults(encoder, ["before", text], encoded),
                *_query_faults(encoder, [text], queries),
            ):
                yield f"{text!r}: {told}"


def _apart(encoder: Encoder, found: Encoded, right: Encoded) -> str | None:
    """How two encodings of the same texts differ beyond the encoder's tolerance."""
    tolerance = encoder.tolerance
    if not np.array_equal(found.offsets, right.offsets) or not np.array_equal(found.token_ids, right.token_ids):
        return "other tokens"
    if (
        encoder.dim
        and len(found)
        and (least := float(agreement(found.embeddings, right.embeddings).min())) < tolerance.embedding
    ):
        return f"embeddings that agree to {least:.5f}, tolerated is {tolerance.embedding:g}"
    if (
        encoder.token_dim
        and len(found.tokens)
        and (least := float(agreement(found.tokens, right.tokens).min())) < tolerance.token
    ):
        return f"tokens that agree to {least:.5f}, tolerated is {tolerance.token:g}"
    return None


def _deterministic(encoder: Encoder) -> Iterator[str]:
    if told := _apart(encoder, encoder.encode_documents(PLAIN), encoder.encode_documents(PLAIN)):
        yield f"the same texts give {told} the second time"


def _batch_independent(encoder: Encoder) -> Iterator[str]:
    """A text's vectors depend on it alone: not on its neighbours, nor on its place."""
    together = encoder.encode_documents([*PLAIN, LONG])
    for place, text in enumerate(PLAIN):
        if told := _apart(encoder, part(together, place), encoder.encode_documents([text])):
            yield f"{text[:40]!r} among others gives {told} than alone"
    turned = encoder.encode_documents([LONG, *reversed(PLAIN)])
    for place in range(len(PLAIN)):
        if told := _apart(encoder, part(turned, len(PLAIN) - place), part(together, place)):
            yield f"{PLAIN[place][:40]!r} at another place gives {told}"


def part(encoded: Encoded, place: int) -> Encoded:
    """One text of several."""
    first, last = int(encoded.offsets[place]), int(encoded.offsets[place + 1])
    return Encoded(
        encoded.embeddings[place : place + 1],
        encoded.tokens[first:last],
        np.array([0, last - first], np.int64),
        encoded.token_ids[first:last],
        0,
    )


def _tells_apart(encoder: Encoder) -> Iterator[str]:
    """Different texts have different vectors, to the last word of a long one."""
    ends = [LONG + "The ferry leaves at noon.", LONG + "Boil the potatoes."]
    encoded = encoder.encode_documents([*PLAIN, *ends])
    if encoder.dim:
        rows = [row.tobytes() for row in encoded.embeddings]
        doubled = [i for i, row in enumerate(rows) if row in rows[:i]]
        if len(PLAIN) + 1 in doubled:
            yield "two long texts that differ at their ends have one embedding: what is beyond a length is dropped"
        elif doubled:
            yield f"{PLAIN[doubled[0]][:40]!r} has the embedding of another text"
    if encoder.token_dim:
        one, other = part(encoded, len(PLAIN)), part(encoded, len(PLAIN) + 1)
        if one.tokens.shape == other.tokens.shape and np.array_equal(one.tokens, other.tokens):
            yield "two long texts that differ at their ends have the same tokens: what is beyond a length is dropped"


def _queries_meet_documents(encoder: Encoder) -> Iterator[str]:
    """A text that is asked is nearest to itself, where its document is told apart from the others."""
    documents, queries = encoder.encode_documents(PLAIN), encoder.encode_queries(PLAIN)
    rows = documents.embeddings.astype(np.float32)
    spaces: dict[str, tuple[Floats, Floats]] = {}
    if encoder.dim:
        spaces["embedding"] = (queries.embeddings @ rows.T, rows @ rows.T)
    if encoder.token_dim:
        pieces = [documents.tokens[a:b].astype(np.float32) for a, b in pairwise(documents.offsets.tolist())]
        spaces["tokens"] = (_late(queries.tokens, pieces), _late(pieces, pieces))
    for name, (asked, known) in spaces.items():
        for i, text in enumerate(PLAIN):
            others = np.arange(len(PLAIN)) != i
            if known[i, i] - known[i, others].max() > 0.01 and asked[i, i] <= asked[i, others].max():
                yield f"{text[:40]!r}, asked as a query, is nearer to another text by {name}"


def _late(asked: Sequence[Floats], pieces: Sequence[Floats]) -> Floats:
    return np.array([[(one @ piece.T).max(axis=1).mean() for piece in pieces] for one in asked], np.float32)


def _threads(encoder: Encoder) -> Iterator[str]:
    """Several threads at once give what one gives."""
    right = [encoder.encode_documents([text]) for text in PLAIN]
    asked = encoder.encode_queries(PLAIN).embeddings
    with ThreadPoolExecutor(THREADS) as pool:
        found = list(pool.map(lambda text: encoder.encode_documents([text]), PLAIN * 3))
        queries = list(pool.map(lambda text: encoder.encode_queries([text]).embeddings, PLAIN * 3))
    for nth, one in enumerate(found):
        if told := _apart(encoder, one, right[nth % len(PLAIN)]):
            yield f"in {THREADS} threads {PLAIN[nth % len(PLAIN)][:40]!r} gives {told}"
    if encoder.dim and (agreement(np.concatenate(queries), np.tile(asked, (3, 1))) < encoder.tolerance.embedding).any():
        yield f"in {THREADS} threads a query gives another embedding"


def _progress(encoder: Encoder) -> Iterator[str]:
    """Progress counts each text once."""
    seen: list[int] = []
    encoder.encode_documents([*PLAIN, LONG], seen.append)
    if sum(seen) != len(PLAIN) + 1:
        yield f"progress told of {sum(seen)} finished texts, {len(PLAIN) + 1} were given"


def _surface(encoder: Encoder) -> Iterator[str]:
    """The strings of token ids that it gave for a query."""
    if "tokens" not in encoder.legs:
        return
    ids = encoder.encode_queries(QUERIES[:1]).token_ids[0]
    told = encoder.surface(ids)
    if len(told) != len(ids) or not all(isinstance(one, str) for one in told):
        yield f"surface of {len(ids)} ids gives {len(told)} values; give a text for each"
    elif not any(one.strip() for one in told):
        yield f"surface gives no text for any token of {QUERIES[0]!r}"


def _unchanged(encoder: Encoder) -> Iterator[str]:
    """Its arrays are the caller's: changing them changes nothing later; and so is the fingerprint after all this."""
    before = encoder.fingerprint
    first = encoder.encode_documents(PLAIN)
    kept = part(first, 0)
    copy = Encoded(kept.embeddings.copy(), kept.tokens.copy(), kept.offsets, kept.token_ids.copy(), 0)
    for array in (first.embeddings, first.tokens):
        if array.flags.writeable:
            array[...] = 0
    if told := _apart(encoder, part(encoder.encode_documents(PLAIN), 0), copy):
        yield f"after its arrays were written to, the same text gives {told}: hand out copies"
    if encoder.fingerprint != before:
        yield f"fingerprint was {before[:8]} and is {encoder.fingerprint[:8]} now; it may not change"


def reopened(encoder: Encoder, reopen: Callable[[], Encoder]) -> Iterator[str]:
    """Opened once more it has the same fingerprint and gives the same vectors."""
    other = reopen()
    if other is encoder:
        yield "`reopen` gave the very same encoder; open a new one"
    elif other.fingerprint != encoder.fingerprint:
        yield f"opened again its fingerprint is {other.fingerprint[:8]}, it was {encoder.fingerprint[:8]}"
    elif told := _apart(encoder, other.encode_documents(PLAIN), encoder.encode_documents(PLAIN)):
        yield f"opened again it gives {told}"


CHECKS: dict[str, Callable[[Encoder], Iterator[str]]] = {
    "properties": _says,
    "describe": _describes,
    "documents": _documents,
    "queries": _queries,
    "no_texts": _no_texts,
    "odd_texts": _odd_texts,
    "deterministic": _deterministic,
    "batch_independent": _batch_independent,
    "tells_apart": _tells_apart,
    "queries_meet_documents": _queries_meet_documents,
    "threads": _threads,
    "progress": _progress,
    "surface": _surface,
    "unchanged": _unchanged,
}
