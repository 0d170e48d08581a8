"""/mcp: the tools of agents over HTTP, as MCP's streamable HTTP has it, within the bounds of every other route.

Each message is a request of its own, without a session: nothing is kept for an agent that goes away, and an answer may
come from any process. The guard before it asks for the token and looks at the host's name.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from mcp.server.transport_security import TransportSecuritySettings
from starlette.requests import Request

from xtr_assets.server.agent_tools import MOST_HITS, agent_server
from xtr_assets.server.guard import Message, Receive, Scope, Send, response_of
from xtr_assets.server.hosted_index import HostedIndex
from xtr_assets.server.json_body import body_bytes
from xtr_assets.server.limits import RETRY_AFTER, Limits
from xtr_assets.server.problem import Problem, busy, problem_of, refused, too_slow
from xtr_assets.server.witness import Witness


class AgentRoute:
    """An ASGI application over these indexes, which follow their pointers by themselves; `running` around its use."""

    def __init__(
        self, indexes: Sequence[HostedIndex], limits: Limits, workers: int, witnesses: Sequence[Witness] = ()
    ) -> None:
        self._limits = limits
        server = agent_server(indexes, Limits(k=MOST_HITS), look=False, witnesses=witnesses)
        server.streamable_http_app(
            stateless_http=True,
            json_response=True,
            max_request_body_size=limits.body_bytes,
            # The guard knows the names of this server, behind a proxy too; here is no list of them.
            transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),
        )
        self._manager = server.session_manager
        self._turns, self._waiting = asyncio.Semaphore(workers), 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """While the server serves; once."""
        async with self._manager.run():
            yield

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One message."""
        begun = False

        async def noted(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._answer(scope, receive, noted)
        except Exception as error:
            if begun:
                raise
            await response_of(problem_of(error))(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        _check(request)
        body = await body_bytes(request, self._limits)
        if self._waiting >= self._limits.queue:
            raise busy(f"{self._waiting} messages wait already; ask again in {RETRY_AFTER} s", RETRY_AFTER)
        self._waiting += 1
        try:
            async with asyncio.timeout(self._limits.seconds):
                async with self._turns:
                    await self._manager.handle_request(scope, _replayed(body, receive), send)
        except TimeoutError:
            raise too_slow(f"no answer within {self._limits.seconds:g} s; ask for less") from None
        finally:
            self._waiting -= 1


def _check(request: Request) -> None:
    if request.method != "POST":
        # A stream of the server's own messages, of which there are none, would hold a connection for ever.
        raise Problem(
            405, "InvalidInput", "messages are sent with POST; there is nothing to listen to", {"Allow": "POST"}
        )
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != request.headers.get("host"):
        raise refused(403, "a page of another site asks; agents ask without an Origin")


def _replayed(body: bytes, receive: Receive) -> Receive:
    """The body again, then what the client does afterwards: go away."""
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again
