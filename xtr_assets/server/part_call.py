"""A question to one part, which several servers have: the next is asked where one fails, or takes long."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import httpx

from xtr_assets.client.cancellation import cancellable
from xtr_assets.client.destination import Destination
from xtr_assets.client.wire import GENERATION_HEADER, VERSION_HEADER, document_of
from xtr_assets.core.errors import InvalidInput, XtrAssetsError
from xtr_assets.core.http_environment import made_here
from xtr_assets.server.answers import encoded

# What a server says that has not the generation, or not this one of its number; 503 is one that has no room.
ABSENT = (404, 409, 410)
# And one that has not the route, the method or a field of the body.
UNKNOWN = (400, 404, 405)
# Of what a server calls its release.
SHOWN = 30


class PartAbsent(Exception):
    """No server of the part that answered holds the generation: another move may be answered from."""

    def __init__(self, part: str, told: str) -> None:
        self.part = part
        super().__init__(f"part {part}: {told}")


class PartDown(Exception):
    """No server of the part answered. outdated : where one is of another release and does not know what it was asked,
    which of the two that is."""

    def __init__(self, part: str, told: Sequence[str], outdated: str = "") -> None:
        self.part, self.outdated = part, outdated
        super().__init__(f"part {part}: {'; '.join(told)}")


@dataclass(frozen=True, slots=True)
class PartRequest:
    """body : of a POST, None for a GET with `query`; pinned : the generation that must answer."""

    path: str
    body: Mapping[str, Any] | None = None
    query: Mapping[str, str] | None = None
    pinned: int | None = None


def part_client() -> httpx.AsyncClient:
    """A client for them. As many connections as a front has questions for parts: httpx lets a hundred be open, and what
    waits for one of these counts as slow, so that the next replica is asked as well, which takes one more."""
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=100)
    return made_here(lambda: httpx.AsyncClient(limits=limits))


class PartServers:
    """Where the parts are served: by part its replicas.

    hedge_seconds : how long one replica may take before the next is asked as well; the first answer counts.
    """

    def __init__(
        self,
        servers: Mapping[str, Sequence[Destination]],
        hedge_seconds: float,
        client: httpx.AsyncClient,
    ) -> None:
        if empty := [part for part, own in servers.items() if not own]:
            raise InvalidInput(f"part {empty[0]} has no server")
        self.servers, self._hedge, self._client = dict(servers), hedge_seconds, client
        # Replicas take turns, so that each has its share.
        self._turn: dict[str, int] = defaultdict(int)

    async def ask(self, part: str, request: PartRequest) -> dict[str, Any]:
        """The document of the first server that answers. Raises PartAbsent, PartDown, and InvalidInput for a question
        that the server refused."""
        if part not in self.servers:
            raise PartDown(part, ["no server of it is known here (--part NAME=URL)"])
        waiting = self._in_turn(part)
        running: set[asyncio.Task[dict[str, Any]]] = set()
        down: list[str] = []
        absent: list[str] = []
        outdated = ""
        try:
            while True:
                if waiting:
                    running.add(asyncio.create_task(self._send(waiting.pop(0), request)))
                elif not running and outdated:
                    raise PartDown(part, [*down, *absent], outdated)
                elif not running:
                    raise PartAbsent(part, "; ".join(absent)) if absent else PartDown(part, down)
                done, running = await asyncio.wait(
                    running, timeout=self._hedge if waiting else None, return_when=asyncio.FIRST_COMPLETED
                )
                for one in done:
                    try:
                        return one.result()
                    except _Absent as error:
                        absent.append(str(error))
                    except _Outdated as error:
                        outdated = error.release
                        down.append(str(error))
                    except _Down as error:
                        down.append(str(error))
        finally:
            for one in running:
                one.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    def _in_turn(self, part: str) -> list[Destination]:
        own = self.servers[part]
        first = self._turn[part] % len(own)
        self._turn[part] += 1
        return [*own[first:], *own[:first]]

    async def _send(self, where: Destination, request: PartRequest) -> dict[str, Any]:
        headers = dict(where.headers)
        if request.pinned is not None:
            headers[GENERATION_HEADER] = str(request.pinned)
        query = {**(request.query or {}), **({} if where.index is None else {"index": where.index})}
        try:
            if request.body is None:
                asking = self._client.get(
                    where.url + request.path, params=query, headers=headers, timeout=where.timeout
                )
            else:
                headers["Content-Type"] = "application/json"
                asking = self._client.post(
                    where.url + request.path,
                    params=query,
                    headers=headers,
                    content=encoded(request.body),
                    timeout=where.timeout,
                )
            answer = await cancellable(asking)
        except httpx.HTTPError as error:
            raise _Down(f"{where.url} does not answer ({type(error).__name__})") from error
        try:
            return document_of(answer)
        except XtrAssetsError as error:
            # One that lacks the generation says so; one that lacks the route calls the request wrong.
            wrong, told = isinstance(error, InvalidInput), f"{where.url} answers {answer.status_code} ({error})"
            if wrong and answer.status_code in UNKNOWN and (release := _other_release(answer)):
                raise _Outdated(told, release) from error
            if answer.status_code in ABSENT:
                raise _Absent(told) from error
            if wrong:
                raise
            raise _Down(f"{where.url} answers {answer.status_code} ({error})") from error


def _other_release(answer: httpx.Response) -> str:
    """Where the server is of another release than this one, of which; else ""."""
    own, other = version("xtr-assets"), answer.headers.get(VERSION_HEADER)
    if other is None:
        return f"is of a release before this front's ({own}): update it"
    return "" if other == own else f"is of release {other[:SHOWN]!r}, this front of {own!r}: update the older of them"


class _Absent(Exception):
    """One server has not the generation."""


class _Down(Exception):
    """One server did not answer."""


class _Outdated(_Down):
    """One server does not know what it was asked, and is of another release."""

    def __init__(self, told: str, release: str) -> None:
        self.release = release
        super().__init__(f"{told}; it {release}")


async def together(asked: Mapping[str, Awaitable[dict[str, Any]]]) -> dict[str, dict[str, Any]]:
    """All answers, or the error that says most: a question that is wrong, a part that lacks the move, one that is
    down."""
    found = await asyncio.gather(*asked.values(), return_exceptions=True)
    errors = [one for one in found if isinstance(one, BaseException)]
    for kind in (InvalidInput, PartAbsent, PartDown):
        for error in errors:
            if isinstance(error, kind):
                raise error
    if errors:
        raise errors[0]
    return {name: one for name, one in zip(asked, found, strict=True) if not isinstance(one, BaseException)}
