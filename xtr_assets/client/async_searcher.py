"""The Searcher's interface over HTTP, for an event loop: `RemoteSearcher` with `await`."""

import asyncio
from collections.abc import Mapping, Sequence
from time import monotonic
from typing import Any

import httpx

from xtr_assets.client.destination import ATTEMPTS, Destination
from xtr_assets.client.remote_searcher import IDS, LOST
from xtr_assets.client.wire import (
    Call,
    arrays_of,
    document_of,
    hits_of,
    modes_of,
    search_call,
    tokens_of,
    unreachable,
    vectors_of,
)
from xtr_assets.core.errors import GenerationError, ServerBusy
from xtr_assets.core.types import Floats, Ints
from xtr_assets.search.hit_table import Hits


class AsyncRemoteSearcher:
    """An index of `xtr-assets serve`, each method of RemoteSearcher as a coroutine; made by `connect_async`.

    It raises what RemoteSearcher raises: the errors of a Searcher, RemoteError and those below it.
    """

    def __init__(self, destination: Destination, pin: bool = False) -> None:
        self._destination, self._pin = destination, pin
        self._client = httpx.AsyncClient(headers=destination.headers, timeout=destination.timeout)
        self._pinned: int | None = None

    async def generation(self) -> int:
        """Number of the generation that answers now: the pinned one, or what the server serves."""
        return int((await self._about())["generation"]) if self._pinned is None else self._pinned

    async def profile(self) -> dict[str, dict[str, Any]]:
        """How the indexes search now, see `Searcher.profile`."""
        return dict((await self._about())["profile"])

    async def modes(self) -> tuple[str, ...]:
        """The modes that the generation answers, see `Searcher.modes`."""
        return modes_of(await self._about())

    async def devices(self) -> Mapping[str, str]:
        """Where each part serves, see `Searcher.devices`."""
        return dict((await self._about())["devices"])

    async def refresh(self) -> int:
        """Move the pin to what the server serves now; its number."""
        for attempt in range(1, ATTEMPTS + 1):
            number = int((await self._ask(Call("/v1/generation"), None))["generation"])
            if not self._pin:
                break
            try:
                # Named once, the generation is leased; the server may have moved on between the two requests.
                await self._ask(Call("/v1/generation"), number)
            except GenerationError:
                if attempt == ATTEMPTS:
                    raise
            else:
                self._pinned = number
                break
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
        asked = {"query": query, "k": k, "mode": mode, "where": where}
        return hits_of((await self._ask(search_call(asked, settings), self._pinned))["hits"])

    async def search_batch(
        self,
        queries: Sequence[str],
        k: int = 10,
        mode: str = "hybrid",
        where: Mapping[str, Any] | None = None,
        **settings: Any,
    ) -> list[Hits]:
        """`search` for several queries at once, see `Searcher.search_batch`."""
        asked = {"queries": queries, "k": k, "mode": mode, "where": where}
        return [
            hits_of(one["hits"]) for one in (await self._ask(search_call(asked, settings), self._pinned))["results"]
        ]

    async def search_vectors(
        self, queries: Floats, k: int = 10, where: Mapping[str, Any] | None = None, **settings: Any
    ) -> tuple[Floats, Ints]:
        """Dense search with embeddings of one's own, see `Searcher.search_vectors`: queries float32 [n, dim]."""
        asked = {"vectors": vectors_of(queries), "k": k, "where": where, "hydrate": False}
        return arrays_of((await self._ask(search_call(asked, settings), self._pinned))["results"], k)

    async def search_tokens(
        self, queries: Sequence[Floats], k: int = 10, where: Mapping[str, Any] | None = None, **settings: Any
    ) -> tuple[Floats, Ints]:
        """Late interaction with tokens of one's own, see `Searcher.search_tokens`: each query float32 [tokens, dim]."""
        asked = {"tokens": tokens_of(queries), "k": k, "where": where, "hydrate": False}
        return arrays_of((await self._ask(search_call(asked, settings), self._pinned))["results"], k)

    async def hydrate(self, chunk_ids: Sequence[int]) -> Hits:
        """Chunks by id, see `Searcher.hydrate`. All come from one generation."""
        ids, found, generation = list(map(int, chunk_ids)), Hits(), self._pinned
        for start in range(0, len(ids), IDS):
            part = ",".join(map(str, ids[start : start + IDS]))
            answered = await self._ask(Call("/v1/chunks", {"ids": part}), generation)
            generation = answered["generation"]
            found += hits_of(answered["chunks"])
        return found

    async def close(self) -> None:
        """Close the connections; further searches are refused. Closing twice is allowed."""
        await self._client.aclose()

    async def __aenter__(self) -> "AsyncRemoteSearcher":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _about(self) -> dict[str, Any]:
        return await self._ask(Call("/v1/generation"), self._pinned)

    async def _ask(self, call: Call, pinned: int | None) -> dict[str, Any]:
        if self._client.is_closed:
            raise GenerationError("this searcher was closed; connect again")
        until = monotonic() + self._destination.timeout
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return document_of(await self._client.send(self._destination.request(self._client, call, pinned)))
            except ServerBusy as error:
                if attempt == ATTEMPTS or monotonic() + error.retry_after > until:
                    raise
                await asyncio.sleep(error.retry_after)
            except LOST as error:
                if attempt == ATTEMPTS:
                    raise unreachable(self._destination.url, error, self._destination.timeout) from error
            except httpx.HTTPError as error:
                raise unreachable(self._destination.url, error, self._destination.timeout) from error
        raise AssertionError("every attempt returns or raises")


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
