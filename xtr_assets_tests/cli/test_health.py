import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from xtr_assets_tests.cli.answers import document
from xtr_assets_tests.cli.conftest import Command


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
    pointer.write_text("seven\n")
    assert sick(change)["generation"] is None


def test_a_cut_file_is_named(change: Command, project: Path) -> None:
    (path,) = project.rglob("dense.faiss")
    path.write_bytes(path.read_bytes()[:-1])
    found = sick(change)
    assert found["files"]["differ"] == ["generations/1/dense.faiss"]
    assert "generations/1/dense.faiss: expected" in found["problems"][0]


def test_changes_are_shown_and_too_old_is_a_problem(change: Command, project: Path) -> None:
    (project / "guide" / "new.md").write_text("# New\n\nText.\n")
    found = document(change, "health", "--max-age", "1000")
    assert list(found["behind"]) == ["guide"] and found["behind"]["guide"]["added"] == 1
    assert "behind: guide" in change("health").stderr
    assert "guide changed, and what serves is" in sick(change, "--max-age", "0")["problems"][0]


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
