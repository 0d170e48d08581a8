import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xtr_assets.core.chunking import TextStyle, chunk_text
from xtr_assets.core.types import Chunk


def chunks(text: str, style: TextStyle = "markdown", max_chars: int = 2000) -> list[Chunk]:
    return list(chunk_text("docs", "a.md", text, max_chars, style))


GUIDE = """\
---
title: Guide
# not a heading
---
Before all.

# Guide

## Install ##

Run this:

```sh
# not a heading

make
```

Use it
======

First.

## Install

Second.

#hashtag is no heading
"""


def test_markdown_falls_into_sections_by_heading_path() -> None:
    found = chunks(GUIDE)
    assert [(c.symbol, c.title, c.start_line, c.end_line) for c in found] == [
        ("", "", 1, 5),
        ("Guide > Install", "Guide > Install", 7, 17),
        ("Use it", "Use it", 19, 22),
        ("Use it > Install", "Use it > Install", 24, 28),
    ]
    assert found[1].text.startswith("# Guide\n\n## Install ##\n")
    assert {c.kind for c in found} == {"section"}


def test_a_change_in_one_section_changes_no_id_in_another() -> None:
    before = chunks(GUIDE, max_chars=200)
    changed = chunks(GUIDE.replace("First.", "First.\n\n" + "More words here. " * 40), max_chars=200)
    assert {c.chunk_id for c in before} < {c.chunk_id for c in changed}
    assert {c.symbol for c in changed if c.part} == {"Use it"}


def test_a_repeated_heading_path_has_ids_of_its_own() -> None:
    found = chunks("# A\none\n# A\ntwo\n")
    assert [c.symbol for c in found] == ["A", "A"]
    assert found[0].chunk_id != found[1].chunk_id


@pytest.mark.parametrize(
    "text",
    [
        "text\n\n---\n\nmore",  # a rule
        "- item\n---\nmore",  # a rule below a list
        "a | b\n--- | ---\n1 | 2",  # a table
        "    # code\n    more",  # indented code
        "~~~\n# code\n```\n# code\n~~~",  # a fence closed by its own kind only
        "````\n```\n# code\n````",  # a longer fence around a shorter
        "```\n# never closed",
        "<!--\n# hidden\n-->",
        "text\n#no space",
        "> quoted\nlazily\n---",  # a rule below a quote that goes on
        "- item\n  more\n---",
        "####### seven",
    ],
)
def test_what_only_looks_like_a_heading_is_none(text: str) -> None:
    assert {c.symbol for c in chunks(text)} == {""}


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("#\ttabbed #", "tabbed"),
        ("   ### indented", "indented"),
        ("# C#", "C#"),
        ("two\nlines\n---", "two lines"),
        ("# named {#anchor}", "named"),
        ("``` `inline` ```\n# after", "after"),
        ("---\nbelow a rule\n===", "below a rule"),
        ("***\nbelow stars\n===", "below stars"),
        ("```\ncode\n```\nbelow code\n---", "below code"),
    ],
)
def test_a_heading_is_known_in_every_spelling(text: str, path: str) -> None:
    assert chunks(text)[-1].symbol == path


def test_levels_that_are_skipped_and_climbed_give_the_right_path() -> None:
    found = chunks("# A\na\n### B\nb\n## C\nc\n# D\nd")
    assert [c.symbol for c in found] == ["A", "A > B", "A > C", "D"]


def test_paragraphs_are_packed_and_fenced_code_is_not_torn() -> None:
    fence = "```\n" + "code\n\n" * 8 + "```"
    found = chunks(f"# T\n\n{'a ' * 60}\n\n{fence}\n\n{'b ' * 60}", max_chars=200)
    assert any(fence in c.text for c in found)
    assert all(len(c.text) <= 200 for c in found)


def test_rst_titles_are_sections_with_levels_in_order_of_use() -> None:
    text = "=====\nGuide\n=====\n\nIntro.\n\nUse\n---\n\nText.\n\nDeep\n~~~~\n\nMore.\n\nEnd\n---\n\nBye.\n\n"
    text += "underline too short\n---\n"
    found = chunks(text, "rst")
    assert [c.symbol for c in found] == ["Guide", "Guide > Use", "Guide > Use > Deep", "Guide > End"]
    assert found[0].start_line == 1


def test_plain_text_has_no_headings() -> None:
    found = chunks("# a\n\nb\n===\n", "plain")
    assert [(c.symbol, c.kind, c.text) for c in found] == [("", "text", "# a\n\nb\n===")]


@given(
    st.lists(
        st.sampled_from(
            [
                "# A",
                "## B",
                "",
                "word " * 20,
                "===",
                "---",
                "```",
                "~~~",
                "- x",
                "<!--",
                "-->",
                "...",
                "  # c",
                "> q",
                "=-",
            ]
        ),
        max_size=25,
    ),
    st.sampled_from([20, 60, 500]),
    st.sampled_from(["markdown", "rst", "plain"]),
)
def test_nothing_of_any_text_is_lost(lines: list[str], max_chars: int, style: TextStyle) -> None:
    text = "\n".join(lines)
    found = list(chunk_text("docs", "a.md", text, max_chars, style))
    assert "".join("".join(c.text for c in found).split()) == "".join(text.split())
    assert all(c.text in text and len(c.text) <= max_chars for c in found)
    assert [c.start_line for c in found] == sorted(c.start_line for c in found)
    assert len({c.chunk_id for c in found}) == len(found)


# What opens a document, and the symbols of its chunks.
BEGINNINGS = {
    "+++\ntitle = 'Guide'\n[params]\nx = 1\n# no heading\n+++\n# A\na": ["A"],
    "---\ntitle: 'a: b: c'\ntags:\n- x\n# no heading\n---\n# A\na": ["A"],
    "---\n---\n# A\na": ["A"],
    "---\n\n# A\n\na\n\n---\n\n# B\n\nb": ["", "A", "B"],
    "---\n# A\nProse that goes on.\n---\nb": ["", "A > Prose that goes on."],
    "***\n# A\na": ["", "A"],
    "+++\nProse.\n+++\n# A\na": ["", "A"],
    "---\n# a comment\n{{ card_data }}\n---\n# A\na": ["A"],
    "---\ntitle: never closed\n\n# A\na": ["", "A"],
    "---\ntitle: A\n---\n\n": ["<front matter>"],
    "---\ntitle: A\n---\na\n# B\nb": ["", "B"],
    "---\ntitle: A\n---\n# B\n## C\nc": ["B > C"],
    "+++": [""],
    "---": [""],
}


@pytest.mark.parametrize(("text", "symbols"), BEGINNINGS.items())
def test_a_document_begins_with_front_matter_or_with_a_rule(text: str, symbols: list[str]) -> None:
    assert [c.symbol for c in chunks(text)] == symbols


@pytest.mark.parametrize(
    ("front", "body", "titles"),
    [
        ("title: Keys", "a\n\n## Lock\nb", ["Keys", "Keys > Lock"]),
        ("title: Keys", "## Keys\na\n### Lock\nb", ["Keys", "Keys > Lock"]),
        ("title: Keys", "# Locks\na\n## Door\nb", ["Locks", "Locks > Door"]),
        ("title: Keys", "# Lock\na\n# Door\nb", ["Keys > Lock", "Keys > Door"]),
        ("title: Keys", "# Keys\na\n# Door\nb", ["Keys", "Door"]),
        ("title: Keys", "a\n\n# Lock\nb", ["", "Lock"]),
        ("title: Keys", "## Lock\na\n# Door\nb", ["Keys > Lock", "Keys > Door"]),
        ("title: >-\n  Keys of\n  a house", "a", ["Keys of a house"]),
        ("title: 'Keys: #2'", "a", ["Keys: #2"]),
        ("title: {{ .Title }}", "a", [""]),
        ("title: [a, b]", "a", [""]),
        ("title: ''", "a", [""]),
        ("subtitle: Keys", "a", [""]),
        ("layout: page\ntitle: Keys\ntitle: Locks", "a", ["Keys"]),
        # As JSON writes it, and what is no character.
        (r'title: "\ud83d\udd11 Keys"', "a", ["\U0001f511 Keys"]),
        (r'title: "\ud83d Keys"', "a", [""]),
        (r'title: "\UFFFFFFFF"', "a", [""]),
        (r'title: "\U00110000"', "a", [""]),
        (r'title: "Keys\0"', "a", [""]),
        ("title: null", "a", [""]),
        ("title: ~ # later", "a", [""]),
        ("title: 'null'", "a", ["null"]),
    ],
)
def test_front_matter_calls_a_page_that_no_heading_calls(front: str, body: str, titles: list[str]) -> None:
    found = chunks(f"---\n{front}\n---\n{body}")
    assert [c.title for c in found] == titles
    # What a page is called is no place in it: another title leaves all ids.
    plain = chunks(f"---\nweight: 3\n---\n{body}")
    assert [(c.chunk_id, c.symbol) for c in found] == [(c.chunk_id, c.symbol) for c in plain]


@pytest.mark.parametrize(
    ("front", "title"),
    [
        ('weight = 1\n[[resources]]\nsrc = "a.png"\ntitle = "Sunset"', ""),
        ('[params] # of the theme\ntitle = "Sunset"', ""),
        ('tags = [\n"a", "b",\n]\ntitle = "Keys"\n[params]\ntitle = "Sunset"', "Keys"),
    ],
)
def test_a_title_in_a_table_of_toml_is_not_the_pages(front: str, title: str) -> None:
    assert [c.title for c in chunks(f"+++\n{front}\n+++\na")] == [title]


@pytest.mark.parametrize(
    "text",
    [
        "<pre>\n# x\n\n# y\n</pre>",
        "<script>\n\n# x\n</script>",
        "<style>\n\n# x\n</style>",
        "<textarea>\n\n# x\n</textarea>",
        "<?php\n\n# x\n?>",
        "<![CDATA[\n\n# x\n]]>",
        "<div>\n# x\n</div>",
        "- ```\n  # x\n\n  # y\n  ```",
        "> ```\n> # x\n> ```",
        "1. item\n\n   # in a list",
        "$$\na\n=\nb\n$$",
        "text\n$$\na\n-\nb\n$$",
        "````md\n```\n# x\n```\n# y\n````",
        "``` a`b\n# x".replace("# x", "x"),
        "[a]: /b\n===",
        "| a |\n| - |\n| # x |",
        "\\# x",
        "\t# x",
        "&#35; x",
    ],
)
def test_a_parser_knows_what_is_no_heading(text: str) -> None:
    assert {c.symbol for c in chunks(text)} == {""}


def test_lines_are_those_of_the_file_whatever_ends_them() -> None:
    text = "---\r\na: 1\r\n---\r\r"
    text += "one\x0ctwo\u2028three\x85four\r\n# A\r\n\r\n<pre>\r\n# no\r\n\r\n</pre>\r\nSet\r\n===\r\nend"
    assert [(c.symbol, c.start_line, c.end_line) for c in chunks(text)] == [
        ("", 1, 5),
        ("A", 6, 11),
        ("Set", 12, 14),
    ]


def test_a_table_that_touches_a_paragraph_is_not_torn_where_it_fits() -> None:
    table = "| a | b |\n|---|---|\n" + "| 12345 | 67890 |\n" * 8
    found = chunks("word " * 30 + "\n" + "word " * 30 + "\n" + table.rstrip(), max_chars=250)
    assert [c.text for c in found][-1] == table.rstrip()


@pytest.mark.parametrize("style", ["markdown", "rst"])
def test_a_heading_of_any_size_makes_titles_of_a_bounded_one(style: TextStyle) -> None:
    heading = "word " * 40_000
    text = f"{heading}\n{'=' * len(heading)}\n" + "\nA paragraph of text.\n" * 400
    found = chunks(text, style)
    assert max(len(c.title) for c in found) == 199
    assert sum(len(c.encoded) for c in found) < 1.2 * len(text)
    assert "".join("".join(c.text for c in found).split()) == "".join(text.split())


@pytest.mark.parametrize(
    "text",
    [
        "- a\n" * 20_000,
        ">" * 200_000,
        "[a\n" * 20_000,
        "$$\n" * 50_000,
        "# " + " " * 200_000 + "x",
        "---\na" + " " * 200_000,
    ],
)
def test_odd_documents_take_seconds_at_most(text: str) -> None:
    assert "".join("".join(c.text for c in chunks(text)).split()) == "".join(text.split())


def test_thousands_of_sections_with_code_take_time_in_proportion() -> None:
    """Each looked at the code of all: 10,000 took 2 CPU seconds more, a page of 32 MB many hours."""
    begun = time.thread_time()
    found = chunks("# a\n\n```\nx\n\ny\n```\n\n" * 10_000)
    assert {one.text for one in found} == {"# a\n\n```\nx\n\ny\n```"}
    assert time.thread_time() - begun < 1.8
