"""A source of a file or two, as `init` makes one for the only style sheet of a project, whose files are deleted."""

import shutil

import pytest

from xtr_assets.core.errors import NothingMatches
from xtr_assets.defs.in_process import BuildResult
from xtr_assets.pipeline.gate.loss_measures import STRAY
from xtr_assets.pipeline.gate.nothing_vanished import CHECK, losses
from xtr_assets.pipeline.gate.source_stock import Holding
from xtr_assets.pipeline.ingest.scan import STRAY_FILES
from xtr_assets_tests.defs.conftest import STDLIB, Project

CONFIG = """
name: small
warehouse: small_warehouse
sources:
  - {name: modules, kind: python, path: modules}
  - {name: styles, kind: code, path: modules}
encoder: {kind: hashing}
recall: {queries: 10}
"""
SHEET = "/* The note of a page */\n.admonition { colour: teal; }\n"


@pytest.fixture
def styled(fresh: Project) -> Project:
    """Some hundreds of rows of Python, and one style sheet beside them, published."""
    for name in ("ast.py", "argparse.py", "fnmatch.py", "glob.py"):
        shutil.copy(STDLIB / name, fresh.modules)
    fresh.configure(CONFIG)
    (fresh.modules / "page.css").write_text(SHEET)
    assert fresh.build().published
    assert "page.css" in paths(fresh)
    return fresh


def paths(project: Project) -> set[str]:
    generation = project.warehouse.published
    assert generation is not None
    return set(generation.chunk_table(["path"])["path"].to_pylist())


def refused(project: Project) -> str:
    with pytest.raises(NothingMatches, match="no file in it has a suffix that kind `code` reads") as told:
        project.build()
    return str(told.value)


def change(project: Project, name: str) -> BuildResult:
    module = project.modules / name
    module.write_text(module.read_text() + f"\n\ndef added_{name[:-3]}():\n    return 1\n")
    return project.build()


def test_the_only_file_of_a_source_goes_and_comes_back_without_a_word(styled: Project) -> None:
    (styled.modules / "page.css").unlink()
    gone = styled.build()
    assert (gone.generation, gone.published) == (2, True)
    assert "page.css" not in paths(styled)
    assert gone.shards["styles"]["deleted"] == 1
    generation = styled.warehouse.published
    assert generation is not None
    told = generation.manifest.checks[CHECK].details["sources"]["styles"]
    assert (told["rows"], told["rows_serving"], told["lost_share"]) == (0, 1, 0.0)
    # Builds go on, and one that finds nothing to do finds nothing to do.
    assert styled.build().built is None
    assert change(styled, "glob.py").published
    assert "added_glob" in styled.symbols()
    (styled.modules / "page.css").write_text(SHEET)
    back = styled.build()
    assert (back.generation, back.published) == (4, True)
    assert "page.css" in paths(styled)


def test_it_waits_where_nothing_shows_that_the_place_is_there(styled: Project) -> None:
    sheets = styled.folder / "sheets"
    sheets.mkdir()
    shutil.move(styled.modules / "page.css", sheets / "page.css")
    styled.configure(CONFIG.replace("kind: code, path: modules", "kind: code, path: sheets"))
    assert styled.build().generation == 1
    (sheets / "page.css").unlink()
    assert "no other file lies where it looks" in refused(styled)
    (sheets / "read.me").write_text("Sheets were here.\n")
    assert styled.build().published


def test_it_waits_where_a_setting_leaves_it_out(styled: Project) -> None:
    styled.configure(CONFIG.replace("kind: code, path: modules", 'kind: code, path: modules, include: ["*.scss"]'))
    with pytest.raises(NothingMatches, match="matches `include`"):
        styled.build()
    assert "page.css" in paths(styled)


def test_a_source_that_never_held_a_file_waits(fresh: Project) -> None:
    fresh.configure(CONFIG)
    refused(fresh)


def test_more_than_a_few_files_wait(fresh: Project) -> None:
    fresh.configure(CONFIG)
    for n in range(STRAY_FILES + 1):
        (fresh.modules / f"{n}.css").write_text(SHEET)
    assert fresh.build().published
    for sheet in fresh.modules.glob("*.css"):
        sheet.unlink()
    refused(fresh)


def test_a_large_share_of_the_rows_waits_though_it_is_one_file(fresh: Project) -> None:
    fresh.configure(CONFIG)
    (fresh.modules / "large.css").write_text("".join(f".rule-{n} {{ width: {n}px; }}\n\n" for n in range(400)))
    assert fresh.build().published
    (fresh.modules / "large.css").unlink()
    refused(fresh)


def holding(rows: dict[str, int], **other: object) -> Holding:
    return Holding(rows, files=len(rows), **other)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "rows", "now", "asked"),
    [
        ("text", {"a": 2, "b": 8}, Holding(), False),
        ("text", {"a": 2, "b": 9}, Holding(), True),
        ("text", {"a": 1, "b": 1, "c": 1, "d": 1}, Holding(), True),
        ("records", {"a": 2}, Holding(), True),
        # The file is there and gives no row: it was not deleted.
        ("text", {"a": 2}, Holding(files=1), True),
        ("text", {"a": 2}, Holding(files=1, unusable=1), True),
    ],
)
def test_the_gate_lets_a_few_files_of_a_small_source_go(
    kind: str, rows: dict[str, int], now: Holding, asked: bool
) -> None:
    large = {f"{n}.md": 100 for n in range(10)}
    before = {"large": holding({**large, "1.md": 100 - sum(rows.values())}), "few": holding(rows)}
    assert sum(one.total for one in before.values()) == 1000 and STRAY == 0.01
    found = losses({"large": "text", "few": kind}, before, {"large": before["large"], "few": now}, 0.2)
    assert bool(found["few"].words) is asked
    assert not found["large"].words


def test_the_gate_asks_where_a_disk_of_its_own_is_not_mounted() -> None:
    before = {"large": holding({"a.md": 1000}), "few": holding({"disk/a.md": 2}, mounted={"disk"})}
    found = losses({"large": "text", "few": "text"}, before, {"large": before["large"]}, 0.2)
    assert found["few"].words
