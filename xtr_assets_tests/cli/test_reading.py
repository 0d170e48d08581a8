import json
from pathlib import Path
from typing import Any

import pytest

from xtr_assets_tests.cli.conftest import Command

HIT_KEYS = ["rank", "chunk_id", "score", "scores", "source", "path", "symbol", "start_line", "end_line", "text"]


def document(run: Command, *arguments: str) -> Any:
    """What --json prints: exactly one JSON document on standard output."""
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    (line,) = result.stdout.splitlines()
    return json.loads(line)


@pytest.mark.parametrize("mode", ["hybrid", "dense", "xtr", "exact"])
def test_search_prints_the_documented_document(run: Command, mode: str) -> None:
    found = document(run, "search", "zebra stripes", "--mode", mode, "-k", "3")
    assert list(found) == ["generation", "mode", "took_ms", "hits"]
    assert (found["generation"], found["mode"]) == (1, mode)
    assert found["took_ms"] > 0
    assert [hit["rank"] for hit in found["hits"]] == [1, 2, 3]
    assert all(list(hit) == HIT_KEYS for hit in found["hits"])
    best = found["hits"][0]
    assert (best["source"], best["path"]) == ("guide", "animals.md")
    assert "zebra" in best["text"]
    assert set(best["scores"]) == ({mode} if mode in ("dense", "xtr") else {"dense", "xtr"})
    scores = [hit["score"] for hit in found["hits"]]
    assert scores == sorted(scores, reverse=True)


def test_a_filter_narrows_the_hits(run: Command) -> None:
    hits = document(run, "search", "zebra", "--where", "source=guide", "--where", "path=glob:t*.md")["hits"]
    assert hits
    assert {hit["path"] for hit in hits} == {"travel.md"}


def test_an_explanation_comes_where_it_was_asked_for(run: Command) -> None:
    hits = document(run, "search", "zebra stripes", "--explain", "-k", "1")["hits"]
    assert list(hits[0]) == [*HIT_KEYS, "explanation"]
    assert set(hits[0]["explanation"]["spaces"]) == {"dense", "xtr"}
    assert "zebra" in [match["token"] for match in hits[0]["explanation"]["tokens"]]


def test_people_see_a_table_and_standard_output_stays_empty(run: Command) -> None:
    result = run("search", "zebra stripes", "--explain")
    assert result.exit_code == 0, result.output
    assert result.stdout == ""
    assert "animals.md:" in result.stderr


@pytest.mark.parametrize("arguments", [("zebra", "--where", "colour=red"), ("zebra", "--mode", "psychic")])
def test_a_search_that_cannot_be_is_wrong_use(run: Command, arguments: tuple[str, ...]) -> None:
    result = run("search", *arguments, "--json")
    assert (result.exit_code, result.stdout) == (2, "")


def test_an_empty_query_finds_nothing(run: Command) -> None:
    assert document(run, "search", " ")["hits"] == []


def test_status_says_what_serves(run: Command, built: Path) -> None:
    found = document(run, "status")
    assert (found["generation"], found["state"], found["name"]) == (1, "published", "handbook")
    assert found["rows"] == found["live_rows"] > 0
    assert found["dead_share"] == 0
    assert found["bytes"]["total"] == sum(size for kind, size in found["bytes"].items() if kind != "total")
    assert found["encoder"]["dim"] == 64
    assert set(found["recipe"]) == {"dense", "xtr"}
    checks = {check["name"]: check for check in found["checks"]}
    assert {"dense_recall", "xtr_recall", "id_map_bijection"} <= set(checks)
    assert list(checks["dense_recall"]) == ["name", "passed", "value", "threshold"]
    assert all(check["passed"] for check in checks.values())
    assert [shard["shard"] for shard in found["shards"]] == ["guide", "tools"]
    assert all(not any(shard["behind"].values()) for shard in found["shards"])


def test_status_says_what_serves_on_this_machine_and_why(run: Command) -> None:
    serves = document(run, "status")["serves"]
    assert serves["dense"]["faiss"]["distribution"].startswith("faiss-")
    assert serves["dense"]["device"] and serves["dense"]["reason"]
    assert serves["xtr"]["backend"] in ("native", "numba", "numpy")
    assert serves["xtr"]["device"] and serves["xtr"]["reason"]
    shown = run("status").stderr
    assert "FAISS" in shown and "backend: xtr" in shown and "device: dense" in shown


def test_status_lists_the_quarantine(run: Command) -> None:
    (entry,) = document(run, "status")["quarantine"]
    assert (entry["source"], entry["path"], entry["reason"]) == ("tools", "broken.py", "unparsable")
    assert "broken.py" in run("status").stderr


def test_status_says_which_shards_are_behind_their_source(project: Path, change: Command) -> None:
    (project / "guide" / "new.md").write_text("# New\n\nText.\n")
    (project / "guide" / "travel.md").write_text("# Travel\n\nWalk.\n")
    (project / "guide" / "animals.md").unlink()
    shards = {shard["shard"]: shard["behind"] for shard in document(change, "status")["shards"]}
    assert {what: shards["guide"][what] for what in ("added", "changed", "deleted")} == {
        "added": 1,
        "changed": 1,
        "deleted": 1,
    }
    assert not any(shards["tools"].values())
    assert "1 added, 1 changed, 1 deleted" in change("status").stderr


def test_a_warehouse_alone_is_enough_to_read_it(built: Path, tmp_path: Path, run: Command, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    warehouse = str(built / "warehouse")
    assert document(run, "search", "zebra", "--warehouse", warehouse)["hits"]
    found = document(run, "status", "--warehouse", warehouse)
    assert (found["generation"], found["name"]) == (1, None)
    assert [shard["behind"] for shard in found["shards"]] == [None, None]


def test_generations_are_listed(run: Command) -> None:
    (found,) = document(run, "generations")
    assert (found["generation"], found["state"], found["parent"], found["forced"]) == (1, "published", None, None)
    assert found["bytes"] > 0
    assert "published" in run("generations").stderr


def test_verify_names_the_file_that_differs(project: Path, change: Command) -> None:
    assert document(change, "verify")["ok"]
    (victim,) = (project / "warehouse" / "generations").rglob("id_map.parquet")
    data = bytearray(victim.read_bytes())
    data[len(data) // 2] ^= 1
    victim.write_bytes(data)
    result = change("verify", "--json")
    assert result.exit_code == 1
    assert [p["path"] for p in json.loads(result.stdout)["problems"]] == ["generations/1/id_map.parquet"]
    people = change("verify")
    assert people.exit_code == 1
    assert "generations/1/id_map.parquet" in people.stderr


def test_without_a_warehouse_one_line_says_what_to_do(tmp_path: Path, run: Command, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    for command in (("status",), ("search", "x"), ("generations",), ("verify",), ("rollback",)):
        result = run(*command)
        assert (result.exit_code, result.stdout) == (1, ""), command
        (line,) = result.stderr.splitlines()
        assert line.startswith("error: no warehouse at warehouse; `xtr-assets demo`")
