"""Clients that are slow, half gone or too many: each loses its own connection, nobody else notices."""

import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from xtr_assets.search.searcher import Searcher
from xtr_assets.server.limits import Limits
from xtr_assets.server.patient_protocol import IDLE_SECONDS
from xtr_assets_tests.server.site import served

LIMITS = Limits(head_seconds=0.3, body_seconds=0.3, connections=80, queue=4)
HEAD = b"POST /v1/search HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"


@pytest.fixture(scope="module")
def strict(folder: Path) -> Iterator[str]:
    with served({"docs": folder}, limits=LIMITS) as url:
        yield url


def opened(url: str) -> socket.socket:
    split = urlsplit(url)
    return socket.create_connection((split.hostname, split.port), timeout=10)


def all_of(connection: socket.socket) -> bytes:
    """What comes until the other end closes."""
    parts = []
    try:
        while part := connection.recv(65536):
            parts.append(part)
    except ConnectionError:
        pass
    return b"".join(parts)


def answers(url: str) -> bool:
    return httpx.post(url + "/v1/search", json={"query": "zebra", "k": 1}).status_code == 200


@pytest.mark.parametrize("start", [b"", b"GET /hea", HEAD], ids=["nothing", "half a line", "half a head"])
def test_a_head_that_does_not_come_ends_the_connection(strict: str, start: bytes) -> None:
    with opened(strict) as connection:
        connection.sendall(start)
        assert all_of(connection) == b""
    assert answers(strict)


def test_so_does_the_head_of_a_second_request(strict: str) -> None:
    with opened(strict) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        answer = b""
        while b'{"ok":true}' not in answer:
            some = connection.recv(65536)
            assert some, answer
            answer += some
        connection.sendall(b"GET /heal")
        assert all_of(connection) == b""


def test_a_body_that_does_not_come_is_408(strict: str) -> None:
    with opened(strict) as connection:
        connection.sendall(HEAD + b'Content-Length: 100\r\n\r\n{"query"')
        answer = all_of(connection)
    assert answer.startswith(b"HTTP/1.1 408 ") and b"8 bytes of the body came in 0.3 s" in answer
    assert answers(strict)


def test_a_body_that_drips_is_408_too(strict: str) -> None:
    def drops() -> Iterator[bytes]:
        for _ in range(40):
            yield b" "
            time.sleep(0.02)

    with httpx.Client() as client:
        try:
            headers = {"content-type": "application/json"}
            assert client.post(strict + "/v1/search", content=drops(), headers=headers).status_code == 408
        except (httpx.WriteError, httpx.ReadError, httpx.RemoteProtocolError):
            pass
    assert answers(strict)


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\r\n" * 100,
        HEAD + b"Content-Length: -5\r\n\r\n",
        HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
        HEAD + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        HEAD + b"X: " + b"a" * 200_000,
    ],
    ids=["tls", "version", "lines", "negative", "two lengths", "both", "bad chunk", "huge header"],
)
def test_what_is_no_http_ends_the_connection(strict: str, sent: bytes) -> None:
    with opened(strict) as connection:
        with suppress(ConnectionError):
            connection.sendall(sent)
        answer = all_of(connection)
        assert not answer or answer.startswith(b"HTTP/1.1 4"), answer[:100]
    assert answers(strict)


def test_the_questions_of_clients_that_are_gone_take_no_room(strict: str) -> None:
    """More than the queue holds: what still waits goes with who asked it."""
    body = json.dumps({"queries": ["zebra parse"] * 60, "k": 70, "mode": "exact"}).encode()
    for _ in range(20):
        with opened(strict) as connection:
            connection.sendall(HEAD + f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
            # Read by the server, and in its queue.
            time.sleep(0.01)
    time.sleep(0.1)
    assert answers(strict)


def test_more_connections_than_there_may_be_are_cut_and_room_comes_back(strict: str) -> None:
    with ExitStack() as stack:
        idle = [stack.enter_context(opened(strict)) for _ in range(200)]
        assert [all_of(one) for one in idle] == [b""] * 200
    assert answers(strict)


def test_where_the_house_is_full_who_was_idle_longest_makes_room(strict: str) -> None:
    """Kept alive, or never heard of: a new client that asks is answered, not cut."""

    def healthy(one: socket.socket) -> bool:
        one.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        answer = b""
        while not answer.endswith(b'{"ok":true}') and (part := one.recv(65536)):
            answer += part
        return answer.startswith(b"HTTP/1.1 200")

    with ExitStack() as stack:
        kept = [stack.enter_context(opened(strict)) for _ in range(LIMITS.connections)]
        assert all(healthy(one) for one in kept)
        assert all_of(stack.enter_context(opened(strict))) == b""
        time.sleep(IDLE_SECONDS + 0.1)
        assert healthy(kept[0]) and answers(strict)
        # Not the one that asked a moment ago.
        assert all_of(kept[1]) == b"" and healthy(kept[0])


def test_a_hundred_clients_at_once_are_all_answered_rightly(folder: Path, local: Searcher) -> None:
    """Or are asked to come again where the queue is full, which those of this package do by themselves."""
    queries = [f"zebra version text {i}" for i in range(100)]
    wanted = [[hit.chunk_id for hit in local.search(query, 5)] for query in queries]

    def ask(number: int) -> list[list[int]]:
        with httpx.Client(base_url=url, timeout=60) as client:
            found = []
            for _ in range(3):
                answer = client.post("/v1/search", json={"query": queries[number], "k": 5})
                assert answer.status_code == 200, answer.text
                found.append([hit["chunk_id"] for hit in answer.json()["hits"]])
            return found

    with served({"docs": folder}) as url, ThreadPoolExecutor(100) as pool:
        assert [*pool.map(ask, range(100))] == [[one] * 3 for one in wanted]


def test_a_full_queue_is_503_and_says_when_to_come_again(strict: str) -> None:
    def ask(_: int) -> httpx.Response:
        return httpx.post(
            strict + "/v1/search", json={"queries": ["zebra parse"] * 64, "k": 70, "mode": "exact"}, timeout=60
        )

    with ThreadPoolExecutor(40) as pool:
        found = [*pool.map(ask, range(40))]
    refused = [one for one in found if one.status_code == 503]
    assert {one.status_code for one in found} == {200, 503}
    assert all(one.headers["Retry-After"] == "1" and one.json()["error"]["type"] == "ServerBusy" for one in refused)
    assert answers(strict)
