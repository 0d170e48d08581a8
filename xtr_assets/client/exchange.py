"""What a client asks, what it makes of the answers and when it asks again, without a connection.

An exchange is a generator: it yields what is to be done (`Send`, `Wait`), is given the response to a `Send`, or the
httpx error in its place, and returns the result. A client for threads and one for an event loop do what it says, each
in its own way.
"""

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from time import monotonic
from typing import Any, TypeVar

import httpx
import numpy as np

from xtr_assets.client.destination import ATTEMPTS, Destination
from xtr_assets.client.wire import (
    Call,
    answered,
    arrays_of,
    chunks_of,
    found_of,
    number_of,
    results_of,
    search_call,
    tokens_of,
    unreachable,
    vectors_of,
)
from xtr_assets.core.arguments import batch_of, chunk_numbers
from xtr_assets.core.errors import GenerationError, InvalidInput, ServerBusy
from xtr_assets.core.types import Floats, Ints
from xtr_assets.search.hit_table import Hits

# An idle connection that the server closed just now: the request never arrived, or reads only.
LOST = (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError)
# Ids of one request: 20 bytes each, of 64 KB that a head may have.
IDS = 1000
# Queries of one request, and hits of all of them, that a server gives (server/limits.py).
BATCH, HITS = 64, 5000
# Numbers of the vectors of one request: 25 bytes each, of 4 MiB that a body may have.
NUMBERS = 150_000

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Send:
    """Send this call, answered from the `pinned` generation or not at all."""

    call: Call
    pinned: int | None


@dataclass(frozen=True, slots=True)
class Wait:
    """Wait so many seconds."""

    seconds: float


Exchange = Generator[Send | Wait, httpx.Response | None, Result]


def ask(
    destination: Destination, call: Call, pinned: int | None, read: Callable[[dict[str, Any]], Result]
) -> Exchange[Result]:
    """What `read` makes of an answer. Raises the server's errors, and RemoteError; asks again where that may help."""
    until = monotonic() + destination.timeout
    for attempt in range(1, ATTEMPTS + 1):
        try:
            answer = yield Send(call, pinned)
            assert answer is not None
            return answered(answer, read)
        except ServerBusy as error:
            if attempt == ATTEMPTS or monotonic() + error.retry_after > until:
                raise
            yield Wait(error.retry_after)
        except LOST as error:
            if attempt == ATTEMPTS:
                raise unreachable(destination.url, error, destination.timeout) from error
        except httpx.HTTPError as error:
            raise unreachable(destination.url, error, destination.timeout) from error
    raise AssertionError("every attempt returns or raises")


def about(destination: Destination, pinned: int | None, read: Callable[[dict[str, Any]], Result]) -> Exchange[Result]:
    """What `read` makes of what /v1/generation says."""
    return ask(destination, Call("/v1/generation"), pinned, read)


def refresh(destination: Destination, pin: bool) -> Exchange[int]:
    """The number of the generation that serves now; with `pin` one that the server keeps for who named it."""
    for attempt in range(1, ATTEMPTS + 1):
        number = yield from about(destination, None, number_of)
        if not pin:
            break
        try:
            # Named once, the generation is leased; the server may have moved on between the two requests.
            yield from about(destination, number, number_of)
        except GenerationError:
            if attempt == ATTEMPTS:
                raise
        else:
            break
    return number


@dataclass(frozen=True, slots=True)
class Question:
    """The arguments that every search of a Searcher has."""

    k: int
    where: Mapping[str, Any] | None
    settings: Mapping[str, Any]


def search(destination: Destination, pinned: int | None, query: str, mode: str, asked: Question) -> Exchange[Hits]:
    """`Searcher.search`."""
    call = search_call({"query": query, "k": asked.k, "mode": mode, "where": asked.where}, asked.settings)
    return ask(destination, call, pinned, found_of)


def search_batch(
    destination: Destination, pinned: int | None, queries: Iterable[str], mode: str, asked: Question
) -> Exchange[list[Hits]]:
    """`Searcher.search_batch`. All hits come from one generation."""
    given = {"queries": batch_of(queries)}
    parts = yield from _parts(destination, pinned, given, asked, {"mode": mode}, lambda part: list(map(found_of, part)))
    return [found for part in parts for found in part]


def search_vectors(
    destination: Destination, pinned: int | None, queries: Floats, asked: Question
) -> Exchange[tuple[Floats, Ints]]:
    """`Searcher.search_vectors`."""
    return _arrays(destination, pinned, {"vectors": vectors_of(queries)}, asked)


def search_tokens(
    destination: Destination, pinned: int | None, queries: Sequence[Floats], asked: Question
) -> Exchange[tuple[Floats, Ints]]:
    """`Searcher.search_tokens`."""
    return _arrays(destination, pinned, {"tokens": tokens_of(queries)}, asked)


def hydrate(destination: Destination, pinned: int | None, chunk_ids: Sequence[int]) -> Exchange[Hits]:
    """`Searcher.hydrate`. All chunks come from one generation."""
    ids, found = chunk_numbers(chunk_ids), Hits()
    generation = yield from _kept(destination, pinned, several=len(ids) > IDS)
    for start in range(0, len(ids), IDS):
        part = ",".join(map(str, ids[start : start + IDS]))
        found += yield from ask(destination, Call("/v1/chunks", {"ids": part}), generation, chunks_of)
    return found


def _kept(destination: Destination, pinned: int | None, *, several: bool) -> Exchange[int | None]:
    """The generation that all requests of a question name: the pinned one; where there are `several`, one that stays
    until the last of them, as it was named once."""
    return (yield from refresh(destination, True)) if pinned is None and several else pinned


def _arrays(
    destination: Destination, pinned: int | None, given: Mapping[str, Any], asked: Question
) -> Exchange[tuple[Floats, Ints]]:
    besides = {"hydrate": False}
    parts = yield from _parts(destination, pinned, given, asked, besides, lambda part: arrays_of(part, asked.k))
    scores, ids = zip(*parts, strict=True)
    return np.concatenate(scores), np.concatenate(ids)


def _parts(
    destination: Destination,
    pinned: int | None,
    given: Mapping[str, list[Any]],
    asked: Question,
    besides: Mapping[str, Any],
    read: Callable[[list[dict[str, Any]]], Result],
) -> Exchange[list[Result]]:
    """What `read` makes of what the queries of each request are answered, in as many requests as it takes; all of it by
    one generation."""
    ((name, queries),) = given.items()
    size, found = _size(queries, asked.k), []
    generation = yield from _kept(destination, pinned, several=len(queries) > size)
    for start in range(0, max(len(queries), 1), size):
        part = queries[start : start + size]
        call = search_call({name: part, "k": asked.k, "where": asked.where, **besides}, asked.settings)
        try:
            found.append((yield from ask(destination, call, generation, partial(results_of, read, len(part)))))
        except InvalidInput as error:
            # The server counts from the first of its request.
            if not start:
                raise
            raise InvalidInput(f"of the queries from {start} on: {error}") from error
    return found


def _size(queries: list[Any], k: Any) -> int:
    """How many of the queries one request holds. What is no k the server refuses."""
    hits = HITS // k if isinstance(k, int | np.integer) and 1 <= k <= HITS else HITS
    numbers = max((np.size(one) for one in queries if not isinstance(one, str)), default=0)
    return int(max(1, min(BATCH, hits, NUMBERS // max(numbers, 1))))
