import importlib
import json
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

import pytest

from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.cli.answers import document
from xtr_assets_tests.cli.conftest import Command
from xtr_assets_tests.storage.resealed import Change, edit


def sick(change: Command, *arguments: str) -> dict[str, Any]:
    """What an unhealthy index answers: one JSON document, exit code 1, and the same said in one line."""
    result = change("health", *arguments, "--json")
    assert result.exit_code == 1, result.output
    (line,) = result.stdout.splitlines()
    found: dict[str, Any] = json.loads(line)
    assert found["ok"] is False and found["problems"]
    plain = change("health", *arguments)
    assert plain.exit_code == 1 and plain.stdout == ""
    assert plain.stderr.startswith("unhealthy: ") and len(plain.stderr.splitlines()) == 1
    return found


def test_a_healthy_index_says_so_in_one_line(run: Command) -> None:
    found = document(run, "health", "--max-age", "1000")
    assert (found["ok"], found["generation"], found["problems"], found["behind"]) == (True, 1, [], {})
    assert found["files"]["looked_at"] > 10 and found["files"]["differ"] == []
    assert found["checks"]["unmet"] == [] and found["checks"]["passed"] > 5
    result = run("health")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr.startswith("healthy: generation 1, ")


def test_no_warehouse_and_no_pointer_are_problems(change: Command, project: Path) -> None:
    assert "no warehouse at nowhere" in sick(change, "--warehouse", "nowhere")["problems"][0]
    (pointer,) = project.rglob("PUBLISHED")
    pointer.unlink()
    assert any("PUBLISHED" in one for one in sick(change)["problems"])
    for text in ("seven\n", "3 4355a46b19d348dc\n"):
        pointer.write_text(text)
        found = sick(change)
        assert found["generation"] is None and any("PUBLISHED" in one for one in found["problems"])


def test_a_cut_file_is_named(change: Command, project: Path) -> None:
    (path,) = project.rglob("dense.faiss")
    path.write_bytes(path.read_bytes()[:-1])
    found = sick(change)
    assert found["files"]["differ"] == ["generations/1/dense.faiss"]
    assert "generations/1/dense.faiss: expected" in found["problems"][0]


def test_a_file_that_this_user_may_not_read_is_named(
    change: Command, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path).name != "dense.faiss" and asked(path, mode))
    told = "generations/1/dense.faiss: expected a file that can be read, found Permission denied"
    assert told in sick(change)["problems"][0]


def test_changes_are_shown_and_too_old_is_a_problem(change: Command, project: Path) -> None:
    (project / "guide" / "new.md").write_text("# New\n\nText.\n")
    found = document(change, "health", "--max-age", "1000")
    assert list(found["behind"]) == ["guide"] and found["behind"]["guide"]["added"] == 1
    assert "behind: guide" in change("health").stderr
    assert "guide changed, and what serves is" in sick(change, "--max-age", "0")["problems"][0]


def test_a_file_that_cannot_be_read_is_shown_and_for_too_long_is_a_problem(change: Command, project: Path) -> None:
    page = min((project / "guide").glob("*.md"))
    page.unlink()
    page.symlink_to("nowhere")
    assert change("build").exit_code == 0
    found = document(change, "health", "--max-age", "1000")
    assert [(one["shard"], one["path"]) for one in found["stale"]] == [("guide", page.name)], (
        "of the other nothing serves"
    )
    assert "cannot be read: 1 files (`xtr-assets status`)" in change("health").stderr
    told = sick(change, "--max-age", "0")["problems"][-1]
    assert f"1 files cannot be read (guide: {page.name}, for 0.0 h, at most 0: a link to something" in told


def test_a_source_that_is_gone_is_a_problem(change: Command, project: Path) -> None:
    (project / "guide").rename(project / "elsewhere")
    assert any(one.startswith("source of guide: ") for one in sick(change)["problems"])


def test_it_loads_no_index_no_encoder_and_no_dagster(built: Path) -> None:
    code = (
        "import atexit, json, sys\n"
        "heavy = ('torch', 'transformers', 'dagster', 'faiss', 'numba', 'duckdb')\n"
        "atexit.register(lambda: print(json.dumps([m for m in heavy if m in sys.modules]), file=sys.stderr))\n"
        "from xtr_assets.cli import main\n"
        "sys.argv = ['xtr-assets', 'health', '--json']\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=built, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["ok"] is True
    assert json.loads(done.stderr.splitlines()[-1]) == []


def raise_recall(manifest: dict[str, Any]) -> None:
    record = manifest["checks"]["dense_recall"]
    assert record["passed"] and record["value"] <= 1.0
    record["value"] = 0.123


def fail_recall(manifest: dict[str, Any]) -> None:
    manifest["checks"]["dense_recall"]["passed"] = False


@pytest.mark.parametrize("seal", [False, True])
def test_an_edited_verdict_is_found_by_the_seal_and_by_the_history(change: Command, project: Path, seal: bool) -> None:
    warehouse = Warehouse.open(project / "warehouse")
    edit(warehouse, 1, raise_recall, seal=seal)
    found = sick(change)
    assert "generations/1/manifest.json" in found["files"]["differ"]
    # Where the manifest fits its seal its verdicts are read, and do not count; else nothing of it is shown.
    assert (found["checks"] is None) is not seal
    assert not seal or "dense_recall" in found["checks"]["unmet"][0]


@pytest.mark.parametrize(
    ("edited", "words"),
    [
        (raise_recall, "dense_recall its record was changed after the check wrote it"),
        (fail_recall, "dense_recall its record was changed after the check wrote it"),
        (lambda m: m["checks"].pop("xtr_recall"), "xtr_recall has no record: it never ran on this generation"),
        (lambda m: m.update(required=[]), "nothing says which checks it must pass"),
        (lambda m: m["profile"]["dense"].update(nprobe=1, recall=0.5), "dense_recall"),
    ],
)
def test_an_edited_verdict_is_found_though_every_seal_be_made_anew(
    change: Command, project: Path, edited: Change, words: str
) -> None:
    """By whoever computes all digests of files but not that of the record."""
    edit(Warehouse.open(project / "warehouse"), 1, edited, seal=True, history=True)
    found = sick(change)
    assert found["files"]["differ"] == [] and found["generation"] == 1
    (problem,) = found["problems"]
    assert problem.startswith("generation 1 serves without what it must have passed: ") and words in problem
    assert found["checks"]["unmet"]


def test_a_forced_generation_is_healthy_and_says_so(project: Path, change: Command) -> None:
    config = project / "xtr.yaml"
    config.write_text(config.read_text().replace("{queries: 20}", "{queries: 20, dense: 1.01}"))
    (project / "guide" / "lions.md").write_text("# Lions\n\nThe lion roars.\n")
    assert change("build").exit_code == 1
    assert document(change, "health")["generation"] == 1, "a draft that was refused is no problem of what serves"
    assert change("publish", "2", "--force", "--reason", "lions matter").exit_code == 0
    found = document(change, "health")
    assert (found["ok"], found["generation"], found["forced"]) == (True, 2, "lions matter")
    # What comes after the check that failed never ran.
    assert found["checks"]["failed"] == ["dense_recall"]
    assert "dense_recall did not pass" in found["checks"]["unmet"] and len(found["checks"]["unmet"]) > 1
    assert "forced (lions matter)" in change("health").stderr


@pytest.mark.parametrize(("minutes", "healthy"), [(4, True), (6, False), (60 * 24 * 365, False)])
def test_a_generation_of_the_future_is_a_problem(
    run: Command, monkeypatch: pytest.MonkeyPatch, minutes: int, healthy: bool
) -> None:
    """The clock of this host was put back, or that of the builder was ahead; five minutes may lie between two hosts."""
    made = datetime.fromisoformat(document(run, "health")["created_at"])

    class Early(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> "Early":
            early = made.astimezone(tz or UTC) - timedelta(minutes=minutes)
            return cls.fromisoformat(early.isoformat())

    monkeypatch.setattr(importlib.import_module("xtr_assets.cli.health"), "datetime", Early)
    if healthy:
        assert document(run, "health")["age_hours"] < 0
        return
    (problem,) = sick(run)["problems"]
    assert problem == f"generation 1 was made at {made.isoformat()}, which is yet to come"


@pytest.mark.long
def test_health_is_told_beside_a_running_build(project: Path, change: Command) -> None:
    """Whatever is half written: drafts, segments, encodings, the moment between the pointer and the history."""
    (project / "guide" / "lions.md").write_text("# Lions\n\nThe lion roars.\n")
    command = "from xtr_assets.cli import main; main()"
    served = []
    with subprocess.Popen([sys.executable, "-c", command, "build"], cwd=project, stderr=subprocess.DEVNULL) as build:
        while build.poll() is None:
            found = document(change, "health", "--max-age", "1000")
            assert found["ok"], found
            served.append(found["generation"])
    assert build.returncode == 0
    assert len(served) >= 3 and set(served) <= {1, 2} and served == sorted(served)
    assert document(change, "health")["generation"] == 2


def test_what_a_release_published_that_noted_no_demand_is_healthy(tmp_path: Path, run: Command) -> None:
    golden = Path(__file__).parents[1] / "compat" / "format-2"
    shutil.copytree(golden, tmp_path / "warehouse")
    found = document(run, "health", "--warehouse", str(tmp_path / "warehouse"))
    assert (found["ok"], found["generation"], found["problems"]) == (True, 2, [])
