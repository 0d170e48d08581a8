"""Before every request: whom it is for, who asks. After it: what was counted. Plain ASGI, 20 us a request."""

import logging
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from importlib.metadata import version
from time import perf_counter
from typing import Any

from starlette.responses import Response

from xtr_assets.client.wire import VERSION_HEADER
from xtr_assets.core.errors import Unauthorized
from xtr_assets.server.answers import encoded
from xtr_assets.server.bearers import Bearers
from xtr_assets.server.page_files import FILES
from xtr_assets.server.problem import Problem, refused
from xtr_assets.telemetry import metrics

log = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]

# Asked by load balancers and tools, which have no token; they tell nothing of any text.
OPEN_ROUTES = ("/healthz", "/readyz", "/openapi.json")
AGENTS = "/mcp"
# Label values of metrics, never paths that strangers make up.
ROUTES = (
    *OPEN_ROUTES,
    "/v1/search",
    "/v1/chunks",
    "/v1/facets",
    "/v1/generation",
    "/v1/generations",
    "/v1/state",
    "/v1/part/prepare",
    "/v1/part/near",
    "/v1/part/legs",
    "/v1/part/ranks",
    "/v1/part/chunks",
    "/v1/part/explain",
    "/v1/part/facets",
    "/v1/part/state",
    "/metrics",
    AGENTS,
)
HEADERS = [
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (VERSION_HEADER.lower().encode(), version("xtr-assets").encode()),
]


def shortcut(method: str, path: str, app: Asgi, others: Asgi) -> Asgi:
    """One route without a router on the way: Starlette's takes 60 us of a request, with its two middlewares."""

    async def chosen(scope: Scope, receive: Receive, send: Send) -> None:
        straight = scope["type"] == "http" and scope["path"] == path and scope["method"] == method
        await (app if straight else others)(scope, receive, send)

    return chosen


class Guard:
    """Answers 401, 403 and 421 itself; hands on the rest.

    hosts : names that a request may call this server by; None for any. Where no token is asked for, a page in a browser
        could otherwise reach it through a name of its own that leads here (DNS rebinding)
    """

    def __init__(self, app: Asgi, bearers: Bearers, hosts: Collection[str] | None = None) -> None:
        self._app, self._bearers, self._hosts = app, bearers, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, route, status = perf_counter(), _route(scope["path"]), 0

        async def counted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), *HEADERS]
            await send(message)

        try:
            refusal = self._refusal(scope)
            app: Asgi = self._app if refusal is None else response_of(refusal)
            await app(scope, receive, counted)
        finally:
            metrics.SERVER_REQUESTS.labels(route, str(status)).inc()
            metrics.SERVER_SECONDS.labels(route).observe(perf_counter() - started)

    def _refusal(self, scope: Scope) -> Problem | None:
        if self._hosts is not None and _hostname(_header(scope, b"host")) not in self._hosts:
            return refused(421, f"this server answers to {', '.join(sorted(self._hosts))}; call it by one of these")
        # A browser sends a POST without a body anywhere, and one of these opens a generation.
        origin = _header(scope, b"origin") if self._hosts is not None and scope["method"] == "POST" else None
        if origin is not None and _hostname(origin.partition("://")[2]) not in (self._hosts or ()):
            return refused(403, "a page of another site asks; ask from this server's own page, or without an Origin")
        # The page is the same for everybody; what it shows it asks for, with a token.
        if self._bearers.open or scope["path"] in OPEN_ROUTES or scope["path"] in FILES:
            return None
        if self._bearers.name_of(_header(scope, b"authorization")) is None:
            return Problem(
                401,
                Unauthorized.__name__,
                "no valid token; send `Authorization: Bearer ...` with one of the server's",
                {"WWW-Authenticate": "Bearer"},
            )
        return None


def response_of(problem: Problem) -> Response:
    """The answer that says what is wrong."""
    return Response(encoded(problem.document()), problem.status, problem.headers, "application/json")


def _header(scope: Scope, name: bytes) -> str | None:
    values = [value for key, value in scope["headers"] if key == name]
    # Two of a kind: one of them may be somebody else's.
    return values[0].decode("latin-1") if len(values) == 1 else None


def _hostname(host: str | None) -> str:
    named = (host or "").lower()
    return named.partition("]")[0].lstrip("[") if named.startswith("[") else named.partition(":")[0]


def _route(path: str) -> str:
    for known in ("/v1/chunks", "/v1/generations"):
        if path.startswith(f"{known}/"):
            return known
    if path in FILES:
        return "/"
    return path if path in ROUTES else "other"
