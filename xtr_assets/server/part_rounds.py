"""One question to the parts of one move, round by round: words, candidates, chunks, and why they were found."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from xtr_assets.core.arguments import query_vectors, token_batch
from xtr_assets.core.errors import EncoderMismatch, GenerationError
from xtr_assets.core.query_syntax import parse_query, unquoted
from xtr_assets.index.lexical.collection import Collection
from xtr_assets.search.blend import LEGS, Blend
from xtr_assets.search.confidence import LowestConfidence
from xtr_assets.search.filter_masks import no_column
from xtr_assets.search.near_words import asked_about, corrected, nearest
from xtr_assets.search.part_legs import PartCandidates
from xtr_assets.search.part_merge import Merged, MergedHit, first_lists, merged_hits
from xtr_assets.search.part_ranks import Asked, Counts, RankedParts, added, first_most, placed, wanted_ranks
from xtr_assets.search.request import Ask
from xtr_assets.server.answers import numbered
from xtr_assets.server.limits import later
from xtr_assets.server.part_call import PartDown, PartRequest, PartServers, together
from xtr_assets.server.part_copies import copies_asked, with_copies
from xtr_assets.server.part_lookup import near_of
from xtr_assets.server.part_route import MOST_LISTED, candidates_of
from xtr_assets.server.problem import Problem, refused
from xtr_assets.server.question import Question
from xtr_assets.storage.parts.part_records import PartMove

# Of a question's settings those that a part's index takes.
OF_INDEXES = ("nprobe", "ef_search", "k_prime", "rescore")


@dataclass(frozen=True, slots=True)
class Told:
    """One question on its way: what is asked, of which move, without which parts."""

    move: PartMove
    question: Question
    ask: Ask
    explain: bool
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PartRounds:
    """Where the parts are asked."""

    servers: PartServers

    async def answered(self, told: Told, text: str) -> dict[str, Any]:
        """The hits of one text, and what was asked instead. Raises PartAbsent, PartDown, Problem, InvalidInput."""
        query = parse_query(text, told.ask.syntax)
        if not query.text.strip():
            await self._check(told, text)
            return {"hits": []}
        prepared = await self._prepared(told, text)
        if not (said := await self._corrected(told, text, prepared)):
            found, loose = await self._hits(told, text, prepared), unquoted(query)
            if found or loose is None:
                return {"hits": found}
            said = loose.text
        told = replace(told, ask=replace(told.ask, syntax="plain"))
        return {"hits": await self._hits(told, said, await self._prepared(told, said)), "corrected": said}

    async def _corrected(self, told: Told, text: str, prepared: Mapping[str, Mapping[str, Any]]) -> str:
        """The text with the words that no part holds as the nearest that some hold; "" where it is asked as it is."""
        # A part of an earlier release does not say what it does not hold.
        lacking = [set(one.get("unheld", ())) for one in prepared.values()]
        queries = sum(bool(parse_query(one, told.ask.syntax).text.strip()) for one in told.question.asked)
        words = asked_about(set.intersection(*lacking), _first(prepared).get("whole", ()), queries)
        if not words:
            return ""
        body = {"words": words, "mode": told.ask.mode, "where": told.question.where}
        try:
            found = await self.of_parts(told.move, told.names, "/v1/part/near", lambda _: body)
        except PartDown as error:
            if error.outdated:
                # One replica of an earlier release, beside another that said what it does not hold.
                return ""
            raise
        near = [near_of(found[name], words) for name in told.names]
        meant = {word: nearest([own[word] for own in near]) for word in words}
        return corrected(parse_query(text, told.ask.syntax).text, meant)

    async def _hits(self, told: Told, text: str, prepared: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
        body, blend = _asked(told, text, prepared), Blend.of(_first(prepared)["blend"])
        confidence = LowestConfidence.of([one["confidence"] for one in prepared.values()])
        best = await self._best(told, body, blend, confidence)
        documents = await self._read(told, best.hits)
        if told.ask.options.collapse == "text" and best.hits:
            wanted = copies_asked(body, best.hits)
            found = await self.of_parts(told.move, told.names, "/v1/part/copies", lambda _: wanted)
            documents = with_copies(documents, best.hits, list(found.values()), shown=told.question.hydrate)
        if not told.explain:
            return documents
        return await self._explained(told, {**body, "token_ids": _first(prepared).get("token_ids")}, best, documents)

    async def answered_all(self, told: Told) -> list[dict[str, Any]]:
        """What is answered to each text, vector or query of tokens. Raises as `answered`, and EncoderMismatch."""
        question = told.question
        if question.kind == "queries":
            if not question.asked:
                await self._check(told, "")
            return [await self.answered(told, text) for text in question.asked]
        prepared = await self._prepared(told, "")
        first = _first(prepared)
        blend = Blend.of(first["blend"])
        if "dim" not in first or "token_dim" not in first:
            raise Problem(
                503,
                GenerationError.__name__,
                f"part {told.names[0]} is served by an earlier release, which takes no {question.kind} from a front",
            )
        if question.kind == "vectors":
            given: list[Any] = [{"embedding": one.tolist()} for one in query_vectors(question.asked, first["dim"])]
        else:
            given = [{"tokens": one.tolist()} for one in token_batch(question.asked, first["token_dim"])]
        lists: list[dict[str, Any]] = []
        for one in given:
            if one.get("tokens") == []:
                lists.append({"hits": []})
                continue
            best = await self._best(told, {**_asked(told, "", prepared), **one, "raw": True}, blend, None)
            lists.append({"hits": await self._numbered(told, best.hits)})
        return lists

    async def _check(self, told: Told, text: str) -> None:
        """A mode that is not there, and an unknown column, are errors also where nothing would be found."""
        found = await self._prepared(told, text, told.question.where)
        _refuse_unknown([(one.get("unknown", ()), one.get("fields", ())) for one in found.values()])

    async def _numbered(self, told: Told, best: Sequence[MergedHit]) -> list[dict[str, Any]]:
        """Hits by the score of the one space that was asked, with their chunks unless nobody wants them."""
        # float32, as the arrays are that a Searcher gives.
        scores = [float(np.float32(hit.score)) for hit in best]
        if not told.question.hydrate:
            return [
                numbered(rank, hit.chunk_id, score)
                for rank, (hit, score) in enumerate(zip(best, scores, strict=True), 1)
            ]
        documents = await self._read(told, best)
        return [
            {**document, "score": score, "scores": {told.question.mode: score}}
            for document, score in zip(documents, scores, strict=True)
        ]

    async def of_parts(
        self, move: PartMove, names: Sequence[str], path: str, body: Callable[[str], Mapping[str, Any]]
    ) -> dict[str, dict[str, Any]]:
        """What each of these parts answers, from exactly the generation that the move names."""
        return await together({name: self.of_part(move, name, path, body(name)) for name in names})

    async def of_part(self, move: PartMove, name: str, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """The same of one of them."""
        state = move.parts[name]
        named = {"generation": state.generation, "sha256": state.manifest_sha256}
        return await self.servers.ask(name, PartRequest(path, {**body, **named}))

    async def _prepared(
        self, told: Told, text: str, where: Mapping[str, Any] | None = None
    ) -> dict[str, dict[str, Any]]:
        """What the parts say of a text; the first of them encodes it, unless there is nothing to encode."""
        # A part of an earlier release knows no `where` here.
        looked = {} if where is None else {"where": where}
        asked = {"query": text, "mode": told.ask.mode, "syntax": told.ask.syntax, **looked}
        vectors = told.ask.mode != "lexical" and told.question.kind == "queries" and bool(text.strip())
        found = await self.of_parts(
            told.move,
            told.names,
            "/v1/part/prepare",
            lambda name: {**asked, "encode": vectors and name == told.names[0]},
        )
        made_by = {name: one["fingerprint"] for name, one in found.items()}
        wrong = [name for name, one in made_by.items() if one != told.move.fingerprint]
        if wrong:
            raise Problem(
                503,
                EncoderMismatch.__name__,
                f"part {wrong[0]} has vectors of {made_by[wrong[0]][:8]}, the move of {told.move.fingerprint[:8]}",
            )
        return found

    async def _best(self, told: Told, body: Mapping[str, Any], blend: Blend, confidence: Any) -> Merged:
        """The k best; asked again where mode exact or `collapse` needs more than the first lists."""
        ask = told.ask
        collapse = {} if ask.options.collapse is None else {"collapse": ask.options.collapse}
        if ask.mode == "exact" and ask.options.fusion == "rrf":
            return await self._joined(told, {**body, **collapse, "fusion": "rrf"}, blend)
        if ask.mode == "exact":
            first = await self._merged(told, body, blend, confidence, None)
            if not first.moments:
                # Nothing passes the filter in any part.
                return first
            moments = {name: (one.mean, one.spread) for name, one in first.moments.items()}
            best = await self._merged(told, {**body, **collapse, "moments": moments}, blend, confidence, None)
            return await self._placed(told, body, best) if told.explain else best
        if not collapse:
            return await self._merged(told, body, blend, confidence, None)
        most: int | None = first_lists(ask, blend)
        while True:
            asked = {**body, **collapse, "most": most}
            best = await self._merged(told, asked, blend, confidence, most)
            if best.wider is None:
                return best
            most = _within_bounds(ask, best.wider)

    async def _joined(self, told: Told, body: Mapping[str, Any], blend: Blend) -> Merged:
        """The k best of mode exact by the ranks of their legs; asked again where they may stand behind the first
        lists."""
        most = _within_bounds(told.ask, first_most(told.ask.k, len(LEGS)))
        while True:
            candidates = await self._candidates(told, {**body, "most": most})
            if not any(len(one.ids) for one in candidates.values()):
                return Merged([])
            found = RankedParts.of(candidates, blend, most)
            counts = await self._counts(told, body, "legs", found.asked())
            best = await asyncio.to_thread(found.merged, counts, told.ask)
            if best.wider is None:
                return await self._placed(told, body, best) if told.explain else best
            most = _within_bounds(told.ask, best.wider)

    async def _placed(self, told: Told, body: Mapping[str, Any], best: Merged) -> Merged:
        """The same with the ranks of the hits among all rows."""
        counts = await self._counts(told, body, "scores", wanted_ranks(best.hits))
        return placed(best, counts)

    async def _counts(self, told: Told, body: Mapping[str, Any], kind: str, wanted: Asked) -> Counts:
        """How many rows of all parts stand before each."""
        bare = {name: value for name, value in body.items() if name != "collapse"}
        found = await self.of_parts(told.move, told.names, "/v1/part/ranks", lambda _: {**bare, kind: wanted})
        return added([one[kind] for one in found.values()])

    async def _merged(
        self, told: Told, body: Mapping[str, Any], blend: Blend, confidence: Any, most: int | None
    ) -> Merged:
        candidates = await self._candidates(told, body)
        return await asyncio.to_thread(merged_hits, candidates, told.ask, blend, confidence, most, explain=told.explain)

    async def _candidates(self, told: Told, body: Mapping[str, Any]) -> dict[str, PartCandidates]:
        """What each part has to offer. Raises InvalidInput for a column that none of them has."""
        found = await self.of_parts(told.move, told.names, "/v1/part/legs", lambda _: body)
        try:
            candidates: dict[str, PartCandidates] = {name: candidates_of(one) for name, one in found.items()}
        except (KeyError, TypeError, ValueError) as error:
            raise Problem(
                503, GenerationError.__name__, f"a part told what is no candidate: {error}", later()
            ) from error
        _refuse_unknown([(one.unknown, one.fields) for one in candidates.values()])
        return candidates

    async def _read(self, told: Told, best: Sequence[MergedHit]) -> list[dict[str, Any]]:
        """The chunks of the best hits, each from its part, of the generation that gave the candidates: by its manifest,
        as a replica may hold another one of that number. Their numbers alone where nobody wants the chunks."""
        chunks: dict[int, dict[str, Any]] = {hit.chunk_id: numbered(0, hit.chunk_id, 0.0) for hit in best}
        if told.question.hydrate:
            wanted = _by_part(best)
            found = await self.of_parts(told.move, tuple(wanted), "/v1/part/chunks", lambda name: {"ids": wanted[name]})
            chunks = {one["chunk_id"]: one for document in found.values() for one in document["chunks"]}
        return [
            {
                **chunks[hit.chunk_id],
                "rank": rank,
                "score": hit.score,
                "scores": dict(hit.scores),
                "confidence": hit.confidence,
            }
            for rank, hit in enumerate(best, 1)
        ]

    async def _explained(
        self, told: Told, body: Mapping[str, Any], best: Merged, documents: Sequence[dict[str, Any]]
    ) -> list[dict[str, Any]]:
        """The hits with what each part says its own met."""
        wanted = _by_part(best.hits)
        names = ("query", "mode", "syntax", "tokens", "token_ids", "collection", "where", "settings")
        shared = {**{name: body[name] for name in names}, "most": best.most}
        found = await self.of_parts(
            told.move,
            tuple(wanted),
            "/v1/part/explain",
            lambda name: {**shared, "ids": wanted[name], "listed": best.listed},
        )
        met = {one: own for name, ids in wanted.items() for one, own in zip(ids, found[name]["explained"], strict=True)}
        return [
            {
                **document,
                "explanation": {
                    "candidates": best.candidates,
                    "spaces": {name: space.document() for name, space in hit.spaces.items()},
                    **met[hit.chunk_id],
                },
            }
            for hit, document in zip(best.hits, documents, strict=True)
        ]


def _within_bounds(ask: Ask, most: int) -> int:
    """How long the lists may become. Raises Problem 400."""
    if most <= MOST_LISTED:
        return most
    if ask.options.collapse is None:
        raise refused(
            400, f"k is {ask.k}, and lists of {most} would be needed, of at most {MOST_LISTED}; ask for a smaller k"
        )
    what = ask.options.collapse
    raise refused(
        400,
        f"collapse is {what!r}, and {ask.k} {what}s are not among the best {MOST_LISTED} chunks of each leg, the most "
        "that a front of parts looks at; ask for a smaller k, or without collapse",
    )


def _refuse_unknown(told: Sequence[tuple[Sequence[str], Sequence[str]]]) -> None:
    """InvalidInput for a column that no part has. told : of each the columns that it has not, and its fields."""
    lacking = [set(unknown) for unknown, _ in told]
    if nowhere := sorted(set.intersection(*lacking)):
        raise no_column(nowhere[0], sorted({field for _, fields in told for field in fields}))


def _asked(told: Told, text: str, prepared: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """What every part is asked: vectors as the first part encoded them, words as all parts count them."""
    first, settings = _first(prepared), told.question.settings
    counted = [Collection(**one["collection"]) for one in prepared.values() if "collection" in one]
    whole = Collection.of(counted)
    told_words = {"rows": whole.rows, "length": whole.length, "frequencies": whole.frequencies}
    return {
        "query": text,
        "mode": told.ask.mode,
        "k": told.ask.k,
        "where": told.question.where,
        "syntax": told.ask.syntax,
        "settings": {name: settings[name] for name in OF_INDEXES if name in settings},
        "embedding": first.get("embedding"),
        "tokens": first.get("tokens"),
        "collection": told_words if counted else None,
    }


def _by_part(hits: Sequence[MergedHit]) -> dict[str, list[int]]:
    wanted: dict[str, list[int]] = {}
    for hit in hits:
        wanted.setdefault(hit.part, []).append(hit.chunk_id)
    return wanted


def _first(found: Mapping[str, Any]) -> Any:
    return next(iter(found.values()))
