import json
import shutil
from pathlib import Path

import pytest

from xtr_assets_tests.cli.conftest import Command, enter


def test_tune_reports_and_changes_nothing(run: Command) -> None:
    found = json.loads(run("tune", "--json").stdout)
    assert found["generation"] == 1
    for index in ("dense", "xtr"):
        proposal = found[index]
        assert proposal["met"] and proposal["after"]["mean"] == 1.0
        assert proposal["after"]["queries"] > 0
    assert len(json.loads(run("generations", "--json").stdout)) == 1
    assert "gate queries" in run("tune").stderr


@pytest.mark.usefixtures("second")
def test_tune_applied_is_a_generation_like_any_other(change: Command) -> None:
    before = json.loads(change("search", "the lion roars", "--json").stdout)["hits"]
    done = change("tune", "--apply", "--json")
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    assert (document["built"], document["published"], document["failed"]) == (3, True, [])
    assert json.loads(change("search", "the lion roars", "--json").stdout)["hits"] == before
    found = json.loads(change("diff", "2", "3", "--json").stdout)
    assert (found["added"], found["removed"], found["changed"]) == (0, 0, 0)


def test_a_refused_first_build_is_tuned_and_has_a_way_out(
    built: Path, tmp_path: Path, run: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "fresh"
    shutil.copytree(
        built, folder, ignore=shutil.ignore_patterns("warehouse", "*.db*", "storage", "history", "schedules")
    )
    enter(folder, monkeypatch)
    assert "no draft was refused" in run("tune").stderr or "no warehouse" in run("tune").stderr
    config = folder / "xtr.yaml"
    asked = config.read_text()
    config.write_text(asked.replace("{queries: 20}", "{queries: 20, xtr: 1.01}"))
    assert run("build").exit_code == 1
    found = json.loads(run("tune", "--json").stdout)
    assert (found["generation"], found["state"]) == (1, "draft")
    shown = run("tune").stderr
    assert "draft 1 was refused: xtr_recall: recall@10 of late interaction is 1.000 over" in shown
    config.write_text(asked)
    done = run("tune", "--apply", "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["published"]
    assert json.loads(run("tune", "--json").stdout)["state"] == "published"
