"""What the pages for contributors name is there: every path, and every name in a file that its line names."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LIVES = ("life-of-a-query.md", "life-of-a-change.md")


def paths_in(text: str) -> list[str]:
    return re.findall(r"`((?:xtr_assets|xtr_assets_tests|docs)/[\w./-]+|CHANGELOG\.md)`", text)


def steps() -> list[tuple[str, str]]:
    pages = [(page, (ROOT / "docs" / "dev" / page).read_text("utf-8")) for page in LIVES]
    return [(page, line) for page, text in pages for line in text.splitlines() if re.match(r"\d+\. ", line)]


def test_every_path_that_contributing_names_is_there() -> None:
    named = paths_in((ROOT / "CONTRIBUTING.md").read_text("utf-8"))
    assert len(named) > 20
    assert not [path for path in named if not (ROOT / path).exists()]


@pytest.mark.parametrize(("page", "line"), steps())
def test_a_step_names_what_its_file_holds(page: str, line: str) -> None:
    paths = paths_in(line)
    names = re.findall(r"`(\w+)`", line)
    assert paths and names, f"{page}: {line}"
    text = "\n".join((ROOT / path).read_text("utf-8") for path in paths)
    lost = [name for name in names if not re.search(rf"\b(?:def|class) {name}\b", text)]
    assert not lost, f"{page}: {lost} stand in none of {paths}"
