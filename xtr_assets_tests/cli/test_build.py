import json
import runpy
from pathlib import Path

import dagster as dg
import pytest

from xtr_assets.config import load_config
from xtr_assets_tests.cli.answers import hits, serves
from xtr_assets_tests.cli.conftest import Command, enter


def test_init_then_build_then_search(tmp_path: Path, run: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    enter(tmp_path, monkeypatch)
    (tmp_path / "notes.md").write_text("# Notes\n\nThe zebra has stripes.\n")
    assert run("init").exit_code == 0
    config = tmp_path / "xtr.yaml"
    config.write_text(config.read_text().replace("kind: minilm ", "kind: hashing"))
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


def test_a_vanished_source_is_an_error_and_not_an_empty_corpus(project: Path, change: Command) -> None:
    (project / "guide").rename(project / "elsewhere")
    result = change("build")
    assert result.exit_code == 1
    assert "guide" in result.stderr
    found = json.loads(change("search", "zebra", "--json").stdout)
    assert found["generation"] == 1
    assert found["hits"]


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
