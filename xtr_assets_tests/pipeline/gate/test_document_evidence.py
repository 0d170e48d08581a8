"""Faults planted in the rows of documents, and healthy documents."""

import dataclasses
import io
import random

import docx
import pytest
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls

from xtr_assets.config import parse_config
from xtr_assets.core.chunking.blocks import Block, chunk_blocks
from xtr_assets.core.chunking.html_page import html_blocks
from xtr_assets.core.types import Chunk, Quarantined
from xtr_assets.pipeline.gate.document_evidence import document_faults
from xtr_assets.pipeline.gate.docx_evidence import paragraphs_of
from xtr_assets.pipeline.gate.docx_headings import headings_above
from xtr_assets.pipeline.gate.source_agrees import check
from xtr_assets.pipeline.gate.text_evidence import Row
from xtr_assets.sources import document_worker
from xtr_assets_tests.documents import LEAFLET, MANUAL, PAGE, pdf, word
from xtr_assets_tests.long_cases import in_turn, kept
from xtr_assets_tests.pipeline.gate.conftest import CONFIG, Plant, World
from xtr_assets_tests.pipeline.gate.test_source_agrees import FAULTS, Change, each, in_file
from xtr_assets_tests.presentations import DECK, Slide, deck, shape

HELD = {"a.html": PAGE.encode(), "a.docx": MANUAL, "a.pptx": DECK, "a.pdf": LEAFLET}


def in_other_order(held: list[Chunk]) -> list[Chunk]:
    """Each chunk has the place of the one that mirrors it."""
    places = [(one.start_line, one.end_line) for one in reversed(held)]
    return [
        dataclasses.replace(one, start_line=first, end_line=last)
        for one, (first, last) in zip(held, places, strict=True)
    ]


OTHERS: dict[str, Change] = {
    "the last chunk is lost": lambda held: held[:-1],
    "places are mirrored": in_other_order,
    "a letter is lost": each(text=lambda one: one.text[:-1]),
    "places are one up": each(start_line=lambda one: one.start_line - 1, end_line=lambda one: one.end_line - 1),
    "parts are off by one": each(part=lambda one: one.part + 1),
}


# A page has no title that could be another's.
PAIRS = [(path, fault) for path in HELD for fault in [*FAULTS, *OTHERS] if (path[-3:], fault[:6]) != ("pdf", "titles")]
# Each fault in one format, and in each format what is lost, another text, and another place.
CHOSEN = [one for one in in_turn(HELD, [*FAULTS, *OTHERS]) if one in PAIRS] + [
    ("a.docx", "places are mirrored"),
    ("a.pptx", "titles are of the next row"),
]


@pytest.mark.parametrize("path, fault", kept(PAIRS, CHOSEN))
def test_a_fault_in_the_rows_of_a_document_is_found_and_told(world: World, plant: Plant, path: str, fault: str) -> None:
    world.write(f"guide/{path}", HELD[path])
    plant(in_file(path, {**FAULTS, **OTHERS}[fault]))
    found = check(world.build())
    assert not found.passed and path in found.summary


@pytest.mark.parametrize("path", HELD)
def test_a_document_that_says_something_and_has_no_row_is_found(world: World, plant: Plant, path: str) -> None:
    world.write(f"guide/{path}", HELD[path])
    plant(in_file(path, lambda held: []))
    found = check(world.build())
    assert not found.passed and path in found.summary


WRONG = [
    ("a.html", "unparsable"),
    ("a.html", "undecodable"),
    ("a.docx", "unparsable"),
    ("a.docx", "encrypted"),
    ("a.pptx", "unparsable"),
    ("a.pptx", "no-text"),
    ("a.pptx", "encrypted"),
    ("a.pdf", "encrypted"),
    ("a.pdf", "not-installed"),
]


@pytest.mark.parametrize("path, reason", WRONG)
def test_a_healthy_document_in_quarantine_is_found(world: World, plant: Plant, path: str, reason: str) -> None:
    world.write(f"guide/{path}", HELD[path])
    plant(lambda _, at, items: [Quarantined("guide", at, 0, reason, "")] if at == path else items)
    found = check(world.build())
    assert not found.passed and path in found.summary


def test_healthy_documents_pass(world: World) -> None:
    for path, data in HELD.items():
        world.write(f"guide/{path}", data)
    long = "A sentence of some length. " * 300
    world.write("guide/long.html", f"<h1>Long</h1><p>{long}</p><h2>More</h2>{long}")
    world.write("guide/long.docx", word((1, "Long"), long, (2, "More"), (3, "Deep"), long, [[long, "b"]]))
    world.write("guide/long.pdf", pdf([("A line of some length on a page of a book.\n" * 80), "", "end"]))
    # Everything on one line, and the same headings again.
    world.write("guide/one.html", "".join(f"<h2>Part {n % 3}</h2><p>Text {n} of {n * n}.</p>" for n in range(60)))
    world.write("guide/latin.html", '<meta charset="iso-8859-1"><p>caf\xe9 \x96 th\xe9</p>'.encode("latin-1"))
    world.write("guide/crlf.HTM", b"<h1>One\r\ntwo</h1>\r\n<p\r\n class=a>text\rmore</a\r>end</p>")
    world.write("guide/empty.html", "")
    world.write("guide/table.html", "<table>before<tr><td>a</td>between</tr></table><b><p>x</b>y</p></div>z")
    world.write("guide/blank.docx", word())
    world.write("guide/long.pptx", deck([Slide(shape("title " * 60, place="title") + shape(long, long), long)] * 2))
    world.write("guide/odd.html", "<noscript>no script</noscript>\n<h1>A</h1>\n<p>text <xmp>a &amp;lt; b</xmp></p>\n")
    # One chunk holds what is an entity and what is only written like one.
    world.write("guide/raw.html", "<p>caf&eacute; <xmp>&eacute;</xmp></p>\n<plaintext>a &lt; &eacute; <b>")
    # A heading that is longer than a chunk.
    world.write("guide/title.html", f"<h1>A</h1>\n<h2>{'long ' * 60}</h2>\n<p>text\n")
    world.config = parse_config(CONFIG.replace("path: guide,", "path: guide, max_chars: 200,"), world.folder)
    found = check(world.build())
    assert found.passed, found.details["faults"]


def test_what_cannot_be_read_is_in_quarantine_and_passes(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.write("guide/a.pdf", b"%PDF-1.7 nothing")
    world.write("guide/scan.pdf", pdf(["", ""]))
    world.write("guide/a.docx", b"PK\x03\x04 nothing")
    world.write("guide/old.docx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600))
    world.write("guide/a.pptx", b"PK\x03\x04 nothing")
    world.write("guide/pictures.pptx", deck([Slide(shape("7", place="sldNum"))]))
    world.write("guide/deep.html", "<div>" * 3000 + "x")
    world.write("guide/bytes.html", b"<p>\xff\xfe\xfa")
    found = check(world.build())
    assert found.passed, found.details["faults"]
    kept = [one for shard in world.warehouse.shards() if (one := world.warehouse.snapshot(shard))]
    told = {entry.path: entry.reason for one in kept for entry in one.quarantine}
    assert told == {
        "a.pdf": "unparsable",
        "scan.pdf": "no-text",
        "a.docx": "unparsable",
        "old.docx": "encrypted",
        "a.pptx": "unparsable",
        "pictures.pptx": "no-text",
        "deep.html": "beyond-limits",
        "bytes.html": "undecodable",
    }


def test_without_the_libraries_documents_wait_and_come_up_once_they_are_there(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(document_worker, "_version", lambda name: "")
    world.write("guide/a.pdf", LEAFLET)
    monkeypatch.setattr("xtr_assets.pipeline.gate.document_evidence.importlib.util.find_spec", lambda name: None)
    assert check(world.build()).passed
    kept = [one for shard in world.warehouse.shards() if (one := world.warehouse.snapshot(shard))]
    (entry,) = [entry for one in kept for entry in one.quarantine]
    assert entry.reason == "not-installed" and "pip install 'xtr-assets[documents]'" in entry.detail
    monkeypatch.undo()
    assert check(world.build()).passed
    kept = [one for shard in world.warehouse.shards() if (one := world.warehouse.snapshot(shard))]
    assert not [entry for one in kept for entry in one.quarantine]


def test_a_page_lost_deep_in_a_long_pdf_is_found(world: World, plant: Plant) -> None:
    world.write("guide/a.pdf", pdf([f"Page {n} of a book." for n in range(90)]))
    lost = random.Random(5).randrange(90)
    plant(in_file("a.pdf", lambda held: [*held[:lost], *held[lost + 1 :]]))
    assert not check(world.build()).passed


@pytest.mark.parametrize("path", ["a.docx", "a.html"])
def test_headings_that_became_paragraphs_are_found(world: World, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    """One section holds all then, with every letter of the document at its place."""
    original = document_worker.DocumentWorker.read

    def flat(self: document_worker.DocumentWorker, suffix: str, data: bytes) -> list[Block]:
        return [dataclasses.replace(one, level=0) for one in original(self, suffix, data)]

    monkeypatch.setattr(document_worker.DocumentWorker, "read", flat)
    world.write(f"guide/{path}", HELD[path])
    found = check(world.build())
    assert not found.passed and path in found.summary and "Reader" in found.summary


def test_headings_of_every_style_name_their_sections(world: World) -> None:
    """By names of styles, by a level of the paragraph, below one another without a text, in a table, and very long."""
    document = docx.Document()
    document.add_paragraph("before any heading")
    document.add_paragraph("The title", style="Title")
    for level in (1, 2, 3):
        document.add_heading(f"bare > {level}", level)
    document.add_paragraph("below them")
    document.add_heading("", 2)
    own = document.add_paragraph("by its own level")
    own._p.get_or_add_pPr().append(parse_xml(f'<w:outlineLvl {nsdecls("w")} w:val="1"/>'))
    document.add_paragraph("a text " * 900)
    document.add_table(1, 1).cell(0, 0).add_paragraph("in a table", style="Heading 1")
    document.add_heading("long " * 60, 1)
    document.add_paragraph("below the long one")
    document.add_heading("at the end", 2)
    file = io.BytesIO()
    document.save(file)
    world.write("guide/a.docx", file.getvalue())
    found = check(world.build())
    assert found.passed, found.details["faults"]
    told = headings_above(paragraphs_of(file.getvalue()) or [])
    assert told[0] == () and told[5] == ("The title", "bare > 1", "bare > 2", "bare > 3")[1:] and len(told[-1]) == 2


INSIDE = ["<p>Overview</p>", "<form>A</form>", "<table><tr><td>A</table>", "<li>A", "<a><h3>A</h3></a> b"]


@pytest.mark.parametrize("inside", INSIDE)
def test_a_heading_that_something_inside_ends_need_name_no_section(inside: str) -> None:
    """One such page stopped every build."""
    page = f"<h2>{inside}</h2><p>first</p><h2>Use</h2><p>second</p>"
    held = chunk_blocks("guide", "a.html", html_blocks(page), 2000)
    rows = [{**dataclasses.asdict(one), "metadata": "{}"} for one in held]
    assert rows[-1]["symbol"] == "Use" and list(document_faults("a.html", page.encode(), rows, 0)) == []
    assert list(document_faults("a.html", page.encode(), [*rows[:-1], {**rows[-1], "symbol": "", "title": ""}], 0))


# Each says "one two" to a reader, in one block or two.
PARTED = [
    *("one<br>two", "<p>one<p>two", "<ul><li>one<li>two</ul>", "<table><tr><td>one<td>two</table>"),
    *("<div>one</div>two", "<table><tr><td>one<div>two</div></table>", "<h2>one<div>two</div></h2>"),
    *("<h2><div>one</div>two</h2>", "<button>one</button><button>two</button>", "<p>one<img src=a>two"),
    *("<label>one<input></label><label>two</label>", "one<nav>no</nav>two", "<p>one<svg></svg>two"),
    *("<h2>one<img>two</h2>", "one <b>two</b>", "<pre>one\ntwo</pre>"),
]


def rows_of_page(page: str, max_chars: int = 2000) -> list[Row]:
    held = chunk_blocks("guide", "a.html", html_blocks(page), max_chars)
    return [{**dataclasses.asdict(one), "metadata": "{}"} for one in held]


@pytest.mark.parametrize("body", PARTED)
def test_what_stands_apart_on_a_page_is_read_so_by_both(body: str) -> None:
    (row,) = rows_of_page(body)
    assert row["text"].split() == ["one", "two"]
    assert list(document_faults("a.html", body.encode(), [row], 0)) == []
    found = list(document_faults("a.html", body.encode(), [{**row, "text": "onetwo"}], 0))
    assert "run together" in found[0]


@pytest.mark.parametrize(
    "body, text",
    [
        ("<b>o</b>ne", "one"),
        ("Press <button>Go</button>.", "Press Go."),
        ("o<wbr>ne", "one"),
        ("<ruby>東<rp>(</rp><rt>とう</rt><rp>)</rp>京<rt>きょう</rt></ruby>都", "東京都"),
        ("<img><pre><img>one\n<img>  two</pre>", "one\n  two"),
        ("<ruby><rb>東</rb><rt>とう</rt></ruby>都", "東都"),
    ],
)
def test_what_stands_in_a_word_parts_none(body: str, text: str) -> None:
    (row,) = rows_of_page(body)
    assert row["text"] == text and list(document_faults("a.html", body.encode(), [row], 0)) == []


def test_an_end_tag_of_several_lines_moves_no_place() -> None:
    """Prettier writes them; a text behind the paragraph was all that told its last line."""
    page = "<p><a>release</a\n>\ncycle, features\nadded.</p>\nof which\nthere are many\n<p>Last.</p>"
    rows = rows_of_page(page, 25)
    assert [(row["text"][-5:], row["end_line"]) for row in rows][1:] == [("dded.", 4), (" many", 6), ("Last.", 7)]
    assert list(document_faults("a.html", page.encode(), rows, 0)) == []
