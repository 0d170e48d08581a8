"""When a client asks again, seen without a connection."""

from typing import Any

import httpx
import pytest

from xtr_assets.client.destination import ATTEMPTS, Destination
from xtr_assets.client.exchange import Send, Wait, ask, refresh
from xtr_assets.client.wire import Call
from xtr_assets.core.errors import GenerationError, QuestionTimeout, RemoteError, ServerBusy

THERE = Destination("http://there", None, None, 30.0)
CALL = Call("/v1/generation")


def response(status: int, document: dict[str, Any], **headers: str) -> httpx.Response:
    return httpx.Response(status, json=document, headers=headers, request=httpx.Request("GET", THERE.url))


def refused(status: int, kind: str, **headers: str) -> httpx.Response:
    return response(status, {"error": {"type": kind, "message": "as the server says"}}, **headers)


BUSY = {"Retry-After": "2"}


def test_a_busy_server_is_asked_again_after_the_seconds_that_it_names() -> None:
    steps = ask(THERE, CALL, 7)
    assert next(steps) == Send(CALL, 7)
    assert steps.send(refused(503, "ServerBusy", **BUSY)) == Wait(2.0)
    assert steps.send(None) == Send(CALL, 7)
    with pytest.raises(StopIteration) as ended:
        steps.send(response(200, {"generation": 7}))
    assert ended.value.value == {"generation": 7}


def test_a_wait_beyond_the_time_that_is_left_is_no_wait() -> None:
    steps = ask(Destination(THERE.url, None, None, 1.0), CALL, None)
    next(steps)
    with pytest.raises(ServerBusy):
        steps.send(refused(503, "ServerBusy", **BUSY))


def test_a_connection_that_was_lost_is_tried_so_often_and_one_that_is_refused_once() -> None:
    steps = ask(THERE, CALL, None)
    next(steps)
    for _ in range(ATTEMPTS - 1):
        assert steps.throw(httpx.RemoteProtocolError("closed")) == Send(CALL, None)
    with pytest.raises(RemoteError, match="no server at http://there"):
        steps.throw(httpx.RemoteProtocolError("closed"))
    for error, raised in ((httpx.ConnectError("no"), RemoteError), (httpx.ReadTimeout("slow"), QuestionTimeout)):
        steps = ask(THERE, CALL, None)
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
