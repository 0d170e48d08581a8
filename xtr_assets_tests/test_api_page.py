"""docs/api.md is what the docstrings say, and they say what a caller has to know."""

import re

import pytest

from xtr_assets.core import errors
from xtr_assets_tests.api_page import PAGE, Entry, entries, page

ARRAYS = re.compile(r"\b(Floats|Halves|Ints|Int32s|Mask|Vectors|RowVectors|RowTokens|NDArray)\b")
DTYPE = re.compile(r"\b(float(16|32|64)|u?int(8|16|32|64)|bool)\b")
SHAPE = re.compile(r"\[[^\]]+\]")
ERROR = re.compile(rf"\b({'|'.join(name for name in vars(errors) if name[0].isupper())})\b")
# What is said of `search` is not said again of its variants.
ELSEWHERE = re.compile(r"(?i)\b(as|as of|see) `\w+`")


def members() -> list[tuple[Entry, Entry]]:
    """(the public name, itself or a member of it)"""
    return [(top, one) for top in entries() for one in (top, *top.members)]


def faults(top: Entry, one: Entry) -> list[str]:
    """What a docstring leaves out. What may be raised may stand once for a class; dtypes and shapes stand where they
    are taken and given."""
    if not one.doc.strip():
        return ["no docstring"]
    if ELSEWHERE.search(one.doc) or not ARRAYS.search(f"{one.takes} {one.gives}"):
        return []
    missing = [what for what, said in (("dtype", DTYPE), ("shape in brackets", SHAPE)) if not said.search(one.doc)]
    if ARRAYS.search(one.takes) and not ERROR.search(f"{one.doc} {top.doc}"):
        missing.append("error")
    return [f"no {what}" for what in missing]


@pytest.mark.parametrize(("top", "one"), members(), ids=lambda one: one.name)
def test_a_public_name_says_what_it_takes_and_gives(top: Entry, one: Entry) -> None:
    found = faults(top, one)
    assert not found, f"{one.module}.{one.name}: {', '.join(found)}; write its docstring"


def test_the_rule_finds_what_breaks_it() -> None:
    def of(doc: str, takes: str = "Floats", gives: str = "Ints") -> list[str]:
        one = Entry("m", "f", "f(v)", doc, takes, gives)
        return faults(one, one)

    assert of("") == ["no docstring"]
    assert of("Add vectors.") == ["no dtype", "no shape in brackets", "no error"]
    assert of("Add float32 vectors; InvalidInput for NaN.") == ["no shape in brackets"]
    assert of("Add float32 [n, dim]. Returns rows int64 [n].") == ["no error"]
    assert of("Rows int64 [n].", takes="") == [] and of("Its name.", "str", "str") == []
    assert of("Add float32 [n, dim]: rows int64 [n]. Raises InvalidInput for NaN.") == []


def test_every_public_name_is_on_the_page() -> None:
    text = PAGE.read_text("utf-8")
    missing = [one.name for _, one in members() if f"`{one.name}`" not in text]
    assert not missing


def test_the_page_is_current() -> None:
    assert PAGE.read_text("utf-8") == page(), "docs/api.md is of before: `make docs` writes it anew"
