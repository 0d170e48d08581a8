"""The language of a file, whether a chunk is of tests, and whether a question asks for them.

Worked out from docs/searching.md, "Languages" and "Tests", letter by letter, without the expressions of search.
"""

from collections.abc import Iterable
from functools import lru_cache

# How files of a language end.
ENDINGS = {
    "python": "py pyi pyw pyx", "javascript": "js jsx mjs cjs", "typescript": "ts tsx mts cts", "rust": "rs",
    "ruby": "rb", "kotlin": "kt kts", "c++": "cpp cc cxx hpp hh hxx ipp", "c#": "cs csx", "f#": "fs fsi fsx",
    "haskell": "hs lhs", "perl": "pl pm", "elixir": "ex exs", "erlang": "erl hrl", "julia": "jl", "ocaml": "ml mli",
    "ada": "adb ads", "elisp": "el", "lisp": "lisp lsp asd", "pascal": "pas dpr lpr", "purescript": "purs",
    "racket": "rkt", "scheme": "scm ss sld sps", "starlark": "bzl star bazel", "verilog": "v sv vh svh",
    "vhdl": "vhd vhdl",
    "clojure": "clj cljs cljc", "fortran": "f90 f95 f03 f08", "scala": "scala sc",
    **{one: one for one in ("c", "dart", "elm", "go", "groovy", "java", "lua", "nim", "nix", "php", "r", "swift")},
    **{one: one for one in ("tcl", "zig")},
}  # fmt: skip
# No question names these.
UNNAMED = ("purescript", "scheme")
# The term of a chunk of tests.
MARK = ".test"
# What a row loses that is of tests where nobody asks for them.
UNASKED = 1.5
FOLDERS = ("e2e", "t", "testdata", "testutil", "testutils", "unittests")
SPECS = (".groovy", ".haskell", ".javascript", ".kotlin", ".lua", ".ruby", ".scala", ".typescript")
SPOKEN = (
    "conftest", "doctest", "e2e", "fixtur", "jest", "junit", "mock", "pytest", "rspec", "spec", "test", "testcas",
    "tester", "unittest",
)  # fmt: skip


def written_in(path: str) -> list[str]:
    """The term of the language in which a file is by its ending; none where that is unknown."""
    file = path.split("/")[-1]
    ending = file.split(".")[-1].casefold() if "." in file.lstrip(".") or file.count(".") > 1 else ""
    return [f".{language}" for language, endings in ENDINGS.items() if ending in endings.split()]


def asks(terms: Iterable[str]) -> bool:
    """Whether a question of these terms asks for tests."""
    return any(term in SPOKEN for term in terms)


@lru_cache(maxsize=1 << 14)
def of_tests(path: str, symbol: str) -> bool:
    """Whether a chunk is code of tests: by its folders, by its file, or by its module in Rust."""
    language = written_in(path)
    if not language:
        return False
    parts = path.split("/")
    name = parts.pop()
    stem = name[: name.rindex(".")]
    for part in (*parts, stem):
        words = _words(part)
        if words and ("test" in (words[0], words[-1]) or "tests" in (words[0], words[-1])):
            return True
    words = _words(stem)
    if stem.casefold() == "conftest" or any(part.casefold() in FOLDERS for part in parts):
        return True
    if words[1:] and (
        words[-1] in ("unittest", "unittests") or (words[-1] in ("spec", "specs") and language[0] in SPECS)
    ):
        return True
    return language == [".rust"] and any(one in ("test", "tests") for one in symbol.replace("::", ".").split("."))


def _words(name: str) -> list[str]:
    """Runs of letters from A to Z in small letters. A capital begins a word behind a small letter, and where it is the
    last of several, before one."""
    words: list[str] = []
    word = ""
    for at, one in enumerate(name):
        if not (one.isascii() and one.isalpha()):
            words, word = [*words, word], ""
            continue
        behind = name[at + 1 : at + 2]
        begins = one.isupper() and word and (word[-1].islower() or (behind.isascii() and behind.islower()))
        if begins:
            words, word = [*words, word], ""
        word += one
    return [one.lower() for one in [*words, word] if one]
