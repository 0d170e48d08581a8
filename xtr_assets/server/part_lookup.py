"""What a server of a part reads for a front: chunks by their ids, and why hits of its own stand where they stand."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from xtr_assets.core.arguments import query_tokens
from xtr_assets.core.edits import LEAST_LETTERS, MOST_LETTERS
from xtr_assets.core.errors import GenerationError
from xtr_assets.core.query_syntax import parse_query
from xtr_assets.core.search_options import SearchOptions
from xtr_assets.search.answer import vocabulary_of
from xtr_assets.search.explain import explain_terms, explain_tokens
from xtr_assets.search.lexical_space import LexicalSpace
from xtr_assets.search.near_words import MOST_UNKNOWN, Near
from xtr_assets.search.neighbourhood import neighbourhood
from xtr_assets.search.part_legs import allowed_here, part_asked, within
from xtr_assets.search.reader import OpenGeneration
from xtr_assets.search.reconstruction import chunks_by_id, rows_of
from xtr_assets.search.request import Ask
from xtr_assets.search.retrievers import QueryVectors
from xtr_assets.server.answers import hit_documents
from xtr_assets.server.facets import Counted
from xtr_assets.server.hosted_index import HostedIndex
from xtr_assets.server.limits import Limits, later
from xtr_assets.server.part_copies import Copies, copies_of
from xtr_assets.server.part_route import (
    MOST_LISTED,
    Legs,
    Mode,
    Numbers,
    Prepare,
    Ranks,
    Strict,
    ToldCollection,
    collection_of,
    held,
    legs_of,
    prepared,
    ranks_of,
    terms_of,
)
from xtr_assets.server.problem import Problem, refused
from xtr_assets.server.state_report import intake_told
from xtr_assets.storage.warehouse import Warehouse

# The bounds of every server: those of the routes that people ask.
LIMITS = Limits()
ChunkId = Annotated[int, Field(ge=0, lt=2**63)]
Ids = Annotated[list[ChunkId], Field(max_length=LIMITS.hits)]
# What a front asks about is a word of a query as `typed_words` cuts it.
Word = Annotated[str, Field(pattern=rf"^[a-z]{{{LEAST_LETTERS},{MOST_LETTERS}}}$")]
# int32, as encoders write them.
TokenId = Annotated[int, Field(ge=0, lt=2**31)]


class Chunks(Strict):
    """Body of POST /v1/part/chunks: those of the ids that this part has, of a single one also what stands around it."""

    generation: Annotated[int, Field(ge=1)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    ids: Ids
    before: Annotated[int, Field(ge=0, le=LIMITS.neighbours)] = 0
    after: Annotated[int, Field(ge=0, le=LIMITS.neighbours)] = 0


class Explain(Strict):
    """Body of POST /v1/part/explain: which tokens and words of a query these chunks met.

    listed : whether the whole chose candidates by MaxSim's indexes; most : how long their lists were; where, settings :
    of the question
    """

    generation: Annotated[int, Field(ge=1)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    query: str
    mode: Mode
    syntax: Literal["terms", "plain"] = "terms"
    ids: Ids
    listed: bool
    tokens: list[Numbers] | None = None
    token_ids: list[TokenId] | None = None
    collection: ToldCollection | None = None
    where: dict[str, Any] | None = None
    settings: dict[str, int] = Field(default={})
    most: Annotated[int, Field(ge=1, le=MOST_LISTED)] = 1


class Whole(Strict):
    """Body of POST /v1/part/facets and /v1/part/state: what is said of all of a generation."""

    generation: Annotated[int, Field(ge=1)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Nearby(Strict):
    """Body of POST /v1/part/near: which words one edit away from these do the rows of this part hold.

    where, mode : of the question, whose filter hides words as it hides rows
    """

    generation: Annotated[int, Field(ge=1)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    words: Annotated[list[Word], Field(max_length=MOST_UNKNOWN)]
    mode: Mode
    where: dict[str, Any] | None = None


def nearby(index: HostedIndex, body: Nearby) -> dict[str, Any]:
    """What POST /v1/part/near answers, in a worker thread."""
    with held(index, body.generation, body.sha256) as searcher, searcher.opened() as opened:
        ask = Ask.checked(SearchOptions(1), body.mode, body.where)
        vocabulary, found = vocabulary_of(opened, ask), {}
        if vocabulary is not None:
            seen = replace(vocabulary, allowed=lambda: allowed_here(opened, ask.where)[0])
            found = {word: seen.near(word) for word in body.words}
        near = {word: {term: asdict(one) for term, one in own.items()} for word, own in found.items()}
        return {"generation": opened.number, "near": near}


def near_of(document: Mapping[str, Any], words: Sequence[str]) -> dict[str, dict[str, Near]]:
    """The near words that a server told of each of these, of which a later release may say more. Raises Problem 503."""
    try:
        return {word: {term: _near(one) for term, one in document["near"][word].items()} for word in words}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        told = f"a part told what is no near word: {error}"
        raise Problem(503, GenerationError.__name__, told, later()) from error


def _near(told: Mapping[str, Any]) -> Near:
    return Near(int(told["rows"]), tuple({word: int(count) for word, count in row.items()} for row in told["written"]))


def facets_of(index: HostedIndex, body: Whole) -> dict[str, Any]:
    """What POST /v1/part/facets answers, in a worker thread."""
    with held(index, body.generation, body.sha256) as searcher:
        return {"generation": body.generation, "modes": list(searcher.modes), **Counted.of(searcher).told()}


def state_of(index: HostedIndex, body: Whole) -> dict[str, Any]:
    """What POST /v1/part/state answers, in a worker thread."""
    with held(index, body.generation, body.sha256) as searcher, searcher.opened() as opened:
        warehouse = Warehouse.open(opened.generation.layout.root)
        return {"generation": body.generation, **intake_told([(warehouse, opened.generation.snapshots())])}


def chunks_of(index: HostedIndex, body: Chunks) -> dict[str, Any]:
    """What POST /v1/part/chunks answers, in a worker thread."""
    with held(index, body.generation, body.sha256) as searcher, searcher.opened() as opened:
        # The many in the few: the few in a million would sort the million (874 CPU ms; 5 so).
        held_here = np.isin(opened.chunk_ids, np.array(body.ids, np.int64)) & opened.live
        there = set(opened.chunk_ids[held_here].tolist())
        ids = [one for one in body.ids if one in there]
        found: dict[str, Any] = {"generation": opened.number}
        if len(ids) == 1 and (body.before or body.after):
            around = neighbourhood(opened, ids[0], body.before, body.after)
            found["before"] = hit_documents(around.before)
            found["after"] = hit_documents(around.after)
        return {**found, "chunks": hit_documents(chunks_by_id(opened, ids))}


def explained(index: HostedIndex, body: Explain) -> dict[str, Any]:
    """What POST /v1/part/explain answers, in a worker thread."""
    with held(index, body.generation, body.sha256) as searcher, searcher.opened() as opened:
        spaces = {one.name: within(one, opened, collection_of(body.collection)) for one in opened.spaces(body.mode)}
        lexical = spaces.get("lexical")
        assert lexical is None or isinstance(lexical, LexicalSpace)
        terms = None if lexical is None else terms_of(opened, parse_query(body.query, body.syntax).text)
        tokens = token_ids = None
        if "xtr" in spaces:
            if body.tokens is None or body.token_ids is None or len(body.tokens) != len(body.token_ids):
                raise refused(400, "`tokens` and `token_ids` do not go together, which the mode compares")
            tokens = query_tokens(body.tokens, opened.generation.manifest.encoder.token_dim)
            token_ids = np.array(body.token_ids, np.int32)
        query = QueryVectors(tokens=tokens, token_ids=token_ids, terms=terms)
        rows = rows_of(opened, body.ids).tolist()
        hits = chunks_by_id(opened, body.ids)
        met = explain_tokens(opened, searcher.encoder, query, rows, hits, _listed(opened, body))
        return {
            "generation": opened.number,
            "explained": [
                {
                    "tokens": [asdict(one) for one in own],
                    "terms": [asdict(one) for one in explain_terms(lexical, query, row)],
                }
                for row, own in zip(rows, met, strict=True)
            ],
        }


def _listed(opened: OpenGeneration, body: Explain) -> SearchOptions | None:
    """What this part's token index was asked for candidates with; None where all rows were scored."""
    if not body.listed:
        return None
    settings: dict[str, Any] = body.settings
    text = parse_query(body.query, body.syntax)
    ask = Ask.checked(SearchOptions(body.most, **settings), body.mode, body.where, body.syntax)
    return part_asked(opened, ask, text).options


PartAnswer = Callable[[HostedIndex, Any], dict[str, Any]]
# Every route of a part by its path: the body that it takes, and what answers it.
PART_ROUTES: Mapping[str, tuple[type[Strict], PartAnswer]] = {
    "/v1/part/prepare": (Prepare, prepared),
    "/v1/part/near": (Nearby, nearby),
    "/v1/part/legs": (Legs, legs_of),
    "/v1/part/ranks": (Ranks, ranks_of),
    "/v1/part/chunks": (Chunks, chunks_of),
    "/v1/part/copies": (Copies, copies_of),
    "/v1/part/explain": (Explain, explained),
    "/v1/part/facets": (Whole, facets_of),
    "/v1/part/state": (Whole, state_of),
}
