"""The Searcher's interface over HTTP, for an event loop: `RemoteSearcher` with `await`."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import anyio
import httpx

from xtr_assets.client import exchange
from xtr_assets.client.cancellation import cancellable
from xtr_assets.client.destination import Connected, Destination
from xtr_assets.client.exchange import Exchange, Question, Send, Wait
from xtr_assets.client.wire import modes_of, number_of
from xtr_assets.core.http_environment import made_here
from xtr_assets.core.per_process import PerProcess
from xtr_assets.core.types import Floats, Ints
from xtr_assets.search.hit_table import Hits

Result = TypeVar("Result")


class AsyncRemoteSearcher(Connected):
    """An index of `xtr-assets serve`, each method of RemoteSearcher as a coroutine; made by `connect_async`.

    It raises what RemoteSearcher raises: the errors of a Searcher, RemoteError and those below it.
    """

    def __init__(self, destination: Destination, pin: bool = False) -> None:
        self._destination, self._pin = destination, pin
        # Connections belong to the loop that opened them: another one, of `asyncio.run` again, has its own.
        self._client = PerProcess(
            lambda: made_here(lambda: httpx.AsyncClient(headers=destination.headers, timeout=destination.timeout)),
            _loop,
            _is_closed,
        )
        self._closed = False
        self._pinned: int | None = None

    async def generation(self) -> int:
        """Number of the generation that answers now: the pinned one, or what the server serves."""
        return await self._about(number_of) if self._pinned is None else self._pinned

    async def profile(self) -> dict[str, dict[str, Any]]:
        """How the indexes search now, see `Searcher.profile`."""
        return await self._about(lambda about: dict(about["profile"]))

    async def modes(self) -> tuple[str, ...]:
        """The modes that the generation answers, see `Searcher.modes`."""
        return await self._about(modes_of)

    async def devices(self) -> Mapping[str, str]:
        """Where each part serves, see `Searcher.devices`."""
        return await self._about(lambda about: dict(about["devices"]))

    async def refresh(self) -> int:
        """Move the pin to what the server serves now; its number."""
        number = await self._run(exchange.refresh(self._destination, self._pin))
        if self._pin:
            self._pinned = number
        return number

    async def search(
        self,
        query: str,
        k: int = 10,
        mode: str = "hybrid",
        where: Mapping[str, Any] | None = None,
        **settings: Any,
    ) -> Hits:
        """The best k chunks, best first, see `Searcher.search`; settings : its keyword arguments."""
        asked = Question(k, where, settings)
        return await self._run(exchange.search(self._destination, self._pinned, query, mode, asked))

    async def search_batch(
        self,
        queries: Iterable[str],
        k: int = 10,
        mode: str = "hybrid",
        where: Mapping[str, Any] | None = None,
        **settings: Any,
    ) -> list[Hits]:
        """`search` for several queries at once, see `Searcher.search_batch`."""
        asked = Question(k, where, settings)
        return await self._run(exchange.search_batch(self._destination, self._pinned, queries, mode, asked))

    async def search_vectors(
        self, queries: Floats, k: int = 10, where: Mapping[str, Any] | None = None, **settings: Any
    ) -> tuple[Floats, Ints]:
        """Dense search with embeddings of one's own, see `Searcher.search_vectors`: queries float32 [n, dim]."""
        asked = Question(k, where, settings)
        return await self._run(exchange.search_vectors(self._destination, self._pinned, queries, asked))

    async def search_tokens(
        self, queries: Sequence[Floats], k: int = 10, where: Mapping[str, Any] | None = None, **settings: Any
    ) -> tuple[Floats, Ints]:
        """Late interaction with tokens of one's own, see `Searcher.search_tokens`: each query float32 [tokens, dim]."""
        asked = Question(k, where, settings)
        return await self._run(exchange.search_tokens(self._destination, self._pinned, queries, asked))

    async def hydrate(self, chunk_ids: Sequence[int]) -> Hits:
        """Chunks by id, see `Searcher.hydrate`. All come from one generation."""
        return await self._run(exchange.hydrate(self._destination, self._pinned, chunk_ids))

    async def close(self) -> None:
        """Close the connections of this event loop; further searches are refused, in any. Closing twice is allowed."""
        self._closed = True
        await self._client.here().aclose()

    async def __aenter__(self) -> "AsyncRemoteSearcher":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _about(self, read: Callable[[dict[str, Any]], Result]) -> Result:
        return await self._run(exchange.about(self._destination, self._pinned, read))

    async def _run(self, steps: Exchange[Result]) -> Result:
        self._check_open()
        try:
            step = next(steps)
            while True:
                try:
                    answer = await self._do(step)
                except (httpx.HTTPError, RuntimeError) as error:
                    # What httpx says of connections that another task closed is a RuntimeError, or any of its own.
                    self._check_open()
                    step = steps.throw(error)
                else:
                    step = steps.send(answer)
        except StopIteration as ended:
            result: Result = ended.value
            return result

    async def _do(self, step: Send | Wait) -> httpx.Response | None:
        if isinstance(step, Wait):
            await anyio.sleep(step.seconds)
            return None
        client = self._client.here()
        request = self._destination.request(client, step.call, step.pinned)
        try:
            # httpx bounds each wait for more of an answer, and not all of them.
            with anyio.fail_after(self._destination.timeout):
                return await cancellable(client.send(request))
        except TimeoutError as error:
            raise httpx.ReadTimeout("the answer goes on", request=request) from error


async def connect_async(
    url: str, token: str | None = None, index: str | None = None, *, pin: bool = False, timeout: float = 30.0
) -> AsyncRemoteSearcher:
    """`connect` for an event loop: `searcher = await connect_async(...)`, then `await searcher.search(...)`."""
    searcher = AsyncRemoteSearcher(Destination.checked(url, token, index, timeout), pin)
    try:
        await searcher.refresh()
    except BaseException:
        await searcher.close()
        raise
    return searcher


def _loop() -> object:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _is_closed(loop: object) -> bool:
    return isinstance(loop, asyncio.AbstractEventLoop) and loop.is_closed()
