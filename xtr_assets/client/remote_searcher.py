"""The Searcher's interface over HTTP, for threads."""

from collections.abc import Mapping, Sequence
from time import monotonic, sleep
from typing import Any

import httpx

from xtr_assets.client.destination import ATTEMPTS, Destination
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

# An idle connection that the server closed just now: the request never arrived, or reads only.
LOST = (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError)
# Ids of one request: 20 bytes each, of 64 KB that a head may have.
IDS = 1000


class RemoteSearcher:
    """An index of `xtr-assets serve`, with the methods of a Searcher; made by `connect`. Usable from many threads.

    Errors are those of a local Searcher; besides them RemoteError where no server answers, Unauthorized, ServerBusy
    (after some tries of its own) and QuestionTimeout.
    """

    def __init__(self, destination: Destination, pin: bool = False) -> None:
        self._destination, self._pin = destination, pin
        self._client = httpx.Client(headers=destination.headers, timeout=destination.timeout)
        self._pinned: int | None = None
        try:
            self.refresh()
        except BaseException:
            self._client.close()
            raise

    @property
    def generation(self) -> int:
        """Number of the generation that answers now: the pinned one, or what the server serves."""
        return int(self._about()["generation"]) if self._pinned is None else self._pinned

    @property
    def profile(self) -> dict[str, dict[str, Any]]:
        """How the indexes search now, see `Searcher.profile`."""
        return dict(self._about()["profile"])

    @property
    def modes(self) -> tuple[str, ...]:
        """The modes that the generation answers, see `Searcher.modes`."""
        return modes_of(self._about())

    @property
    def devices(self) -> Mapping[str, str]:
        """Where each part serves, see `Searcher.devices`."""
        return dict(self._about()["devices"])

    def refresh(self) -> int:
        """Move the pin to what the server serves now; its number."""
        for attempt in range(1, ATTEMPTS + 1):
            number = int((self._ask(Call("/v1/generation"), None))["generation"])
            if not self._pin:
                break
            try:
                # Named once, the generation is leased; the server may have moved on between the two requests.
                self._ask(Call("/v1/generation"), number)
            except GenerationError:
                if attempt == ATTEMPTS:
                    raise
            else:
                self._pinned = number
                break
        return number

    def search(
        self,
        query: str,
        k: int = 10,
        mode: str = "hybrid",
        where: Mapping[str, Any] | None = None,
        **settings: Any,
    ) -> Hits:
        """The best k chunks, best first, see `Searcher.search`; settings : its keyword arguments."""
        asked = {"query": query, "k": k, "mode": mode, "where": where}
        return hits_of(self._ask(search_call(asked, settings), self._pinned)["hits"])

    def search_batch(
        self,
        queries: Sequence[str],
        k: int = 10,
        mode: str = "hybrid",
        where: Mapping[str, Any] | None = None,
        **settings: Any,
    ) -> list[Hits]:
        """`search` for several queries at once, see `Searcher.search_batch`."""
        asked = {"queries": queries, "k": k, "mode": mode, "where": where}
        return [hits_of(one["hits"]) for one in self._ask(search_call(asked, settings), self._pinned)["results"]]

    def search_vectors(
        self, queries: Floats, k: int = 10, where: Mapping[str, Any] | None = None, **settings: Any
    ) -> tuple[Floats, Ints]:
        """Dense search with embeddings of one's own, see `Searcher.search_vectors`: queries float32 [n, dim]."""
        asked = {"vectors": vectors_of(queries), "k": k, "where": where, "hydrate": False}
        return arrays_of(self._ask(search_call(asked, settings), self._pinned)["results"], k)

    def search_tokens(
        self, queries: Sequence[Floats], k: int = 10, where: Mapping[str, Any] | None = None, **settings: Any
    ) -> tuple[Floats, Ints]:
        """Late interaction with tokens of one's own, see `Searcher.search_tokens`: each query float32 [tokens, dim]."""
        asked = {"tokens": tokens_of(queries), "k": k, "where": where, "hydrate": False}
        return arrays_of(self._ask(search_call(asked, settings), self._pinned)["results"], k)

    def hydrate(self, chunk_ids: Sequence[int]) -> Hits:
        """Chunks by id, see `Searcher.hydrate`. All come from one generation."""
        ids, found, generation = list(map(int, chunk_ids)), Hits(), self._pinned
        for start in range(0, len(ids), IDS):
            part = ",".join(map(str, ids[start : start + IDS]))
            answered = self._ask(Call("/v1/chunks", {"ids": part}), generation)
            generation = answered["generation"]
            found += hits_of(answered["chunks"])
        return found

    def close(self) -> None:
        """Close the connections; further searches are refused. Closing twice is allowed."""
        self._client.close()

    def __enter__(self) -> "RemoteSearcher":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _about(self) -> dict[str, Any]:
        return self._ask(Call("/v1/generation"), self._pinned)

    def _ask(self, call: Call, pinned: int | None) -> dict[str, Any]:
        if self._client.is_closed:
            raise GenerationError("this searcher was closed; connect again")
        until = monotonic() + self._destination.timeout
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return document_of(self._client.send(self._destination.request(self._client, call, pinned)))
            except ServerBusy as error:
                if attempt == ATTEMPTS or monotonic() + error.retry_after > until:
                    raise
                sleep(error.retry_after)
            except LOST as error:
                if attempt == ATTEMPTS:
                    raise unreachable(self._destination.url, error, self._destination.timeout) from error
            except httpx.HTTPError as error:
                raise unreachable(self._destination.url, error, self._destination.timeout) from error
        raise AssertionError("every attempt returns or raises")


def connect(
    url: str, token: str | None = None, index: str | None = None, *, pin: bool = False, timeout: float = 30.0
) -> RemoteSearcher:
    """An index of a running `xtr-assets serve`, with the Searcher's interface.

    url : "http://host:8080". token : one of the server's, by default $XTR_ASSETS_TOKEN. index : its name there, not
    needed where there is one. pin : answer from the generation of now until `refresh`, as a Searcher does, instead of
    following the server; it is kept for ten minutes after the last question. timeout : seconds for one answer.

    Raises RemoteError where no server answers, Unauthorized, GenerationError where nothing is published there.
    """
    return RemoteSearcher(Destination.checked(url, token, index, timeout), pin)
