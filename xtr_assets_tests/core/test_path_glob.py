"""The glob language, held against its definition and examples. test_glob_language.py has what reads it besides."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xtr_assets.core.path_glob import glob_regex


def _matches(pattern: str, text: str) -> bool:
    """The definition of the globs, by recursion (without character sets)."""
    if not pattern:
        return not text
    if pattern.startswith("**/"):
        return _matches(pattern[3:], text) or any(
            _matches(pattern[3:], text[i + 1 :]) for i, character in enumerate(text) if character == "/"
        )
    if pattern == "**":
        return True
    if pattern[0] == "*":
        part = len(text.split("/")[0])
        return any(_matches(pattern[1:], text[i:]) for i in range(part + 1))
    if not text:
        return False
    return (pattern[0] == text[0] or (pattern[0] == "?" and text[0] != "/")) and _matches(pattern[1:], text[1:])


# Parts joined by slashes, so that `**/` stands only where a part begins, as the definition above takes it.
parts = st.lists(st.sampled_from(["**", "*", "a", "b?", "*.c", "a*", ".", "a.c"]), min_size=1, max_size=4)
texts = st.lists(st.sampled_from(["a", "b", "bb", "a.c", "xc", "", "\n"]), min_size=1, max_size=4)


@given(parts, texts)
def test_a_glob_matches_what_the_recursive_definition_matches(pattern: list[str], text: list[str]) -> None:
    joined, path = "/".join(pattern), "/".join(text)
    assert bool(re.fullmatch(glob_regex(joined), path)) == _matches(joined, path)


@pytest.mark.parametrize(
    ("pattern", "matching", "other"),
    [
        ("asyncio/*", "asyncio/base.py", "asyncio/a/b.py"),
        ("asyncio/**", "asyncio/a/b.py", "asyncio2/a.py"),
        ("a**b", "axxb", "a/b"),
        ("**.py", "a.py", "a/b.py"),
        ("***", "a", "a/b"),
        ("[+-9]", "0", "/"),
        ("[!+-.]", "0", "/"),
        ("a[/]b", "a[/]b", "a/b"),
        ("[!]", "[!]", "a"),
        ("[!]-]", "a", "-"),
        ("**/test_*.py", "test_a.py", "a/b/atest_a.py"),
        ("[ab].py", "a.py", "c.py"),
        ("[!ab].py", "c.py", "a.py"),
        ("a[!b]c", "axc", "a/c"),
        ("[a-c]x", "bx", "dx"),
        ("a[", "a[", "a"),
        ("[]]", "]", "["),
        ("a.c", "a.c", "abc"),
        ("é?", "éß", "é"),
    ],
)
def test_globs_by_example(pattern: str, matching: str, other: str) -> None:
    assert re.fullmatch(glob_regex(pattern), matching)
    assert not re.fullmatch(glob_regex(pattern), other)
