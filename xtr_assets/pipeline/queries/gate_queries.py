"""The queries of the gate: what they are, where they come from, and how a generation keeps them with their vectors."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from xtr_assets.core.errors import ConfigError, InvalidInput
from xtr_assets.core.json_document import read_json
from xtr_assets.core.raw_arrays import open_array, save_array
from xtr_assets.core.types import Floats, Ints, Mask
from xtr_assets.encoders.base import EncodedQueries, Encoder
from xtr_assets.pipeline.queries.likeness import different
from xtr_assets.pipeline.queries.synthesis import QueryKind
from xtr_assets.storage.draft import Draft
from xtr_assets.storage.generation import Generation

Stratum = Literal["fixed", "new"]

QUERIES_FILE = "evaluation/queries.parquet"
EMBEDDINGS_FILE = "evaluation/query_embeddings.npy"
TOKENS_FILE = "evaluation/query_tokens.npy"
OFFSETS_FILE = "evaluation/query_offsets.npy"
QUERY_FILES = (QUERIES_FILE, EMBEDDINGS_FILE, TOKENS_FILE, OFFSETS_FILE)

QUERY_SCHEMA = pa.schema(
    [
        pa.field("query_id", pa.string(), nullable=False),
        pa.field("text", pa.string(), nullable=False),
        pa.field("stratum", pa.string(), nullable=False),
        pa.field("chunk_id", pa.int64(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
    ]
)


@dataclass(frozen=True, slots=True)
class GateQuery:
    """A query. `chunk_id` is the chunk it was drawn from, -1 where it came from a file; `kind` is how it was drawn."""

    query_id: str
    text: str
    stratum: Stratum
    chunk_id: int = -1
    kind: QueryKind = "drawn"

    @property
    def key(self) -> tuple[bool, str]:
        """What two queries are one by: the text, and whether it is a text or only names a point."""
        return self.kind == "vector", self.text


@dataclass(frozen=True)
class GateQueries:
    """Queries with their vectors: embeddings float32 [n, dim], one float32 [t, token_dim] a query."""

    queries: tuple[GateQuery, ...]
    embeddings: Floats
    tokens: tuple[Floats, ...]

    def __len__(self) -> int:
        return len(self.queries)

    def of(self, stratum: Stratum) -> Mask:
        """bool [n]: which queries belong to a stratum."""
        return np.array([query.stratum == stratum for query in self.queries], np.bool_)

    def with_tokens(self) -> Mask:
        """bool [n]: which queries have a token. One of none compares with nothing: it is no evidence of late
        interaction, whatever is found for it."""
        return np.array([len(tokens) > 0 for tokens in self.tokens], np.bool_)

    def told(self) -> Mask:
        """bool [n]: which queries say something in each leg that their encoder gives; one without tokens says nothing
        of late interaction, but where the encoder gives none nobody asks for that."""
        return np.array([len(tokens) > 0 or not tokens.shape[1] for tokens in self.tokens], np.bool_)

    def with_embeddings(self) -> Mask:
        """bool [n]: which queries have an embedding that is not all zero; all where the encoder gives none."""
        if not self.embeddings.shape[1]:
            return np.ones(len(self), np.bool_)
        some: Mask = np.array(self.embeddings.any(axis=1), np.bool_)
        return some

    def telling(self) -> Mask:
        """bool [n]: which queries are evidence: they say something, and not what one before them says."""
        return self.told() & different(self)

    def judging(self) -> int:
        """How many different fixed queries a generation is judged by."""
        return int(different(self.take(np.flatnonzero(self.of("fixed")).tolist())).sum())

    def kinds(self, chosen: Mask) -> Mapping[str, int]:
        """How many of the chosen queries (bool [n]) were drawn in each way."""
        kinds = [self.queries[i].kind for i in np.flatnonzero(chosen).tolist()]
        return {kind: kinds.count(kind) for kind in sorted(set(kinds))}

    def take(self, chosen: Sequence[int]) -> "GateQueries":
        """Some of them, in the order of the positions."""
        return GateQueries(
            tuple(self.queries[i] for i in chosen), self.embeddings[list(chosen)], tuple(self.tokens[i] for i in chosen)
        )


def joined(*parts: GateQueries) -> GateQueries:
    """One after the other."""
    return GateQueries(
        tuple(query for part in parts for query in part.queries),
        np.concatenate([part.embeddings for part in parts]),
        tuple(tokens for part in parts for tokens in part.tokens),
    )


def read_jsonl_queries(path: Path) -> list[tuple[str, str]]:
    """(id, text) of a BEIR queries.jsonl. ConfigError names the line that is wrong."""
    if not path.is_file():
        raise ConfigError(f"`queries.path`: no file at {path}; correct it, or remove `queries` to draw them")
    found: list[tuple[str, str]] = []
    try:
        lines = path.read_text("utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is no UTF-8 (byte {error.start}); write it in UTF-8") from error
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            record = read_json(line)
            # A null would be asked as the word None, a list by its brackets.
            if record["_id"] is None or record["text"] is None:
                raise ValueError("a null")
            if not isinstance(record["text"], str | int | float):
                raise ValueError(f"a text is needed, found {record['text']!r:.60}")
            pair = str(record["_id"]), str(record["text"])
            # JSON may escape half of a character, which no file of a generation can hold.
            "".join(pair).encode("utf-8")
            found.append(pair)
        except (ValueError, KeyError, TypeError) as error:
            raise ConfigError(f'{path} line {number}: {{"_id": ..., "text": ...}} expected, found {error!r}') from error
    if not found:
        raise ConfigError(f"{path} holds no query; correct `queries.path`, or remove `queries` to draw them")
    return found


def given_queries(path: Path, count: int) -> list[GateQuery]:
    """At most `count` queries of a file, the same ones each time: those whose ids hash lowest."""
    records = read_jsonl_queries(path)
    lowest = sorted(records, key=lambda record: hashlib.sha256(record[0].encode("utf-8")).digest())[:count]
    return [GateQuery(query_id, text, "fixed", kind="given") for query_id, text in sorted(lowest)]


def encode(queries: Sequence[GateQuery], encoder: Encoder, known: GateQueries | None) -> GateQueries:
    """Vectors of the queries; those of `known` (made by the same encoder) are taken over where the query is the same.

    A query of kind vector has no text to encode: it must be known.
    """
    found = {} if known is None else {query.key: i for i, query in enumerate(known.queries)}
    missing = list(dict.fromkeys(query.text for query in queries if query.key not in found))
    nothing = EncodedQueries(np.empty((0, encoder.dim), np.float32), (), ())
    encoded = encoder.encode_queries(missing) if missing else nothing
    fresh = {text: i for i, text in enumerate(missing)}
    embeddings = np.empty((len(queries), encoder.dim), np.float32)
    tokens: list[Floats] = []
    for row, query in enumerate(queries):
        if known is not None and query.key in found:
            embeddings[row] = known.embeddings[found[query.key]]
            tokens.append(known.tokens[found[query.key]])
        elif query.kind == "vector":
            raise InvalidInput(f"query {query.query_id} is a point without a text, and its vectors are not known")
        else:
            embeddings[row] = encoded.embeddings[fresh[query.text]]
            tokens.append(np.asarray(encoded.tokens[fresh[query.text]], np.float32))
    return GateQueries(tuple(queries), embeddings, tuple(tokens))


def write_queries(draft: Draft, gate: GateQueries, token_dim: int) -> None:
    """Keep the queries and their vectors in the draft's evaluation folder."""
    columns = [asdict(query) for query in gate.queries]
    with draft.writing(QUERIES_FILE) as path:
        pq.write_table(pa.Table.from_pylist(columns, schema=QUERY_SCHEMA), path)
    offsets = np.concatenate([[0], np.cumsum([len(t) for t in gate.tokens], dtype=np.int64)]).astype(np.int64)
    tokens = np.concatenate(gate.tokens) if gate.tokens else np.empty((0, token_dim), np.float32)
    arrays: dict[str, Any] = {EMBEDDINGS_FILE: gate.embeddings, TOKENS_FILE: tokens, OFFSETS_FILE: offsets}
    for name, array in arrays.items():
        with draft.writing(name) as path:
            save_array(path, array)


def read_queries(generation: Generation) -> GateQueries:
    """The queries of a generation with their vectors, compared with their records."""
    table = pq.read_table(generation.path(QUERIES_FILE))
    queries = tuple(_query(row) for row in table.to_pylist())
    encoder = generation.manifest.encoder

    def array(name: str, dtype: Any, shape: tuple[int | None, ...]) -> Any:
        return np.array(open_array(generation.path(name, full=True), name, dtype, shape))

    embeddings: Floats = array(EMBEDDINGS_FILE, np.float32, (len(queries), encoder.dim))
    tokens: Floats = array(TOKENS_FILE, np.float32, (None, encoder.token_dim))
    offsets: Ints = array(OFFSETS_FILE, np.int64, (len(queries) + 1,))
    if offsets[0] != 0 or offsets[-1] != len(tokens) or (np.diff(offsets) < 0).any():
        raise InvalidInput(f"{OFFSETS_FILE} runs to {offsets[-1]}, there are {len(tokens)} query tokens; build again")
    return GateQueries(queries, embeddings, tuple(np.split(tokens, offsets[1:-1])) if len(queries) else ())


def _query(row: Mapping[str, Any]) -> GateQuery:
    """From the columns of a file; earlier releases wrote no kind."""
    kind: QueryKind = row.get("kind") or ("given" if row["chunk_id"] < 0 else "drawn")
    return GateQuery(row["query_id"], row["text"], row["stratum"], row["chunk_id"], kind)
