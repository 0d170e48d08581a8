"""The tools as an agent calls them: in memory, and over the standard input of the command."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from xtr_assets.core.errors import ConfigError
from xtr_assets.search.searcher import Searcher
from xtr_assets.server.agent_mistakes import nothing_passes
from xtr_assets.server.agent_tools import SHOWN_TEXT, AgentTools, agent_server
from xtr_assets.server.hosted_index import HostedIndex
from xtr_assets_tests.fixtures import make_chunk, new_warehouse, publish_chunks
from xtr_assets_tests.server.site import version


def call(folder: Path, tool: str, **arguments: Any) -> Any:
    """The answer of a tool; of one that failed, its words."""

    async def called() -> Any:
        async with Client(agent_server([HostedIndex("docs", folder, "cpu")])) as client:
            return said(await client.call_tool(tool, arguments))

    return asyncio.run(called())


def said(result: Any) -> Any:
    (content,) = result.content
    return content.text if result.is_error else json.loads(content.text)


def test_a_search_shows_places_and_small_texts(folder: Path, local: Searcher) -> None:
    found = call(folder, "search", query="zebra version")
    assert (found["index"], found["generation"], len(found["hits"])) == ("docs", 1, 5)
    first, wanted = found["hits"][0], local.search("zebra version", 5)[0]
    assert first["chunk_id"] == str(wanted.chunk_id) and first["place"] == f"{wanted.path}:1-1"
    assert first["text"] == wanted.text and "cut" not in first
    only = call(folder, "search", query="parse", k=20, path="old1.py", source="code")
    assert {hit["place"].split(":")[0] for hit in only["hits"]} == {"old1.py"}


def test_an_agent_is_told_that_quotes_and_plus_signs_demand(folder: Path) -> None:
    async def told() -> str:
        async with Client(agent_server([HostedIndex("docs", folder, "cpu")])) as client:
            tools = {tool.name: tool.description or "" for tool in (await client.list_tools()).tools}
            return " ".join(tools["search"].split())

    assert "A phrase in double quotes must stand in each hit" in asyncio.run(told())
    found = call(folder, "search", query='zebra "version 1"')["hits"]
    assert found and all("version 1" in one["text"] for one in found)


def test_equal_texts_are_one_hit_for_an_agent_unless_it_says_otherwise(tmp_path: Path) -> None:
    copies = [make_chunk(f"v{i}/a.md", "a", "zebra", source="old" if i else "new", line=4) for i in range(3)]
    new_warehouse(tmp_path / "w", [*copies, make_chunk("b.md", "b", "zebra horse")])
    found = call(tmp_path / "w", "search", query="zebra", mode="lexical")["hits"]
    first, second = sorted(found, key=lambda hit: "also_in" not in hit)
    paths = sorted((hit.source, hit.path) for hit in copies if not first["place"].startswith(hit.path))
    (source, path), _ = paths
    beside = "" if source == first["source"] else f"{source}: "
    assert first["also_in"] == f"{beside}{path}:4 and 1 more" and "also_in" not in second
    every = call(tmp_path / "w", "search", query="zebra", mode="lexical", collapse="none")["hits"]
    assert len(every) == 4 and all("also_in" not in hit for hit in every)
    only = call(tmp_path / "w", "search", query="zebra", mode="lexical", source="new")["hits"]
    assert all("also_in" not in hit for hit in only), "what the filter hides is named nowhere"


def test_an_agent_is_told_what_was_asked_where_the_spelling_was_corrected(folder: Path) -> None:
    found = call(folder, "search", query="zebrra", mode="lexical")
    assert (
        found["corrected"] == "zebra" and found["hits"] == call(folder, "search", query="zebra", mode="lexical")["hits"]
    )
    assert "corrected" not in call(folder, "search", query="zebra", mode="lexical")


def test_an_agent_is_told_that_nothing_holds_what_it_quotes(folder: Path) -> None:
    found = call(folder, "search", query='which "zebra versions of old" are there')
    assert found["corrected"] == "which zebra versions of old are there" and len(found["hits"]) == 5
    told = call(folder, "search", query='+"zebra versions of old"')
    assert "no chunk holds all that query demands by plus signs; ask without them" in str(told)


def test_tools_that_say_nothing_of_themselves_are_not_offered(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`python -OO` takes the docstrings, which are what an agent is told of a tool."""
    monkeypatch.setattr(AgentTools.read_chunk, "__doc__", None)
    with pytest.raises(ConfigError, match="PYTHONOPTIMIZE"):
        agent_server([HostedIndex("docs", folder, "cpu")])


def test_a_chunk_is_read_whole_with_its_neighbours(tmp_path: Path) -> None:
    chunks = [make_chunk("a.py", f"f{i}", f"number {i} " + "word " * 400, line=1 + i) for i in range(5)]
    new_warehouse(tmp_path / "w", chunks)
    (hit, *_) = call(tmp_path / "w", "search", query="number 2", k=1)["hits"]
    assert len(hit["text"]) == SHOWN_TEXT and hit["cut"].startswith(f"{SHOWN_TEXT} of 20")
    read = call(tmp_path / "w", "read_chunk", chunk_id=str(chunks[2].chunk_id))["chunks"]
    assert [one["symbol"] for one in read] == ["f1", "f2", "f3"] and read[1]["text"] == chunks[2].text
    edge = call(tmp_path / "w", "read_chunk", chunk_id=str(chunks[0].chunk_id), before=3, after=0)["chunks"]
    assert [one["symbol"] for one in edge] == ["f0"]


def test_sources_and_state_are_told(folder: Path) -> None:
    sources = call(folder, "list_sources")["sources"]
    assert sources == [{"source": "code", "chunks": 80, "files": 45, "kinds": {"function": 80}}]
    (state,) = call(folder, "index_status")["indexes"]
    assert (state["index"], state["generation"], state["live_rows"], state["problem"]) == ("docs", 1, 80, None)


@pytest.mark.parametrize(
    ("tool", "arguments", "says"),
    [
        ("search", {"query": "a", "k": 21}, "k is 21; give a whole number from 1 to 20"),
        ("search", {"query": "x" * 9000}, "9000 characters"),
        ("search", {"query": "a", "index": "other"}, "name one of docs"),
        ("search", {"query": "a", "path": "[z-a]"}, "runs backwards"),
        ("search", {"query": " "}, "query is ' '; give words"),
        # Of another name or type: one line, without a link to the documents of a library.
        ("search", {}, "search: field `query` is missing"),
        ("search", {"query": "a", "k": "many"}, "search: `k` is 'many': give a whole number"),
        (
            "search",
            {"query": "a", "mode": "fast"},
            "search: `mode` is 'fast': use 'hybrid', 'dense', 'xtr' or 'lexical'",
        ),
        ("search", {"query": "a", "path": 7}, "search: `path` is 7: give text"),
        ("search", {"query": "a", "sources": "x"}, "search has no argument 'sources'; give query, k, source, path"),
        ("index_status", {"index": "docs"}, "index_status has no argument 'index'; call it without any"),
        ("find", {"query": "a"}, "there is no tool 'find'; call one of search, read_chunk, list_sources, index_status"),
        # What no file passes is no answer: an agent would read it as "there is nothing of it".
        (
            "search",
            {"query": "zebra", "source": "cod"},
            "source is 'cod', which the index does not have; give one of 'code'",
        ),
        ("search", {"query": "zebra", "path": "old[1"}, "path is 'old[1', a glob that no path matches whole"),
        ("search", {"query": "zebra", "path": "old[1"}, "there are 45 paths such as 'old"),
        ("search", {"query": "zebra", "path": "./old1.py", "source": "code"}, "'old1.py' matches some"),
        ("read_chunk", {"chunk_id": 12}, "read_chunk: `chunk_id` is 12: give text"),
        ("read_chunk", {"chunk_id": "12"}, "chunk 12 is not in generation 1"),
        ("read_chunk", {"chunk_id": "../etc"}, "give the digits"),
        ("read_chunk", {"chunk_id": "12", "before": 99}, "give 0 to 10"),
    ],
)
def test_a_mistake_is_told_in_words(folder: Path, tool: str, arguments: dict[str, Any], says: str) -> None:
    answer = call(folder, tool, **arguments)
    assert says in answer and "\n" not in answer and "https:" not in answer


def test_a_glob_that_only_another_source_meets_says_which(tmp_path: Path) -> None:
    chunks = [make_chunk(f"{one}/a.py", "f", f"zebra of {one}", source=one) for one in ("code", "docs")]
    new_warehouse(tmp_path / "w", chunks)
    answer = call(tmp_path / "w", "search", query="zebra", source="code", path="docs/*")
    assert "no file of source 'code' matches; files of 'docs' do" in answer
    assert [hit["source"] for hit in call(tmp_path / "w", "search", query="zebra", path="docs/*")["hits"]] == ["docs"]


def test_a_glob_means_what_a_filter_means_and_holds_up_nobody() -> None:
    """Python's own expressions try every way to share the name out among forty stars: some 10^30."""
    files = [("code", f"cafe\u0301/{'0123456789abcdef' * 8}.txt")]
    assert nothing_passes(files, None, "caf\u00e9/*") is None
    assert "no path matches whole" in str(nothing_passes(files, None, "*?" * 40 + "z"))


def test_words_that_no_chunk_holds_are_an_empty_answer(folder: Path) -> None:
    assert call(folder, "search", query="xylophone", mode="lexical", path="old1.py", source="code")["hits"] == []


def test_nothing_published_is_told_without_a_path(tmp_path: Path) -> None:
    answer = call(tmp_path / "nowhere", "search", query="zebra")
    assert "does not answer" in answer and str(tmp_path) not in answer
    (state,) = call(tmp_path / "nowhere", "index_status")["indexes"]
    assert state["generation"] is None and state["problem"]


def test_an_agent_sees_what_was_published_meanwhile(tmp_path: Path) -> None:
    warehouse = new_warehouse(tmp_path / "w", version(1))

    async def twice() -> list[str]:
        async with Client(agent_server([HostedIndex("docs", tmp_path / "w", "cpu")])) as client:
            texts = []
            for number in (1, 2):
                texts.append(said(await client.call_tool("search", {"query": "zebra version"}))["hits"][0]["text"])
                if number == 1:
                    publish_chunks(warehouse, version(2))
            return texts

    first, second = asyncio.run(twice())
    assert "version 1" in first and "version 2" in second


def test_the_command_speaks_over_standard_input_and_output(folder: Path) -> None:
    command = "from xtr_assets.cli import main; main()"
    arguments = ["-c", command, "mcp", "--warehouse", str(folder), "--device", "cpu"]

    async def spoken() -> tuple[list[str], Any]:
        with open(os.devnull, "w") as nowhere:  # noqa: PTH123
            parameters = StdioServerParameters(command=sys.executable, args=arguments, env=dict(os.environ))
            async with Client(stdio_client(parameters, errlog=nowhere)) as client:
                tools = (await client.list_tools()).tools
                return [tool.name for tool in tools], said(await client.call_tool("search", {"query": "zebra", "k": 2}))

    names, found = asyncio.run(asyncio.wait_for(spoken(), 120))
    assert names == ["search", "read_chunk", "list_sources", "index_status"]
    assert len(found["hits"]) == 2


HALF = "\ud800"
HELLO = {"protocolVersion": "2025-03-26", "capabilities": {}, "clientInfo": {"name": "t", "version": "0"}}


def test_a_line_that_is_no_message_is_answered_and_the_next_one_too(folder: Path) -> None:
    """JSON may escape half of a character, which UTF-8 cannot hold: an agent waited for ever for its answer."""
    asked = {"name": "search", "arguments": {"query": f"zebra {HALF}"}}
    lines: list[Any] = [
        {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": HELLO},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": HALF, "method": "ping"},
        {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": asked},
        {"jsonrpc": "2.0", "id": "b", "method": "tools/call", "params": {**asked, "name": HALF}},
        "no json",
        "",
        '{"id": 3, "method": "ping"}',
        "[1, 2]",
        "[" * 5000,
        {"jsonrpc": "2.0", "method": f"notifications/{HALF}"},
        {"jsonrpc": "2.0", "id": 4, "method": "ping"},
    ]
    text = "".join(f"{one if isinstance(one, str) else json.dumps(one)}\n" for one in lines)
    arguments = ["-c", "from xtr_assets.cli import main; main()", "mcp", "-w", str(folder), "--device", "cpu"]
    with subprocess.Popen(
        [sys.executable, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as agent:
        assert agent.stdin is not None and agent.stdout is not None and agent.stderr is not None
        agent.stdin.write(text)
        agent.stdin.flush()
        # Eight errors and two answers; the input stays open until they came.
        found = [json.loads(agent.stdout.readline()) for _ in range(9)]
        agent.stdin.close()
        rest, noise = agent.stdout.read(), agent.stderr.read()
    assert (agent.returncode, rest, "Traceback" in noise) == (0, "", False)
    told = [(one["id"], one["error"]["code"], one["error"]["message"]) for one in found if "error" in one]
    half, none, other = (
        (-32700, "the message holds half of a character"),
        (-32700, "the line is no JSON;"),
        (-32600, "the line is no JSON-RPC message; send"),
    )
    wanted = [(None, half), (2, half), ("b", half), (None, none), (3, other), (None, other), (None, none)]
    assert [
        (one, (code, said[: len(begins[1])])) for (one, code, said), (_, begins) in zip(told, wanted, strict=True)
    ] == wanted
    assert [one["id"] for one in found if "result" in one] == [1, 4]
