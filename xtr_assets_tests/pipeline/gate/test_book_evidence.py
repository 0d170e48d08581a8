"""Books and texts of OpenDocument are read a second time: what both say, and what of a planted fault is found."""

import dataclasses
import random
from collections.abc import Callable

import pytest

from xtr_assets.core.chunking.blocks import Block, chunk_blocks
from xtr_assets.core.chunking.epub_chapters import epub_chapters
from xtr_assets.core.chunking.html_page import html_blocks
from xtr_assets.core.chunking.odt_body import odt_blocks
from xtr_assets.core.ids import chunk_id
from xtr_assets.pipeline.gate.document_evidence import document_faults, refusal_faults
from xtr_assets.pipeline.gate.source_agrees import check
from xtr_assets.pipeline.gate.text_evidence import Row
from xtr_assets_tests.books import LETTER, NOVEL, Contents, book, chapter, heading, note, odt, zipped
from xtr_assets_tests.pipeline.gate.conftest import World

READERS: dict[str, Callable[[bytes], list[Block]]] = {
    "a.epub": epub_chapters,
    "a.odt": odt_blocks,
    "a.html": lambda data: html_blocks(data.decode()),
}
FILES = {"a.epub": NOVEL, "a.odt": LETTER}


def rows_of(path: str, data: bytes, max_chars: int = 1000) -> list[Row]:
    held = chunk_blocks("s", path, READERS[path](data), max_chars)
    return [{**dataclasses.asdict(one), "metadata": "{}"} for one in held]


def faults(path: str, data: bytes, rows: list[Row]) -> list[str]:
    return list(document_faults(path, data, rows, 0))


def _called(row: Row, symbol: str) -> Row:
    return {**row, "symbol": symbol, "title": symbol, "chunk_id": chunk_id("s", row["path"], symbol, 0, row["part"])}


FAULTS: dict[str, Callable[[list[Row]], list[Row]]] = {
    "a word lost": lambda rows: [*rows[:-1], {**rows[-1], "text": rows[-1]["text"].replace("e", "", 1)}],
    "the last row lost": lambda rows: rows[:-1],
    "a row twice": lambda rows: [*rows, {**rows[-1], "part": 1}],
    "another name": lambda rows: [*rows[:-1], _called(rows[-1], "Other")],
    "the name of the one before": lambda rows: [*rows[:-1], _called(rows[-1], rows[0]["symbol"])],
    "what it stands under lost": lambda rows: [_called(one, one["symbol"].rpartition(" > ")[2]) for one in rows],
    "names of one level": lambda rows: [_called(one, one["symbol"].replace(" > ", " ")) for one in rows],
    "another place": lambda rows: [{**one, "start_line": 1 + one["start_line"], "end_line": 99} for one in rows],
    "texts exchanged": lambda rows: [
        {**rows[0], "text": rows[-1]["text"]}, *rows[1:-1], {**rows[-1], "text": rows[0]["text"]}
    ],
    "another kind": lambda rows: [{**rows[0], "kind": "page"}, *rows[1:]],
    "no title": lambda rows: [{**rows[0], "title": ""}, *rows[1:]],
}  # fmt: skip


@pytest.mark.parametrize("path", FILES)
@pytest.mark.parametrize("max_chars", [10, 60, 1000])
def test_both_readers_agree(path: str, max_chars: int) -> None:
    assert faults(path, FILES[path], rows_of(path, FILES[path], max_chars)) == []


@pytest.mark.parametrize("path", FILES)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found(path: str, fault: str) -> None:
    rows = rows_of(path, FILES[path])
    wrong = FAULTS[fault](rows)
    assert wrong != rows
    assert faults(path, FILES[path], wrong)


# Pieces of chapters and of texts, of which books and documents are drawn.
CHAPTERS = (
    *(
        "<h1>One</h1>",
        "<h2>Two</h2>",
        "<h3>Three <i>deep</i></h3>",
        "<h2><br/>Four<br/>lines</h2>",
        "<h1/>",
        "<p>a</p>",
    ),
    *("<p>b &amp; c &lt; d&#8212;e</p>", "text", "<div><p>f</p>g</div>", "<ul><li>h</li><li>i<p>j</p></li></ul>"),
    *("<table><tr><td>k</td><th>l</th></tr></table>", "<title/>", "<script>no</script>", "<a id='x'/>m", "<svg/>"),
    *("<nav><ol><li>no</li></ol></nav>", "<!-- no -->", "<pre> n\n  o</pre>", "<h2>A letter</h2>", "<img alt='no'/>"),
    *(
        "<section><h2>Five</h2><p>p</p></section>",
        "<m:math xmlns:m='m'><m:mi>no</m:mi></m:math>",
        "<hr/>",
        "<h4>Six</h4>",
    ),
    *("<p>\u6f22\u5b57 \ufeff q\xa0r</p>", "<blockquote><p>s</p></blockquote>", "<h2><img alt='x'/></h2>", "<p> </p>"),
)
PARAGRAPHS = (
    *("<text:p>a</text:p>", "<text:p/>", heading(1, "One"), heading(2, "Two"), heading(3, "<text:a>Three</text:a>")),
    *('<text:p text:style-name="Title">Head</text:p>', f"<text:p>b{note('n')}c</text:p>", "<text:h>Bare</text:h>"),
    *(heading(2, f"Noted{note('m')}"), "<text:p>d<text:s/><text:tab/>e<text:line-break/>f</text:p>", heading(1, "")),
    "<text:list><text:list-item><text:p>g</text:p><text:list><text:list-item><text:p>h</text:p></text:list-item>"
    "</text:list></text:list-item></text:list>",
    "<table:table><table:table-row><table:table-cell><text:p>i</text:p><text:h>j</text:h></table:table-cell>"
    f"<table:table-cell><text:p>k{note('o')}</text:p><table:table><table:table-row><table:table-cell><text:p>l"
    "</text:p></table:table-cell></table:table-row></table:table></table:table-cell></table:table-row></table:table>",
    "<text:p>p<draw:frame><draw:text-box><text:p>q</text:p><text:h>Boxed</text:h></draw:text-box></draw:frame>r</text:p>",
    "<text:section><text:p>s</text:p></text:section>",
    "<text:p>t<office:annotation><text:p>no</text:p></office:annotation>u</text:p>",
)  # fmt: skip


@pytest.mark.parametrize("seed", range(3))
def test_drawn_documents_have_no_fault(seed: int) -> None:
    draw = random.Random(seed)
    for _ in range(40):
        bodies = ["".join(draw.choices(CHAPTERS, k=draw.randint(0, 7))) for _ in range(draw.randint(1, 5))]
        data = book(bodies, _drawn_contents(draw, len(bodies)), old=draw.random() < 0.5)
        for max_chars in (7, 1000):
            assert faults("a.epub", data, rows_of("a.epub", data, max_chars) if _says(data) else []) == [], bodies
        body = "".join(draw.choices(PARAGRAPHS, k=draw.randint(1, 9)))
        for max_chars in (7, 1000):
            text = odt(body)
            assert faults("a.odt", text, rows_of("a.odt", text, max_chars)) == [], body


def _says(data: bytes) -> bool:
    try:
        return bool(epub_chapters(data))
    except Exception:
        return False


def _drawn_contents(draw: random.Random, chapters: int) -> Contents:
    names = ("One", "Two", "A letter", "Part")
    entries: list[tuple[str, int, Contents]] = []
    for at in range(1, chapters + 1):
        if draw.random() < 0.7:
            entry: tuple[str, int, Contents] = (draw.choice(names), at, ())
            if entries and draw.random() < 0.4:
                name, number, below = entries[-1]
                entries[-1] = (name, number, (*below, entry))
            else:
                entries.append(entry)
    return entries


def test_who_is_in_quarantine_and_can_be_read_is_found() -> None:
    for path, data in FILES.items():
        for reason in ("unparsable", "encrypted"):
            assert list(refusal_faults(path, data, {reason}))
        assert not list(refusal_faults(path, b"\xff" * 50, {"unparsable"}))
    assert list(refusal_faults("a.epub", NOVEL, {"no-text"}))


@pytest.mark.parametrize("path", ["a.epub", "a.odt", "a.docx", "a.pptx"])
def test_a_package_of_encrypted_parts_is_in_quarantine_as_that(path: str) -> None:
    """As `zip -e` makes one: the flag of each part stands in its header and in the directory."""
    data = zipped({"a": "b"})
    for header, flag in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = data.index(header) + flag
        data = data[:at] + b"\x01" + data[at + 1 :]
    assert not list(refusal_faults(path, data, {"encrypted"}))


ODD = (
    "<h1>A</h1><p>a</p><textarea>b <i>c</i></textarea><p>d</p>",
    "<xmp>a <b>b</b></xmp><h1>A</h1><p>c</p>",
    "<p title='x > y'>a</p><a id='q' title='x > y'/>b<p>c &lt;d&gt;</p>",
    "<p>a<![CDATA[ <b> & ]]>c<!-- <p>no</p> --></p><script>//<![CDATA[\nif (a<b) {}\n//]]></script><p>d</p>",
    "<p>&nbsp;&eacute;&hellip;</p>",
    "<h1>A<p>not closed",
    "<div>" * 1500 + "deep" + "</div>" * 1500,
)


@pytest.mark.parametrize("body", ODD)
def test_odd_chapters_have_no_fault(body: str) -> None:
    data = book([body, "<p>next</p>"])
    assert faults("a.epub", data, rows_of("a.epub", data)) == []


RUBY = {
    "a.epub": book(["<p><ruby>東京<rp>(</rp><rt>とうきょう</rt><rp>)</rp></ruby>都</p>"]),
    "a.odt": odt(
        "<text:p><text:ruby><text:ruby-base>東京</text:ruby-base><text:ruby-text>とうきょう</text:ruby-text>"
        "</text:ruby>都</text:p>"
    ),
}


@pytest.mark.parametrize("path", RUBY)
def test_how_letters_are_read_is_left_out_by_both(path: str) -> None:
    (row,) = rows_of(path, RUBY[path])
    assert row["text"] == "東京都" and faults(path, RUBY[path], [row]) == []


# Each says "one two" to a reader.
PARTED = (
    *("<p>one<br/>two</p>", "<p>one</p><p>two</p>", "<ul><li>one</li><li>two</li></ul>", "<div>one</div>two"),
    *("<table><tr><td>one</td><td>two</td></tr></table>", "<p>one <b>two</b></p>", "<h1>one<br/>two</h1>"),
)


@pytest.mark.parametrize("body", PARTED)
def test_words_of_a_chapter_that_run_together_are_found(body: str) -> None:
    data = book([body])
    (row,) = rows_of("a.epub", data)
    assert row["text"].split() == ["one", "two"] and faults("a.epub", data, [row]) == []
    symbol = "onetwo" if row["symbol"] else ""
    glued = {**_called(row, symbol), "text": "onetwo"}
    assert "run together" in faults("a.epub", data, [glued])[0]


@pytest.mark.parametrize("old", [False, True])
def test_a_table_of_contents_that_is_no_xml_is_no_fault(old: bool) -> None:
    data = book(["<p>a</p>", "<h1>B</h1><p>b</p>"], [("R & D <", 1, ())], old=old)
    rows = rows_of("a.epub", data)
    assert [row["symbol"] for row in rows] == ["" if old else "R & D <", "B"]
    assert faults("a.epub", data, rows) == []


def test_a_document_type_is_no_text() -> None:
    part = chapter("<h1>A</h1><p>b</p>").replace("<!DOCTYPE html>", '<!DOCTYPE html [<!ENTITY c "d">]>')
    data = book([""], more={"OPS/c 1.xhtml": part})
    assert [row["text"] for row in rows_of("a.epub", data)] == ["A\n\nb"]
    assert faults("a.epub", data, rows_of("a.epub", data)) == []


def test_headings_that_fill_a_chunk_before_their_section_are_no_fault() -> None:
    """Three long headings without a text of their own, in the smallest chunks that there are."""
    said = [f"{letter * 9} " + " ".join([letter * 7] * 11) for letter in "abc"]
    page = "".join(f"<h{level}>{text}</h{level}>" for level, text in enumerate(said, 1)).encode() + b"<p>text</p>"
    text = odt("".join(heading(level, text) for level, text in enumerate(said, 1)) + "<text:p>text</text:p>")
    for path, data in {"a.html": page, "a.odt": text, "a.epub": book([page.decode()])}.items():
        rows = rows_of(path, data, 200)
        assert len(rows) > 1 and faults(path, data, rows) == []


def test_the_gate_reads_them_from_their_files(world: World) -> None:
    for path, data in FILES.items():
        world.write(f"guide/{path}", data)
    found = check(world.build())
    assert found.passed, found.summary
