"""The Searcher's interface over HTTP, for threads."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from time import sleep
from typing import Any, TypeVar

import httpx

from xtr_assets.client import exchange
from xtr_assets.client.destination import Connected, Destination
from xtr_assets.client.exchange import Exchange, Question, Send, Wait
from xtr_assets.client.wire import modes_of, number_of
from xtr_assets.core.bounded_answer import whole_answer
from xtr_assets.core.http_environment import made_here
from xtr_assets.core.per_process import PerProcess
from xtr_assets.core.types import Floats, Ints
from xtr_assets.search.hit_table import Hits

Result = TypeVar("Result")


class RemoteSearcher(Connected):
    """An index of `xtr-assets serve`, with the methods of a Searcher; made by `connect`. Usable from many
    threads, and in forked children.

    Errors are those of a local Searcher; besides them RemoteError where no server answers, Unauthorized, ServerBusy
    (after some tries of its own) and QuestionTimeout.
    """

    def __init__(self, destination: Destination, pin: bool = False) -> None:
        self._destination, self._pin = destination, pin
        # A server that connects and then forks must not give one child the answer to the question of another.
        self._client = PerProcess(
            lambda: made_here(lambda: httpx.Client(headers=destination.headers, timeout=destination.timeout))
        )
        self._closed = False
        self._pinned: int | None = None
        try:
            self.refresh()
        except BaseException:
            self.close()
            raise

    @property
    def generation(self) -> int:
        """Number of the generation that answers now: the pinned one, or what the server serves."""
        return self._about(number_of) if self._pinned is None else self._pinned

    @property
    def profile(self) -> dict[str, dict[str, Any]]:
        """How the indexes search now, see `Searcher.profile`."""
        return self._about(lambda about: dict(about["profile"]))

    @property
    def modes(self) -> tuple[str, ...]:
        """The modes that the generation answers, see `Searcher.modes`."""
        return self._about(modes_of)

    @property
    def devices(self) -> Mapping[str, str]:
        """Where each part serves, see `Searcher.devices`."""
        return self._about(lambda about: dict(about["devices"]))

    def refresh(self) -> int:
        """Move the pin to what the server serves now; its number."""
        number = self._run(exchange.refresh(self._destination, self._pin))
        if self._pin:
            self._pinned = number
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
        asked = Question(k, where, settings)
        return self._run(exchange.search(self._destination, self._pinned, query, mode, asked))

    def search_batch(
        self,
        queries: Iterable[str],
        k: int = 10,
        mode: str = "hybrid",
        where: Mapping[str, Any] | None = None,
        **settings: Any,
    ) -> list[Hits]:
        """`search` for several queries at once, see `Searcher.search_batch`."""
        asked = Question(k, where, settings)
        return self._run(exchange.search_batch(self._destination, self._pinned, queries, mode, asked))

    def search_vectors(
        self, queries: Floats, k: int = 10, where: Mapping[str, Any] | None = None, **settings: Any
    ) -> tuple[Floats, Ints]:
        """Dense search with embeddings of one's own, see `Searcher.search_vectors`: queries float32 [n, dim]."""
        asked = Question(k, where, settings)
        return self._run(exchange.search_vectors(self._destination, self._pinned, queries, asked))

    def search_tokens(
        self, queries: Sequence[Floats], k: int = 10, where: Mapping[str, Any] | None = None, **settings: Any
    ) -> tuple[Floats, Ints]:
        """Late interaction with tokens of one's own, see `Searcher.search_tokens`: each query float32 [tokens, dim]."""
        asked = Question(k, where, settings)
        return self._run(exchange.search_tokens(self._destination, self._pinned, queries, asked))

    def hydrate(self, chunk_ids: Sequence[int]) -> Hits:
        """Chunks by id, see `Searcher.hydrate`. All come from one generation."""
        return self._run(exchange.hydrate(self._destination, self._pinned, chunk_ids))

    def close(self) -> None:
        """Close the connections; further searches are refused. Closing twice is allowed."""
        self._closed = True
        self._client.here().close()

    def __enter__(self) -> "RemoteSearcher":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _about(self, read: Callable[[dict[str, Any]], Result]) -> Result:
        return self._run(exchange.about(self._destination, self._pinned, read))

    def _run(self, steps: Exchange[Result]) -> Result:
        self._check_open()
        try:
            step = next(steps)
            while True:
                try:
                    answer = self._do(step)
                except (httpx.HTTPError, RuntimeError) as error:
                    # What httpx says of connections that another thread closed is a RuntimeError, or any of its own.
                    self._check_open()
                    step = steps.throw(error)
                else:
                    step = steps.send(answer)
        except StopIteration as ended:
            result: Result = ended.value
            return result

    def _do(self, step: Send | Wait) -> httpx.Response | None:
        if isinstance(step, Wait):
            sleep(step.seconds)
            return None
        client = self._client.here()
        try:
            request = self._destination.request(client, step.call, step.pinned)
            return whole_answer(client, request, self._destination.timeout)
        except httpx.HTTPError:
            raise
        except BaseException:
            # What a signal raises amid it (Ctrl-C, a time limit) may take a connection from httpcore for good, as it
            # may be raised in any step of giving it back. The next question has a client that has all of them.
            self._client.forget(client)
            raise


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
