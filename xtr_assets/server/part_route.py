"""What a server tells a front of several: counts of words, vectors of questions, candidates with their raw scores.

These routes, and those of part_lookup.py, answer from exactly the generation that is asked for, by number and by the
sha256 of its manifest, or not at all. Bounds and tokens are those of every other route.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Annotated, Any, Literal, TypeVar
from weakref import WeakKeyDictionary

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from xtr_assets.core.arguments import query_tokens, query_vectors
from xtr_assets.core.asked_name import asked_name
from xtr_assets.core.asked_place import asked_places
from xtr_assets.core.errors import GenerationError
from xtr_assets.core.field_problem import problems
from xtr_assets.core.fusion import Moments
from xtr_assets.core.lexical_terms import query_terms
from xtr_assets.core.query_syntax import parse_query
from xtr_assets.core.search_options import Collapse, Fusion, SearchOptions
from xtr_assets.core.verbatim import asked_words
from xtr_assets.core.where_syntax import parse_where
from xtr_assets.index.lexical.collection import Collection
from xtr_assets.search.answer import compared, known_whole, vocabulary_of
from xtr_assets.search.blend import ADDED, AS_IT_IS
from xtr_assets.search.collapse import Place
from xtr_assets.search.confidence import PROFILE_KEY
from xtr_assets.search.loaders import terms_version
from xtr_assets.search.near_words import MOST_WORDS, doubted
from xtr_assets.search.part_legs import PartCandidates, part_candidates, part_scan
from xtr_assets.search.part_ranks import part_ranks
from xtr_assets.search.reader import OpenGeneration
from xtr_assets.search.request import Ask
from xtr_assets.search.retrievers import QueryVectors
from xtr_assets.search.searcher import Searcher
from xtr_assets.server.hosted_index import HostedIndex
from xtr_assets.server.limits import Limits
from xtr_assets.server.problem import Problem, refused
from xtr_assets.server.question import Question, check_where, parse_question
from xtr_assets.storage.generation import Generation
from xtr_assets.storage.parts.part_set_reader import manifest_digest

Mode = Literal["hybrid", "dense", "xtr", "lexical", "exact"]
# What a front answers.
MODES: tuple[Mode, ...] = ("hybrid", "dense", "xtr", "lexical", "exact")
# How long a front lets lists become in search of hits that are collapsed: a candidate takes some 200 bytes of JSON.
MOST_LISTED = 20_000
# A word of a query is asked for once. Of scripts without spaces each pair of characters is one, and of a name like
# `aBcD` each letter and the whole.
MOST_TERMS = 2 * Limits().query_chars
# What a part tells the keys as that its candidates are collapsed by.
TOLD_AS: Mapping[Collapse, str] = {"symbol": "symbols", "text": "texts"}
# A text hash in hexadecimal digits.
TEXT_HASH = "[0-9a-f]{32}"
TextHash = Annotated[str, Field(pattern=f"^{TEXT_HASH}$")]
Finite = Annotated[float, Field(allow_inf_nan=False)]
# A score of a leg beside the chunk that has it, of all legs of a front's longest lists.
Pairs = Annotated[list[tuple[Finite, Annotated[int, Field(ge=0, lt=2**63)]]], Field(max_length=3 * MOST_LISTED)]
# float32 [n]: numbers of JSON, which hold each of them exactly.
Numbers = list[float]


class Strict(BaseModel):
    """A body of a front: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Prepare(Strict):
    """Body of POST /v1/part/prepare: count the words of a query, and encode it where `encode`.

    where : of a query without words, which is answered by nothing else: its columns are looked at
    """

    generation: Annotated[int, Field(ge=1)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    query: str
    mode: Mode
    syntax: Literal["terms", "plain"] = "terms"
    encode: bool = False
    where: dict[str, Any] | None = None


class ToldCollection(Strict):
    """index.lexical.collection.Collection."""

    rows: Annotated[int, Field(ge=0)]
    length: Annotated[int, Field(ge=0)]
    frequencies: Annotated[dict[str, Annotated[int, Field(ge=0)]], Field(max_length=MOST_TERMS)]


class Legs(Strict):
    """Body of POST /v1/part/legs: the candidates of this part, scored in every space of the mode.

    most : how long the lists are, by default what k asks for; moments : of mode exact, mean and spread of each leg in
    the whole: the best of the sum are told as well; raw : rank by the scores as they are, as vectors are answered;
    fusion : of mode exact, how legs are joined
    """

    generation: Annotated[int, Field(ge=1)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    query: str
    mode: Mode
    k: int
    where: dict[str, Any] | None = None
    syntax: Literal["terms", "plain"] = "terms"
    settings: dict[str, int] = Field(default={})
    embedding: Numbers | None = None
    tokens: list[Numbers] | None = None
    collection: ToldCollection | None = None
    collapse: Collapse | None = None
    most: Annotated[int, Field(ge=1, le=MOST_LISTED)] | None = None
    moments: dict[str, tuple[Finite, Annotated[Finite, Field(ge=0)]]] | None = None
    raw: bool = False
    fusion: Fusion = "zsum"


class Ranks(Legs):
    """Body of POST /v1/part/ranks, of mode exact: how many rows of this part stand before each of these.

    scores : by space pairs of a score and the chunk id of who has it; legs : by leg, of what is joined
    """

    scores: dict[str, Pairs] = Field(default={})
    legs: dict[str, Pairs] = Field(default={})


Body = TypeVar("Body", bound=Strict)
# sha256 of the manifests of the generations that are open.
_digests: WeakKeyDictionary[Generation, str] = WeakKeyDictionary()


def parsed(kind: type[Body], document: Mapping[str, Any], limits: Limits) -> Body:
    """Raises Problem 400; a question within it, or a filter, is held against the limits of every question."""
    try:
        body = kind.model_validate(document)
    except ValidationError as error:
        raise refused(400, problems(dict(item) for item in error.errors()[:3])) from error
    told = body.model_dump(include={"query", "mode", "syntax", "k", "where", "settings"})
    if "query" in told:
        # A front asks for it as it corrected it: of each word that is looked at a letter may have been missing.
        longer = replace(limits, query_chars=limits.query_chars + MOST_WORDS)
        parse_question({**told.pop("settings", {}), **told}, longer)
    elif told.get("where") is not None:
        check_where(told["where"], limits)
    return body


def prepared(index: HostedIndex, body: Prepare) -> dict[str, Any]:
    """What POST /v1/part/prepare answers, in a worker thread."""
    with held(index, body.generation, body.sha256) as searcher, searcher.opened() as opened:
        query = parse_query(body.query, body.syntax)
        text = query.text
        ask = Ask.checked(SearchOptions(1), body.mode, None, body.syntax)
        names = compared(opened, ask)
        told: dict[str, Any] = {
            "generation": opened.number,
            "fingerprint": opened.generation.fingerprint,
            "dim": opened.generation.manifest.encoder.dim,
            "token_dim": opened.generation.manifest.encoder.token_dim,
            "blend": opened.generation.manifest.profile.get("hybrid"),
            "confidence": opened.generation.manifest.profile.get(PROFILE_KEY),
        }
        if "lexical" in names and opened.lexical is not None:
            counted = opened.lexical.index.counted(terms_of(opened, text))
            told["collection"] = {"rows": counted.rows, "length": counted.length, "frequencies": counted.frequencies}
        if body.where:
            unknown = opened.filters.unknown(parse_where(body.where))
            told |= {"unknown": unknown, "fields": opened.filters.fields() if unknown else ()}
        vocabulary = vocabulary_of(opened, ask)
        words = doubted(query)
        unheld = [] if vocabulary is None else vocabulary.unknown(words)
        told["unheld"] = unheld
        if body.encode:
            vectors = searcher.encoder.encode(opened.generation, [text], names)[0]
            told["embedding"] = None if vectors.embedding is None else vectors.embedding.tolist()
            told["tokens"] = None if vectors.tokens is None else vectors.tokens.tolist()
            told["token_ids"] = None if vectors.token_ids is None else vectors.token_ids.tolist()
            whole = known_whole(opened, searcher.encoder, vectors, words) if unheld else set()
            told["whole"] = sorted(whole.intersection(unheld))
        return told


def terms_of(opened: OpenGeneration, text: str) -> tuple[str, ...]:
    """The terms of a query as the generation has them."""
    return tuple(query_terms(text, terms_version(opened.generation)))


def legs_of(index: HostedIndex, body: Legs) -> dict[str, Any]:
    """What POST /v1/part/legs answers, in a worker thread."""
    with held(index, body.generation, body.sha256) as searcher, searcher.opened() as opened:
        settings: dict[str, Any] = body.settings
        options = SearchOptions(body.k, **settings, fusion=body.fusion, collapse=body.collapse)
        ask = replace(Ask.checked(options, body.mode, body.where, body.syntax), raw=body.raw)
        text = parse_query(body.query, body.syntax)
        collection, vectors = collection_of(body.collection), _vectors(opened, ask, body, text.text)
        if body.mode == "exact":
            found = part_scan(opened, ask, vectors, text, collection, _moments(opened, body), body.most)
        else:
            found = part_candidates(opened, ask, vectors, text, collection, body.most)
        return candidates_document(opened.number, found, body.collapse)


def ranks_of(index: HostedIndex, body: Ranks) -> dict[str, Any]:
    """What POST /v1/part/ranks answers, in a worker thread."""
    if body.mode != "exact":
        raise refused(400, f"mode is {body.mode!r}; ranks among all rows are of mode 'exact'")
    with held(index, body.generation, body.sha256) as searcher, searcher.opened() as opened:
        ask = Ask.checked(SearchOptions(body.k, fusion=body.fusion), body.mode, body.where, body.syntax)
        text = parse_query(body.query, body.syntax)
        collection, vectors = collection_of(body.collection), _vectors(opened, ask, body, text.text)
        scores, legs = part_ranks(opened, ask, vectors, text, collection, body.scores, body.legs)
        return {"generation": opened.number, "scores": scores, "legs": legs}


def candidates_document(generation: int, found: PartCandidates, collapse: Collapse | None = None) -> dict[str, Any]:
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
        "fields": list(found.fields),
        **({} if collapse is None else {TOLD_AS[collapse]: found.keys}),
    }


def collection_of(told: ToldCollection | None) -> Collection | None:
    """What the words of all parts come to, as it was told."""
    return None if told is None else Collection(told.rows, told.length, told.frequencies)


@contextmanager
def held(index: HostedIndex, number: int, sha256: str) -> Iterator[Searcher]:
    """The searcher of exactly this generation; it is opened beside the one that serves where it is not held yet.

    Raises Problem: 404 and 409 where this server has not that generation, and 503 while it opens another.
    """
    if number not in index.kept:
        index.open_beside(number)
    with index.use(number) as searcher:
        with searcher.opened() as opened:
            found = _digest(opened.generation)
        if found != sha256:
            raise Problem(
                409,
                GenerationError.__name__,
                f"generation {number} here has the manifest {found[:16]}, {sha256[:16]} is asked for",
            )
        yield searcher


def _digest(generation: Generation) -> str:
    """Of its manifest, read once: a sealed one never changes, and what is open answers on where its disk is gone."""
    if (known := _digests.get(generation)) is None:
        known = _digests[generation] = manifest_digest(generation)
    return known


def _moments(opened: OpenGeneration, body: Legs) -> dict[str, Moments] | None:
    """What the legs of the whole are standardized with. What is added as it is may be met here alone."""
    if body.moments is None:
        return None
    found = {**dict.fromkeys(ADDED, AS_IT_IS), **{name: Moments(*told) for name, told in body.moments.items()}}
    spaces = {space.name for space in opened.spaces(body.mode)}
    weights = opened.legs.blend.weights
    if lacking := sorted(name for name in spaces - set(found) if weights.get(name)):
        raise refused(400, f"`moments` lack {lacking[0]!r}, which this part sums")
    return found


def _vectors(opened: OpenGeneration, ask: Ask, body: Legs, text: str) -> QueryVectors:
    """The vectors of a question, held against the index as those of any caller; refused where a space lacks one."""
    encoder = opened.generation.manifest.encoder
    embedding, tokens = None, None
    for name in compared(opened, ask):
        if name == "dense":
            if body.embedding is None:
                raise refused(400, "`embedding` is missing, which the mode compares")
            embedding = query_vectors([body.embedding], encoder.dim)[0]
        if name == "xtr":
            if body.tokens is None:
                raise refused(400, "`tokens` are missing, which the mode compares")
            tokens = query_tokens(body.tokens, encoder.token_dim)
    named = asked_name(text), asked_places(text), asked_words(text)
    return QueryVectors(embedding, tokens, None, terms_of(opened, text), *named)


def front_ask(question: Question) -> tuple[Ask, bool]:
    """What a front is asked, and whether hits are explained. Raises InvalidInput."""
    settings = dict(question.settings)
    syntax, explain = settings.pop("syntax", "terms"), bool(settings.pop("explain", False))
    ask = Ask.checked(SearchOptions(question.k, **settings), question.mode, question.where, syntax)
    if question.kind != "queries":
        # As `search_vectors` and `search_tokens` rank.
        return replace(ask, raw=True), False
    return ask, explain


def candidates_of(document: Mapping[str, Any]) -> PartCandidates:
    """The candidates that a server told. KeyError, TypeError, ValueError for what is none."""
    ids = np.array(document["ids"], np.int64)
    scores = {name: _floats(values, len(ids)) for name, values in document["scores"].items()}
    length = np.array(document["length"], np.float64)
    lists = {name: np.array(places, np.int64) for name, places in document["lists"].items()}
    wrong = [name for name, places in lists.items() if len(places) and not 0 <= places.min() <= places.max() < len(ids)]
    if wrong or length.shape != ids.shape:
        raise ValueError(f"{len(ids)} ids, {length.shape} lengths, lists that lead elsewhere: {wrong}")
    keys: list[Place | str | None] | None = None
    if document.get("symbols") is not None:
        keys = [_place(one) for one in document["symbols"]]
    elif document.get("texts") is not None:
        keys = [_text(one) for one in document["texts"]]
    if keys is not None and len(keys) != len(ids):
        raise ValueError(f"{len(ids)} ids, {len(keys)} symbols or texts")
    # A server of an earlier release tells no fields.
    unknown, fields = (tuple(map(str, one)) for one in (document["unknown"], document.get("fields", ())))
    return PartCandidates(ids, scores, length, lists, int(document["allowed"]), unknown, keys, fields)


def _text(told: Any) -> str:
    if not isinstance(told, str) or re.fullmatch(TEXT_HASH, told) is None:
        raise ValueError(f"{str(told)[:40]!r} is no text hash")
    return told


def _place(told: Any) -> Place | None:
    if told is None:
        return None
    source, path, symbol = told
    return str(source), str(path), str(symbol)


def _floats(values: Sequence[float | None], count: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    found = np.array([np.nan if value is None else value for value in values], np.float32)
    if found.shape != (count,):
        raise ValueError(f"{len(values)} scores for {count} ids")
    return found
