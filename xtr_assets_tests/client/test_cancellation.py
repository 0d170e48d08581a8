"""Who is cancelled leaves at once, and the connection is given back."""

import asyncio
import gc
import json
from functools import partial
from typing import Any

import anyio
import httpx
import pytest

import xtr_assets as xa
from xtr_assets.client.cancellation import cancellable
from xtr_assets.client.destination import Destination
from xtr_assets.server.part_call import PartRequest, PartServers


class GivesBack(httpx.AsyncBaseTransport):
    """Answers, and gives the connection back as httpcore does: shielded from anyio's cancellation, in several steps.

    taken, back : how often. at : which request is given back so slowly that it may be cancelled meanwhile
    """

    def __init__(self, at: int = 0) -> None:
        self.taken, self.back, self.at = 0, 0, at
        self.giving = asyncio.Event()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.taken += 1
        with anyio.CancelScope(shield=True):
            if self.taken - 1 == self.at:
                self.giving.set()
                await anyio.sleep(0.001)
            self.back += 1
        return httpx.Response(200, content=json.dumps({"generation": 1}).encode())


def test_a_client_gives_back_the_connection_of_a_cancelled_question(monkeypatch: pytest.MonkeyPatch) -> None:
    async def ask() -> tuple[int, int]:
        transport = GivesBack(at=1)
        monkeypatch.setattr(httpx, "AsyncClient", partial(httpx.AsyncClient, transport=transport))
        async with await xa.connect_async("http://127.0.0.1:9") as searcher:
            asking = asyncio.create_task(searcher.generation())
            await transport.giving.wait()
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
            assert (transport.taken, transport.back) == (2, 1), "the question waited for its answer"
            assert await searcher.generation() == 1
            await asyncio.sleep(0.01)
        return transport.taken, transport.back

    assert asyncio.run(ask()) == (3, 3)


class Interrupted(httpx.BaseTransport):
    """Answers once; the second question is interrupted."""

    made = 0

    def __init__(self) -> None:
        self.asked = 0
        Interrupted.made += 1

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.asked += 1
        if self.asked == 2:
            raise KeyboardInterrupt
        return httpx.Response(200, content=b'{"generation": 1}')


def test_after_an_interrupt_a_client_has_all_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    client = httpx.Client
    monkeypatch.setattr(httpx, "Client", lambda **named: client(**named, transport=Interrupted()))
    with xa.connect("http://127.0.0.1:9") as searcher:
        with pytest.raises(KeyboardInterrupt):
            _ = searcher.generation
        assert searcher.generation == 1 and Interrupted.made == 2


def test_a_front_gives_back_the_connection_of_a_replica_that_came_second() -> None:
    async def ask() -> tuple[int, int]:
        transport = GivesBack()
        async with httpx.AsyncClient(transport=transport) as client:
            there = Destination("http://there", None, None, 30.0)
            parts = PartServers({"part": [there, there]}, 0.0, client)
            assert await parts.ask("part", PartRequest("/v1/generation")) == {"generation": 1}
            await asyncio.sleep(0.01)
        return transport.taken, transport.back

    assert asyncio.run(ask()) == (2, 2)


def test_a_request_that_was_left_and_fails_is_nobodys_error() -> None:
    """Asyncio told of each such error with its traceback: of all questions that were cancelled while a server was
    away."""

    async def fails() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            raise httpx.ConnectError("away")

    async def leave(told: list[dict[str, Any]]) -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.001):
                await cancellable(fails())
        await asyncio.sleep(0.001)
        gc.collect()

    told: list[dict[str, Any]] = []
    asyncio.run(leave(told))
    assert told == []
