"""What cannot be asked: a clear 4xx with both values and the remedy, and the server goes on."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from xtr_assets.server.limits import Limits

NESTED: Any = "x"
for _ in range(40):
    NESTED = {"not": NESTED}

# (what is sent, the status, what the message says)
DOCUMENTS: list[tuple[Any, int, str]] = [
    ({}, 400, "nothing to search for; give one of query, queries, vectors, tokens"),
    ({"query": "a", "queries": ["b"]}, 400, "query and queries to search for"),
    ([], 400, "a JSON list; send an object"),
    ("text", 400, "a JSON text"),
    ({"query": 5}, 400, "query 0 is no text"),
    ({"query": ["a"]}, 400, "query 0 is no text"),
    ({"queries": "a"}, 400, "queries is no list"),
    ({"query": "a" * 8193}, 400, "8193 characters, at most 8192"),
    ({"query": "\ud800"}, 400, "half of a character"),
    ({"queries": ["a"] * 65}, 400, "65 entries, at most 64"),
    ({"queries": ["a"] * 64, "k": 1000}, 400, "64000 hits, at most 5000"),
    ({"query": "a", "k": 0}, 400, "k is 0; give a whole number from 1 to 1000"),
    ({"query": "a", "k": 1001}, 400, "k is 1001"),
    ({"query": "a", "k": True}, 400, "k is True"),
    ({"query": "a", "k": 2.0}, 400, "k is 2.0"),
    ({"query": "a", "k": 10**400}, 400, "k is a number of more than 64 bits"),
    ({"query": "a", "mode": "fast"}, 400, "mode is 'fast'"),
    ({"query": "a", "mode": ["dense"]}, 400, "mode is a list"),
    ({"query": "a", "nprobe": "8"}, 400, "nprobe is '8'; give a whole number"),
    ({"query": "a", "explain": "yes"}, 400, "explain is 'yes'; give true or false"),
    ({"query": "a", "fusion": "sum"}, 400, "fusion is 'sum'; give one of zsum, rrf"),
    ({"query": "a", "mode": "exact", "nprobe": 4}, 400, "nprobe is 4 in mode 'exact'"),
    ({"query": "a", "kay": 3}, 400, "the field 'kay' is unknown"),
    ({"query": "a", "where": "source"}, 400, "where is no object"),
    ({"query": "a", "where": {"path": NESTED}}, 400, "nests deeper than 8 levels"),
    ({"query": "a", "where": {"path": ["p"] * 1001}}, 400, "at most 1000"),
    ({"query": "a", "where": {"colour": "red"}}, 400, "no column 'colour'"),
    ({"query": "a", "where": {"path": {"like": "x"}}}, 400, "operator 'like'"),
    ({"vectors": [[1.0, 2.0]]}, 400, "dim 64 in the index, 2 in the queries"),
    ({"vectors": [1.0]}, 400, "shape (1,)"),
    ({"vectors": [["a"]]}, 400, "not an array of numbers"),
    ({"vectors": [[1e39] * 64]}, 400, "NaN or an infinity"),
    ({"vectors": [[1.0], [1.0, 2.0]]}, 400, "not an array of numbers"),
    ({"vectors": [[0.1] * 64], "mode": "xtr"}, 400, "mode is 'xtr' with vectors"),
    ({"tokens": [[[0.1] * 31]]}, 400, "token dim 32 in the index, 31"),
    ({"vectors": [[0.1] * 64], "k_prime": 3}, 400, "'k_prime' is unknown with 'vectors'"),
]

# (body, headers, status, what the message says)
BODIES: list[tuple[bytes, dict[str, str], int, str]] = [
    (b'{"query": NaN}', {}, 400, "holds NaN"),
    (b'{"vectors": [[Infinity]]}', {}, 400, "holds Infinity"),
    (b'{"vectors": [[-Infinity]]}', {}, 400, "holds -Infinity"),
    (b'{"vectors": [[' + b"1e999," * 63 + b"1]]}", {}, 400, "NaN or an infinity"),
    (b'{"k": ' + b"9" * 5000 + b"}", {}, 400, "a number that is too long"),
    (b"[" * 100_000, {}, 400, "nests"),
    (b'{"where":' * 50_000, {}, 400, "nests"),
    (b'{"query": "a"', {}, 400, "no JSON"),
    (b"", {}, 400, "no JSON"),
    (b"\xff\xfe", {}, 400, "no UTF-8"),
    (b'{"query": "a"}', {"content-type": "text/plain"}, 415, "'text/plain'; send application/json"),
    (b"query=a", {"content-type": "application/x-www-form-urlencoded"}, 415, "send application/json"),
    (b'{"query": "a"}', {"content-encoding": "gzip"}, 415, "compressed"),
    (b'{"query": "' + b"a" * 5_000_000 + b'"}', {}, 413, "at most 4194304"),
]


@pytest.fixture(autouse=True)
def the_server_goes_on(client: httpx.Client) -> Iterator[None]:
    yield
    assert client.post("/v1/search", json={"query": "zebra", "k": 1}).status_code == 200


def refused(answer: httpx.Response, status: int, says: str) -> None:
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert error["type"] in ("InvalidInput", "EncoderMismatch") and says in error["message"], error
    assert len(error["message"]) < 600


@pytest.mark.parametrize(("document", "status", "says"), DOCUMENTS, ids=lambda one: str(one)[:40])
def test_a_question_that_cannot_be_asked_is_refused(
    client: httpx.Client, document: Any, status: int, says: str
) -> None:
    body = json.dumps(document).encode()
    refused(client.post("/v1/search", content=body, headers={"content-type": "application/json"}), status, says)


@pytest.mark.parametrize(("body", "headers", "status", "says"), BODIES, ids=lambda one: str(one)[:40])
def test_a_body_that_is_no_question_is_refused(
    client: httpx.Client, body: bytes, headers: dict[str, str], status: int, says: str
) -> None:
    answer = client.post("/v1/search", content=body, headers={"content-type": "application/json", **headers})
    refused(answer, status, says)


def test_a_body_without_a_length_is_counted_while_it_comes(client: httpx.Client) -> None:
    def parts() -> Iterator[bytes]:
        for _ in range(80):
            yield b" " * 65536

    headers = {"content-type": "application/json"}
    try:
        answer = client.post("/v1/search", content=parts(), headers=headers)
    except httpx.WriteError:
        # The server has answered and closed while the client still wrote.
        return
    refused(answer, 413, f"more than {Limits().body_bytes}")


@pytest.mark.parametrize(
    ("path", "status", "says"),
    [
        ("/v1/chunks/5", 404, "chunk 5 is not in generation 1"),
        ("/v1/chunks/x", 400, "is 'x'; give a whole number"),
        ("/v1/chunks/-1", 400, "is '-1'"),
        ("/v1/chunks/%D9%A3", 400, "give a whole number"),
        ("/v1/chunks/99999999999999999999", 400, "give a whole number"),
        ("/v1/chunks/9999999999999999999", 400, "give a whole number"),
        ("/v1/chunks/5?before=51", 400, "before is '51'; give a whole number from 0 to 50"),
        ("/v1/chunks?ids=5,6", 404, "chunk 5 is not"),
        ("/v1/generation?index=other", 404, "no index 'other' here; there are docs"),
        ("/v1/generation?index=a%0d%0aSet-Cookie:%20x=1", 404, "no index"),
        ("/v1/nothing", 404, "no page '/v1/nothing' here"),
        ("/v1/search", 405, "another method"),
    ],
)
def test_a_page_that_is_not_there_says_so(client: httpx.Client, path: str, status: int, says: str) -> None:
    answer = client.get(path)
    refused(answer, status, says)
    assert "set-cookie" not in answer.headers


def test_a_generation_that_is_not_held_is_gone(client: httpx.Client) -> None:
    answer = client.post("/v1/search", json={"query": "a"}, headers={"Xtr-Generation": "7"})
    assert answer.status_code == 410 and answer.json()["error"]["type"] == "GenerationError"
    assert "generation 7 is not held here (any more), there are [1]" in answer.text
    refused(client.get("/v1/generation", headers={"Xtr-Generation": "1e3"}), 400, "Xtr-Generation is '1e3'")


def test_a_page_in_a_browser_is_refused(client: httpx.Client) -> None:
    """DNS rebinding: a stranger's name that leads here. And no answer may be read across origins."""
    refused(client.get("/v1/generation", headers={"Host": "evil.example"}), 421, "answers to 127.0.0.1, ::1, localhost")
    refused(client.get("/v1/generation", headers={"Host": "127.0.0.1.evil.example"}), 421, "answers to")
    for origin, status in (
        ("http://evil.example", 403),
        ("null", 403),
        ("http://localhost:9", 200),
        ("http://[::1]", 200),
    ):
        opened = client.post("/v1/generations/1/open", headers={"Origin": origin})
        assert opened.status_code == status, (origin, opened.text)
    assert client.get("/v1/generation", headers={"Host": "localhost:1"}).status_code == 200
    asked = client.options(
        "/v1/search", headers={"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}
    )
    assert not [name for name in asked.headers if name.startswith("access-control")]
