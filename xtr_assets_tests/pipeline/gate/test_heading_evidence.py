"""Faults planted in titles are found by a second reading that renders nothing; what the chunker makes of any heading,
however strange, is none."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xtr_assets.core.chunking import chunk_text, markdown
from xtr_assets.core.chunking.headings import titled
from xtr_assets.core.ids import chunk_id
from xtr_assets.core.types import Chunk
from xtr_assets.pipeline.gate.heading_order import order_faults
from xtr_assets.pipeline.gate.source_agrees import check
from xtr_assets.pipeline.gate.text_evidence import Row, lines_of, runs_of, section_faults
from xtr_assets_tests.pipeline.gate.conftest import Plant, World
from xtr_assets_tests.pipeline.gate.test_source_agrees import in_file

PAGE = """\
# <a name="top"></a>The **guide** of [tools](https://example.org/tools)

one

## `load` and save {#load}

two

## [2.0](https://example.org/2.0) - Named & plain

three
"""
RST_PAGE = """\
The :mod:`json` module
======================

one

Use ``load`` and :ref:`save <saving>`
-------------------------------------

two
"""

FAULTS: dict[str, Callable[[str], str]] = {
    "titles keep their marks": lambda raw: titled(raw),
    "targets stay": lambda raw: raw.replace("](", " ").replace("[", "").replace(")", ""),
    "words of links are lost": lambda raw: raw.split("[")[0].strip() + raw.rpartition(")")[2],
    "the first word alone": lambda raw: raw.replace("`", "").split()[-1],
    "nothing is left": lambda raw: "",
    "in capitals": lambda raw: raw.upper(),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_the_titles_of_markdown_is_found(world: World, monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    world.write("guide/marked.md", PAGE if fault != "nothing is left" else "# The guide\n\none\n")
    assert check(world.build()).passed
    monkeypatch.setattr(markdown, "markdown_words", lambda raw, *_: FAULTS[fault](raw))
    found = check(world.build(full=True))
    assert not found.passed and "marked.md" in str(found.details["faults"])


@pytest.mark.parametrize(
    "wrong",
    [
        ("json module", ":mod:`json` module"),
        ("save", "saving"),
        ("load and save", "save"),
        ("load", "``load``"),
        ("Use ", ""),
    ],
)
def test_a_fault_in_the_titles_of_restructuredtext_is_found(world: World, plant: Plant, wrong: tuple[str, str]) -> None:
    world.write("guide/marked.rst", RST_PAGE)
    assert check(world.build()).passed

    def change(held: list[Chunk]) -> list[Chunk]:
        return [_called(one, one.symbol.replace(*wrong)) for one in held]

    plant(in_file("marked.rst", change))
    found = check(world.build(full=True))
    assert not found.passed and "marked.rst" in found.summary


def _called(one: Chunk, symbol: str) -> Chunk:
    number = chunk_id(one.source, one.path, symbol, 0, one.part)
    return dataclasses.replace(one, symbol=symbol, title=symbol, chunk_id=number)


# What opens, closes or hides something in a heading, and what only looks so.
MARKS = (
    *("a", "b c", "`", "``", "*", "**", "_", "__", "[", "]", "(", ")", "<", "</a>", '<a name="x">', ">"),
    *(" > ", "\\", "&amp;", "&lt;", "&", "{#id}", "{.x}", "{", "}", "!", "![alt](u)", "[x](y)", "[x](y z)"),
    *("[r]", "[r][]", "[q][r]", "#", "~~", "http://x.y", "<http://x.y>", "<T>", "<int, b>", "\u00e9"),
    *("\u6f22\u5b57", "<!-- c -->", "[^1]", "[a [b](c) d](e)", "<br>", "[#](#x)", "\U0001f517"),
    *("ab" * 60, "word " * 50),
)
RST_MARKS = (
    *("a", "b c", "`", "``", "*", "**", "_", "__", ":mod:`x`", ":ref:`t <u>`", "`t <u>`_", "`t`_", "word_"),
    *("word__", "[1]_", "\\", "\\ ", "<", ">", ":", "``a``", "*b*", "~", "`~a.b.c`", ":class:`~a.b.c`"),
    *(":meth:`~@a.b`", ":c:`~a-b.c d`", ":m:`~a.b<c>.d`", ":m:`~.a`", ":m:`~@a`", ":m:`~a, b.c`"),
    *(":f:`!x`", "(", ")", "\u00e9", "\u6f22\u5b57", "_`t`", "`r`:role:", "|x|", "|x|_"),
    *("ab" * 60, "word " * 50),
)


def _document(marks: Sequence[str], rst: bool) -> st.SearchStrategy[str]:
    said = st.lists(st.sampled_from(marks), min_size=1, max_size=7).map(lambda parts: "".join(parts).strip())
    heading = st.tuples(said, st.sampled_from("=-~" if rst else ["===", "---", "#", "##", "####"]), st.booleans())

    def written(one: tuple[str, str, bool]) -> str:
        said, sign, text = one
        if rst:
            sign = sign * max(4, 2 * len(said))
        line = f"{sign} {said}" if sign[0] == "#" else f"{said}\n{sign}"
        return f"{line}\n" + ("\nbody text\n\n" if text else "")

    return st.lists(heading, min_size=1, max_size=4).map(
        lambda them: "".join(map(written, them)) + "\n[r]: http://d/e\n"
    )


# Lines that look blank and are text to Markdown: a no-break space, a wide one, a form feed; what else ends a heading.
ODD = [
    "text\n\xa0\n---\n\nmore\n",
    "# A\n\ntext\n\n\u3000\n---\n\nmore\n\n# B\n\nend\n",
    "# A\n\n\xa0\n---\n# B\n\nend\n",
    "<div>\n\x0c\n# no\n</div>\n\n# A\n\ntext\n",
    "\x0b \n## B `c`\n[r]: u\n---\n",
    "$$\n<!--\n\n# no\n",
    "$$\n```\n\n# no\n```\n\n# A\n",
    "$$\n```\n$$\n\n# A\n\n```\n# no\n```\n",
    # Lines that begin with a tag, an address or a sign, and code below them.
    *(
        f"# A\n\n{line}\n```bash\na\n\n# no\n```\n\n# B\n\nend\n"
        for line in (
            "<https://example.org>",
            "<b>Bold</b>",
            "<3 words",
            "text\n<br>",
            "<img src='x'> shows",
            "<me@there.org>",
        )
    ),
    "# A\n\nsaid\n<b>Bold</b>\n<!-- c\n\n# no\n-->\n",
    "<details>\n```\na\n\n# Yes\n",
    # What closes the other kind of front matter.
    '+++\nsummary = """\na\n---\nb\n"""\ntitle = "T"\n+++\n\n## A\n\ntext\n',
    "---\nx: 1\n+++\ntitle: T\n---\n\n## A\n\ntext\n",
]


@pytest.mark.parametrize("text", ODD)
def test_odd_lines_around_headings_are_read_alike(text: str) -> None:
    rows = _rows("a.md", text)
    lines = lines_of(text)
    assert [*section_faults("a.md", lines, rows), *order_faults(lines, runs_of(rows))] == []


@pytest.mark.parametrize("tag", ['<TabItem value="npm" default>', "</Tabs>", "<details>", "<a name='x' />"])
def test_a_heading_below_a_tag_and_code_that_begins_no_section_is_found(tag: str) -> None:
    text = f"# A\n\n{tag}\n```bash\nnpm i\n```\n</TabItem>\n\n# B\n\nend\n"
    rows, lines = _rows("a.md", text), lines_of(text)
    assert [row["symbol"] for row in rows] == ["A", "B"] and list(order_faults(lines, runs_of(rows))) == []
    one = {**rows[0], "end_line": rows[1]["end_line"], "text": text.rstrip()}
    assert list(order_faults(lines, runs_of([one]))) == ["1 headings begin no section, the first in line 9"]


class _Counted(list[str]):
    """Lines that count how many of them were handed out in slices."""

    handed = 0

    def __getitem__(self, place: Any) -> Any:
        found = super().__getitem__(place)
        self.handed += len(found) if isinstance(place, slice) else 0
        return found


def test_each_section_is_looked_at_by_itself() -> None:
    """Of each one all lines above it were read again: a page of 50,000 headings took ten minutes."""
    text = "".join(f"## Part\n\ntext {number}\n\n" for number in range(50))
    rows, lines = _rows("a.md", text), _Counted(lines_of(text))
    assert list(order_faults(lines, runs_of(rows))) == [] and len(rows) == 50
    assert lines.handed <= 3 * len(lines)
    lines.handed = 0
    assert list(section_faults("a.md", lines, rows)) == [] and lines.handed <= 3 * len(lines)


@settings(max_examples=400)
@given(
    st.one_of(
        _document(MARKS, rst=False).map(lambda t: (t, "a.md")),
        _document(RST_MARKS, rst=True).map(lambda t: (t, "a.rst")),
    )
)
def test_whatever_headings_hold_both_readings_agree(document: tuple[str, str]) -> None:
    text, path = document
    assert list(section_faults(path, lines_of(text), _rows(path, text))) == []


# What calls a page, seems to, or cannot be read.
TITLES = (
    *(
        "title: Plain words",
        "title: 'It''s'",
        'title: "a \\u00e9 b"',
        "title: >-\n  folded\n  lines",
        "title: |\n  a\n  b",
    ),
    *("title:", "title: 12", "title: null", "title: [a, b]", "title: {a: b}", "title: {{ .T }}", 'title: "{{ x }}"'),
    *(
        "title: a # comment",
        "title: # comment",
        "title: !!str A",
        "title: &x A",
        "title: *x",
        "'title': q",
        '"title" : q',
    ),
    *("title: Plain\n  goes on", "title:\tTab", "Title: no", "subtitle: no", "title = 'toml'", 'title = "a\\tb"'),
    *("title = '''a\nb'''", "title = 3", "title: \u00e9 \u6f22", "title: **bold** `code`", "title: " + "word " * 60),
    *("title: a > b", "title: A", "title: '  spaced   out '", "- title: x", "  title: indented", "title: a: b"),
    *(
        'title: "unclosed',
        "title: " + "[" * 900,
        "title: a\u2028b",
        "title: a\\",
        "[table]",
        "[[table.of]]",
        "[['a']]",
        "title: null",
        "title: ~",
        r'title: "\ud83d\ude00 \ud800"',
        "weight: 3",
        "# a comment",
    ),
)
BODIES = (
    "# A\n",
    "## A\n",
    "# Plain words\n",
    "Plain words\n===\n",
    "B\n---\n",
    "    # code\n",
    "```\n# x\n```\n",
    "said\n\n",
    "#\n",
)


@settings(max_examples=600)
@given(
    st.sampled_from(["---", "+++", "--- "]),
    st.lists(st.sampled_from(TITLES), min_size=1, max_size=3),
    st.lists(st.sampled_from(BODIES), max_size=5),
)
def test_both_readings_agree_what_a_page_is_called(mark: str, front: list[str], body: list[str]) -> None:
    text = "\n".join([mark, *front, mark, "", *body, "end"])
    assert list(section_faults("a.md", lines_of(text), _rows("a.md", text))) == []


CALLED = "---\ntitle: Keys of a house\nweight: 3\n---\n\nintro\n\n## Lock\n\none\n\n## Door\n\ntwo\n"
PAGES: dict[str, Callable[[Row], str]] = {
    "it is lost": lambda row: row["symbol"],
    "it is lost of one": lambda row: row["symbol"] if row["symbol"] == "Door" else row["title"],
    "it is another page's": lambda row: row["title"].replace("Keys of a house", "Another page"),
    "it is the weight": lambda row: row["title"].replace("Keys of a house", "3"),
    "its end is lost": lambda row: row["title"].replace(" of a house", ""),
    "it is beside the heading": lambda row: row["title"].replace(" > ", " "),
    "the heading is lost": lambda row: row["title"].split(" > ")[0],
    "twice": lambda row: f"Keys of a house > {row['title']}",
}


def test_a_title_in_a_table_of_toml_calls_no_page() -> None:
    text = '+++\nweight = 3\n[[resources]]\ntitle = "Sunset"\n+++\nintro\n'
    rows = _rows("a.md", text)
    assert list(section_faults("a.md", lines_of(text), rows)) == []
    wrong = [{**row, "title": "Sunset" if not row["symbol"] else ""} for row in rows]
    assert list(section_faults("a.md", lines_of(text), wrong))


@pytest.mark.parametrize("fault", PAGES)
def test_a_fault_in_what_a_page_is_called_is_found(fault: str) -> None:
    rows, lines = _rows("a.md", CALLED), lines_of(CALLED)
    assert {row["title"] for row in rows} == {"Keys of a house", "Keys of a house > Lock", "Keys of a house > Door"}
    wrong = [{**row, "title": PAGES[fault](row)} for row in rows]
    assert list(section_faults("a.md", lines, wrong))


def test_front_matter_stands_in_the_section_below_it() -> None:
    apart = _rows("a.md", "---\nweight: 3\n---\n") + [
        {**row, "start_line": row["start_line"] + 3, "end_line": row["end_line"] + 3}
        for row in _rows("a.md", "# Lock\nkeys\n")
    ]
    lines = lines_of("---\nweight: 3\n---\n# Lock\nkeys\n")
    assert "by itself" in next(section_faults("a.md", lines, apart))
    rows = _rows("a.md", "\n".join(lines))
    assert [row["symbol"] for row in rows] == ["Lock"] and not list(section_faults("a.md", lines, rows))
    unnamed = [{**row, "symbol": "", "title": ""} for row in rows]
    assert "names nothing" in next(section_faults("a.md", lines, unnamed))
    assert list(order_faults(lines, [unnamed]))


# What begins with a rule and is no front matter, and code in lists.
RULED = (
    "---\n<div>\ntitle: A\n---\n\x0c\n## Sub\n",
    "+++\n  y: z\n<div>\n***\n---\n## Sub\n",
    "+++\n{{x}}\n+++\nProse.\n...\nSet\n===\n+++\nb\n",
    "---\nSet\n===\n\nSet\n===\n---\n## Sub\n...\n---\n",
    "+++\na: |\n## Sub\n  <div>\n+++\n\x0c\n## Sub\n",
    "---\n  ```\n---\n# x\n```\n",
    "- ```\n  ```\ntitle\n\n```\n# c\n```\n",
    "- x\n  ```\n- x\n# Head\n```\n# c\n```\n",
)


@pytest.mark.parametrize("text", RULED)
@pytest.mark.parametrize("max_chars", [40, 700])
def test_what_may_be_read_in_two_ways_is_no_fault(text: str, max_chars: int) -> None:
    lines, rows = lines_of(text), _rows("a.md", text, max_chars)
    assert not [*section_faults("a.md", lines, rows), *order_faults(lines, runs_of(rows))]


def _rows(path: str, text: str, max_chars: int = 700) -> list[Row]:
    chunks = chunk_text("s", path, text, max_chars, "rst" if path.endswith(".rst") else "markdown")
    return [
        {**{field.name: getattr(one, field.name) for field in dataclasses.fields(one)}, "metadata": "{}"}
        for one in chunks
    ]
