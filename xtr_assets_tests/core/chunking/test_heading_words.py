"""Titles are what a reader sees of a heading: through the chunker, in Markdown, reStructuredText and notebooks."""

import json

import pytest
from markdown_it import MarkdownIt

from xtr_assets.core.chunking import TextStyle, chunk_text
from xtr_assets.core.chunking.heading_words import MOST_PARSED, markdown_words, rst_words
from xtr_assets.core.chunking.notebook import cells_of, chunk_notebook
from xtr_assets.core.chunking.rst_titles import rst_titles

MARKDOWN = {
    "# [1.2](https://x.y/z(a)) - 2020": "1.2 - 2020",
    '# <a name="x"></a>Install': "Install",
    "# **bold** and `code_x` and _em_ and snake_case ##": "bold and code_x and em and snake_case",
    "# Setup {#setup}": "Setup",
    "# Setup {#setup} {: .no_toc }": "Setup",
    "# Setup [#](#setup)": "Setup",
    "# Project [![Build](https://b/x.svg)](https://b)": "Project",
    "# ![Project](logo.png)": "Project",
    "# AT&amp;T \\_x\\* &lt;T&gt;": "AT&T _x* <T>",
    "# ~~old~~ new<br/>line <!-- toc -->": "old new line",
    "# [reference][r], [r] and [none]": "reference, r and [none]",
    "# `[x](y)` ``a ` b``": "[x](y) a ` b",
    "# `<br>` in C#": "<br> in C#",
    "# a < b, {x | y} and 2 * 3 * 4": "a < b, {x | y} and 2 * 3 * 4",
    "Two *lines*\nof [text](u)\n===": "Two lines of text",
    "# <https://x.y>": "https://x.y",
}

RST = {
    ":mod:`asyncio` --- Asynchronous I/O": "asyncio --- Asynchronous I/O",
    ":class:`~a.b.Reader` and :mod:`!json`": "Reader and json",
    "The ``x * y`` of `people <https://p>`_": "The x * y of people",
    "*a* **b** |name| word_ [1]_": "a b name word",
    "f(*args, **kwargs) and __init__ and a_b": "f(*args, **kwargs) and __init__ and a_b",
    r"\*args, a\ b": "*args, ab",
    "H\\ :sub:`2`\\ O": "H2O",
}


def title_of(text: str, style: TextStyle) -> str:
    chunks = list(chunk_text("s", "a", f"{text}\n\nbody\n\n[r]: https://r\n", 900, style))
    assert len(chunks) == 1 and chunks[0].title == chunks[0].symbol
    assert text in chunks[0].text, "the text stays as it is written"
    return chunks[0].title


@pytest.mark.parametrize("heading", MARKDOWN)
def test_a_title_of_markdown_is_what_a_reader_sees(heading: str) -> None:
    assert title_of(heading, "markdown") == MARKDOWN[heading]


@pytest.mark.parametrize("heading", RST)
def test_a_title_of_restructuredtext_is_what_a_reader_sees(heading: str) -> None:
    text = f"{heading}\n{'=' * len(heading)}"
    assert title_of(text, "rst") == RST[heading]
    assert [one.text for one in rst_titles(f"{text}\n\nbody\n")] == [RST[heading]]


def test_a_title_of_a_notebook_is_what_a_reader_sees() -> None:
    cells = [{"cell_type": "markdown", "source": "# <a id='x'></a>**Load** [`csv`](u)"}]
    chunks = list(chunk_notebook("s", "a.ipynb", cells_of(json.loads(json.dumps({"cells": cells}))), 900))
    assert [one.title for one in chunks] == ["Load csv"]


def test_a_heading_without_words_names_nothing() -> None:
    text = '# Guide\n\none\n\n## <a name="x"></a>\n\ntwo\n\n## {#y}\n\nthree\n'
    assert [one.symbol for one in chunk_text("s", "a.md", text, 900, "markdown")] == ["Guide"] * 3


@pytest.mark.parametrize(
    "mark", ["[", "![", "*", "_", "`", "<a ", "&", "](", "[a](", "**a ", "a*_", "``a`", "|", ":a:`"]
)
def test_of_a_hostile_heading_no_more_is_parsed_than_titles_hold(mark: str) -> None:
    text = (mark * 200_000)[:200_000]
    for style, file in (("markdown", f"# {text}\n"), ("rst", f"{text}\n{'=' * len(text)}\n")):
        chunks = list(chunk_text("s", "a", file, 300_000, style))  # type: ignore[arg-type]
        assert all(len(one.title) <= 200 for one in chunks)
    assert len(markdown_words(text, MarkdownIt("commonmark"), {})) <= MOST_PARSED >= len(rst_words(text))
