import json
from pathlib import Path

from xtr_assets_tests.cli.conftest import Command


def test_judgments_are_evaluated_by_mode(project: Path, change: Command) -> None:
    (project / "queries.jsonl").write_text('{"_id": "1", "text": "zebra stripes giraffe"}\n')
    (project / "qrels.tsv").write_text("query-id\tcorpus-id\tscore\n1\tanimals.md\t1\n")
    without = change("evaluate")
    assert (without.exit_code, "`queries` is not set" in without.stderr) == (2, True)
    config = project / "xtr.yaml"
    config.write_text(config.read_text() + "queries: {path: queries.jsonl, judgments: qrels.tsv}\n")
    found = json.loads(change("evaluate", "--json").stdout)
    assert found["generation"] == 1
    assert found["modes"]["hybrid"]["queries"] == 1
    assert set(found["modes"]["hybrid"]) == {"queries", "ndcg@10", "mrr@10", "recall@100"}
