"""Questions to the bytes of their answers, in a worker thread: one call of the Searcher for all that are alike."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any

import orjson

from xtr_assets.search.hit_table import Hits
from xtr_assets.search.hits import Hit
from xtr_assets.search.neighbourhood import Neighbourhood
from xtr_assets.search.searcher import Searcher
from xtr_assets.server.hosted_index import HostedIndex
from xtr_assets.server.question import Question
from xtr_assets.server.witness import Told, Witness, tell_all

# What `"hydrate": false` leaves out of a hit.
CHUNK = ("source", "path", "symbol", "kind", "part", "start_line", "end_line", "title", "text", "metadata", "also")


@dataclass(frozen=True, slots=True)
class Alike:
    """What questions have in common that are answered by one call."""

    index: HostedIndex
    pinned: int | None
    alike: str


@dataclass(frozen=True, slots=True)
class Answered:
    """The body of an answer, and the generation that all of it comes from."""

    generation: int
    body: bytes


def answer_together(
    witnesses: Sequence[Witness], shared: Alike, questions: Sequence[Question]
) -> Sequence["Answered | Exception"]:
    """The answers, or errors, of questions with text. One that fails takes none of the others with it."""
    try:
        return _texts(witnesses, shared, questions)
    except Exception as error:
        if len(questions) == 1:
            return [error]
    return [one for question in questions for one in answer_together(witnesses, shared, [question])]


def _texts(witnesses: Sequence[Witness], shared: Alike, questions: Sequence[Question]) -> list[Answered]:
    first, texts = questions[0], [text for question in questions for text in question.asked]
    with shared.index.use(shared.pinned) as searcher:
        started = perf_counter()
        hits = searcher.search_batch(texts, first.k, first.mode, first.where, **first.settings)  # type: ignore[arg-type]
        took_ms = (perf_counter() - started) * 1000
        number = searcher.generation
    found = iter(hits)
    answers = [
        _answered(shared.index, number, question, took_ms, [_shown(question, next(found)) for _ in question.asked])
        for question in questions
    ]
    if witnesses:
        asked = [(question, text) for question in questions for text in question.asked]
        for (question, text), own in zip(asked, hits, strict=True):
            tell_all(witnesses, Told(shared.index, number, text, question, own))
    return answers


def answer_arrays(index: HostedIndex, pinned: int | None, question: Question) -> Answered:
    """The answer to vectors or tokens."""
    with index.use(pinned) as searcher:
        started = perf_counter()
        search: Any = searcher.search_vectors if question.kind == "vectors" else searcher.search_tokens
        scores, ids = search(question.asked, question.k, question.where, **question.settings)
        lists = [
            {
                "hits": _scored(
                    searcher, question, [(float(score), one) for score, one in zip(*own, strict=True) if one >= 0]
                )
            }
            for own in zip(scores.tolist(), ids.tolist(), strict=True)
        ]
        took_ms = (perf_counter() - started) * 1000
        return _answered(index, searcher.generation, question, took_ms, lists)


def _scored(searcher: Searcher, question: Question, found: Sequence[tuple[float, int]]) -> list[dict[str, Any]]:
    if not question.hydrate:
        return [numbered(rank, one, score) for rank, (score, one) in enumerate(found, 1)]
    hits = searcher.hydrate([one for _, one in found])
    return [
        replace(hit, score=score, scores={question.mode: score}).document(rank)
        for rank, (hit, (score, _)) in enumerate(zip(hits, found, strict=True), 1)
    ]


def _shown(question: Question, hits: Hits) -> dict[str, Any]:
    documents = hit_documents(hits)
    found = {"hits": documents if question.hydrate else [without_chunk(one) for one in documents]}
    return {**found, "corrected": hits.corrected} if hits.corrected else found


def without_chunk(document: Mapping[str, Any]) -> dict[str, Any]:
    """A hit by its numbers alone."""
    return {name: document[name] for name in document if name not in CHUNK}


def numbered(rank: int, chunk_id: int, score: float) -> dict[str, Any]:
    """A hit of vectors or tokens without its chunk."""
    return {"rank": rank, "chunk_id": chunk_id, "id": str(chunk_id), "score": score}


def hit_documents(hits: Sequence[Hit]) -> list[dict[str, Any]]:
    """Hits in their order, each with its rank."""
    return [hit.document(rank) for rank, hit in enumerate(hits, 1)]


def chunks_document(index: HostedIndex, generation: int, hits: Sequence[Hit]) -> dict[str, Any]:
    """Chunks that were asked for by their ids, in that order."""
    return {"index": index.name, "generation": generation, "chunks": hit_documents(hits)}


def neighbourhood_document(index: HostedIndex, generation: int, found: Neighbourhood) -> dict[str, Any]:
    """A chunk with what stands around it."""
    return {
        "index": index.name,
        "generation": generation,
        "chunk": found.chunk.document(1),
        "before": hit_documents(found.before),
        "after": hit_documents(found.after),
    }


def encoded(document: Mapping[str, Any]) -> bytes:
    """JSON in UTF-8; in escapes where a text holds half characters (names of files that are no UTF-8).

    orjson takes 6 us for ten hits where json takes 70; what it does not take (half characters, integers beyond 64 bits)
    json does.
    """
    try:
        return orjson.dumps(document)
    except TypeError:
        return json.dumps(document, allow_nan=False).encode()


def _answered(
    index: HostedIndex, number: int, question: Question, took_ms: float, lists: Sequence[dict[str, Any]]
) -> Answered:
    head = {"index": index.name, "generation": number, "mode": question.mode, "took_ms": round(took_ms, 3)}
    found = lists[0] if question.single else {"results": lists}
    return Answered(number, encoded({**head, **found}))
