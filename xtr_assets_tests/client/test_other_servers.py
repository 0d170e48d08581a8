"""What a client makes of no server, of one that is busy, and of one that is none of ours."""

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from time import sleep
from typing import Any

import pytest

import xtr_assets as xa

Answer = tuple[int, dict[str, str], bytes]


@contextmanager
def another(*answers: Answer) -> Iterator[tuple[str, list[str]]]:
    """A server that gives these answers in turn, the last one for ever: (its URL, what was asked)."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, headers, body = answers[min(len(asked), len(answers) - 1)]
            asked.append(self.path)
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Nothing on standard error."""

    with serving(Handler) as url:
        yield url, asked


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """The URL of a server that answers so."""
    server = HTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def error(kind: str, message: str) -> bytes:
    return json.dumps({"error": {"type": kind, "message": message}}).encode()


FINE: Answer = (200, {}, b'{"generation": 4}')
BUSY: Answer = (503, {"Retry-After": "0"}, error("ServerBusy", "full"))


def test_a_busy_server_is_asked_again_and_not_for_ever() -> None:
    with another(BUSY, BUSY, FINE) as (url, asked), xa.connect(url) as searcher:
        assert searcher.generation == 4 and len(asked) == 4
    with another(BUSY) as (url, asked):
        with pytest.raises(xa.ServerBusy, match="full") as busy:
            xa.connect(url)
        assert busy.value.retry_after == 0 and len(asked) == 4
    with another((503, {"Retry-After": "900"}, error("ServerBusy", "full"))) as (url, asked):
        with pytest.raises(xa.ServerBusy) as busy:
            xa.connect(url)
        assert busy.value.retry_after == 900 and len(asked) == 1


@pytest.mark.parametrize(
    ("answer", "kind", "says"),
    [
        (
            (404, {}, b"<html>nginx</html>"),
            xa.RemoteError,
            "answered 404, not as `xtr-assets serve` does: .<html>",
        ),
        ((200, {}, b"hello"), xa.RemoteError, "answered 200, not as"),
        ((200, {}, b"[1]"), xa.RemoteError, "answered 200, not as"),
        ((200, {}, b'{"status": "ok"}'), xa.RemoteError, "answered 200, not as .*ok.*; give the address"),
        ((200, {}, b'{"generation": null}'), xa.RemoteError, "answered 200, not as"),
        ((200, {}, b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"), xa.RemoteError, "answered 200, not as"),
        ((302, {"Location": "http://127.0.0.1:9/"}, b""), xa.RemoteError, "answered 302 and leads to 'http://127"),
        ((401, {}, b""), xa.Unauthorized, "answered 401"),
        ((500, {}, error("CorruptFile", "damaged")), xa.CorruptFile, "damaged"),
        ((500, {}, error("SystemExit", "no")), xa.RemoteError, "no"),
        ((500, {}, error("XtrAssetsError", "no")), xa.XtrAssetsError, "no"),
        ((500, {}, b'{"error": "text"}'), xa.RemoteError, "answered 500"),
    ],
)
def test_what_another_server_answers_is_an_error_of_ours(answer: Answer, kind: type[Exception], says: str) -> None:
    with another(answer) as (url, _), pytest.raises(kind, match=says) as raised:
        xa.connect(url)
    assert type(raised.value) is kind


@pytest.mark.parametrize("answer", [b"{}", b'{"generation": 4, "chunks": [{}]}', b'{"generation": 4, "chunks": 5}'])
def test_hits_of_another_server_are_an_error_of_ours(answer: bytes) -> None:
    with another(FINE, (200, {}, answer)) as (url, _), xa.connect(url) as searcher:
        with pytest.raises(xa.RemoteError, match="answered 200, not as"):
            searcher.hydrate([1])
        with pytest.raises(xa.RemoteError, match="answered 200, not as"):
            _ = searcher.profile


def test_who_asks_while_a_client_is_closed_is_told_so() -> None:
    def closing() -> Iterator[str]:
        # What closes is another thread in life: it may come between any two steps of a question.
        yield "a"
        searcher.close()

    with another(FINE) as (url, asked), xa.connect(url) as searcher:
        with pytest.raises(xa.GenerationError, match="this searcher was closed; connect again"):
            searcher.search_batch(closing())
        assert len(asked) == 1


def test_an_answer_that_does_not_come_is_a_timeout() -> None:
    # It announces more than it sends.
    short: Answer = (200, {"Content-Length": "99"}, b"{")
    with another(short) as (url, _), pytest.raises((xa.QuestionTimeout, xa.RemoteError), match=url):
        xa.connect(url, timeout=0.2)


def test_an_answer_that_comes_in_many_pieces_ends_with_the_time_that_was_given() -> None:
    """Each piece came within it, and an answer of such pieces never ended."""
    with trickling(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n") as url:
        with pytest.raises(xa.QuestionTimeout, match=r"no answer of .* within 0.05 s"):
            xa.connect(url, timeout=0.05)
        with pytest.raises(xa.QuestionTimeout, match=r"no answer of .* within 0.05 s"):
            asyncio.run(xa.connect_async(url, timeout=0.05))


@contextmanager
def trickling(head: bytes) -> Iterator[str]:
    """A server that answers with a byte now and then, until whoever asked leaves."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.wfile.write(head)
            with suppress(OSError):
                while True:
                    self.wfile.write(b" ")
                    sleep(0.005)

        def log_message(self, *_: Any) -> None:
            """Nothing on standard error."""

    with serving(Handler) as url:
        yield url


def test_no_server_is_said_with_the_remedy() -> None:
    with pytest.raises(xa.RemoteError, match=r"no server at http://127.0.0.1:9 .*`xtr-assets serve` starts one"):
        xa.connect("http://127.0.0.1:9")
    with pytest.raises(xa.RemoteError):
        asyncio.run(xa.connect_async("http://127.0.0.1:9"))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"url": "localhost:8080"}, "url is 'localhost:8080', without http:// or https://; give one such as http"),
        ({"url": "./warehouse"}, r"is opened by `xtr_assets.open`"),
        ({"url": "user:secret@host:80"}, "ends up in logs"),
        ({"url": ""}, "url is ''; give one such as http"),
        ({"url": "ftp://host"}, "give one such as http"),
        ({"url": "http://user:secret@host"}, "ends up in logs"),
        ({"url": "ftp://user:secret@host"}, "ends up in logs"),
        ({"url": "http://user:secret@host:80x"}, "the url is none .*80x"),
        ({"url": "http://host:8080?index=docs"}, "give one such as http"),
        ({"url": "http://host", "token": "a b\r\nX: y"}, "characters that no token has"),
        ({"url": "http://a..b"}, "the url is none"),
        ({"url": "http://host", "token": b"abc"}, "characters that no token has"),
        ({"url": "http://host", "timeout": 0}, "timeout is 0"),
        ({"url": "http://host", "timeout": None}, "timeout is None; give seconds above 0, 1000000000 at most"),
        ({"url": "http://host", "timeout": float("inf")}, "timeout is inf; give seconds above 0, 1000000000 at most"),
        ({"url": "http://host", "index": 5}, "index is 5; give its name there"),
        ({"url": "http://host", "index": "\ud800"}, "give its name there"),
    ],
)
def test_a_wrong_argument_is_refused_and_shows_no_secret(arguments: dict[str, Any], says: str) -> None:
    with pytest.raises(xa.InvalidInput, match=says) as refused:
        xa.connect(**arguments)
    assert "secret" not in str(refused.value) and "X: y" not in str(refused.value)
