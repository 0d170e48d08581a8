"""`serve` as a process: it answers until it is stopped, and refuses to be open by accident."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from xtr_assets.cli import app
from xtr_assets.cli.serve import hosted
from xtr_assets_tests.cli.conftest import Command

START = [sys.executable, "-c", "from xtr_assets.cli import main; main()", "serve", "--port", "0", "--device", "cpu"]
READY = re.compile(r"http://127\.0\.0\.1:(\d+)")


def test_the_command_answers_until_it_is_stopped(built: Path) -> None:
    environment = {**os.environ, "NO_COLOR": "1"}
    process = subprocess.Popen(
        [*START, "--mcp"], cwd=built, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    )
    said = []
    try:
        assert process.stderr is not None
        until = time.monotonic() + 90
        while (found := READY.search(line := process.stderr.readline())) is None:
            said.append(line)
            assert line and time.monotonic() < until, said
        question = {"query": "how is a refund paid", "k": 1}
        answer = httpx.post(f"http://127.0.0.1:{found[1]}/v1/search", json=question, timeout=60).json()
        assert answer["index"] == "handbook" and "refund" in answer["hits"][0]["text"].lower()
        message = {"jsonrpc": "2.0", "id": 7, "method": "ping"}
        sent = httpx.post(f"http://127.0.0.1:{found[1]}/mcp", json=message, headers={"accept": "application/json"})
        assert (sent.status_code, sent.json()) == (200, {"jsonrpc": "2.0", "id": 7, "result": {}})
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=30)
    finally:
        process.kill()
    assert out == "" and process.returncode in (0, -signal.SIGTERM)


def test_an_address_that_others_reach_is_refused_without_tokens(run: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XTR_ASSETS_TOKENS", raising=False)
    result = run("serve", "--host", "0.0.0.0", "--port", "0")
    assert result.exit_code == 2 and "no token is asked for; give --tokens FILE" in result.output


@pytest.mark.parametrize(
    ("command", "package", "modules"),
    [
        (["serve"], "uvicorn", {"runner"}),
        (["mcp"], "mcp", {"agent_tools"}),
        (["serve", "--mcp"], "mcp", {"agent_tools", "agent_route"}),
    ],
)
def test_a_package_that_is_missing_is_named_with_its_line(
    run: Command, monkeypatch: pytest.MonkeyPatch, command: list[str], package: str, modules: set[str]
) -> None:
    gone = {f"xtr_assets.server.{module}" for module in modules}
    for name in [one for one in sys.modules if one.split(".")[0] == package or one in gone]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    result = run(*command)
    extra = "mcp" if package == "mcp" else "serve"
    assert result.exit_code == 1 and f"pip install 'xtr-assets[{extra}]'" in result.output


def test_wrong_use_is_named(run: Command, tmp_path: Path) -> None:
    result = run("serve", "--index", "docs")
    assert result.exit_code == 2 and "NAME=WAREHOUSE" in result.output
    assert run("serve", "--index", "a=b", "--index", "a=c").exit_code == 2
    assert run("serve", "--index", "a\r\nb=c").exit_code == 2
    front = ("serve", "--parts", str(tmp_path), "--part", "a=http://127.0.0.1:1")
    for idle in (("--mcp",), ("--workers", "2"), ("--query-log", "log")):
        result = run(*front, *idle)
        assert result.exit_code == 2 and f"{idle[0]} is nothing that a front" in " ".join(result.output.split())
    result = run("serve", "--tokens", str(tmp_path / "none"))
    assert result.exit_code == 2 and "cannot be read" in result.output


def test_several_indexes_have_their_names(built: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(built)
    monkeypatch.delenv("XTR_ASSETS_CONFIG", raising=False)
    assert [one.name for one in hosted([], None, None, "cpu")] == ["handbook"]
    assert [one.name for one in hosted(["a=x", "b=y"], None, None, "cpu")] == ["a", "b"]
    assert [one.name for one in hosted(["a=x"], Path("xtr.yaml"), None, "cpu")] == ["a", "handbook"]
    assert CliRunner().invoke(app, ["serve", "-c", "xtr.yaml", "--index", "handbook=x"]).exit_code == 2
