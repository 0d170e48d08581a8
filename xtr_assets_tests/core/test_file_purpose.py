"""Which chunks are of tests, and which queries ask for them: by hand, and by another reader."""

import numpy as np
import pytest

from xtr_assets.core.file_purpose import TESTS_TERM, asks_for_tests, is_of_tests
from xtr_assets.core.lexical_terms import document_terms, query_terms
from xtr_assets.pipeline.gate import file_truth, term_truth

OF_TESTS = (
    "tests/x.py", "pkg/test/helpers.py", "src/__tests__/x.jsx", "src/androidTest/java/App.kt", "Foo.Tests/Bar.cs",
    "integration-tests/run.go", "test_utils/x.py", "t/unit/tasks.py", "pkg/testdata/x.go", "internal/testutil/x.go",
    "E2E/login.ts", "llvm/unittests/ADT/x.cpp",
    "test_x.py", "x_test.go", "x-test.js", "x.test.tsx", "XTest.java", "XTests.swift", "TestX.java", "tests.rs",
    "conftest.py", "base_unittest.cc", "test_2.py", "x_spec.rb", "x.spec.ts", "XSpec.scala", "HTTPTest.kt",
    "FooSpec.hs", "foo_test.clj", "test/foo-tests.el", "tests/modules/x.nix", "DoorTests.fs",
)  # fmt: skip
NOT = (
    "tests/README.md", "tests/page.html", "tests/data.json", "docs/testing/x.md", "TESTS",
    "contest.py", "latest/x.py", "attest.go", "testing/x.py", "numpy/testing.py", "protest/x.rb", "fastest.rs",
    "spec.go", "pod_spec.go", "spec/x.py", "unittest/mock.py", "unittest.py", "src/a.test/readme.md", "x.py", "T/x.h",
    "testify.md", "testify_x.go", "intestine.c",
)  # fmt: skip


@pytest.mark.parametrize("path", OF_TESTS)
def test_code_in_a_folder_or_a_file_that_is_called_so_is_of_tests(path: str) -> None:
    assert is_of_tests(path, "f") and is_of_tests(path, None)
    assert document_terms(path, "f", None, "").count(TESTS_TERM) == 1


@pytest.mark.parametrize("path", NOT)
def test_what_is_no_code_or_is_called_otherwise_is_not(path: str) -> None:
    assert not is_of_tests(path, "f") and not is_of_tests(path, None)
    assert TESTS_TERM not in document_terms(path, "f", "Tests", "test .test tests")


def test_a_module_of_tests_in_rust_is_of_tests() -> None:
    for symbol in ("tests::it_works", "tests", "park::test::wakes", "tests.it_works"):
        assert is_of_tests("src/park.rs", symbol)
        assert not is_of_tests("src/park.py", symbol)
    assert not is_of_tests("src/park.rs", "contests::it") and not is_of_tests("src/park.rs", "test_server")


@pytest.mark.parametrize(
    ("query", "asks"),
    [
        ("tests of redirects", True),
        ("how is the parser tested", True),
        ("Testing a view", True),
        ("test_cookies", True),
        ("TestClient", True),
        ("pytest fixture for a database", True),
        ("mocked clock", True),
        ("unittest of the lexer", True),
        ("e2e login", True),
        ("FAILED tests/test_x.py::test_a", True),
        ("the latest commit", False),
        ("contest, attest, protest, greatest", False),
        ("special testify", False),
        ("", False),
    ],
)
def test_a_query_asks_for_tests_by_a_word(query: str, asks: bool) -> None:
    assert asks_for_tests(query_terms(query)) == asks == file_truth.asks(term_truth.asked(query))


def test_a_second_reader_says_the_same() -> None:
    chance = np.random.default_rng(3)
    pieces = [
        "test", "Test", "tests", "TESTS", "spec", "Specs", "conftest", "e2e", "t", "testdata", "x", "Foo", "HTTP",
        "iOS", "_", "-", ".", "2", "\u00e9", "\uff34est", "unittest", "latest",
        "__init__", "T", "\u0130", "\u017f", "st",
    ]  # fmt: skip
    endings = ["py", "go", "rs", "java", "ts", "PY", "md", "", "spec.ts", "rb", "hs", "h", "kt"]
    symbols = ["", "tests::x", "a.tests.b", "atests::x", "mod tests", "::tests", "a:tests", "test"]
    drawn = {True: 0, False: 0}
    for _ in range(20_000):
        parts = ["".join(chance.choice(pieces, int(chance.integers(1, 5)))) for _ in range(int(chance.integers(1, 5)))]
        path, symbol = "/".join(parts) + f".{chance.choice(endings)}", str(chance.choice(symbols))
        found = is_of_tests(path, symbol or None)
        assert found == file_truth.of_tests(path, symbol), (path, symbol)
        drawn[found] += 1
    assert min(drawn.values()) > 3_000
