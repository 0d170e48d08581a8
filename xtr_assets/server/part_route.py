"""What a server tells a front of several: counts of words, vectors of questions, candidates with their raw scores.

Both routes answer from exactly the generation that is asked for, by number and by the sha256 of its manifest, or not at
all. Bounds and tokens are those of every other route.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, Literal, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from xtr_assets.core.arguments import query_tokens, query_vectors
from xtr_assets.core.asked_name import asked_name
from xtr_assets.core.errors import GenerationError
from xtr_assets.core.field_problem import problems
from xtr_assets.core.lexical_terms import query_terms
from xtr_assets.core.query_syntax import parse_query
from xtr_assets.core.search_options import SearchOptions
from xtr_assets.index.lexical.collection import Collection
from xtr_assets.search.confidence import PROFILE_KEY
from xtr_assets.search.part_legs import PartCandidates, part_candidates
from xtr_assets.search.reader import OpenGeneration
from xtr_assets.search.request import Ask
from xtr_assets.search.retrievers import QueryVectors
from xtr_assets.search.searcher import Searcher
from xtr_assets.server.hosted_index import HostedIndex
from xtr_assets.server.limits import Limits
from xtr_assets.server.problem import Problem, refused
from xtr_assets.server.question import Question, parse_question
from xtr_assets.storage.parts.part_set_reader import manifest_digest

# What a front answers: `exact` scores every row of all parts, which no list of candidates adds up to.
MODES = ("hybrid", "dense", "xtr", "lexical")
# A word of a query is asked for once; a page of text has fewer different ones.
MOST_TERMS = 4096
# float32 [n]: numbers of JSON, which hold each of them exactly.
Numbers = list[float]


class Strict(BaseModel):
    """A body of a front: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Prepare(Strict):
    """Body of POST /v1/part/prepare: count the words of a query, and encode it where `encode`."""

    generation: Annotated[int, Field(ge=1)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    query: str
    mode: Literal["hybrid", "dense", "xtr", "lexical"]
    syntax: Literal["terms", "plain"] = "terms"
    encode: bool = False


class ToldCollection(Strict):
    """index.lexical.collection.Collection."""

    rows: Annotated[int, Field(ge=0)]
    length: Annotated[int, Field(ge=0)]
    frequencies: Annotated[dict[str, Annotated[int, Field(ge=0)]], Field(max_length=MOST_TERMS)]


class Legs(Strict):
    """Body of POST /v1/part/legs: the candidates of this part, scored in every space of the mode."""

    generation: Annotated[int, Field(ge=1)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    query: str
    mode: Literal["hybrid", "dense", "xtr", "lexical"]
    k: int
    where: dict[str, Any] | None = None
    syntax: Literal["terms", "plain"] = "terms"
    settings: dict[str, int] = Field(default={})
    embedding: Numbers | None = None
    tokens: list[Numbers] | None = None
    collection: ToldCollection | None = None


Body = TypeVar("Body", Prepare, Legs)


def parsed(kind: type[Body], document: Mapping[str, Any], limits: Limits) -> Body:
    """Raises Problem 400; a question within it is held against the limits of every question."""
    try:
        body = kind.model_validate(document)
    except ValidationError as error:
        raise refused(400, problems(dict(item) for item in error.errors()[:3])) from error
    asked: dict[str, Any] = {"query": body.query, "mode": body.mode, "syntax": body.syntax}
    if isinstance(body, Legs):
        asked |= {"k": body.k, "where": body.where, **body.settings}
    parse_question(asked, limits)
    return body


def prepared(index: HostedIndex, body: Prepare) -> dict[str, Any]:
    """What POST /v1/part/prepare answers, in a worker thread."""
    with held(index, body.generation, body.sha256) as searcher, searcher.opened() as opened:
        text = parse_query(body.query, body.syntax).text
        names = [space.name for space in opened.spaces(body.mode)]
        told: dict[str, Any] = {
            "generation": opened.number,
            "fingerprint": opened.generation.fingerprint,
            "blend": opened.generation.manifest.profile.get("hybrid"),
            "confidence": opened.generation.manifest.profile.get(PROFILE_KEY),
        }
        if "lexical" in names and opened.lexical is not None:
            counted = opened.lexical.index.counted(tuple(query_terms(text)))
            told["collection"] = {"rows": counted.rows, "length": counted.length, "frequencies": counted.frequencies}
        if body.encode:
            vectors = searcher.encoded(text, names)
            told["embedding"] = None if vectors.embedding is None else vectors.embedding.tolist()
            told["tokens"] = None if vectors.tokens is None else vectors.tokens.tolist()
        return told


def legs_of(index: HostedIndex, body: Legs) -> dict[str, Any]:
    """What POST /v1/part/legs answers, in a worker thread."""
    with held(index, body.generation, body.sha256) as searcher, searcher.opened() as opened:
        settings: dict[str, Any] = body.settings
        ask = Ask.checked(SearchOptions(body.k, **settings), body.mode, body.where, body.syntax)
        text = parse_query(body.query, body.syntax)
        told = body.collection
        collection = None if told is None else Collection(told.rows, told.length, told.frequencies)
        found = part_candidates(opened, ask, _vectors(opened, body, text.text), text, collection)
        return candidates_document(opened.number, found)


def candidates_document(generation: int, found: PartCandidates) -> dict[str, Any]:
    """Candidates as JSON-able values: None for NaN, which JSON has not."""
    scores = {
        name: [None if value != value else value for value in values.tolist()] for name, values in found.scores.items()
    }
    return {
        "generation": generation,
        "ids": found.ids.tolist(),
        "scores": scores,
        "length": found.length.tolist(),
        "lists": {name: places.tolist() for name, places in found.lists.items()},
        "allowed": found.allowed,
        "unknown": list(found.unknown),
    }


@contextmanager
def held(index: HostedIndex, number: int, sha256: str) -> Iterator[Searcher]:
    """The searcher of exactly this generation; it is opened beside the one that serves where it is not held yet.

    Raises Problem: 404 and 409 where this server has not that generation, and 503 while it opens another.
    """
    if number not in index.kept:
        index.open_beside(number)
    with index.use(number) as searcher:
        with searcher.opened() as opened:
            found = manifest_digest(opened.generation)
        if found != sha256:
            raise Problem(
                409,
                GenerationError.__name__,
                f"generation {number} here has the manifest {found[:16]}, {sha256[:16]} is asked for",
            )
        yield searcher


def _vectors(opened: OpenGeneration, body: Legs, text: str) -> QueryVectors:
    """The vectors of a question, held against the index as those of any caller; refused where a space lacks one."""
    encoder = opened.generation.manifest.encoder
    embedding, tokens = None, None
    for space in opened.spaces(body.mode):
        if space.name == "dense":
            if body.embedding is None:
                raise refused(400, "`embedding` is missing, which the mode compares")
            embedding = query_vectors([body.embedding], encoder.dim)[0]
        if space.name == "xtr":
            if body.tokens is None:
                raise refused(400, "`tokens` are missing, which the mode compares")
            tokens = query_tokens(body.tokens, encoder.token_dim)
    return QueryVectors(embedding, tokens, None, tuple(query_terms(text)), asked_name(text))


def front_ask(question: Question) -> Ask:
    """What a front can be asked. Raises Problem 400, InvalidInput."""
    if question.kind != "queries":
        raise refused(400, f"a front of parts is asked in words, and not with {question.kind}; ask each part")
    if question.mode not in MODES:
        raise refused(400, f"mode is {question.mode!r}; a front of parts answers in mode {', '.join(MODES)}")
    settings = dict(question.settings)
    for name in ("explain", "collapse"):
        if settings.pop(name, None):
            raise refused(400, f"{name} is not answered by a front of parts; serve the set as a whole for that")
    syntax = settings.pop("syntax", "terms")
    return Ask.checked(SearchOptions(question.k, **settings), question.mode, question.where, syntax)


def candidates_of(document: Mapping[str, Any]) -> PartCandidates:
    """The candidates that a server told. KeyError, TypeError, ValueError for what is none."""
    ids = np.array(document["ids"], np.int64)
    scores = {name: _floats(values, len(ids)) for name, values in document["scores"].items()}
    length = np.array(document["length"], np.float64)
    lists = {name: np.array(places, np.int64) for name, places in document["lists"].items()}
    wrong = [name for name, places in lists.items() if len(places) and not 0 <= places.min() <= places.max() < len(ids)]
    if wrong or length.shape != ids.shape:
        raise ValueError(f"{len(ids)} ids, {length.shape} lengths, lists that lead elsewhere: {wrong}")
    return PartCandidates(ids, scores, length, lists, int(document["allowed"]), tuple(map(str, document["unknown"])))


def _floats(values: Sequence[float | None], count: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    found = np.array([np.nan if value is None else value for value in values], np.float32)
    if found.shape != (count,):
        raise ValueError(f"{len(values)} scores for {count} ids")
    return found
