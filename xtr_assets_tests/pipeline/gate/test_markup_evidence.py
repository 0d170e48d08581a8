"""Sections of AsciiDoc, Org and LaTeX, read a second time: planted faults are found, drawn documents have none."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xtr_assets.core.chunking import TextStyle, chunk_text
from xtr_assets.core.ids import chunk_id
from xtr_assets.pipeline.gate.markup_order import markup_faults
from xtr_assets.pipeline.gate.source_agrees import check
from xtr_assets.pipeline.gate.text_evidence import (
    Row,
    line_faults,
    lines_of,
    runs_of,
    section_faults,
    whole_faults,
)
from xtr_assets.sources.text_tree import STYLES
from xtr_assets_tests.pipeline.gate.conftest import World

PAGES = {
    "a.adoc": "= The Guide\n:toc:\n\nintro\n\n== Use `load` *now*\n\none\n\n----\n== no\n----\n\n[[s]]\n== Save\n\n"
    "two\n\n=== Deep\n\nthree\n\n== Look at xref:b.adoc[pages]\n\nfour\n",
    "a.org": "#+TITLE: The Guide\n\nintro\n\n* TODO Use ~load~ =now=\none\n#+begin_src\n* no\n#+end_src\n* Save\ntwo\n"
    "** Deep\nthree\n* Look at [[file:b.org][pages]]\nfour\n",
    "a.tex": "\\title{The Guide}\n\\begin{document}\nintro\n\\section{Use \\emph{load} now}\none\n% \\section{no}\n"
    "\\section{Save}\\label{s}\ntwo\n\\subsection{Deep}\nthree\n\\section{Look at \\href{b}{pages}}\nfour\n",
}


def _renamed(old: str, new: str) -> Callable[[list[Row]], list[Row]]:
    def change(rows: list[Row]) -> list[Row]:
        return [_called(row, row["symbol"].replace(old, new), row["title"].replace(old, new)) for row in rows]

    return change


def _called(row: Row, symbol: str, title: str) -> Row:
    return {**row, "symbol": symbol, "title": title, "chunk_id": chunk_id("s", row["path"], symbol, 0, row["part"])}


def _lost(rows: list[Row]) -> list[Row]:
    """The section `Save` is part of the one before."""
    at = next(at for at, row in enumerate(rows) if row["symbol"].endswith("Save"))
    above, below = rows[at - 1], rows[at]
    joined = {**above, "end_line": below["end_line"], "text": f"{above['text']}\n{below['text']}"}
    return [*rows[: at - 1], joined, *rows[at + 1 :]]


def _exchanged(rows: list[Row]) -> list[Row]:
    """`Save` and `Look` have each other's names."""
    first, last = (next(row for row in rows if name in row["symbol"]) for name in ("Save", "Look"))
    swapped = {id(first): last, id(last): first}
    return [
        _called(row, swapped[id(row)]["symbol"], swapped[id(row)]["title"]) if id(row) in swapped else row
        for row in rows
    ]


FAULTS: dict[str, Callable[[list[Row]], list[Row]]] = {
    "another name": _renamed("Save", "Store"),
    "the first word alone": _renamed("Use load now", "Use"),
    "a word of the path lost": _renamed("Save > Deep", "Deep"),
    "words of a link lost": _renamed("Look at pages", "Look at"),
    "a section lost": _lost,
    "two names exchanged": _exchanged,
    "no sections": lambda rows: [_called(row, "", "") for row in rows],
    "a line lost": lambda rows: [{**row, "text": row["text"].replace("three", "")} for row in rows],
    "the page is called otherwise": lambda rows: [
        {**row, "title": row["title"].replace("Guide", "Book")} for row in rows
    ],
    "the title of another": lambda rows: [{**row, "title": rows[-1]["title"]} for row in rows],
}


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found(path: str, fault: str) -> None:
    rows = _rows(path, PAGES[path])
    assert _faults(path, PAGES[path], rows) == []
    wrong = FAULTS[fault](rows)
    assert wrong != rows
    assert _faults(path, PAGES[path], wrong)


LINES: dict[str, tuple[str, ...]] = {
    "a.adoc": (
        *("= Page", "== One", "=== Deep `code`", "==== *Bold* move", "== _a_ xref:x.adoc[Link text]", "[[x]]", "[#y]"),
        *("[discrete]", "// note", "////", "----", "....", "====", "|===", "--", "```ruby", "```", "text", "more text"),
        *("Title", "-----", "Long title", "----------", "==", ":attr: v", ":attr: v \\", "include::a[]", "ifdef::x[]"),
        *(
            "endif::[]",
            "",
            "",
            "",
            "",
            "* item",
            "+",
            ".Block title",
            "[source]",
            "image::a[]",
            "'''",
            "## Mark",
            "# cmd",
        ),
        *("== {attr} x", "== A &amp; C", "== [[in]]In (((idx)))", "== https://a.b[Site^] t", "== `+l+` and ++x++"),
        *(
            "---",
            "title: Front",
            "[1] foo",
            "[\u6ce8\u610f]",
            "====",
            "== `a``b`* c*",
            "== kbd:[Ctrl] #m# ^a^",
            "== <<r,Words>> <<id>>",
            "== ",
        ),
    ),
    "a.org": (
        *(
            "* One",
            "* TODO Two",
            "** DONE [#A] Two :a:b:",
            "*** COMMENT x",
            "* =c= /i/ ~v~ *b* _u_ +s+",
            "#+TITLE: Page",
        ),
        *(
            "* [[http://a.b][Link]] t",
            "* [[*One]]",
            "#+TODO: NEXT | OK(o)",
            "* NEXT step",
            "#+begin_src sh",
            "#+end_src",
        ),
        *("#+BEGIN_EXAMPLE", "#+END_EXAMPLE", ",* esc", ":PROPERTIES:", ":ID: x", ":END:", "SCHEDULED: <2020-01-01>"),
        *(
            "# comment",
            "text",
            "",
            "",
            "",
            "| a |",
            "**************** task",
            "* \\alpha and \\b{} x",
            "* a [1/2]",
            "* ",
        ),
        *("* {{{kbd(C-c)}}} key", "* <<t>> x[fn:1]", "*", "** :tag:", "#+author: x", "* TODO", "*\u00a0x"),
    ),
    "a.tex": (
        *(r"\section{One}", r"\section*{One two}", r"\subsection[short]{Long \emph{title}}", r"\chapter{Deep {n} br}"),
        *(r"\part{P}", r"\subsubsection{\texttt{x} \& y}", r"text \section{Mid} more", r"\section{A}\subsection{B}"),
        *(r"\section{A} x \section{B} y", "% comment", r"% \section{No}", r"\begin{verbatim}", r"\end{verbatim}"),
        *(r"\begin{lstlisting}[a=b]", r"\end{lstlisting}", r"\verb|\section{x}|", r"\label{x}", r"\begin{document}"),
        *(r"\end{document}", r"\title{My \LaTeX{} book}", r"\newcommand{\x}{\section{#1}}", "text", "", "", ""),
        *(r"\section{", "}", r"\section{Two", "lines}", r"\section{\texorpdfstring{$\Pi$}{Pi}-t}", r"\section{}"),
        *(
            r"\section{na\"{\i}ve \'e \o x}",
            r"\section{x % c",
            "\\section[a]%\n{Below}",
            r"\section{50\% off}",
            r"\section{\ac{LED}}",
            r"\section{$a_{1}$ \foo{x}{y}}",
        ),
    ),
}


@pytest.mark.parametrize("path", LINES)
def test_drawn_documents_have_no_fault(path: str) -> None:
    @settings(max_examples=150, deadline=None)
    @given(st.lists(st.sampled_from(LINES[path]), min_size=1, max_size=25).map("\n".join), st.sampled_from([30, 700]))
    def healthy(text: str, max_chars: int) -> None:
        assert _faults(path, text, _rows(path, text, max_chars), max_chars) == []

    healthy()


def test_a_title_below_a_comment_that_ends_the_line_of_its_command_is_no_fault() -> None:
    text = "\\section{A}\na\n\\section[b]%\n  {B and more}\nb\n"
    rows = _rows("a.tex", text, 700)
    assert [row["symbol"] for row in rows] == ["A", "B and more"] and _faults("a.tex", text, rows, 700) == []


def test_the_gate_reads_them_from_their_files(world: World) -> None:
    for path, text in PAGES.items():
        world.write(f"guide/{path}", text)
    world.write("guide/key.asc", "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nabc\n")
    found = check(world.build())
    assert found.passed, found.summary


def _rows(path: str, text: str, max_chars: int = 700) -> list[Row]:
    style: TextStyle = STYLES[Path(path).suffix]
    return [
        {**{field.name: getattr(one, field.name) for field in dataclasses.fields(one)}, "metadata": "{}"}
        for one in chunk_text("s", path, text, max_chars, style)
    ]


def _faults(path: str, text: str, rows: list[Row], max_chars: int = 700) -> list[str]:
    lines, runs = lines_of(text), runs_of(rows)
    return [
        *line_faults(lines, rows, max_chars),
        *whole_faults(lines, runs, max_chars),
        *section_faults(path, lines, rows),
        *markup_faults(path, lines, runs),
    ]
