"""The language of a file, and what of a question names one."""

import pytest

from xtr_assets.core.file_language import language_of, languages_named
from xtr_assets.core.lexical_terms import called_terms, document_terms, query_terms
from xtr_assets.pipeline.gate.term_truth import asked


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("parse a date in Python", ["python"]),
        ("python3 or Python2, and python", ["python"]),
        ("C++ or c# or F#", ["c++", "c#", "f#"]),
        ("(TypeScript)", ["typescript"]),
        ("Rust, Ruby: Kotlin!", ["rust", "ruby", "kotlin"]),
        ("cpp and csharp", ["c++", "c#"]),
        ("python.org, monty_python, pythonic, python4, jpython", []),
        ("ends with python.", ["python"]),
        ("c+++ c## C", []),
        ("go java php", ["java", "php"]),
        ("Golang and scala", ["go", "scala"]),
        ("a queue in C", ["c"]),
        ("IN\nGo, using R.", ["go", "r"]),
        ("in C++ or in c#", ["c++", "c#"]),
        ("go to c, into r, (in go), in  c, in C-style, in go's, in c.h, in R2, using\u00a0\u1d04", []),
        ("a log in C:\\Windows, in C:/, spent in R&D", []),
        ("sort in C: qsort", ["c"]),
        ("\u00e9python python\u00e9 python\u0940", []),
        ("\uff30\uff59\uff54\uff48\uff4f\uff4e, \uff23\uff0b\uff0b", ["python", "c++"]),
        ("\u7528Python\u8bfb\u53d6\u6587\u4ef6", ["python"]),
        ("Rust\u3067\u30d5\u30a1\u30a4\u30eb, Kotlin\uc73c\ub85c", ["rust", "kotlin"]),
        ("C++17 or c++0x, C++171, c++99", ["c++"]),
        ("python3.12 and python.a", ["python"]),
        ("C\u266f, F\u266f", ["c#", "f#"]),
        ("Nix or Elm, VHDL: elisp", ["nix", "elm", "vhdl", "elisp"]),
        ("a color scheme, PureScript, CSS", []),
        ("Go binary search", ["go"]),
        ("  C linked list in Rust", ["rust", "c"]),
        ("r data frame", ["r"]),
        ("Go to line, Go back, go binary search, Golf", []),
        ("Go", []),
        ("r = requests.get(url)", []),
        ("C: drive", []),
        ("R&D", []),
        ("c d", []),
        ("", []),
    ],
)
def test_a_question_names_languages_by_words_of_their_own(text: str, named: list[str]) -> None:
    assert languages_named(text)[1] == named
    assert [term for term in query_terms(text) if term.startswith(".")] == [f".{one}" for one in named]


def test_a_language_that_a_question_names_is_one_word_there() -> None:
    """Else JavaScript would ask for files of Java."""
    assert query_terms("JavaScript and TYPESCRIPT") == ["javascript", "and", "typescript", ".javascript", ".typescript"]
    assert {"java", "script", "javascript"} <= set(document_terms("", None, None, "JavaScript"))


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("JavaScript", "setJavaScriptEnabled"),
        ("OCaml", "OCaml_parser"),
        ("CSharp", "xCSharp"),
        ("typescript", "TypeScripts"),
    ],
)
def test_a_language_within_a_longer_name_is_found_too(query: str, name: str) -> None:
    (said,) = {term for term in query_terms(query) if term[0] != "."}
    assert document_terms("", name, None, "").count(said) == 1
    assert said in called_terms("", name) and said not in query_terms(name)


@pytest.mark.parametrize("path", ["a/b.py", "stubs/b.PYI", "x.test.py", "..py"])
def test_the_language_of_a_file_is_a_term_of_its_chunks(path: str) -> None:
    assert language_of(path) == "python"
    terms = document_terms(path, "f", "t", "python .python")
    assert terms.count(".python") == 1 and ".python" not in called_terms(path, "f")


def test_a_language_that_no_question_names_is_a_term_of_its_files() -> None:
    assert document_terms("a/b.scm", "f", None, "").count(".scheme") == 1 and ".scheme" not in query_terms("scheme")


@pytest.mark.parametrize(
    "path", ["a/Button.vue", "a.css", "", "py", ".py", "a.py/b", "notes.md", "a.h", "a.py/", "a.sql"]
)
def test_other_files_have_none(path: str) -> None:
    assert language_of(path) == ""
    assert not [term for term in document_terms(path, None, None, "") if term.startswith(".")]


def test_a_folder_that_is_called_like_a_language_asks_for_no_files_in_it() -> None:
    query = "KeyError in rust/tools/x.py:12 of Ruby"
    assert [term for term in query_terms(query) if term.startswith(".")] == [".ruby"]
    assert "rust" in query_terms(query) and set(asked(query)) == set(query_terms(query))
    assert set(asked("in C, in c/x.c:12")) == set(query_terms("in C, in c/x.c:12")) >= {".c"}
