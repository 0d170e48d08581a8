import json

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


def test_plan_says_what_an_index_takes_that_is_not_there(run: Command) -> None:
    found = json.loads(run("plan", "--chunks", "1e8", "--json").stdout)
    assert (found["chunks"], found["parts"], found["part"]["chunks"]) == (100_000_000, 20, 5_000_000)
    assert found["disk_bytes"] == 20 * found["part"]["disk_bytes"]
    shown = run("plan", "--chunks", "1e8", "--part-chunks", "1000000").stderr
    assert "in 100 parts of 1,000,000" in shown and "hours of one core" in shown


def test_plan_of_chunks_is_not_of_vectors_that_are_there(run: Command) -> None:
    refused = run("plan", "--chunks", "10", "--rows", "10")
    assert (refused.exit_code, "--chunks is about" in refused.stderr) == (2, True)
