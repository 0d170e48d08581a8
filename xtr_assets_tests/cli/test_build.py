import json
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from xtr_assets.cli.build_run import finish
from xtr_assets.config import load_config
from xtr_assets.defs.in_process import BuildResult, FailedCheck, RefusedBuild
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.cli.answers import hits, serves
from xtr_assets_tests.cli.conftest import Command, enter


def test_init_then_build_then_search(tmp_path: Path, run: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    enter(tmp_path, monkeypatch)
    (tmp_path / "notes.md").write_text("# Notes\n\nThe zebra has stripes.\n")
    assert run("init").exit_code == 0
    config = tmp_path / "xtr.yaml"
    text = config.read_text().replace("kind: minilm ", "kind: hashing")
    config.write_text("".join(line for line in text.splitlines(True) if "max_tokens" not in line))
    result = run("build", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["published"] == 1
    hits = json.loads(run("search", "zebra", "--json").stdout)["hits"]
    assert hits[0]["path"] == "notes.md"
    # The definitions that init wrote are the same index in Dagster.
    name = load_config(config).name
    defs: dg.Definitions = runpy.run_path(str(tmp_path / "definitions.py"))["defs"]
    dg.Definitions.validate_loadable(defs)
    assert dg.AssetKey([name, "published"]) in defs.resolve_all_asset_keys()
    with dg.DagsterInstance.get() as instance:
        assert instance.get_latest_materialization_event(dg.AssetKey([name, "published"])) is not None


def test_a_wrong_config_is_wrong_use_and_names_the_field(project: Path, change: Command) -> None:
    (project / "xtr.yaml").write_text("sources: [{name: a, kind: pdf, path: .}]\n")
    result = change("build")
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert "`sources.0.kind` is 'pdf'" in line


def test_sources_that_left_the_configuration_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    finish((BuildResult(2, 2, True, "", 1, retired=("guide", "tools-01of02"), left=("tools",)), 1.0), False)
    told = " ".join(capsys.readouterr().err.split())
    assert "no longer in the configuration: tools; nothing serves under that name any more" in told
    assert "give this one a `warehouse` of its own" in told
    finish((BuildResult(2, 2, True, "", 1, {}, ()), 1.0), False)
    assert "configuration" not in capsys.readouterr().err


def test_a_vanished_source_is_an_error_and_not_an_empty_corpus(project: Path, change: Command) -> None:
    (project / "guide").rename(project / "elsewhere")
    result = change("build")
    assert result.exit_code == 1
    assert "guide" in result.stderr
    found = json.loads(change("search", "zebra", "--json").stdout)
    assert found["generation"] == 1
    assert found["hits"]


def test_a_build_with_nothing_to_do_needs_no_dagster_and_one_with_something_records_it(project: Path) -> None:
    def build() -> tuple[str, str]:
        command = [sys.executable, "-X", "importtime", "-m", "xtr_assets", "build", "--json"]
        done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=True)
        return json.loads(done.stdout)["reason"], done.stderr

    reason, imported = build()
    assert "nothing to do" in reason
    # Nor the checks, nor what only they need: all of it was two thirds of such a build.
    names = set(re.findall(r"\| +(\S+)$", imported, re.MULTILINE))
    assert "xtr_assets.defs.in_process" in names
    assert not names & {"dagster", "sqlalchemy", "duckdb", "faiss", "xtr_assets.pipeline.gate.registry"}
    (project / "guide" / "lions.md").write_text("# Lions\n\nThe lion roars.\n")
    reason, imported = build()
    assert "changed: guide" in reason
    with dg.DagsterInstance.get() as instance:
        runs = [run.job_name for run in instance.get_runs(limit=2)]
    assert runs == ["rebuild", "ingest"]


def test_a_damaged_database_of_dagster_is_one_line_and_the_next_build_goes_on(second: Path, change: Command) -> None:
    """A full or read-only disk comes out of SQLite by the same way: a traceback of 150 lines, without a remedy."""
    runs = second / "history" / "runs.db"
    kept = runs.read_bytes()
    runs.write_bytes(b"no database at all" * 100)
    (second / "guide" / "giraffes.md").write_text("# Giraffes\n\nThe giraffe is tall.\n")
    failed = change("build")
    assert failed.exit_code == 1 and failed.exception is not None and isinstance(failed.exception, SystemExit)
    (line,) = (one for one in failed.stderr.splitlines() if one.startswith("error:"))
    assert "Dagster's database in" in line and "file is not a database" in line and "build again" in line
    runs.write_bytes(kept)
    assert change("build").exit_code == 0 and hits(change, "giraffe")


@pytest.mark.long
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


def test_an_emptied_source_is_refused_until_somebody_accepts_it_with_who_and_why(
    project: Path, change: Command
) -> None:
    (project / "tools" / "dates.py").write_text("")
    refused = change("build")
    assert refused.exit_code == 1
    assert "quarantine: 1 file or record of 1 file cannot be used: broken.py:1 (unparsable)" in refused.output
    # A check before the indexes stopped it: there is nothing to search, whatever somebody says.
    why = "without id_map.parquet, dense.faiss, xtr, lexical: there is nothing to search, and it cannot be forced"
    assert f"refused generation 2: generation 1 serves on; it stopped there, {why}" in refused.stderr
    assert "--force" not in refused.stderr
    forced = change("publish", "2", "--force", "--reason", "it is meant")
    assert forced.exit_code == 1 and "--accept-shrink tools" in forced.stderr and why in forced.stderr
    assert serves(change) == 1 and hits(change, "zebra stripes giraffe")
    unknown = change("build", "--accept-shrink", "tool")
    assert unknown.exit_code == 2 and "no source is called 'tool'; the configuration has guide, tools" in unknown.output
    accepted = change("build", "--accept-shrink", "tools", "--reason", "moved away")
    assert accepted.exit_code == 0, accepted.output
    assert "accepted: source tools" in accepted.output
    (entry,) = [one for one in Warehouse.open(project / "warehouse").history() if one.action == "accepted_shrink"]
    assert (entry.reason, entry.generation) == ("moved away", 1) and "@" in entry.who
    assert entry.shrink is not None and (entry.shrink.source, entry.shrink.rows) == ("tools", 0)


def test_build_and_status_tell_what_was_left_out_before_anything_is_published(project: Path, change: Command) -> None:
    shutil.rmtree(project / "warehouse")
    (project / "guide" / "away.md").symlink_to("nowhere.md")
    (project / "guide" / "manual.rtf").write_text("x")
    (project / "xtr.yaml").write_text((project / "xtr.yaml").read_text().replace("{queries: 20}", "{dense: 1.01}"))
    built = change("build")
    assert built.exit_code == 1 and "refused" in built.output
    assert "stale: 1 file could not be read" in built.output and "away.md" in built.output
    assert "skipped: no source reads 1 .rtf" in built.output
    document = json.loads(change("status", "--json").stdout)
    assert document["generation"] is None
    assert [entry["path"] for entry in document["quarantine"]] == ["broken.py"]
    assert [entry["path"] for entry in document["stale"]] == ["away.md"] and document["skipped"] == {".rtf": 1}
    shown = change("status").output
    assert "broken.py" in shown and "away.md" in shown and "1 .rtf" in shown


def test_a_build_that_followed_a_refusal_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    cause = "dense_recall_new_rows 0.646 < 0.93, as new_rows 0.353 > 0.02"
    refused = RefusedBuild(2, cause, (FailedCheck("dense_recall_new_rows", 0.646, 0.93, True, "too few are found"),))
    finish((BuildResult(3, 3, True, "draft 2 was refused", 673, refused=refused), 1.0), as_json=False)
    said = " ".join(capsys.readouterr().err.split())
    assert f"generation 2 was refused for what its indexes had learnt before it: {cause}" in said
    assert "they were trained anew in generation 3" in said
    assert "published generation 3" in said
    finish((BuildResult(3, 3, True, "", 673, refused=refused), 1.0), as_json=True)
    assert json.loads(capsys.readouterr().out)["refused"]["cause"] == cause
