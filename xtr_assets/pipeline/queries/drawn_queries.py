"""Queries drawn from a corpus until a bound can decide: texts where it offers any, points near its vectors if not."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import numpy as np

from xtr_assets.core.recall import lower_bound
from xtr_assets.core.row_store import RowTokens
from xtr_assets.core.types import Floats, Ints, Mask
from xtr_assets.encoders.base import Encoder
from xtr_assets.index.half_precision import gather
from xtr_assets.pipeline.queries.gate_queries import GateQueries, GateQuery, Stratum, joined
from xtr_assets.pipeline.queries.likeness import Asked, different
from xtr_assets.pipeline.queries.synthesis import Drawn, Piece, rank, stages
from xtr_assets.storage.generation import Generation

# Rows looked at for each query wanted, so that a corpus without descriptions does not have every row read.
ROWS_A_QUERY = 20
# Texts that the encoder finds no token in, or makes of what it made of others, are drawn again in place of, so often of
# each stage: what names pieces, excerpts, spans, words. A corpus of them is then judged on vectors.
ROUNDS = 4
# A threshold of 0.995 needs 539 perfect queries, one of 0.999 2,703, and each is compared with the whole corpus.
MOST_QUERIES = 1000
# A point is the vector of a row turned so that it has this cosine with it: as near as a title is to its text
# (MiniLM 0.5 to 0.8), and still nearest to the row in most corpora. Its tokens are turned less: they are one word each.
VECTOR_COSINE, TOKEN_COSINE = 0.8, 0.9
# Tokens of a point: a row may have hundreds, a query has a dozen.
POINT_TOKENS = 12


def queries_to_prove(threshold: float) -> int:
    """How many perfect queries it takes for the lower bound to reach a threshold; MOST_QUERIES at most, 0 where no
    number would do.

    >>> queries_to_prove(0.95), queries_to_prove(0.93), queries_to_prove(1.01)
    (52, 36, 0)
    """
    if threshold >= 1.0:
        return 0
    low, high = 1, MOST_QUERIES
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if lower_bound(np.ones(middle)) >= threshold else (middle + 1, high)
    return low


def drawn_queries(
    generation: Generation,
    wanted: Mask,
    count: int,
    encoder: Encoder,
    taken: Iterable[str],
    stratum: Stratum,
    *,
    beyond: int = 0,
    apart: Sequence[Asked] = (),
) -> GateQueries:
    """At most `count` queries of texts from the wanted rows (bool [end_row]), none of `taken`, each with a token, and
    none of the same vectors as another or as one of `apart`.

    beyond : how many queries were drawn from the same rows before, whose texts are among `taken`.
    """
    found = nothing(encoder)
    if count < 1:
        return found
    for texts in stages(pieces(generation, wanted, count + beyond), count + beyond, taken):
        for _ in range(ROUNDS):
            some = _asked(list(islice(texts, count - len(found))), encoder, stratum)
            fresh = different(some, *apart, found)
            if not fresh.any():
                break
            found = joined(found, some.take(np.flatnonzero(fresh).tolist()))
        if len(found) == count:
            break
    return found


def _asked(drawn: Sequence[Drawn], encoder: Encoder, stratum: Stratum) -> GateQueries:
    """Those that say something to the encoder."""
    if not drawn:
        return nothing(encoder)
    encoded = encoder.encode_queries([one.text for one in drawn])
    queries = tuple(GateQuery(query_id(one, stratum), one.text, stratum, one.chunk_id, one.kind) for one in drawn)
    tokens = tuple(np.asarray(one, np.float32) for one in encoded.tokens)
    asked = GateQueries(queries, np.asarray(encoded.embeddings, np.float32), tokens)
    return asked.take(np.flatnonzero(asked.told() & asked.with_embeddings()).tolist())


def near_rows(generation: Generation, wanted: Mask, count: int, encoder: Encoder, stratum: Stratum) -> GateQueries:
    """`count` points near the wanted rows, several a row where there are fewer rows. They have no text: what they are
    called says which row they are near."""
    rows, chunk_ids = _ranked(generation, wanted, count)
    if not len(rows) or count < 1:
        return nothing(encoder)
    vectors = gather(generation.vectors(), rows) if "dense" in generation.legs else np.empty((len(rows), 0), np.float32)
    tokens = generation.tokens() if "tokens" in generation.legs else None
    queries, embeddings, words = [], [], []
    for number in range(count):
        turn, at = divmod(number, len(rows))
        chunk_id = int(chunk_ids[at])
        chance = np.random.default_rng([chunk_id, turn])
        name = f"[near chunk {chunk_id}, {turn}]"
        queries.append(GateQuery(f"near-{chunk_id}-{turn}", name, stratum, chunk_id, "vector"))
        embeddings.append(near(vectors[at : at + 1], VECTOR_COSINE, chance)[0])
        some = np.empty((0, 0), np.float32) if tokens is None else _some_tokens(tokens, int(rows[at]), chance)
        words.append(near(some, TOKEN_COSINE, chance))
    return GateQueries(tuple(queries), np.stack(embeddings), tuple(words))


def near(vectors: Floats, cosine: float, chance: np.random.Generator) -> Floats:
    """float32 [n, dim] of unit length, each with this cosine to its vector: turned towards a random direction.

    >>> one = np.array([[1.0, 0.0, 0.0]], np.float32)
    >>> round(float(near(one, 0.8, np.random.default_rng(1))[0, 0]), 4)
    0.8
    """
    own: Floats = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    if cosine >= 1.0 or own.shape[1] < 2:
        return own.astype(np.float32)
    aside = chance.standard_normal(own.shape)
    aside -= np.einsum("nd,nd->n", aside, own)[:, None] * own
    aside /= np.maximum(np.linalg.norm(aside, axis=1, keepdims=True), 1e-12)
    turned: Floats = (cosine * own + np.sqrt(1.0 - cosine * cosine) * aside).astype(np.float32)
    return turned


def pieces(generation: Generation, wanted: Mask, count: int) -> Iterator[Piece]:
    """The wanted rows as pieces in order of `rank`, ROWS_A_QUERY for each of `count` queries at most."""
    columns = ["path", "symbol", "title", "text", "kind"]
    tables = [one.segment.chunks().select(columns) for one in generation.segments]
    bases = np.array([one.base_row for one in generation.segments], np.int64)
    rows, chunk_ids = _ranked(generation, wanted, count * ROWS_A_QUERY)
    for row, chunk_id in zip(rows.tolist(), chunk_ids.tolist(), strict=True):
        number = int(np.searchsorted(bases, row, side="right")) - 1
        told = tables[number].slice(row - int(bases[number]), 1).to_pylist()[0]
        yield Piece(chunk_id, told["path"], told["symbol"], told["title"], told["text"], told["kind"])


def query_id(query: Drawn, stratum: Stratum) -> str:
    """The same for the same text of the same chunk, in whatever generation it is drawn."""
    digest = hashlib.sha256(query.text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{'new' if stratum == 'new' else 'drawn'}-{query.chunk_id}-{digest}"


def nothing(encoder: Encoder) -> GateQueries:
    """No query."""
    return GateQueries((), np.empty((0, encoder.dim), np.float32), ())


def _ranked(generation: Generation, wanted: Mask, count: int) -> tuple[Ints, Ints]:
    """(rows, chunk_ids) int64 of the `count` wanted live rows of lowest rank."""
    rows, ids = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for one in generation.segments:
        place = slice(one.base_row, one.end_row)
        positions = np.flatnonzero(wanted[place] & generation.live[place])
        rows.append(positions + one.base_row)
        ids.append(one.segment.chunk_ids()[positions])
    found, chunk_ids = np.concatenate(rows), np.concatenate(ids)
    order = np.argsort(rank(chunk_ids), kind="stable")[:count]
    return found[order], chunk_ids[order]


def _some_tokens(tokens: RowTokens, row: int, chance: np.random.Generator) -> Floats:
    document = tokens.document(row)
    return document[np.sort(chance.permutation(len(document))[:POINT_TOKENS])]
