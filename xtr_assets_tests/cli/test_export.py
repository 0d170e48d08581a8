import json
from pathlib import Path

import pytest

from xtr_assets_tests.cli.conftest import Command


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


@pytest.mark.usefixtures("project")
def test_only_a_generation_that_exists_is_exported(change: Command, tmp_path: Path) -> None:
    assert change("export", str(tmp_path / "x"), "--generation", "9").exit_code == 1
    assert not (tmp_path / "x").exists()
