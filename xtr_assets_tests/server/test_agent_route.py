"""The tools of agents over HTTP, asked by the SDK's own client; tokens, bounds and pages of other sites."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import httpx2
import pytest
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client

from xtr_assets.search.searcher import Searcher
from xtr_assets.server.bearers import Bearers
from xtr_assets.server.limits import Limits
from xtr_assets_tests.fixtures import new_warehouse, publish_chunks
from xtr_assets_tests.server.site import served, version

TOKEN = "a" * 32
WITH_TOKEN = {"authorization": f"Bearer {TOKEN}"}
SENT = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}


@pytest.fixture(scope="module")
def site(folder: Path) -> Iterator[str]:
    bearers = Bearers(variable=f"anna {TOKEN}")
    with served({"docs": folder}, bearers=bearers, limits=Limits(body_bytes=20_000), agents=True) as url:
        yield url


def call(url: str, tool: str, mode: str = "auto", headers: dict[str, str] | None = None, **arguments: Any) -> Any:
    async def called() -> Any:
        async with httpx2.AsyncClient(headers=WITH_TOKEN if headers is None else headers) as http:
            transport = streamable_http_client(f"{url}/mcp", http_client=http)
            async with Client(transport, mode=mode) as client:
                names = [one.name for one in (await client.list_tools()).tools]
                result = await client.call_tool(tool, arguments)
                return names, result

    return asyncio.run(asyncio.wait_for(called(), 60))


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_the_sdk_searches_and_reads_over_http(site: str, local: Searcher, mode: str) -> None:
    names, result = call(site, "search", mode, query="zebra version", k=2)
    assert names == ["search", "read_chunk", "list_sources", "index_status"]
    found = json.loads(result.content[0].text)
    wanted = local.search("zebra version", 2)
    assert [hit["chunk_id"] for hit in found["hits"]] == [str(hit.chunk_id) for hit in wanted]


def test_a_mistake_is_told_in_words(site: str) -> None:
    _, result = call(site, "search", query="a", k=21)
    assert result.is_error and "k is 21; give a whole number from 1 to 20" in result.content[0].text


def test_without_a_token_nobody_calls(site: str) -> None:
    for headers in ({}, {"authorization": f"Bearer {'b' * 32}"}):
        answer = httpx.post(f"{site}/mcp", headers={**SENT, **headers}, json=PING)
        assert answer.status_code == 401
        with pytest.raises(BaseException, match=r"401|Unauthorized|unhandled errors|closed"):
            call(site, "search", headers=headers, query="zebra")


@pytest.mark.parametrize(
    ("method", "headers", "body", "status"),
    [
        ("GET", SENT, b"", 405),
        ("DELETE", SENT, b"", 405),
        ("POST", {**SENT, "content-type": "text/plain"}, json.dumps(PING).encode(), 415),
        ("POST", {**SENT, "origin": "http://evil.example"}, json.dumps(PING).encode(), 403),
        ("POST", {**SENT, "origin": "null"}, json.dumps(PING).encode(), 403),
        ("POST", SENT, b"[" * 20_001, 413),
        ("POST", SENT, b"[" * 10_000, 400),
        ("POST", SENT, b"\xff", 400),
    ],
)
def test_what_is_no_message_of_an_agent_is_refused(
    site: str, method: str, headers: dict[str, str], body: bytes, status: int
) -> None:
    answer = httpx.request(method, f"{site}/mcp", headers={**WITH_TOKEN, **headers}, content=body)
    assert answer.status_code == status


def test_where_it_is_not_asked_for_nothing_is_there(url: str) -> None:
    assert httpx.post(f"{url}/mcp", headers=SENT, json=PING).status_code == 404


def test_an_agent_sees_what_the_server_moved_to(tmp_path: Path) -> None:
    warehouse = new_warehouse(tmp_path / "w", version(1))
    with served({"docs": tmp_path / "w"}, agents=True) as url:
        assert "version 1" in call(url, "search", query="zebra version", headers={})[1].content[0].text
        publish_chunks(warehouse, version(2))
        for _ in range(200):
            if httpx.get(f"{url}/v1/generation").json()["generation"] == 2:
                break
        assert "version 2" in call(url, "search", query="zebra version", headers={})[1].content[0].text
