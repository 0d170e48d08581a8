import json

import pytest

from xtr_assets_tests.cli.conftest import Command


def test_plan_explains_the_shortlist_for_any_size(run: Command) -> None:
    found = json.loads(run("plan", "--rows", "1000000", "--dim", "384", "--json").stdout)
    assert found["shortlist"][0]["recipe"] in ("IVF2048,SQ4", "IVF1024,PQ96x4fsr")
    assert all(one["reason"] and one["memory_bytes"] > 0 for one in found["shortlist"])
    memory = min(one["memory_bytes"] for one in found["shortlist"])
    tight = json.loads(run("plan", "--rows", "1000000", "--dim", "384", "--memory", str(memory), "--json").stdout)
    assert [one["memory_bytes"] for one in tight["shortlist"]] == [memory]
    short = run("plan", "--rows", "1000000", "--dim", "384", "--memory", "1000")
    assert (short.exit_code, str(memory) in short.stderr) == (1, True)
    assert "recall@10 1.0" in run("plan", "--rows", "1000000", "--dim", "384", "--goal", "1").stderr


def test_plan_takes_what_serves_where_nothing_is_said(run: Command) -> None:
    found = json.loads(run("plan", "--json").stdout)
    assert (found["dim"], found["recall_goal"], found["configured"]) == (64, 0.95, None)
    assert found["rows"] > 0
    assert [one["recipe"] for one in found["shortlist"]] == ["Flat"]


def test_plan_measures_what_serves(run: Command) -> None:
    found = json.loads(run("plan", "--measure", "--json").stdout)
    assert found["choice"]["plan"]["recipe"] in [one["recipe"] for one in found["shortlist"]]
    assert "measured" in run("plan", "--measure").stderr
    assert run("plan", "--measure", "--rows", "5").exit_code == 2


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


@pytest.mark.usefixtures("second")
def test_diff_says_what_was_added_removed_and_answered_otherwise(change: Command) -> None:
    found = json.loads(change("diff", "1", "2", "-q", "the lion roars", "-k", "3", "--json").stdout)
    assert (found["before"], found["after"]) == (1, 2)
    assert found["sources"] == {"guide": {"added": 1, "removed": 1, "changed": 0}}
    assert (found["added"], found["removed"], found["changed"]) == (1, 1, 0)
    [answer] = found["answers"]
    assert [hit["path"] for hit in answer["gained"]] == ["lions.md"]
    assert len(answer["lost"]) == 1 and answer["overlap"] == pytest.approx(2 / 3)
    shown = change("diff", "1", "2", "-q", "the lion roars", "-k", "3").stderr
    assert "1 added, 1 removed, 0 changed" in shown and "lions.md" in shown
    assert change("diff", "1", "9").exit_code == 1
