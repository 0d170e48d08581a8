"""The front of a set of parts that other servers hold: it opens no index, and answers as one over all rows would.

A question is answered from the generations of one move, or from those of the move before where a part does not hold
the last one yet; never from some of each. Rounds (part_rounds.py): words are counted and the question is encoded once;
each part gives its candidates with their raw scores; the chunks of the best are read where they lie.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import perf_counter
from typing import Any, TypeVar

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from xtr_assets.core.errors import GenerationError
from xtr_assets.search.phase_times import Timing
from xtr_assets.search.request import Ask
from xtr_assets.server.application import GENERATION_HEADER, answered, json_response, number_in, pinned_by
from xtr_assets.server.bearers import Bearers
from xtr_assets.server.guard import Guard
from xtr_assets.server.json_body import json_object
from xtr_assets.server.limits import Limits, later
from xtr_assets.server.part_absence import Candidates, absent, down, no_route
from xtr_assets.server.part_call import PartAbsent, PartDown, PartRequest, PartServers
from xtr_assets.server.part_overview import PartOverview, moves_listed
from xtr_assets.server.part_rounds import PartRounds, Told
from xtr_assets.server.part_route import MODES, front_ask
from xtr_assets.server.problem import Problem, refused
from xtr_assets.server.question import Question, parse_question
from xtr_assets.server.state_report import moves_told
from xtr_assets.storage.parts.move_chain import all_moves
from xtr_assets.storage.parts.part_records import PartMove
from xtr_assets.storage.parts.part_set_reader import PartSetReader
from xtr_assets.telemetry import metrics

log = logging.getLogger(__name__)

Found = TypeVar("Found")

PARTS_HEADER, PARTIAL_HEADER = "Xtr-Parts", "Xtr-Partial"


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
        self._rounds = PartRounds(servers)
        self._overview = PartOverview(self._rounds)
        self._limits, self._poll_seconds, self._known = limits or Limits(), poll_seconds, Known()
        self._bearers = bearers
        self._room = asyncio.Semaphore(self._limits.queue)
        routes = [
            Route("/v1/search", answered(self._search), methods=["POST"]),
            Route("/v1/chunks", answered(self._chunks)),
            Route("/v1/chunks/{chunk_id}", answered(self._chunk)),
            Route("/v1/generation", answered(self._generation)),
            Route("/v1/generations", answered(self._generations)),
            Route("/v1/facets", answered(self._facets)),
            Route("/v1/state", answered(self._state)),
            Route("/healthz", answered(self._health)),
            Route("/readyz", answered(self._ready)),
            Route("/metrics", answered(self._metrics)),
        ]
        starlette = Starlette(routes=routes, lifespan=self._lifespan, exception_handlers={HTTPException: no_route})
        self.app = Guard(starlette, bearers, hosts)

    def look(self) -> None:
        """Read the moves. What was read stays where they cannot be read now. Never raises."""
        try:
            self._known.moves = moves = all_moves(PartSetReader.open(self._folder).layout, self._known.moves)
        except Exception as error:
            problem = f"{type(error).__name__}: the server's log says more"
            if self._known.problem != problem:
                log.error("the moves of %s cannot be read", self._folder, exc_info=error)
            self._known.problem = problem
            return
        self._known.problem = None if moves else "nothing is published; `xtr-assets parts publish` makes a move"

    # -- routes -------------------------------------------------------------------------------------------------------

    async def _search(self, request: Request) -> Response:
        moves = self._moves(request)
        question = parse_question(await json_object(request, self._limits), self._limits)
        ask, explain = front_ask(question)
        started, timing = perf_counter(), Timing()
        told, found = await self._in_time(self._answer(moves, question, ask, explain))
        timing.observe(question.mode, len(question.asked))
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
        response = json_response({**head, **(found[0] if question.single else {"results": found})})
        response.headers[GENERATION_HEADER] = str(told.move.number)
        response.headers[PARTS_HEADER] = " ".join(f"{name}={number}" for name, number in named.items())
        if missing:
            response.headers[PARTIAL_HEADER] = " ".join(missing)
        return response

    async def _chunks(self, request: Request) -> Response:
        moves = self._moves(request)
        ids = [number_in(one, "ids") for one in request.query_params.get("ids", "").split(",") if one]
        if len(ids) > self._limits.hits:
            raise refused(400, f"{len(ids)} ids, at most {self._limits.hits} are taken; ask in several requests")
        move, found = await self._in_time(self._looked_up(moves, ids))
        chunks = {one["chunk_id"]: one for document in found for one in document["chunks"]}
        told = [{**chunks[one], "rank": rank} for rank, one in enumerate(ids, 1)]
        return json_response({"index": self.name, "generation": move.number, "chunks": told})

    async def _chunk(self, request: Request) -> Response:
        moves, chunk_id = self._moves(request), number_in(request.path_params["chunk_id"], "the chunk's id")
        before, after = (
            number_in(request.query_params.get(name, "0"), name, self._limits.neighbours)
            for name in ("before", "after")
        )
        move, found = await self._in_time(self._looked_up(moves, [chunk_id], before, after))
        (document,) = (one for one in found if one["chunks"])
        return json_response(
            {
                "index": self.name,
                "generation": move.number,
                "chunk": document["chunks"][0],
                "before": document.get("before", []),
                "after": document.get("after", []),
            }
        )

    async def _generation(self, request: Request) -> Response:
        known, (move, *_) = self._known, self._moves(request)
        return json_response(
            {
                "index": self.name,
                "generation": move.number,
                "published": known.moves[-1].number,
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

    async def _generations(self, request: Request) -> Response:
        known, (move, *_) = self._known, self._moves(request)
        head = {"index": self.name, "generation": move.number, "problem": known.problem}
        return json_response({**head, "generations": moves_listed(known.moves)})

    async def _facets(self, request: Request) -> Response:
        move, found = await self._in_time(self._of_whole(self._moves(request), self._overview.facets))
        return json_response({"index": self.name, "generation": move.number, **found})

    async def _state(self, request: Request) -> Response:
        move, found = await self._in_time(self._of_whole(self._moves(request), self._overview.state))
        known = self._known
        head = {"index": self.name, "generation": move.number, "created_at": move.at, "problem": known.problem}
        history = moves_told(known.moves)
        return json_response({**head, **found, "draft": None, "history": history, "live_recall": None})

    async def _health(self, _: Request) -> Response:
        return json_response({"ok": True})

    async def _ready(self, _: Request) -> Response:
        """Whether each part of the last move has a server that is ready."""
        problem = self._bearers.problem() or self._known.problem
        names = list(self._known.moves[-1].parts) if self._known.moves else []
        found = await asyncio.gather(
            *(self._servers.ask(name, PartRequest("/readyz")) for name in names), return_exceptions=True
        )
        down = [name for name, one in zip(names, found, strict=True) if isinstance(one, BaseException)]
        ready = problem is None and not down and bool(self._known.moves)
        return json_response({"ready": ready, "problem": problem, "down": down}, 200 if ready else 503)

    async def _metrics(self, _: Request) -> Response:
        return Response(await asyncio.to_thread(metrics.render), media_type=metrics.CONTENT_TYPE)

    # -- one question -------------------------------------------------------------------------------------------------

    def _moves(self, request: Request) -> Candidates:
        """The moves that a request may be answered from, the first that can be is: the one that it pins; else the last,
        or the one before where a part has not the generation of the last yet. Raises Problem."""
        named = request.query_params.get("index")
        if named is not None and named != self.name:
            raise refused(404, f"no index {named[:100]!r} here; there is {self.name}")
        moves, pinned = self._known.moves, pinned_by(request)
        if not moves:
            raise Problem(
                503, GenerationError.__name__, f"the set {self.name!r} does not answer: {self._known.problem}", later()
            )
        if pinned is None:
            before = self._known.answered or moves[-1].number - 1
            return Candidates([moves[-1], *(move for move in moves[:-1] if move.number == before)])
        if found := [move for move in moves if move.number == pinned]:
            return Candidates(found, named=True)
        raise Problem(
            410,
            GenerationError.__name__,
            f"move {pinned} is unknown here, there are {moves[0].number} to {moves[-1].number}; `refresh` moves to the "
            "one that serves",
        )

    async def _in_time(self, work: Coroutine[Any, Any, Found]) -> Found:
        """What the parts answer, or 503 after as long as a question may take."""
        try:
            async with asyncio.timeout(self._limits.seconds), self._room:
                return await work
        except TimeoutError:
            raise Problem(
                503, GenerationError.__name__, f"the parts took longer than {self._limits.seconds:g} s", later()
            ) from None
        finally:
            work.close()

    async def _first_of(self, moves: Candidates, ask: Callable[[PartMove], Awaitable[Found]]) -> Found:
        """From the first of the moves whose generations all parts have."""
        lacking: PartAbsent | None = None
        for move in moves:
            try:
                found = await ask(move)
            except PartAbsent as error:
                log.warning("move %d is not answered from: %s", move.number, error)
                lacking = error
                continue
            return found
        assert lacking is not None
        raise absent(lacking.part, moves, self._known.moves[-1])

    async def _of_whole(
        self, moves: Candidates, ask: Callable[[PartMove], Awaitable[dict[str, Any]]]
    ) -> tuple[PartMove, dict[str, Any]]:
        """What all parts say of one move."""

        async def of(move: PartMove) -> tuple[PartMove, dict[str, Any]]:
            return move, await ask(move)

        try:
            return await self._first_of(moves, of)
        except PartDown as error:
            raise down(error) from error

    async def _answer(
        self, moves: Candidates, question: Question, ask: Ask, explain: bool
    ) -> tuple[Told, list[dict[str, Any]]]:
        told, found = await self._first_of(
            moves, lambda move: self._from(Told(move, question, ask, explain, tuple(move.parts)))
        )
        self._known.answered = max(self._known.answered, told.move.number)
        return told, found

    async def _looked_up(
        self, moves: Candidates, ids: Sequence[int], before: int = 0, after: int = 0
    ) -> tuple[PartMove, list[dict[str, Any]]]:
        """What the parts say of chunks. A part that is down matters where a chunk is in none of the others."""
        body = {"ids": list(ids), "before": before, "after": after}

        async def of(move: PartMove) -> tuple[PartMove, list[dict[str, Any]]]:
            asked = [self._rounds.of_part(move, name, "/v1/part/chunks", body) for name in move.parts]
            told = await asyncio.gather(*asked, return_exceptions=True)
            found = [one for one in told if not isinstance(one, BaseException)]
            there = {chunk["chunk_id"] for document in found for chunk in document["chunks"]}
            lacking = [one for one in ids if one not in there]
            errors = [one for one in told if isinstance(one, BaseException)]
            if lacking and errors:
                raise down(errors[0]) if isinstance(errors[0], PartDown) else errors[0]
            if lacking:
                raise refused(
                    404,
                    f"chunk {lacking[0]} is not in generation {move.number} ({len(lacking)} of {len(ids)} are not); "
                    "search again: a changed text keeps its chunk_id, a moved or deleted one does not",
                )
            return move, found

        return await self._first_of(moves, of)

    async def _from(self, told: Told) -> tuple[Told, list[dict[str, Any]]]:
        """All texts of a question from one move and the same parts."""
        while True:
            try:
                return told, await self._rounds.answered_all(told)
            except PartDown as error:
                log.warning("%s", error)
                left = tuple(name for name in told.names if name != error.part)
                if not self._partial or not left:
                    raise down(error) from error
                # Counts, means and spreads are of those that answer: all of it is asked again.
                told = replace(told, names=left)

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
