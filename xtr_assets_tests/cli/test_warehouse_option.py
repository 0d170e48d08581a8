from pathlib import Path
from typing import Any

from xtr_assets_tests.cli.answers import document
from xtr_assets_tests.cli.conftest import Command


def test_a_warehouse_alone_is_enough_to_read_it(built: Path, tmp_path: Path, run: Command, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    warehouse = str(built / "warehouse")
    assert document(run, "search", "zebra", "--warehouse", warehouse)["hits"]
    found = document(run, "status", "--warehouse", warehouse)
    assert (found["generation"], found["name"]) == (1, None)
    assert [shard["behind"] for shard in found["shards"]] == [None, None]


def test_without_a_warehouse_one_line_says_what_to_do(tmp_path: Path, run: Command, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    for command in (("status",), ("search", "x"), ("generations",), ("verify",), ("rollback",)):
        result = run(*command)
        assert (result.exit_code, result.stdout) == (1, ""), command
        (line,) = result.stderr.splitlines()
        assert line.startswith("error: no warehouse at warehouse; `xtr-assets demo`")
