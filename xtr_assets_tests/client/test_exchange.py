"""When a client asks again, seen without a connection."""

import json
from dataclasses import MISSING, fields
from typing import Any

import httpx
import pytest

from xtr_assets.client.destination import ATTEMPTS, Destination
from xtr_assets.client.exchange import (
    BATCH,
    HITS,
    IDS,
    NUMBERS,
    Exchange,
    Question,
    Send,
    Wait,
    ask,
    hydrate,
    refresh,
    search_batch,
)
from xtr_assets.client.wire import Call, hits_of
from xtr_assets.core.errors import GenerationError, QuestionTimeout, RemoteError, ServerBusy
from xtr_assets.search.hits import Copy, Explanation, Hit, SpaceExplanation, TermMatch, TokenMatch
from xtr_assets.server.answers import encoded
from xtr_assets.server.limits import Limits

THERE = Destination("http://there", None, None, 30.0)
CALL = Call("/v1/generation")


def response(status: int, document: dict[str, Any], **headers: str) -> httpx.Response:
    return httpx.Response(status, json=document, headers=headers, request=httpx.Request("GET", THERE.url))


def refused(status: int, kind: str, **headers: str) -> httpx.Response:
    return response(status, {"error": {"type": kind, "message": "as the server says"}}, **headers)


BUSY = {"Retry-After": "2"}


def test_a_busy_server_is_asked_again_after_the_seconds_that_it_names() -> None:
    steps = ask(THERE, CALL, 7, dict)
    assert next(steps) == Send(CALL, 7)
    assert steps.send(refused(503, "ServerBusy", **BUSY)) == Wait(2.0)
    assert steps.send(None) == Send(CALL, 7)
    with pytest.raises(StopIteration) as ended:
        steps.send(response(200, {"generation": 7}))
    assert ended.value.value == {"generation": 7}


def test_a_wait_beyond_the_time_that_is_left_is_no_wait() -> None:
    steps = ask(Destination(THERE.url, None, None, 1.0), CALL, None, dict)
    next(steps)
    with pytest.raises(ServerBusy):
        steps.send(refused(503, "ServerBusy", **BUSY))


def test_a_connection_that_was_lost_is_tried_so_often_and_one_that_is_refused_once() -> None:
    steps = ask(THERE, CALL, None, dict)
    next(steps)
    for _ in range(ATTEMPTS - 1):
        assert steps.throw(httpx.RemoteProtocolError("closed")) == Send(CALL, None)
    with pytest.raises(RemoteError, match="no whole answer of http://there"):
        steps.throw(httpx.RemoteProtocolError("closed"))
    for error, raised in ((httpx.ConnectError("no"), RemoteError), (httpx.ReadTimeout("slow"), QuestionTimeout)):
        steps = ask(THERE, CALL, None, dict)
        next(steps)
        with pytest.raises(raised):
            steps.throw(error)


def test_a_pin_moves_on_with_a_server_that_moved_between_two_questions() -> None:
    steps = refresh(THERE, True)
    assert next(steps) == Send(CALL, None)
    assert steps.send(response(200, {"generation": 3})) == Send(CALL, 3)
    assert steps.send(refused(410, "GenerationError")) == Send(CALL, None)
    assert steps.send(response(200, {"generation": 4})) == Send(CALL, 4)
    with pytest.raises(StopIteration) as ended:
        steps.send(response(200, {"generation": 4}))
    assert ended.value.value == 4


def test_a_server_that_never_stands_still_is_told() -> None:
    steps = refresh(THERE, True)
    next(steps)
    for number in range(ATTEMPTS):
        steps.send(response(200, {"generation": number}))
        if number < ATTEMPTS - 1:
            steps.send(refused(410, "GenerationError"))
    with pytest.raises(GenerationError):
        steps.send(refused(410, "GenerationError"))


@pytest.mark.parametrize("pinned", [None, 5])
def test_chunks_of_several_requests_are_of_one_generation(pinned: int | None) -> None:
    """Of a generation that nobody had named the server kept nothing, and the second request was refused."""
    steps = hydrate(THERE, pinned, range(IDS + 1))
    first = _after_lease(steps, pinned)
    assert isinstance(first, Send) and first.pinned == 5 and first.call.path == "/v1/chunks"
    second = steps.send(response(200, {"generation": 5, "chunks": []}))
    assert isinstance(second, Send) and (second.pinned, second.call.query) == (5, {"ids": str(IDS)})


def test_chunks_of_one_request_are_asked_for_at_once() -> None:
    first = next(hydrate(THERE, None, range(IDS)))
    assert isinstance(first, Send) and first.pinned is None and first.call.path == "/v1/chunks"


def _after_lease(steps: Exchange[Any], pinned: int | None) -> Send | Wait:
    """The first step of a question of several requests, behind those which ask what serves, and that it stays."""
    step = next(steps)
    if pinned is None:
        assert step == Send(CALL, None)
        assert steps.send(response(200, {"generation": 5})) == Send(CALL, 5)
        step = steps.send(response(200, {"generation": 5}))
    return step


@pytest.mark.parametrize("pinned", [None, 5])
def test_answers_of_several_requests_are_of_one_generation(pinned: int | None) -> None:
    steps = search_batch(THERE, pinned, ["a"] * (BATCH + 1), "hybrid", Question(10, None, {}))
    step = _after_lease(steps, pinned)
    for count in (BATCH, 1):
        assert isinstance(step, Send) and step.pinned == 5 and step.call.body is not None
        assert len(json.loads(step.call.body)["queries"]) == count
        answer = response(200, {"results": [{"hits": []}] * count})
        if count == BATCH:
            step = steps.send(answer)
    with pytest.raises(StopIteration) as ended:
        steps.send(answer)
    assert ended.value.value == [[]] * (BATCH + 1)


def test_fewer_answers_than_queries_are_no_answer() -> None:
    steps = search_batch(THERE, 5, ["a", "b"], "hybrid", Question(10, None, {}))
    next(steps)
    with pytest.raises(RemoteError, match="answered 200, not as"):
        steps.send(response(200, {"results": [{"hits": []}]}))


def test_a_request_holds_what_a_server_takes() -> None:
    limits = Limits()
    assert (limits.batch, limits.hits) == (BATCH, HITS) and limits.hits >= IDS
    assert limits.body_bytes >= NUMBERS * 20


def test_every_field_of_a_hit_comes_over() -> None:
    """What a server writes of a hit is read as that hit: no field is left at its default."""
    spaces = {
        "dense": SpaceExplanation(0.5, 1.25, 2, 3, 0.9, None),
        "xtr": SpaceExplanation(0.4, -1.0, 1, 7, 0.5, 0.03),
    }
    tokens = (TokenMatch("a", "b", 4, 0.75, True, 2, 5), TokenMatch("c", "d", 6, 0.5, False))
    told = Explanation(12, spaces, tokens, (TermMatch("word", 2, 3, 1.5),))
    hit = Hit(
        2**62 + 1, 0.625, {"dense": 0.5, "called": 0.25}, "code", "a/\u00fc.py", "f.g", "function", 3, 17, 19, "A > B",
        "def f():\n  \u754c", {"tags": ["x", 1, True, None], "when": "2026"}, told, 0.875, 3,
            (Copy(2**62, "docs", "b.md", "B > C", 4),),
    )  # fmt: skip
    unset = [one.name for one in fields(Hit) if one.default is not MISSING and getattr(hit, one.name) == one.default]
    assert not unset, f"{unset} would not be missed"
    assert list(hits_of([json.loads(encoded(hit.document(1)))])) == [hit]
