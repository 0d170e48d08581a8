from pathlib import Path

import pytest
import yaml

from xtr_assets_tests.cli.answers import document
from xtr_assets_tests.cli.conftest import Command


def test_status_says_what_serves(run: Command, built: Path) -> None:
    found = document(run, "status")
    assert (found["generation"], found["state"], found["name"]) == (1, "published", "handbook")
    assert found["rows"] == found["live_rows"] > 0
    assert found["dead_share"] == 0
    assert found["bytes"]["total"] == sum(size for kind, size in found["bytes"].items() if kind != "total")
    assert found["encoder"]["dim"] == 64
    assert set(found["recipe"]) == {"dense", "xtr", "lexical"}
    checks = {check["name"]: check for check in found["checks"]}
    assert {"dense_recall", "xtr_recall", "id_map_bijection"} <= set(checks)
    plain = ["name", "passed", "value", "threshold"]
    assert list(checks["dense_recall"]) == [*plain, "default_threshold", "lowered", "summary"]
    assert list(checks["id_map_bijection"]) == [*plain, "summary"]
    assert checks["dense_recall"]["lowered"] is False
    assert all(check["passed"] for check in checks.values())
    assert [shard["shard"] for shard in found["shards"]] == ["guide", "tools"]
    assert all(not any(shard["behind"].values()) for shard in found["shards"])


def test_status_says_what_serves_on_this_machine_and_why(run: Command) -> None:
    serves = document(run, "status")["serves"]
    assert serves["dense"]["faiss"]["distribution"].startswith("faiss-")
    assert serves["dense"]["device"] and serves["dense"]["reason"]
    assert serves["xtr"]["backend"] in ("native", "numba", "numpy")
    assert serves["xtr"]["device"] and serves["xtr"]["reason"]
    assert serves["lexical"]["backend"] in ("native", "numpy") and serves["lexical"]["reason"]
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


def test_of_many_suffixes_that_no_source_reads_the_frequent_are_named(project: Path, change: Command) -> None:
    for number in range(15):
        (project / "guide" / f"a.x{number}").write_text("?")
    (project / "guide" / "b.x14").write_text("?")
    told = " ".join(change("status").stderr.split())
    assert "skipped: no source reads 2 .x14, 1 " in told
    assert "more suffixes; all of them: `xtr-assets status --json`" in told
    assert {f".x{number}" for number in range(15)} <= set(document(change, "status")["skipped"])


def test_a_source_whose_reader_is_not_here_hides_nothing_else(
    project: Path, change: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a host that only serves: without git nothing of the index was told."""
    config = project / "xtr.yaml"
    held = yaml.safe_load(config.read_text())
    held["sources"].append({"name": "repository", "kind": "git", "path": "."})
    config.write_text(yaml.safe_dump(held))
    monkeypatch.setenv("PATH", "")
    shards = {shard["shard"]: shard["behind"] for shard in document(change, "status")["shards"]}
    assert "the command git is not on the PATH" in shards["repository"]["error"]
    assert not any((*shards["guide"].values(), *shards["tools"].values()))
    found = change("health", "--json")
    assert found.exit_code == 1 and "source of repository: the command git is not on the PATH" in found.stdout


def test_status_shows_a_threshold_below_the_default(project: Path, change: Command) -> None:
    config = project / "xtr.yaml"
    config.write_text(config.read_text().replace("{queries: 20}", "{queries: 20, xtr: 0.5}"))
    assert change("build").exit_code == 0
    checks = {check["name"]: check for check in document(change, "status")["checks"]}
    asked = {name: checks["xtr_recall"][name] for name in ("threshold", "default_threshold", "lowered")}
    assert asked == {"threshold": 0.5, "default_threshold": 0.95, "lowered": True}
    assert not checks["dense_recall"]["lowered"]
    assert "0.500 (lowered from 0.950)" in change("status").stderr
