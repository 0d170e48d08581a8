"""Where else the texts of hits stand, in all parts of a set: what a part tells of its own, and what they add up to."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field

from xtr_assets.core.errors import GenerationError
from xtr_assets.core.query_syntax import parse_query
from xtr_assets.core.search_options import SearchOptions
from xtr_assets.search.equal_texts import MOST_NAMED, placed
from xtr_assets.search.hits import Copy
from xtr_assets.search.part_legs import part_asked
from xtr_assets.search.part_merge import MergedHit
from xtr_assets.search.request import Ask
from xtr_assets.server.hosted_index import HostedIndex
from xtr_assets.server.limits import Limits, later
from xtr_assets.server.part_route import Mode, Strict, TextHash, held
from xtr_assets.server.problem import Problem

LIMITS = Limits()


class Copies(Strict):
    """Body of POST /v1/part/copies: where do these texts stand among the rows of this part that a question may find?

    query, mode, syntax, where : of the question
    """

    generation: Annotated[int, Field(ge=1)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    texts: Annotated[list[TextHash], Field(max_length=LIMITS.hits)]
    query: str
    mode: Mode
    syntax: Literal["terms", "plain"] = "terms"
    where: dict[str, Any] | None = None


def copies_of(index: HostedIndex, body: Copies) -> dict[str, Any]:
    """What POST /v1/part/copies answers, in a worker thread."""
    with held(index, body.generation, body.sha256) as searcher, searcher.opened() as opened:
        ask = Ask.checked(SearchOptions(1), body.mode, body.where, body.syntax)
        allowed = part_asked(opened, ask, parse_query(body.query, body.syntax)).allowed
        found = {text: opened.texts.holding(text, allowed) for text in body.texts}
        told = {
            text: {"count": own.count, "first": [one.document() for one in own.first]} for text, own in found.items()
        }
        return {"generation": opened.number, "copies": told}


def copies_asked(body: Mapping[str, Any], hits: Sequence[MergedHit]) -> dict[str, Any]:
    """What every part is asked. body : of the round that gave the hits."""
    return {
        **{name: body[name] for name in ("query", "mode", "syntax", "where")},
        "texts": [hit.key for hit in hits if isinstance(hit.key, str)],
    }


def with_copies(
    documents: Sequence[Mapping[str, Any]], hits: Sequence[MergedHit], told: Sequence[Mapping[str, Any]], *, shown: bool
) -> list[dict[str, Any]]:
    """The documents of hits with where else the text of each stands. told : by the parts; shown : whether places are
    wanted. Raises Problem 503 for what is none."""
    try:
        return [
            {**document, **_added(hit, [one["copies"][hit.key] for one in told], shown)}
            for document, hit in zip(documents, hits, strict=True)
        ]
    except (KeyError, TypeError, ValueError) as error:
        what = f"a part told what is no copy of a text: {error}"
        raise Problem(503, GenerationError.__name__, what, later()) from error


def _added(hit: MergedHit, told: Sequence[Mapping[str, Any]], shown: bool) -> dict[str, Any]:
    """Of a hit, which is among what was told of its text."""
    copies = {"copies": sum(int(one["count"]) for one in told) - 1}
    if not shown:
        return copies
    places = sorted((_place(place) for one in told for place in one["first"]), key=placed)
    also = [Copy(**one).document() for one in places if one["chunk_id"] != hit.chunk_id]
    return {**copies, "also": also[:MOST_NAMED]}


def _place(told: Mapping[str, Any]) -> dict[str, Any]:
    """A place of which a later release may say more."""
    texts = {name: str(told[name]) for name in ("source", "path", "symbol")}
    return {**texts, "chunk_id": int(told["chunk_id"]), "start_line": int(told["start_line"])}
