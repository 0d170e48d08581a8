"""What commands answer, read as programs read it."""

import json
from typing import Any

from xtr_assets_tests.cli.conftest import Command


def document(run: Command, *arguments: str) -> Any:
    """What --json prints: exactly one JSON document on standard output."""
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    (line,) = result.stdout.splitlines()
    return json.loads(line)


def hits(run: Command, query: str) -> list[str]:
    result = run("search", query, "--json", "-k", "3")
    assert result.exit_code == 0, result.output
    return [hit["path"] for hit in json.loads(result.stdout)["hits"]]


def serves(run: Command) -> int:
    number: int = json.loads(run("status", "--json").stdout)["generation"]
    return number
