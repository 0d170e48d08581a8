import ast
import textwrap
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xtr_assets.core.chunking import chunk_python
from xtr_assets.core.types import Chunk
from xtr_assets.pipeline.gate import python_evidence
from xtr_assets_tests.long_cases import more


def chunks(text: str, max_chars: int = 2000) -> list[Chunk]:
    return list(chunk_python("lib", "a.py", textwrap.dedent(text), max_chars))


def by_symbol(text: str, max_chars: int = 2000) -> dict[str, Chunk]:
    return {chunk.symbol: chunk for chunk in chunks(text, max_chars)}


def check_nothing_is_lost(text: str, found: list[Chunk], max_chars: int) -> None:
    """Every non-blank line lies in a chunk, verbatim; slices of one line join to it; ids differ."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    held: dict[int, str] = {}
    for chunk in found:
        assert 0 < len(chunk.text) <= max_chars
        mine = lines[chunk.start_line - 1 : chunk.end_line]
        if chunk.start_line == chunk.end_line and chunk.text != mine[0]:
            assert chunk.text in mine[0]
            held[chunk.start_line] = held.get(chunk.start_line, "") + chunk.text
            continue
        assert chunk.text == "\n".join(mine)
        held.update(zip(range(chunk.start_line, chunk.end_line + 1), mine, strict=True))
    for number, line in enumerate(lines, 1):
        assert "".join(held.get(number, "").split()) == "".join(line.split()), f"line {number}: {line!r}"
    assert len({chunk.chunk_id for chunk in found}) == len(found)


SAMPLE = '''\
"""Dates."""

import time

EPOCH = 1970


class date(object):
    """A day."""

    year = 1

    # Made from a string.
    @classmethod
    @cached
    def parse(cls, text):
        def part(n):
            return text[n]

        return cls(part(0))

    async def wait(self):
        await self

    __str__ = wait

    class Error(ValueError):
        def show(self):
            return ""


def today():
    return date()
today.cheap = True

LAST = 9999
'''


def test_a_module_falls_into_its_definitions_and_the_code_between() -> None:
    found = chunks(SAMPLE)
    assert [(c.symbol, c.kind, c.title, c.start_line, c.end_line) for c in found] == [
        ("<module>", "module", "", 1, 5),
        ("date", "class", "", 8, 11),
        ("date.parse", "method", "class date", 13, 20),
        ("date.wait", "method", "class date", 22, 23),
        ("date", "class", "class date", 25, 25),
        ("date.Error", "class", "class date", 27, 27),
        ("date.Error.show", "method", "class date.Error", 28, 29),
        ("today", "function", "", 32, 34),
        ("<module>", "module", "", 36, 36),
    ]
    assert all(c.part == 0 for c in found)
    check_nothing_is_lost(SAMPLE, found, 2000)


def test_decorators_and_comments_above_belong_to_a_definition() -> None:
    assert by_symbol(SAMPLE)["date.parse"].text.startswith("    # Made from a string.\n    @classmethod\n    @cached\n")


def test_an_edit_of_one_body_changes_no_id_and_one_more_function_only_adds() -> None:
    before = {c.chunk_id for c in chunks(SAMPLE)}
    assert {c.chunk_id for c in chunks(SAMPLE.replace("return date()", "x = 1\n\n    return x"))} == before
    more = {c.chunk_id for c in chunks(SAMPLE.replace("class date", "def first():\n    pass\n\n\nclass date"))}
    assert before < more and len(more) == len(before) + 1


def test_redefined_symbols_have_ids_of_their_own() -> None:
    found = chunks(
        """
        class A:
            @property
            def x(self): ...

            @x.setter
            def x(self, value): ...

        @overload
        def f(a: int): ...
        @overload
        def f(a: str): ...
        def f(a): ...
        """
    )
    assert [c.symbol for c in found] == ["A", "A.x", "A.x", "f", "f", "f"]
    assert len({c.chunk_id for c in found}) == 6


def test_conditional_definitions_are_found_with_the_line_of_their_condition() -> None:
    found = by_symbol(
        """
        import sys

        if sys.platform == "win32":
            def wait(): return 1
        else:
            async def poll(): return 2

        try:
            from _c import fast
        except ImportError:
            def fast(): return 3
        """
    )
    assert set(found) == {"<module>", "wait", "poll", "fast"}
    assert found["poll"].text == "else:\n    async def poll(): return 2"
    assert found["fast"].text == "    def fast(): return 3"


def test_a_header_of_comments_alone_is_the_module_and_not_the_first_function() -> None:
    found = by_symbol("# Licence.\n\n# Adds.\ndef add(): pass\n")
    assert (found["<module>"].text, found["add"].text) == ("# Licence.", "# Adds.\ndef add(): pass")


def test_a_hash_in_a_string_is_no_comment() -> None:
    found = by_symbol('X = """\n# no comment\n"""\ndef f(): pass\n')
    assert found["f"].text == "def f(): pass"


def test_a_long_function_is_split_between_statements_with_its_signature_in_later_titles() -> None:
    body = "\n".join(f"        if x == {n}:\n            return {n}" for n in range(20))
    text = f"class A:\n    async def f(self, x, /, *rest, k=1, **more):\n{body}\n"
    found = [c for c in chunks(text, 200) if c.symbol == "A.f"]
    assert [c.part for c in found] == list(range(len(found))) and len(found) > 3
    assert found[0].title == "class A"
    assert {c.title for c in found[1:]} == {"class A: async def f(self, x, /, *rest, k, **more)"}
    assert all(c.text.startswith("        if x") and "return" in c.text.splitlines()[-1] for c in found[1:])
    check_nothing_is_lost(text, chunks(text, 200), 200)


def test_a_nested_function_stays_in_its_parent_unless_it_is_too_long_by_itself() -> None:
    short = "    def inner():\n        return 1\n"
    long = "    def inner():\n" + "".join(f"        step({n})\n" for n in range(40))
    rest = "".join(f"    other({n})\n" for n in range(40))
    assert {c.symbol for c in chunks(f"def f():\n{short}{rest}", 300)} == {"f"}
    found = chunks(f"def f():\n    a()\n{long}{rest}", 300)
    assert {c.symbol for c in found} == {"f", "f.inner"}
    assert {c.kind for c in found} == {"function"}
    inner = [c for c in found if c.symbol == "f.inner"]
    assert inner[0].title == "def f()" and inner[1].title == "def f(): def inner()"


def test_a_huge_literal_is_split_at_lines_and_a_huge_line_at_characters() -> None:
    text = "TABLE = {\n" + "".join(f"    {n}: 'v{n}',\n" for n in range(200)) + "}\nLINE = '" + "x" * 1000 + "'\n"
    check_nothing_is_lost(text, chunks(text, 200), 200)


def test_a_long_chain_of_elif_does_not_nest_too_deep() -> None:
    text = "def f(x):\n    if x == 0:\n        return 0\n"
    text += "".join(f"    elif x == {n}:\n        return {n}\n" for n in range(1, 300))
    check_nothing_is_lost(text, chunks(text), 2000)


def test_line_numbers_hold_with_form_feeds_tabs_and_every_newline() -> None:
    for newline in ("\n", "\r\n", "\r"):
        text = newline.join(["import a", "\x0c", "def f():", "\treturn 1", "", "", "def g(): 'a\u2028b'", ""])
        found = {c.symbol: c for c in chunk_python("lib", "a.py", text, 2000)}
        assert (found["f"].start_line, found["f"].end_line, found["f"].text) == (3, 4, "def f():\n\treturn 1")
        assert (found["g"].start_line, found["g"].text) == (7, "def g(): 'a\u2028b'")


def test_an_empty_file_has_no_chunks() -> None:
    assert chunks("") == [] and chunks(" \n\x0c\n") == []


def test_what_the_parser_refuses_is_raised_before_the_first_chunk() -> None:
    with pytest.raises(SyntaxError):
        chunks("def f(:\n")


# A small grammar of modules: what matters is how statements, comments and blank lines lie among each other.
SIMPLE = [
    "x = 1",
    "y = '''\n# in a string\n\n'''",
    "call(1,\n     2)",
    "import a; import b",
    "pass",
    "z = '" + "w" * 90 + "'",
]
GAPS = ["", "", "# note", "\n", "\n\n# far note\n", "#!shebang"]


@st.composite
def blocks(draw: st.DrawFn, depth: int) -> str:
    parts = []
    for _ in range(draw(st.integers(1, 4))):
        parts.append(draw(st.sampled_from(GAPS)))
        kind = draw(st.sampled_from(["simple", "def", "class", "if", "try", "with"])) if depth else "simple"
        if kind == "simple":
            parts.append(draw(st.sampled_from(SIMPLE)))
            continue
        inner = textwrap.indent(draw(blocks(depth - 1)), "    ", lambda line: bool(line.strip()) and line[:1] != "#")
        other = textwrap.indent(draw(blocks(0)), "    ", lambda line: bool(line.strip()) and line[:1] != "#")
        name = draw(st.sampled_from("fgh"))
        parts.append(
            {
                "def": f"@dec\nasync def {name}(a, *, b=2):\n{inner}",
                "class": f"class {name.upper()}(Base):\n{inner}",
                "if": f"if a:\n{inner}\nelif b:\n{other}\nelse:\n{inner}",
                "try": f"try:\n{other}\nexcept E:\n{inner}\nfinally:\n{other}",
                "with": f"for i in x:\n{inner}\nelse:\n{other}",
            }[kind]
        )
    parts.append(draw(st.sampled_from(GAPS)))
    return "\n".join(parts)


@settings(max_examples=more(50, 150))
@given(blocks(3), st.sampled_from([30, 80, 300, 2000]))
def test_no_line_of_any_module_is_lost(text: str, max_chars: int) -> None:
    ast.parse(text)
    check_nothing_is_lost(text, list(chunk_python("lib", "a.py", text, max_chars)), max_chars)


def stdlib_modules() -> Iterator[Path]:
    yield from sorted(Path(ast.__file__).parent.glob("[a-d]*.py"))


def test_no_line_of_the_standard_library_is_lost() -> None:
    for module in stdlib_modules():
        text = module.read_text("utf-8")
        for max_chars in (400, 2000):
            check_nothing_is_lost(text, list(chunk_python("lib", module.name, text, max_chars)), max_chars)


def test_an_edit_of_any_function_of_a_real_module_changes_no_id() -> None:
    text = Path(textwrap.__file__).read_text("utf-8")
    before = {c.chunk_id for c in chunk_python("lib", "a.py", text, 8000)}
    lines = text.split("\n")
    functions = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef)]
    assert len(functions) > 10
    for node in functions:
        at = node.body[-1].end_lineno or 0
        edited = "\n".join([*lines[:at], " " * node.body[-1].col_offset + "added = 1", *lines[at:]])
        assert {c.chunk_id for c in chunk_python("lib", "a.py", edited, 8000)} == before


@pytest.mark.parametrize(
    "mark",
    [
        "@(\n    cache\n)",
        "@ \\\n    cache",
        "@\\\n\\\ncache",
        "@(  # why\n    # @no\n\n    cache)",
        "@((\n    a @ b\n))",
    ],
)
@pytest.mark.parametrize("definition", ["def f():\n    return 1", "class C:\n    x = 1", "async def f(): ..."])
def test_a_decorator_that_stands_apart_from_its_sign_belongs_to_its_function(mark: str, definition: str) -> None:
    for text in (f"x = 1\n\n{mark}\n@other\n{definition}\n", f"class K:\n    y = 1\n\n{indented(mark, definition)}\n"):
        found = chunks(text)
        assert len(found) == 2
        assert found[1].text.lstrip().startswith("@")
        assert found[0].text in ("x = 1", "class K:\n    y = 1")
        tree = python_evidence.tree_of(text)
        assert tree is not None
        rows = [asdict(chunk) for chunk in found]
        assert not list(python_evidence.symbol_faults("a.py", tree, text.split("\n"), rows))
        cut = text.split("\n").index(found[1].text.split("\n")[0]) + 1
        rows[0]["end_line"], rows[1]["start_line"] = cut, cut + 1
        assert list(python_evidence.symbol_faults("a.py", tree, text.split("\n"), rows))


def indented(mark: str, definition: str) -> str:
    return "\n".join(f"    {line}" for line in f"{mark}\n{definition}".split("\n"))
