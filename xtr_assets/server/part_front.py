"""The front of a set of parts that other servers hold: it opens no index, and answers as one over all rows would.

A question is answered from the generations of one move, or from those of the move before where a part does not hold
the last one yet; never from some of each. Three rounds: words are counted and the question is encoded once; each part
gives its candidates with their raw scores; the chunks of the best are read where they lie.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from xtr_assets.core.errors import EncoderMismatch, GenerationError, InvalidInput, XtrAssetsError
from xtr_assets.index.lexical.collection import Collection as Words
from xtr_assets.search.confidence import LowestConfidence
from xtr_assets.search.legs import Blend
from xtr_assets.search.part_legs import PartCandidates
from xtr_assets.search.part_merge import MergedHit, merged_hits
from xtr_assets.search.request import Ask
from xtr_assets.server.application import GENERATION_HEADER, answered, http_problem, json_response
from xtr_assets.server.bearers import Bearers
from xtr_assets.server.guard import Guard
from xtr_assets.server.json_body import json_object
from xtr_assets.server.limits import RETRY_AFTER, Limits
from xtr_assets.server.part_call import PartAbsent, PartDown, PartRequest, PartServers, together
from xtr_assets.server.part_route import MODES, candidates_of, front_ask
from xtr_assets.server.problem import Problem
from xtr_assets.server.question import Question, parse_question
from xtr_assets.storage.parts.part_records import PartMove
from xtr_assets.storage.parts.part_set_reader import PartSetReader
from xtr_assets.telemetry import metrics

log = logging.getLogger(__name__)

# Of a question's settings those that a part's index takes, and those that the front needs by itself.
OF_INDEXES = ("nprobe", "ef_search", "k_prime", "rescore")
PARTS_HEADER, PARTIAL_HEADER = "Xtr-Parts", "Xtr-Partial"


@dataclass(frozen=True, slots=True)
class Told:
    """One question on its way: what is asked, of which move, without which parts."""

    move: PartMove
    question: Question
    ask: Ask
    names: tuple[str, ...]


@dataclass(slots=True)
class Known:
    """What is known of the set: its moves, and which was answered from last."""

    moves: list[PartMove] = field(default_factory=list)
    answered: int = 0
    problem: str | None = "the moves were not read yet"


class PartFront:
    """`app` is the ASGI application.

    folder : the set, of which parts.json and moves/ are read. partial : where no server of a part answers, answer
    without it and say so; else such a question is refused (503), naming the part.
    """

    def __init__(
        self,
        name: str,
        folder: Path,
        servers: PartServers,
        bearers: Bearers,
        limits: Limits | None = None,
        hosts: Collection[str] | None = None,
        *,
        partial: bool = False,
        poll_seconds: float = 1.0,
    ) -> None:
        self.name, self._folder, self._servers, self._partial = name, folder, servers, partial
        self._limits, self._poll_seconds, self._known = limits or Limits(), poll_seconds, Known()
        self._bearers = bearers
        self._room = asyncio.Semaphore(self._limits.queue)
        routes = [
            Route("/v1/search", answered(self._search), methods=["POST"]),
            Route("/v1/generation", answered(self._generation)),
            Route("/healthz", answered(self._health)),
            Route("/readyz", answered(self._ready)),
            Route("/metrics", answered(self._metrics)),
        ]
        starlette = Starlette(routes=routes, lifespan=self._lifespan, exception_handlers={HTTPException: http_problem})
        self.app = Guard(starlette, bearers, hosts)

    def look(self) -> None:
        """Read the moves. What was read stays where they cannot be read now."""
        try:
            moves = PartSetReader.open(self._folder).moves()
        except (XtrAssetsError, OSError) as error:
            log.error("the moves of %s cannot be read", self._folder, exc_info=error)
            self._known.problem = f"{type(error).__name__}: the server's log says more"
            return
        self._known.moves = moves
        self._known.problem = None if moves else "nothing is published; `xtr-assets parts publish` makes a move"

    # -- routes -------------------------------------------------------------------------------------------------------

    async def _search(self, request: Request) -> Response:
        question = parse_question(await json_object(request, self._limits), self._limits)
        ask = front_ask(question)
        started = perf_counter()
        try:
            async with asyncio.timeout(self._limits.seconds), self._room:
                told, lists = await self._answer(question, ask)
        except TimeoutError:
            raise Problem(
                503, GenerationError.__name__, f"the parts took longer than {self._limits.seconds:g} s", _later()
            ) from None
        missing = sorted(set(told.move.parts) - set(told.names))
        named = {name: told.move.parts[name].generation for name in told.names}
        head = {
            "index": self.name,
            "generation": told.move.number,
            "mode": question.mode,
            "took_ms": round((perf_counter() - started) * 1000, 3),
            "parts": named,
            "partial": missing,
        }
        found: dict[str, Any] = {"hits": lists[0]} if question.single else {"results": [{"hits": o} for o in lists]}
        response = json_response({**head, **found})
        response.headers[GENERATION_HEADER] = str(told.move.number)
        response.headers[PARTS_HEADER] = " ".join(f"{name}={number}" for name, number in named.items())
        if missing:
            response.headers[PARTIAL_HEADER] = " ".join(missing)
        return response

    async def _generation(self, _: Request) -> Response:
        known = self._known
        if not known.moves:
            raise Problem(503, GenerationError.__name__, f"the set {self.name!r} does not answer: {known.problem}")
        move = known.moves[-1]
        return json_response(
            {
                "index": self.name,
                "generation": move.number,
                "published": move.number,
                "answered": known.answered or None,
                "problem": known.problem,
                "live_rows": move.live_rows,
                "created_at": move.at,
                "parts": {name: state.generation for name, state in move.parts.items()},
                "modes": list(MODES),
                "profile": {},
                "devices": {},
            }
        )

    async def _health(self, _: Request) -> Response:
        return json_response({"ok": True})

    async def _ready(self, _: Request) -> Response:
        """Whether each part of the last move has a server that is ready."""
        problem = self._bearers.problem() or self._known.problem
        down: list[str] = []
        if self._known.moves:
            names = list(self._known.moves[-1].parts)
            found = await asyncio.gather(
                *(self._servers.ask(name, PartRequest("/readyz")) for name in names), return_exceptions=True
            )
            down = [name for name, one in zip(names, found, strict=True) if isinstance(one, BaseException)]
        ready = problem is None and not down and bool(self._known.moves)
        return json_response({"ready": ready, "problem": problem, "down": down}, 200 if ready else 503)

    async def _metrics(self, _: Request) -> Response:
        return Response(await asyncio.to_thread(metrics.render), media_type=metrics.CONTENT_TYPE)

    # -- one question -------------------------------------------------------------------------------------------------

    async def _answer(self, question: Question, ask: Ask) -> tuple[Told, list[list[dict[str, Any]]]]:
        """From the last move, or the one before where a part has not the generation of the last yet."""
        moves = self._known.moves
        if not moves:
            raise Problem(503, GenerationError.__name__, f"the set does not answer: {self._known.problem}", _later())
        before = [move for move in moves[:-1] if move.number == (self._known.answered or moves[-1].number - 1)]
        absent: PartAbsent | None = None
        for move in (moves[-1], *before):
            try:
                found = await self._from(Told(move, question, ask, tuple(move.parts)))
            except PartAbsent as error:
                log.warning("move %d is not answered from: %s", move.number, error)
                absent = error
                continue
            self._known.answered = max(self._known.answered, move.number)
            return found
        assert absent is not None
        raise Problem(
            503, GenerationError.__name__, f"part {absent.part} does not hold the generation of any move", _later()
        )

    async def _from(self, told: Told) -> tuple[Told, list[list[dict[str, Any]]]]:
        """All texts of a question from one move and the same parts."""
        while True:
            try:
                return told, [await self._one(told, text) for text in told.question.asked]
            except PartDown as error:
                log.warning("%s", error)
                left = tuple(name for name in told.names if name != error.part)
                if not self._partial or not left:
                    raise Problem(
                        503, GenerationError.__name__, f"part {error.part} does not answer on any server", _later()
                    ) from error
                # Counts, means and spreads are of those that answer: all of it is asked again.
                told = Told(told.move, told.question, told.ask, left)

    async def _one(self, told: Told, text: str) -> list[dict[str, Any]]:
        if not text.strip():
            return []
        prepared = await self._prepared(told, text)
        candidates = await self._candidates(told, text, prepared)
        if unknown := [one for one in _first(candidates).unknown if all(one in c.unknown for c in candidates.values())]:
            raise InvalidInput(f"no column {unknown[0]!r} to filter on: no part has it")
        blend = Blend.of(_first(prepared)["blend"])
        confidence = LowestConfidence.of([one["confidence"] for one in prepared.values()])
        best = await asyncio.to_thread(merged_hits, candidates, told.ask, blend, confidence)
        return await self._read(told, best)

    async def _prepared(self, told: Told, text: str) -> dict[str, dict[str, Any]]:
        """What the parts say of a text; the first of them encodes it."""
        asked = {"query": text, "mode": told.question.mode, "syntax": told.ask.syntax}
        vectors = told.question.mode != "lexical"
        found = await self._of_parts(
            told, "/v1/part/prepare", lambda name: {**asked, "encode": vectors and name == told.names[0]}
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

    async def _candidates(
        self, told: Told, text: str, prepared: Mapping[str, Mapping[str, Any]]
    ) -> dict[str, PartCandidates]:
        first = _first(prepared)
        body = {
            "query": text,
            "mode": told.question.mode,
            "k": told.question.k,
            "where": told.question.where,
            "syntax": told.ask.syntax,
            "settings": {name: told.question.settings[name] for name in OF_INDEXES if name in told.question.settings},
            "embedding": first.get("embedding"),
            "tokens": first.get("tokens"),
        }
        counted = [Words(**one["collection"]) for one in prepared.values() if "collection" in one]
        if counted:
            whole = Words.of(counted)
            body["collection"] = {"rows": whole.rows, "length": whole.length, "frequencies": whole.frequencies}
        found = await self._of_parts(told, "/v1/part/legs", lambda _: body)
        try:
            return {name: candidates_of(one) for name, one in found.items()}
        except (KeyError, TypeError, ValueError) as error:
            raise Problem(
                503, GenerationError.__name__, f"a part told what is no candidate: {error}", _later()
            ) from error

    async def _read(self, told: Told, best: Sequence[MergedHit]) -> list[dict[str, Any]]:
        """The chunks of the best hits, each from its part."""
        wanted: dict[str, list[int]] = {}
        for hit in best:
            wanted.setdefault(hit.part, []).append(hit.chunk_id)
        asked = {
            name: self._servers.ask(
                name,
                PartRequest(
                    "/v1/chunks",
                    query={"ids": ",".join(map(str, ids))},
                    pinned=told.move.parts[name].generation,
                ),
            )
            for name, ids in wanted.items()
        }
        found = await together(asked)
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

    async def _of_parts(self, told: Told, path: str, body: Any) -> dict[str, dict[str, Any]]:
        asked = {}
        for name in told.names:
            state = told.move.parts[name]
            named = {"generation": state.generation, "sha256": state.manifest_sha256}
            asked[name] = self._servers.ask(name, PartRequest(path, {**body(name), **named}))
        return await together(asked)

    @asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        await asyncio.to_thread(self.look)
        follower = asyncio.create_task(self._follow())
        try:
            yield
        finally:
            follower.cancel()
            with suppress(asyncio.CancelledError):
                await follower

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(self._poll_seconds)
            await asyncio.to_thread(self.look)


def _first(found: Mapping[str, Any]) -> Any:
    return next(iter(found.values()))


def _later() -> dict[str, str]:
    return {"Retry-After": str(RETRY_AFTER)}
