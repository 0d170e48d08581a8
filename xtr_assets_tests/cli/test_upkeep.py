import json
from pathlib import Path

import pytest

from xtr_assets_tests.cli.conftest import Command


def test_collection_says_what_it_would_remove_and_then_removes_it(second: Path, change: Command) -> None:
    planned = json.loads(change("gc", "--keep", "1", "--dry-run", "--json").stdout)
    assert (planned["dry_run"], planned["kept"], planned["generations"]) == (True, [2], [1])
    assert planned["bytes"] == sum(planned["removed"].values()) > 0
    assert (second / "warehouse" / "generations" / "1").is_dir()
    done = json.loads(change("gc", "--keep", "1", "--json").stdout)
    assert (done["dry_run"], done["removed"]) == (False, planned["removed"])
    assert not (second / "warehouse" / "generations" / "1").exists()
    assert change("verify").exit_code == 0
    assert "0 bytes" in change("gc", "--keep", "1").stderr


def test_an_export_serves_elsewhere_and_comes_back(second: Path, change: Command, tmp_path: Path) -> None:
    target = tmp_path / "export"
    assert change("export", str(target)).exit_code == 0
    hits = json.loads(change("search", "the lion roars", "--warehouse", str(target), "--json").stdout)
    assert (hits["generation"], hits["hits"][0]["path"]) == (2, "lions.md")
    again = change("export", str(target))
    assert (again.exit_code, len(again.stderr.splitlines())) == (1, 1)
    older = tmp_path / "older"
    assert json.loads(change("export", str(older), "--generation", "1", "--json").stdout)["generation"] == 1
    taken = change("import", str(target), "--warehouse", str(older), "--json")
    assert taken.exit_code == 0, taken.output
    assert json.loads(taken.stdout)["generation"] == 2
    assert change("publish", "2", "--warehouse", str(older)).exit_code == 0


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


@pytest.mark.usefixtures("project")
def test_only_a_generation_that_exists_is_exported(change: Command, tmp_path: Path) -> None:
    assert change("export", str(tmp_path / "x"), "--generation", "9").exit_code == 1
    assert not (tmp_path / "x").exists()


@pytest.mark.usefixtures("second")
def test_compact_says_that_there_is_nothing_to_do(change: Command) -> None:
    found = change("compact", "--json")
    assert found.exit_code == 0, found.output
    document = json.loads(found.stdout)
    assert (document["built"], document["generation"]) == (None, 2)
    assert document["reason"].startswith("nothing to do: no shard has segments worth writing anew")


def test_compact_publishes_what_finds_the_same(project: Path, change: Command) -> None:
    for name in ("owls", "bears", "foxes", "hares"):
        (project / "guide" / f"{name}.md").write_text(f"# {name}\n\nAll about {name} in the forest.\n")
        assert change("build").exit_code == 0
    before = json.loads(change("search", "foxes in the forest", "--json").stdout)
    done = change("compact")
    assert done.exit_code == 0, done.output
    assert "published generation 6" in " ".join(done.stderr.split())
    after = json.loads(change("search", "foxes in the forest", "--json").stdout)
    assert after["generation"] == before["generation"] + 1
    assert [hit["chunk_id"] for hit in after["hits"]] == [hit["chunk_id"] for hit in before["hits"]]
