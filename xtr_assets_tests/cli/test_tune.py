import json

import pytest

from xtr_assets_tests.cli.conftest import Command


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
