import json
from pathlib import Path

import pytest

from xtr_assets_tests.cli.conftest import Command

MEASURES = {"ndcg@10", "mrr@10", "recall@10", "recall@100", "success@1", "success@5"}


def judge(project: Path) -> None:
    (project / "queries.jsonl").write_text(
        '{"_id": "1", "text": "zebra stripes giraffe"}\n{"_id": "2", "text": "parse a date"}\n'
    )
    (project / "qrels.tsv").write_text("query-id\tcorpus-id\tscore\n1\tanimals.md\t1\n2\tparse_date\t1\n")


def test_judgments_are_evaluated_by_mode(project: Path, change: Command) -> None:
    judge(project)
    config = project / "xtr.yaml"
    config.write_text(config.read_text() + "queries: {path: queries.jsonl, judgments: qrels.tsv}\n")
    found = json.loads(change("evaluate", "--json").stdout)
    assert (found["generation"], found["queries"], found["synthetic"]) == (1, 2, False)
    assert {"dense", "xtr", "hybrid", "bm25"} <= set(found["modes"])
    assert set(found["modes"]["hybrid"]) == {"queries", "interval", *MEASURES}
    # "zebra" and "date" stand in one document each: BM25 finds both, whatever the encoder makes of them.
    assert found["modes"]["bm25"]["success@1"] == 1.0
    assert {one["other"] for one in found["comparisons"]} == set(found["modes"]) - {"hybrid"}


def test_a_folder_takes_the_place_of_the_config(project: Path, change: Command, tmp_path: Path) -> None:
    judge(project)
    with (project / "qrels.tsv").open("a") as judgments:
        judgments.write("1\tgone.md\t1\n2\tanother.md\t0\n")
    shown = change("evaluate", str(project), "--moves", "3")
    assert shown.exit_code == 0, shown.output
    assert "2 judged queries" in shown.stderr
    assert "1 of the right answers are not in the generation, so that nothing finds them: gone.md" in shown.stderr
    for word in ("bm25", "ndcg@10", "p (Holm)", "hybrid wins against", "hybrid loses against"):
        assert word in shown.stderr
    assert change("evaluate", str(project), "--limit", "1", "--json").exit_code == 0


def test_a_log_names_its_own_answers(project: Path, change: Command) -> None:
    (project / "log.jsonl").write_text('{"text": "zebra stripes", "clicked": ["animals.md"]}\n{"text": "nothing"}\n')
    found = json.loads(change("evaluate", "--log", str(project / "log.jsonl"), "--json").stdout)
    assert found["queries"] == 1
    both = change("evaluate", str(project), "--log", "log.jsonl")
    assert (both.exit_code, "give one" in both.stderr) == (2, True)


def test_without_judgments_items_are_drawn_and_called_synthetic(project: Path, change: Command) -> None:
    found = json.loads(change("evaluate", "--json").stdout)
    assert found["synthetic"]
    assert found["queries"] == 2
    assert "synthetic" in change("evaluate").stderr


def test_a_missing_folder_is_named(project: Path, change: Command) -> None:
    missing = change("evaluate", str(project / "absent"))
    assert missing.exit_code == 2
    assert "queries.jsonl" in missing.stderr


@pytest.mark.parametrize("line", ["queries: {path: queries.jsonl, floor: 0.5}", "queries: {path: a, floor: 2}"])
def test_a_floor_is_a_share_of_judgments(project: Path, change: Command, line: str) -> None:
    config = project / "xtr.yaml"
    config.write_text(config.read_text() + line + "\n")
    refused = change("evaluate")
    assert (refused.exit_code, "floor" in refused.stderr) == (2, True)


def test_judgments_of_another_corpus_are_no_measure_of_this_one(project: Path, change: Command) -> None:
    """Every measure was 0.000, with an interval and a p, and the command ended well."""
    judge(project)
    (project / "qrels.tsv").write_text("query-id\tcorpus-id\tscore\n1\tguide/animals.md\t1\n2\tnowhere\t1\n")
    result = change("evaluate", str(project))
    (line,) = result.stderr.splitlines()
    assert result.exit_code == 2 and "none of the 2 documents that" in line and "such as 'guide/animals.md'" in line
    assert "they are named by path, symbol or chunk_id, as 'animals.md' is" in line
