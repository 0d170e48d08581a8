"""The routes: each reads a request, asks an index, writes JSON."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from xtr_assets.core.errors import InvalidInput
from xtr_assets.search.neighbourhood import neighbourhood
from xtr_assets.server import heap, overview
from xtr_assets.server.answers import (
    Alike,
    Answered,
    answer_arrays,
    answer_together,
    chunks_document,
    encoded,
    neighbourhood_document,
)
from xtr_assets.server.bearers import Bearers
from xtr_assets.server.facets import FacetCounts
from xtr_assets.server.gatherer import Gatherer
from xtr_assets.server.guard import AGENTS, Guard, Receive, Scope, Send, response_of, shortcut
from xtr_assets.server.hosted_index import HostedIndex
from xtr_assets.server.json_body import json_object
from xtr_assets.server.limits import Limits
from xtr_assets.server.live_recall import LiveRecall
from xtr_assets.server.openapi import openapi_document
from xtr_assets.server.page_files import page_routes
from xtr_assets.server.part_lookup import PART_ROUTES, PartAnswer
from xtr_assets.server.part_route import Strict, parsed
from xtr_assets.server.problem import Problem, problem_of, refused
from xtr_assets.server.query_log import QueryLog
from xtr_assets.server.question import parse_question
from xtr_assets.server.state_report import state_report
from xtr_assets.server.witness import Witness
from xtr_assets.telemetry import metrics
from xtr_assets.telemetry.shared_metrics import SharedMetrics

if TYPE_CHECKING:
    from xtr_assets.server.agent_route import AgentRoute

log = logging.getLogger(__name__)

# A request names the generation it wants by this header, an answer the one it came from.
GENERATION_HEADER = "Xtr-Generation"
# How often a worker writes what it counts (5 ms).
TELL_SECONDS = 1.0
# How often the pointer is read (20 us).
POLL_SECONDS = 1.0

Handler = Callable[[Request], Awaitable[Response]]


def json_response(document: Mapping[str, Any], status: int = 200) -> Response:
    """A JSON answer."""
    return Response(encoded(document), status, media_type="application/json")


def answered(handler: Handler) -> Handler:
    """The handler with every error as an answer."""

    async def safely(request: Request) -> Response:
        try:
            return await handler(request)
        except Exception as error:
            return response_of(problem_of(error))

    return safely


class Server:
    """Several indexes behind one URL; `app` is the ASGI application.

    workers : threads that search. poll_seconds : how often each index looks at its pointer. agents : what answers at
    /mcp, where anything does. live : measures recall of a share of what is asked.
    query_log : keeps it. shared : where this is one of several processes, whose metrics are told as one. own_process :
    whether nothing but this server runs here, so that it may see to the memory of the process.
    """

    def __init__(
        self,
        indexes: Sequence[HostedIndex],
        bearers: Bearers,
        limits: Limits | None = None,
        workers: int = 2,
        hosts: Collection[str] | None = None,
        poll_seconds: float = POLL_SECONDS,
        agents: "AgentRoute | None" = None,
        live: LiveRecall | None = None,
        query_log: QueryLog | None = None,
        shared: SharedMetrics | None = None,
        own_process: bool = False,
    ) -> None:
        self._own_process = own_process
        self._indexes, self._bearers = {index.name: index for index in indexes}, bearers
        self._limits, self._poll_seconds = limits or Limits(), poll_seconds
        self._live, self._query_log, self._shared = live, query_log, shared
        witnesses: list[Witness] = [one for one in (live, query_log) if one is not None]
        self._gatherer = Gatherer(partial(answer_together, witnesses), workers, self._limits)
        self._facet_counts, self._agents = FacetCounts(), agents
        routes = [
            Route("/v1/search", answered(self._search), methods=["POST"]),
            Route("/v1/chunks", answered(self._chunks)),
            Route("/v1/chunks/{chunk_id}", answered(self._chunk)),
            Route("/v1/generation", answered(self._generation)),
            Route("/v1/generations", answered(self._generations)),
            Route("/v1/generations/{number}/open", answered(self._open_beside), methods=["POST"]),
            Route("/v1/facets", answered(self._facets)),
            Route("/v1/state", answered(self._state)),
            *(Route(path, self._part(kind, told), methods=["POST"]) for path, (kind, told) in PART_ROUTES.items()),
            Route("/healthz", answered(self._health)),
            Route("/readyz", answered(self._ready)),
            Route("/metrics", answered(self._metrics)),
            Route("/openapi.json", answered(self._openapi)),
            *page_routes(),
        ]
        if agents is not None:
            routes.append(Route(AGENTS, agents))
        starlette = Starlette(routes=routes, lifespan=self._lifespan, exception_handlers={HTTPException: http_problem})
        self.app = Guard(shortcut("POST", "/v1/search", self._search_straight, starlette), bearers, hosts)

    async def _search_straight(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await answered(self._search)(Request(scope, receive))
        await response(scope, receive, send)

    # -- routes -------------------------------------------------------------------------------------------------------

    async def _search(self, request: Request) -> Response:
        index, pinned = self._index(request), pinned_by(request)
        question = parse_question(await json_object(request, self._limits), self._limits)
        if question.kind == "queries":
            shared = Alike(index, pinned, question.alike)
            found: Answered = await self._gatherer.ask(shared, question, len(question.asked))
        else:
            found = await self._gatherer.alone(partial(answer_arrays, index, pinned, question))
        headers = {GENERATION_HEADER: str(found.generation)}
        return Response(found.body, headers=headers, media_type="application/json")

    async def _chunks(self, request: Request) -> Response:
        index, pinned = self._index(request), pinned_by(request)
        ids = [number_in(one, "ids") for one in request.query_params.get("ids", "").split(",") if one]
        if len(ids) > self._limits.hits:
            raise refused(400, f"{len(ids)} ids, at most {self._limits.hits} are taken; ask in several requests")

        def read() -> dict[str, Any]:
            with index.use(pinned) as searcher:
                return chunks_document(index, searcher.generation, searcher.hydrate(ids))

        return json_response(await self._gatherer.alone(_found(read)))

    async def _chunk(self, request: Request) -> Response:
        index, pinned = self._index(request), pinned_by(request)
        chunk_id = number_in(request.path_params["chunk_id"], "the chunk's id")
        before, after = (
            number_in(request.query_params.get(name, "0"), name, self._limits.neighbours)
            for name in ("before", "after")
        )

        def read() -> dict[str, Any]:
            with index.use(pinned) as searcher, searcher.opened() as opened:
                return neighbourhood_document(index, opened.number, neighbourhood(opened, chunk_id, before, after))

        return json_response(await self._gatherer.alone(_found(read)))

    async def _generation(self, request: Request) -> Response:
        index, pinned = self._index(request), pinned_by(request)

        def read() -> dict[str, Any]:
            with index.use(pinned) as searcher:
                return overview.generation_now(index, searcher)

        return json_response(await self._gatherer.alone(read))

    async def _generations(self, request: Request) -> Response:
        return json_response(await self._gatherer.alone(partial(overview.generations, self._index(request))))

    async def _open_beside(self, request: Request) -> Response:
        index, number = self._index(request), number_in(request.path_params["number"], "the generation")

        def opened() -> dict[str, Any]:
            index.open_beside(number)
            return {"index": index.name, "generation": number, "serving": index.serving, "kept": index.kept}

        return json_response(await self._gatherer.alone(opened))

    async def _facets(self, request: Request) -> Response:
        index, pinned = self._index(request), pinned_by(request)

        def read() -> dict[str, Any]:
            with index.use(pinned) as searcher:
                return self._facet_counts.of(index.name, searcher)

        return json_response(await self._gatherer.alone(read))

    async def _state(self, request: Request) -> Response:
        index = self._index(request)

        def read() -> dict[str, Any]:
            return {
                **state_report(index),
                "live_recall": None if self._live is None else self._live.document(index.name, self._others()),
            }

        return json_response(await self._gatherer.alone(read))

    def _part(self, kind: type[Strict], answer: PartAnswer) -> Handler:
        """A route of a part, for its front."""

        async def told(request: Request) -> Response:
            index = self._index(request)
            body = parsed(kind, await json_object(request, self._limits), self._limits)
            return json_response(await self._gatherer.alone(partial(answer, index, body)))

        return answered(told)

    async def _health(self, _: Request) -> Response:
        return json_response({"ok": True})

    async def _ready(self, _: Request) -> Response:
        found = {name: overview.readiness(index) for name, index in self._indexes.items()}
        problem = self._bearers.problem()
        ready = problem is None and all(one["answers"] for one in found.values())
        return json_response({"ready": ready, "problem": problem, "indexes": found}, 200 if ready else 503)

    async def _metrics(self, _: Request) -> Response:
        shared = self._shared
        render = metrics.render if shared is None else partial(shared.render, self._told())
        return Response(await asyncio.to_thread(render), media_type=metrics.CONTENT_TYPE)

    async def _openapi(self, _: Request) -> Response:
        return json_response(openapi_document(self._limits))

    # -- what they share ----------------------------------------------------------------------------------------------

    def _index(self, request: Request) -> HostedIndex:
        name = request.query_params.get("index")
        if name is None and len(self._indexes) == 1:
            return next(iter(self._indexes.values()))
        if name is None:
            raise refused(400, f"this server has several indexes; name one, `?index=`: {', '.join(self._indexes)}")
        if name not in self._indexes:
            raise refused(404, f"no index {name[:100]!r} here; there are {', '.join(self._indexes)}")
        return self._indexes[name]

    @asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        await asyncio.gather(*(asyncio.to_thread(index.look) for index in self._indexes.values()))
        if self._live is not None:
            self._live.start()
        if self._query_log is not None:
            self._query_log.start()
        followers = [asyncio.create_task(self._follow(index)) for index in self._indexes.values()]
        if self._shared is not None:
            followers.append(asyncio.create_task(self._tell()))
        if self._own_process:
            heap.settle()
            followers.append(asyncio.create_task(_tidy()))
        try:
            async with AsyncExitStack() as stack:
                if self._agents is not None:
                    await stack.enter_async_context(self._agents.running())
                yield
        finally:
            for one in followers:
                one.cancel()
            await asyncio.gather(*followers, return_exceptions=True)
            await asyncio.to_thread(self._gatherer.close)
            if self._live is not None:
                self._live.close()
            if self._query_log is not None:
                await asyncio.to_thread(self._query_log.close)
            for index in self._indexes.values():
                await asyncio.to_thread(index.close)

    async def _follow(self, index: HostedIndex) -> None:
        while True:
            await asyncio.sleep(self._poll_seconds)
            await asyncio.to_thread(index.look)

    async def _tell(self) -> None:
        """Keep what this process counts where the others find it."""
        assert self._shared is not None
        while True:
            try:
                await asyncio.to_thread(self._shared.write, self._told())
            except OSError:
                log.exception("the metrics of this worker cannot be shared")
            await asyncio.sleep(TELL_SECONDS)

    def _told(self) -> dict[str, Any] | None:
        return None if self._live is None else self._live.tally.snapshot()

    def _others(self) -> Sequence[Mapping[str, Any]]:
        return () if self._shared is None else self._shared.others()


async def _tidy() -> None:
    while True:
        await asyncio.sleep(heap.TRIM_SECONDS)
        await asyncio.to_thread(heap.give_back)


async def http_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    missing = f"no page {request.url.path[:100]!r} here; /openapi.json says what there is; a client adds /v1 itself"
    wanted = {404: missing, 405: "another method is wanted; see /openapi.json"}
    problem = refused(error.status_code, wanted.get(error.status_code, str(error.detail)))
    return response_of(Problem(problem.status, problem.kind, problem.message, error.headers or {}))


def _found(read: Callable[[], dict[str, Any]]) -> Callable[[], dict[str, Any]]:
    """What is not there is 404, not a mistake in the question."""

    def tried() -> dict[str, Any]:
        try:
            return read()
        except InvalidInput as error:
            raise refused(404, str(error)) from error

    return tried


def pinned_by(request: Request) -> int | None:
    """The generation that a request names. Raises Problem 400."""
    given = request.headers.get(GENERATION_HEADER)
    return None if given is None else number_in(given, GENERATION_HEADER)


def number_in(text: str, name: str, most: int = 2**63 - 1) -> int:
    """A whole number of a request, from 0. Raises Problem 400."""
    # 19 digits are 64 bits. `isdigit` alone takes digits of other scripts, and powers.
    if not (text.isascii() and text.isdigit() and len(text) <= 19) or int(text) > most:
        raise refused(400, f"{name} is {text[:40]!r}; give a whole number from 0 to {most}")
    return int(text)
