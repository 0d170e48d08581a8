"""Clients in forked children and in one event loop after the other: no connection is used by two."""

import asyncio
import gc
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import xtr_assets as xa
from xtr_assets.config import EndpointConfig
from xtr_assets.encoders.embeddings_client import EmbeddingsClient
from xtr_assets_tests.forked_child import forked


@contextmanager
def counting(body: bytes) -> Iterator[tuple[str, list[Any]]]:
    """A server that keeps its connections open: (its URL, who asked, by address, in the order of questions)."""
    asked: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.do_POST()

        def do_POST(self) -> None:
            asked.append(self.client_address)
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Nothing on standard error."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_forked_child_asks_by_a_connection_of_its_own() -> None:
    """A server that is forked after it connected: each would read the answers to the others' questions."""
    with counting(b'{"generation": 4}') as (url, asked), xa.connect(url) as searcher:
        assert searcher.generation == 4
        assert forked(lambda: searcher.generation) == 4
        assert searcher.generation == 4
        parent, again, child, last = asked
        assert parent == again == last != child


def test_so_does_who_asks_for_embeddings() -> None:
    body = b'{"data": [{"index": 0, "embedding": [1, 2, 3, 4, 5, 6, 7, 8]}]}'
    with counting(body) as (url, asked):
        client = EmbeddingsClient(EndpointConfig(kind="endpoint", url=url, model="m", dim=8, max_chars=100))
        assert client.embed(["a"]).tolist() == [[1, 2, 3, 4, 5, 6, 7, 8]]
        assert forked(lambda: client.embed(["a"]).tolist()) == [[1, 2, 3, 4, 5, 6, 7, 8]]
        assert client.embed(["a"]).tolist() == [[1, 2, 3, 4, 5, 6, 7, 8]]
        parent, child, last = asked
        assert parent == last != child
        client._http.here().close()


def test_a_client_outlives_the_loop_in_which_it_connected() -> None:
    with counting(b'{"generation": 4}') as (url, asked):
        searcher = asyncio.run(xa.connect_async(url))
        assert [asyncio.run(searcher.generation()) for _ in range(2)] == [4, 4]
        assert len(set(asked)) == 3
        asyncio.run(searcher.close())
    with warnings.catch_warnings():
        # Nobody can close the connections of a loop that ended.
        warnings.simplefilter("ignore", ResourceWarning)
        del searcher
        gc.collect()
