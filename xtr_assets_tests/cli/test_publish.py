import json
import shutil
from pathlib import Path

import pytest

from xtr_assets_tests.cli.answers import serves
from xtr_assets_tests.cli.conftest import Command


def test_a_failed_check_leaves_the_published_generation(project: Path, change: Command) -> None:
    config = project / "xtr.yaml"
    config.write_text(config.read_text().replace("{queries: 20}", "{queries: 20, dense: 1.01}"))
    (project / "guide" / "lions.md").write_text("# Lions\n\nThe lion roars.\n")
    failed = change("build")
    assert failed.exit_code == 1
    assert "dense_recall failed: recall@10 of the dense index is 1.000 over" in failed.stderr
    assert "1.01 is asked" in failed.stderr and "`recall` in xtr.yaml" in failed.stderr
    assert 'xtr-assets publish 2 --force --reason "..."' in failed.stderr
    assert "docs/" not in failed.stderr and "00000" not in failed.stderr
    assert serves(change) == 1
    assert change("publish", "2").exit_code == 1
    assert change("publish", "2", "--force").exit_code == 2
    forced = change("publish", "2", "--force", "--reason", "lions matter")
    assert forced.exit_code == 0, forced.output
    assert serves(change) == 2
    assert json.loads(change("status", "--json").stdout)["forced"] == "lions matter"


@pytest.mark.usefixtures("project")
def test_an_unknown_generation_is_one_line(change: Command) -> None:
    result = change("publish", "99")
    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: ") and "99" in line


@pytest.mark.usefixtures("project")
def test_debug_shows_the_traceback(change: Command) -> None:
    assert "Error" in repr(change("--debug", "publish", "99").exception)


HALF = "said \udcff"


@pytest.mark.usefixtures("second")
@pytest.mark.parametrize(
    "asked",
    [
        ("publish", "1", "--again", "--reason", HALF),
        ("publish", "2", "--force", "--reason", HALF),
        ("rollback", "--reason", HALF),
        ("withdraw", "2", "--reason", HALF),
    ],
)
def test_a_reason_that_no_file_can_hold_is_refused_in_a_line_and_nothing_moves(
    change: Command, asked: tuple[str, ...]
) -> None:
    """Bytes of a terminal that are no UTF-8 come as halves of characters."""
    result = change(*asked)
    (line,) = result.stderr.splitlines()
    assert result.exit_code == 1 and "no UTF-8; it is kept in the history: write it in UTF-8" in line
    assert serves(change) == 2 and change("verify").exit_code == 0


def test_folders_whose_names_are_no_utf8_are_refused_or_written_and_never_end_in_a_traceback(
    project: Path, change: Command
) -> None:
    odd = f"{project}/odd\udcff"
    for command in (("push", odd), ("search", "zebra", "-w", odd), ("mirror", odd, odd), ("parts", "init", odd)):
        result = change(*command)
        (line,) = result.stderr.splitlines()
        assert result.exit_code == 1 and line.startswith("error: ") and "odd" in line, result.output
    shutil.copytree(project / "warehouse", odd)
    for command in (("search", "zebra", "-w", odd), ("verify", "-w", odd), ("import", odd, "-w", f"{project}/new")):
        result = change(*command)
        assert (result.exit_code, "has a name that is no UTF-8" in result.stderr) == (1, True), result.output
    assert change("export-idmap", f"{odd}.parquet").exit_code == 0 and Path(f"{odd}.parquet").stat().st_size
