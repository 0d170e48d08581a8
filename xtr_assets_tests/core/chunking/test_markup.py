"""Sections of AsciiDoc, Org and LaTeX: what is a heading, what it is called, and which lines belong to it."""

import pytest

from xtr_assets.core.chunking import TextStyle, chunk_text

SECTIONS: dict[str, tuple[TextStyle, str, list[tuple[str, int, int]]]] = {
    "a page of AsciiDoc": (
        "asciidoc",
        "// note\n= Pro Git\nA. Author\n:toc:\n\n[[x]]\n== `push`\n\ntext\n\n=== Deep\n\nmore\n",
        [("Pro Git > push", 1, 9), ("Pro Git > push > Deep", 11, 13)],
    ),
    "what stands in blocks of AsciiDoc": (
        "asciidoc",
        "== A\n\n----\n== no\n----\n\n====\n== no\n====\n\n|===\n\n== no\n|===\n\n////\n== no\n////\n\n== B\n\nb",
        [("A", 1, 14), ("B", 16, 22)],
    ),
    "no heading of AsciiDoc": (
        "asciidoc",
        "== A\n\ntext\n== in a paragraph\n\n[discrete]\n== discrete\n\n== {empty}B\nb\n\n include::x[]\n\n== C\n\nc",
        [("A", 1, 7), ("B", 9, 12), ("C", 14, 16)],
    ),
    "titles of two lines": ("asciidoc", "Page\n====\n\na\n\nPart\n----\n\nb", [("Page", 1, 4), ("Page > Part", 6, 9)]),
    "a block that nothing closes": ("asciidoc", "== A\n\n----\nx\n\n== B\n\nb", [("A", 1, 4), ("B", 6, 8)]),
    "an attribute of several lines": ("asciidoc", "== A\n\n:x: y \\\n== z\n\n== B\n\nb", [("A", 1, 1), ("B", 3, 8)]),
    "headlines of Org": (
        "org",
        "* TODO [#A] One :tag:\n:PROPERTIES:\n:ID: x\n:END:\n** Two\ntext\n#+begin_src\n* no\n#+end_src\n* *Three*\nx",
        [("One > Two", 1, 9), ("Three", 10, 11)],
    ),
    "states of Org": ("org", "#+TODO: NEXT(n) | OK\n* NEXT One\na\n* OK\nb", [("One", 1, 3), ("", 4, 5)]),
    "sections of LaTeX": (
        "latex",
        "\\begin{document}\n\\chapter{One}\n\\label{one}\n\n\\section[s]{Two\n  {lines}}\ntext\n"
        "% no \\section{No}\n\\verb|\\section{x}|",
        [("", 1, 1), ("One > Two lines", 2, 9)],
    ),
    "what LaTeX takes as it is": (
        "latex",
        "\\section{A}\n\\begin{lstlisting}\n\\section{no}\n\\end{lstlisting}\n\\newcommand{\\x}{\\section{no}}\n\\section*{B}\nb",
        [("A", 1, 5), ("B", 6, 7)],
    ),
    "several on a line": ("latex", "a \\section{A} b\n\\section{B}\\subsection{C} c", [("A", 1, 1), ("B > C", 2, 2)]),
    "above and below the document": (
        "latex",
        "\\section{no}\n\\begin{document}\n\\section{A}\na\n\\end{document}\n\\section{no}",
        [("", 1, 2), ("A", 3, 6)],
    ),
}


@pytest.mark.parametrize("case", SECTIONS)
def test_sections(case: str) -> None:
    style, text, expected = SECTIONS[case]
    found = list(chunk_text("s", "a", text, 1000, style))
    assert [(one.symbol, one.start_line, one.end_line) for one in found] == expected


TITLES: dict[tuple[TextStyle, str], str] = {
    ("asciidoc", "[[a]]The *bold* _move_ of `code`, **un**bound"): "The bold move of code, unbound",
    ("asciidoc", "`color.*` and `--mixed`"): "color.* and --mixed",
    ("asciidoc", "https://x.org[Site^], xref:a.adoc[Page] and <<b,That>>"): "Site, Page and That",
    ("asciidoc", "Tom &amp; C{plus}{plus} (((index)))footnote:[no]"): "Tom & C++",
    ("asciidoc", "image:a.png[Logo] Guide kbd:[F1] +*raw*+"): "Guide F1 *raw*",
    ("asciidoc", "image:a.png[Logo]"): "Logo",
    ("asciidoc", '"`Quoted`" {product} \\*as it is*'): '"Quoted" {product} *as it is*',
    ("org", "=a_b= and ~c~ /in/ [[https://x.org][a link]] [2/3]"): "a_b and c in a link",
    ("org", "{{{kbd(C-c)}}} of \\alpha and <<t>>[fn:1]"): "C-c of \u03b1 and t",
    ("latex", r"\texorpdfstring{$\Pi_{x}$}{Pi}-types \& \textbf{b \emph{c}}"): "Pi-types & b c",
    ("latex", r"Na\"{\i}ve caf\'e \LaTeX{} \label{x}\footnote{no \emph{n}}"): "Na\u00efve caf\u00e9 LaTeX",
    ("latex", r"\ac{LED} and \num{5} of $\alpha{}$\par in it"): "LED and 5 of \u03b1 in it",
    ("latex", r"\textcolor{red}{Red} ``q'' a~b -- \bf bold"): 'Red "q" a b \u2013 bold',
}
_WRITTEN: dict[str, str] = {"asciidoc": "== {}\n\nx", "org": "* {}\nx", "latex": "\\section{{{}}}\nx"}


@pytest.mark.parametrize(("style", "raw"), TITLES)
def test_a_title_is_what_a_reader_sees(style: TextStyle, raw: str) -> None:
    (one,) = chunk_text("s", "a", _WRITTEN[style].format(raw), 1000, style)
    assert one.title == TITLES[style, raw]


CALLED: dict[str, tuple[TextStyle, str, list[tuple[str, str]]]] = {
    "Org": ("org", "#+TITLE: Guide\n\n* One\na", [("One", "Guide > One")]),
    "Org, as its first headline": ("org", "#+TITLE: Guide\n* Guide\na", [("Guide", "Guide")]),
    "LaTeX": ("latex", "\\title{My \\emph{book}}\n\\section{One}\na", [("", "My book"), ("One", "My book > One")]),
    "AsciiDoc": ("asciidoc", "---\ntitle: Page\n---\n\n== One\n\na", [("One", "Page > One")]),
    "AsciiDoc with a title": ("asciidoc", "---\ntitle: Page\n---\n= Head\n\na", [("Head", "Head")]),
    "settings alone": ("org", "#+TITLE: Guide\n# note\n", [("<front matter>", "")]),
}


@pytest.mark.parametrize("case", CALLED)
def test_the_name_of_a_document_stands_above_its_sections(case: str) -> None:
    style, text, expected = CALLED[case]
    assert [(one.symbol, one.title) for one in chunk_text("s", "a", text, 1000, style)] == expected


@pytest.mark.parametrize(
    ("style", "line"),
    [
        ("asciidoc", "----\n"),
        ("asciidoc", "[[a]]\n"),
        ("org", "#+begin_src\n"),
        ("org", ":A:\n"),
        ("latex", "\\section{"),
        ("latex", "$"),
    ],
)
def test_what_is_never_closed_costs_no_square(style: TextStyle, line: str) -> None:
    assert list(chunk_text("s", "a", line * 20_000, 1000, style))
