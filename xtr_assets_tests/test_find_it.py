"""docs/dev/find-it.md stays true: the files are there, and each named thing stands in one of them."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "dev" / "find-it.md"
BEHAVIOURS = 16
FILES_EACH = 2


def rows() -> list[tuple[str, list[str], list[str]]]:
    """(behaviour, files, names) of each row of the table."""
    cells = [line.strip("|").split("|") for line in PAGE.read_text("utf-8").splitlines() if line.startswith("|")]
    return [
        (behaviour.strip(), [file.strip() for file in files.split(",")], re.findall(r"`(\w+)`", names))
        for behaviour, files, names in cells[2:]
    ]


def test_every_behaviour_is_there() -> None:
    assert len(rows()) == BEHAVIOURS


@pytest.mark.parametrize(("behaviour", "files", "names"), rows())
def test_a_behaviour_is_found_within_two_files(behaviour: str, files: list[str], names: list[str]) -> None:
    assert 1 <= len(files) <= FILES_EACH and names, behaviour
    missing = [file for file in files if not (ROOT / file).is_file()]
    assert not missing, f"{behaviour}: {missing} moved; correct docs/dev/find-it.md"
    text = "\n".join((ROOT / file).read_text("utf-8") for file in files)
    lost = [name for name in names if not re.search(rf"\b{name}\b", text)]
    assert not lost, f"{behaviour}: {lost} stand in none of {files}; correct docs/dev/find-it.md"
