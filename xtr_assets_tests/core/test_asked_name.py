"""Queries that are names alone, and the chunks that bear them; the gate's own reading of both says the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xtr_assets.core.asked_name import MOST_CHARACTERS, asked_name, bears
from xtr_assets.pipeline.gate.name_truth import is_named, words_of

# What names, paths and symbols are made of, and what breaks them.
LETTERS = "abA_1.:/> ()\n\u00e9\u0301\u8bbe\u0661\u2160\ud800\u0e33\u0130\x1c-"


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("asyncio.gather", ("asyncio", "gather")),
        ("HTTPError", ("httperror",)),
        ("\tPath.rglob()\n", ("path", "rglob")),
        ("_private", ("_private",)),
        ("caf\u00e9", ("cafe",)),
        # As a Mac writes it, and in full width.
        ("cafe\u0301()", ("cafe",)),
        ("\uff30\uff41th\uff0erglob", ("path", "rglob")),
        ("__init__", ("__init__",)),
        ("\u8bbe\u8ba1", ("\u8bbe\u8ba1",)),
        ("", None),
        ("shuffle a list", None),
        ("3rd", None),
        ("404", None),
        ("a..b", None),
        (".rglob", None),
        ("rglob.", None),
        ("rglob(x)", None),
        ("f()()", None),
        ("__", None),
        ("a.__", None),
        ("C++", None),
        ("a" * (MOST_CHARACTERS + 1), None),
    ],
)
def test_what_is_a_name(query: str, name: tuple[str, ...] | None) -> None:
    assert asked_name(query) == name
    assert words_of(query) == list(name or ())


@pytest.mark.parametrize(
    ("query", "path", "symbol", "borne"),
    [
        ("rglob", "pathlib.py", "Path.rglob", True),
        ("path.RGLOB", "pathlib.py", "Path.rglob", True),
        ("pathlib.Path.rglob", "pathlib.py", "Path.rglob", True),
        ("Path", "pathlib.py", "Path.rglob", False),
        ("glob", "pathlib.py", "Path.rglob", False),
        ("pathlib.rglob", "pathlib.py", "Path.rglob", False),
        ("asyncio.gather", "asyncio/tasks.py", "gather", True),
        ("tasks.gather", "lib/asyncio/tasks.py", "gather", True),
        ("threading.gather", "asyncio/tasks.py", "gather", False),
        ("json.dumps", "json/__init__.py", "dumps", True),
        ("__init__.dumps", "json/__init__.py", "dumps", False),
        ("run_all", "src/tasks/runner.rs", "Runner::run_all", True),
        ("Bounds", "docs/serving.md", "Serving > Bounds", True),
        ("tasks", "asyncio/tasks.py", "", False),
        ("module", "asyncio/tasks.py", "<module>", False),
    ],
)
def test_which_chunks_bear_it(query: str, path: str, symbol: str, borne: bool) -> None:
    name = asked_name(query)
    assert name is not None
    assert bears(name, path, symbol) is borne
    assert is_named(name, path, symbol) is borne


@given(st.text(LETTERS, max_size=8))
def test_the_gate_takes_the_same_for_names(query: str) -> None:
    assert words_of(query) == list(asked_name(query) or ())


@given(
    st.lists(st.text("ab", min_size=1, max_size=1), min_size=1, max_size=3),
    st.text("ab/._", max_size=6),
    st.text("ab.:> ", max_size=6),
)
def test_the_gate_finds_the_same_rows_named(name: list[str], path: str, symbol: str) -> None:
    assert is_named(name, path, symbol) is bears(tuple(name), path, symbol)
