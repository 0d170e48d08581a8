"""Whether a chunk is of tests, by the path of its file, and whether a query asks for tests.

Tests say in whole sentences what a function does, and often: of 231 questions about eleven projects the first hit was a
test for a third (docs/measurements.md, "Tests"). Who looks for one says so.
"""

import re
from collections.abc import Iterable

from xtr_assets.core.file_language import language_of

# The term of chunks of tests: no word of a text begins with a dot, and no language is called so.
TESTS_TERM = ".test"
# As folders and files are called that hold them: what their names begin or end with.
_TESTS = frozenset({"test", "tests"})
# Folders that are called just so.
_FOLDERS = frozenset({"e2e", "t", "testdata", "testutil", "testutils", "unittests"})
# What files end with.
_ENDINGS = frozenset({*_TESTS, "unittest", "unittests"})
# Elsewhere a spec is mostly one that is written down.
_SPEC_LANGUAGES = frozenset({"groovy", "haskell", "javascript", "kotlin", "lua", "ruby", "scala", "typescript"})
_SPECS = frozenset({"spec", "specs"})
# As terms are, stemmed.
_ASKED = frozenset({
    "conftest", "doctest", "e2e", "fixtur", "jest", "junit", "mock", "pytest", "rspec", "spec", "test", "testcas",
    "tester", "unittest",
})  # fmt: skip
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_JOINT = re.compile(r"\.|::")


def is_of_tests(path: str, symbol: str | None) -> bool:
    """Whether a chunk is of tests: code in a folder of tests, or in a file that is called as one, or in a module of
    tests in Rust.

    >>> [is_of_tests(path, None) for path in ("pkg/tests/x.py", "x_test.go", "XTest.java", "x.spec.ts", "conftest.py")]
    [True, True, True, True, True]
    >>> [is_of_tests(path, None) for path in ("tests/data.md", "contest.py", "latest/x.py", "spec.go", "testing/x.py")]
    [False, False, False, False, False]
    >>> is_of_tests("src/x.rs", "tests::it_works")
    True
    """
    language = language_of(path)
    if not language:
        return False
    if language == "rust" and symbol and not _TESTS.isdisjoint(_JOINT.split(symbol)):
        return True
    *folders, file = path.split("/")
    stem = file.rpartition(".")[0]
    if any(folder.casefold() in _FOLDERS or _around(folder, _TESTS) for folder in folders):
        return True
    if stem.casefold() == "conftest" or _around(stem, _TESTS):
        return True
    words = _words(stem)
    last = words[-1] if len(words) > 1 else ""
    return last in _ENDINGS or (language in _SPEC_LANGUAGES and last in _SPECS)


def asks_for_tests(terms: Iterable[str]) -> bool:
    """Whether the terms of a query speak of tests.

    >>> asks_for_tests(["parametr", "a", "test"]), asks_for_tests(["latest", "commit"])
    (True, False)
    """
    return not _ASKED.isdisjoint(terms)


def _around(name: str, wanted: frozenset[str]) -> bool:
    words = _words(name)
    return bool(words) and (words[0] in wanted or words[-1] in wanted)


def _words(name: str) -> list[str]:
    """The words of a name, in small letters: runs of letters from A to Z, parted where capitals begin one."""
    return [one.lower() for one in _WORD.findall(name)]
