import json
from pathlib import Path

import pytest

from xtr_assets.search import blend
from xtr_assets_tests.cli.conftest import Command


def test_an_export_serves_elsewhere_and_comes_back(
    second: Path, change: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
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
    with monkeypatch.context() as earlier:
        earlier.setattr(blend, "KEPT", blend.KEPT - {"symbol"})
        refused = change("publish", "2", "--warehouse", str(older))
        assert refused.exit_code == 1 and "symbol of hybrid" in refused.stderr and "newer xtr-assets" in refused.stderr
    assert json.loads(change("status", "--warehouse", str(older), "--json").stdout)["generation"] == 1
    assert change("publish", "2", "--warehouse", str(older)).exit_code == 0


@pytest.mark.usefixtures("project")
def test_only_a_generation_that_exists_is_exported(change: Command, tmp_path: Path) -> None:
    assert change("export", str(tmp_path / "x"), "--generation", "9").exit_code == 1
    assert not (tmp_path / "x").exists()


def test_an_export_is_taken_into_a_warehouse_that_is_not_there_yet(
    second: Path, change: Command, tmp_path: Path
) -> None:
    """A number that is taken here is refused with "import into a new one": so there has to be a way to have one."""
    target, new = tmp_path / "export", tmp_path / "new one"
    assert change("export", str(target)).exit_code == 0
    missing = change("import", str(tmp_path / "nowhere"), "--warehouse", str(new))
    assert missing.exit_code == 1 and not new.exists()
    taken = change("import", str(target), "--warehouse", str(new))
    assert taken.exit_code == 0, taken.output
    assert f"publish 2 -w '{new}'" in " ".join(taken.output.split())
    assert change("publish", "2", "--warehouse", str(new)).exit_code == 0
    hits = json.loads(change("search", "the lion roars", "--warehouse", str(new), "--json").stdout)
    assert (hits["generation"], hits["hits"][0]["path"]) == (2, "lions.md")


@pytest.mark.usefixtures("project")
def test_an_import_makes_no_warehouse_among_other_files(change: Command, second: Path, tmp_path: Path) -> None:
    target, other = tmp_path / "export", tmp_path / "other"
    assert change("export", str(target)).exit_code == 0
    other.mkdir()
    (other / "letter.txt").write_text("mine")
    refused = change("import", str(target), "--warehouse", str(other))
    assert refused.exit_code == 1 and [one.name for one in other.iterdir()] == ["letter.txt"]


def test_an_import_that_lost_most_of_what_serves_is_published_by_a_persons_word_alone(
    second: Path, change: Command, tmp_path: Path
) -> None:
    """An export of another corpus passed the gate of its own; here it would take the place of all that serves."""
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    for number in range(6):
        (second / "guide" / f"page{number}.md").write_text(f"# Page {number}\n\nIt says {number} things.\n")
    assert change("build").exit_code == 0 and change("export", str(ours)).exit_code == 0
    for page in sorted((second / "guide").glob("*.md"))[1:]:
        page.unlink()
    assert change("build", "--accept-shrink", "guide", "--reason", "another corpus").exit_code == 0
    (second / "guide" / "more.md").write_text("# More\n\nA page that came later.\n")
    assert change("build").exit_code == 0
    number = json.loads(change("status", "--json").stdout)["generation"]
    assert change("export", str(theirs)).exit_code == 0
    here = ("-w", str(ours))
    assert change("import", str(theirs), *here).exit_code == 0
    refused = change("publish", str(number), *here)
    assert refused.exit_code == 1 and "source guide:" in refused.stderr and "--force --reason" in refused.stderr
    assert json.loads(change("status", *here, "--json").stdout)["generation"] == 3
    assert change("publish", str(number), "--force", "--reason", "it is meant", *here).exit_code == 0
    assert json.loads(change("status", *here, "--json").stdout)["generation"] == number
