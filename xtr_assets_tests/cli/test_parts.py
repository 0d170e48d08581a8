"""`parts`: a set from nothing to a rollback, by the command alone; and what takes a set in place of a warehouse."""

import json
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from xtr_assets.cli import app
from xtr_assets.storage.parts.part_set import PartSet
from xtr_assets_tests.cli.conftest import enter
from xtr_assets_tests.fixtures import make_chunk, publish_chunks


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments])


def build(folder: str, part: str, said: str) -> None:
    chunks = [make_chunk(f"{part}{i}.py", f"f{i}", f"{said} text {i}") for i in range(3)]
    publish_chunks(PartSet.open(folder).warehouse(part), chunks, shard=f"shard-{part}", recipe="Flat")


def test_a_set_from_nothing_to_a_rollback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    enter(tmp_path, monkeypatch)
    assert run("parts", "init", "set", "--most-chunks", "4").exit_code == 0
    placed = run("parts", "place", "set", "shard-part-0001=3", "shard-part-0002=3", "--json")
    assert json.loads(placed.stdout) == {"shard-part-0001": "part-0001", "shard-part-0002": "part-0002"}
    refused = run("parts", "publish", "set")
    assert refused.exit_code == 1 and "part part-0001: it has published nothing" in refused.stderr
    for part in ("part-0001", "part-0002"):
        build("set", part, "zebra")
    refused = run("parts", "publish", "set")
    assert refused.exit_code == 1 and refused.stderr.count("was forced past its own gate") == 2
    published = run("parts", "publish", "set", "--force", "no gate here", "--json")
    assert json.loads(published.stdout)["move"] == 1
    found = json.loads(run("search", "zebra text", "-k", "9", "-w", "set", "--json").stdout)
    assert found["generation"] == 1 and len({hit["path"][:9] for hit in found["hits"]}) == 2 and len(found["hits"]) == 6
    build("set", "part-0002", "giraffe")
    status = json.loads(run("parts", "status", "set", "--json").stdout)
    assert [(one["part"], one["generation"], one["serves"], one["share"]) for one in status["parts"]] == [
        ("part-0001", 1, 1, 0.75),
        ("part-0002", 1, 2, 0.75),
    ]
    assert status["move"] == 1 and status["live_rows"] == 6
    assert run("parts", "publish", "set", "--force", "no gate here").exit_code == 0
    PartSet.open("set").warehouse("part-0002").withdraw(2, "bad")
    status = json.loads(run("parts", "status", "set", "--json").stdout)
    assert status["parts"][0]["problem"] is None and "generation 2 was withdrawn" in status["parts"][1]["problem"]
    told = run("parts", "rollback", "set", "--reason", "worse")
    assert told.exit_code == 0 and "move 3 serves 6 chunks (part-0001: 1, part-0002: 1)" in told.stderr
    shown = run("parts", "status", "set")
    assert "part-0002" in shown.stderr and "move 3: rolled back" in shown.stderr


def test_wrong_use_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    enter(tmp_path, monkeypatch)
    assert run("parts", "init", "set").exit_code == 0
    assert run("parts", "place", "set", "docs").exit_code == 2
    assert run("parts", "place", "set", "docs=-4").exit_code == 2
    for arguments, told in (
        (("parts", "status", "nowhere"), "no set of parts at nowhere"),
        (("parts", "publish", "set"), "the set has no part"),
        (("search", "zebra", "-w", "set"), "parts publish"),
        (("status", "-w", "set"), "is a set of parts, and no warehouse"),
    ):
        done = run(*arguments)
        assert done.exit_code == 1 and told in " ".join(done.stderr.split()), (arguments, done.stderr)
