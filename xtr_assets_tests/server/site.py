"""A real uvicorn on a free loopback port, in a thread, over warehouses of hashed vectors."""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from xtr_assets.core.types import Chunk
from xtr_assets.server.bearers import Bearers
from xtr_assets.server.hosted_index import HostedIndex
from xtr_assets.server.limits import Limits
from xtr_assets.server.live_recall import LiveRecall
from xtr_assets.server.query_log import QueryLog
from xtr_assets.server.runner import Address, uvicorn_server
from xtr_assets_tests.fixtures import make_chunk


def version(number: int) -> list[Chunk]:
    """A corpus in which every text of its first half names its version; the other half stays."""
    changing = [make_chunk(f"new{i}.py", f"f{i}", f"zebra version {number} text {i}") for i in range(40)]
    staying = [make_chunk(f"old{i % 5}.py", f"g{i}", f"unchanged parse text {i}", line=1 + i) for i in range(40)]
    return changing + staying


@contextmanager
def served(
    warehouses: dict[str, Path],
    *,
    bearers: Bearers | None = None,
    limits: Limits | None = None,
    poll_seconds: float = 0.02,
    lease_seconds: float = 600.0,
    agents: bool = False,
    live: LiveRecall | None = None,
    query_log: QueryLog | None = None,
) -> Iterator[str]:
    """The URL of a running server."""
    indexes = [HostedIndex(name, path, "cpu", lease_seconds) for name, path in warehouses.items()]
    bearers = bearers or Bearers(variable=None)
    server = uvicorn_server(
        indexes, bearers, Address(port=0), limits, 2, poll_seconds, agents=agents, live=live, query_log=query_log
    )
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()), daemon=True)
    thread.start()
    until = time.monotonic() + 30
    while not server.started:
        assert thread.is_alive() and time.monotonic() < until, "the server did not start"
        time.sleep(0.005)
    try:
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(30)
        assert not thread.is_alive(), "the server did not stop"
