"""House rules of prose that a machine can hold."""

import re
from pathlib import Path

import pytest

from xtr_assets_tests.test_links import PAGES, ROOT, prose

# .95 in place of 0.95, outside of code and of links.
BARE = re.compile(r"(?<![\w.\d/\\\[\]])\.\d+\b")


def bare_numbers(text: str) -> list[str]:
    return BARE.findall(re.sub(r"`[^`]*`|\]\([^)]*\)", "", text))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_a_number_below_one_has_its_zero(page: Path) -> None:
    assert not bare_numbers(prose(page)), "write 0.95, not .95"


def test_the_rule_finds_what_breaks_it() -> None:
    assert bare_numbers("recall (.95) of **.9**, `.5`, 1.5, v0.1.0 and 3.11 to .13") == [".95", ".9", ".13"]
