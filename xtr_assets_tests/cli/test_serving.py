import json
from pathlib import Path

import pytest

from xtr_assets_tests.cli.conftest import Command


def hits(run: Command, query: str) -> list[str]:
    result = run("search", query, "--json", "-k", "3")
    assert result.exit_code == 0, result.output
    return [hit["path"] for hit in json.loads(result.stdout)["hits"]]


def serves(run: Command) -> int:
    number: int = json.loads(run("status", "--json").stdout)["generation"]
    return number


@pytest.mark.usefixtures("project")
def test_a_build_with_nothing_changed_makes_no_generation_and_a_full_one_does(change: Command) -> None:
    unchanged = change("build")
    assert unchanged.exit_code == 0, unchanged.output
    assert "nothing to do" in unchanged.stderr
    assert serves(change) == 1
    assert len(json.loads(change("generations", "--json").stdout)) == 1
    assert change("build", "--full").exit_code == 0
    assert serves(change) == 2


@pytest.mark.usefixtures("second")
def test_a_change_serves_after_a_build_and_deleted_text_is_gone(change: Command) -> None:
    assert serves(change) == 2
    assert hits(change, "the lion roars")[0] == "lions.md"
    assert "animals.md" not in hits(change, "zebra stripes giraffe")


@pytest.mark.usefixtures("second")
def test_rollback_lets_the_generation_before_serve_again(change: Command) -> None:
    result = change("rollback", "--reason", "lions", "--json")
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert document["generation"] == 1
    assert (document["history"]["action"], document["history"]["reason"]) == ("rolled_back", "lions")
    assert hits(change, "zebra stripes giraffe")[0] == "animals.md"
    assert change("publish", "2").exit_code == 0
    assert serves(change) == 2


@pytest.mark.usefixtures("second")
def test_a_withdrawn_generation_never_serves_again(change: Command) -> None:
    assert change("withdraw", "2", "--reason", "lions").exit_code == 0
    assert serves(change) == 1
    refused = change("publish", "2")
    assert refused.exit_code == 1
    assert "withdrawn" in refused.stderr
    assert [g["state"] for g in json.loads(change("generations", "--json").stdout)] == ["published", "withdrawn"]


def test_a_failed_check_leaves_the_published_generation(project: Path, change: Command) -> None:
    config = project / "xtr.yaml"
    config.write_text(config.read_text().replace("{queries: 20}", "{queries: 20, dense: 1.01}"))
    (project / "guide" / "lions.md").write_text("# Lions\n\nThe lion roars.\n")
    failed = change("build")
    assert failed.exit_code == 1
    assert "dense_recall" in failed.stderr
    assert serves(change) == 1
    assert change("publish", "2").exit_code == 1
    assert change("publish", "2", "--force").exit_code == 2
    forced = change("publish", "2", "--force", "--reason", "lions matter")
    assert forced.exit_code == 0, forced.output
    assert serves(change) == 2
    assert json.loads(change("status", "--json").stdout)["forced"] == "lions matter"


@pytest.mark.usefixtures("project")
def test_an_unknown_generation_is_one_line(change: Command) -> None:
    result = change("publish", "99")
    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: ") and "99" in line


@pytest.mark.usefixtures("project")
def test_debug_shows_the_traceback(change: Command) -> None:
    assert "Error" in repr(change("--debug", "publish", "99").exception)
