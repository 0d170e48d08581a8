"""PPTX is read a second time by expat: what is lost beside the shapes, and what a slide is called."""

import dataclasses
import io
import zipfile

import pytest

from xtr_assets.core.chunking.blocks import DocumentRefused, chunk_slides
from xtr_assets.core.chunking.pptx_slides import pptx_slides
from xtr_assets.pipeline.gate.document_evidence import document_faults, refusal_faults
from xtr_assets.pipeline.gate.pptx_evidence import slides_of
from xtr_assets.pipeline.gate.text_evidence import Row
from xtr_assets_tests.pipeline.gate.test_docx_evidence import broken
from xtr_assets_tests.presentations import DECK, Slide, chart, deck, diagram, drawn, forms, frame, shape, table


def rows_of(data: bytes, max_chars: int = 2000) -> list[Row]:
    held = chunk_slides("talks", "a.pptx", pptx_slides(data), max_chars)
    return [{**dataclasses.asdict(one), "metadata": "{}"} for one in held]


def faults(data: bytes, rows: list[Row]) -> list[str]:
    return list(document_faults("a.pptx", data, rows, 0))


@pytest.mark.parametrize("max_chars", [10, 40, 2000])
def test_both_readers_agree(max_chars: int) -> None:
    assert faults(DECK, rows_of(DECK, max_chars)) == []


@pytest.mark.parametrize(
    "text", ["Say why.", "meaning", "New form", "then close", "closed", "Files a day", "one after"]
)
def test_what_is_lost_of_notes_tables_diagrams_and_charts_is_found(text: str) -> None:
    rows = rows_of(DECK)
    assert sum(text in row["text"] for row in rows) == 1
    assert faults(DECK, [{**row, "text": row["text"].replace(text, "")} for row in rows])


@pytest.mark.parametrize(
    "change",
    [
        {"symbol": "Other", "title": "Other"},
        {"title": ""},
        {"kind": "section"},
        {"start_line": 2, "end_line": 2},
        {"chunk_id": 7},
        {"part": 1},
        {"metadata": '{"a": 1}'},
    ],
)
def test_another_name_place_or_column_is_found(change: dict[str, object]) -> None:
    rows = rows_of(DECK)
    assert faults(DECK, [{**rows[0], **change}, *rows[1:]])


def test_a_slide_without_a_row_and_a_row_without_a_slide_are_found() -> None:
    rows = rows_of(DECK)
    assert faults(DECK, rows[1:]) and faults(DECK, [*rows, {**rows[-1], "start_line": 9, "end_line": 9}])
    assert faults(b"PK nothing", rows)


def test_a_long_title_is_cut_and_the_first_of_two_counts() -> None:
    twice = shape("word " * 70, place="title") + shape("Second", place="title")
    data = deck([Slide(twice), Slide(shape("Second", place="title"))])
    rows = rows_of(data)
    assert len(rows[0]["symbol"]) == 199 and faults(data, rows) == []
    assert faults(data, [{**rows[0], "symbol": "word", "title": "word"}, rows[1]])


# Each says "one two", in one row.
PARTED = {
    "paragraphs": Slide(shape("one", "two")),
    "lines": Slide(shape("one\ntwo")),
    "blanks": Slide(shape("one two")),
    "shapes": Slide(shape("one") + shape("two")),
    "cells": Slide(table([["one", "two"]])),
    "rows": Slide(table([["one"], ["two"]])),
    "notes": Slide(shape("one"), notes="two"),
    "points": Slide(frame('<dgm:relIds r:dm="d"/>'), beside={"d": diagram("one", "two")}),
    "categories": Slide(frame('<c:chart r:id="c"/>'), beside={"c": chart("", "one", "two")}),
}


@pytest.mark.parametrize("kind", PARTED)
def test_words_that_run_together_are_found(kind: str) -> None:
    data = deck([PARTED[kind]])
    (row,) = rows_of(data)
    assert row["text"].split() == ["one", "two"] and faults(data, [row]) == []
    assert "run together" in faults(data, [{**row, "text": "onetwo"}])[0]


# What may stand inside a text, and what becomes of it.
WITHIN = {"<!-- c -->": "onetwo", "<?a b?>": "onetwo", "<![CDATA[<&]]>": "one<&two", "&#8203;": "one\u200btwo"}


@pytest.mark.parametrize("within", WITHIN)
def test_comments_and_instructions_part_no_text(within: str) -> None:
    data = deck([Slide(shape("onetwo").replace("onetwo", f"one{within}two"))])
    assert [row["text"] for row in rows_of(data)] == [WITHIN[within]] and faults(data, rows_of(data)) == []
    data = broken(DECK, "ppt/slides/_rels/slide1.xml.rels", f"<!-- c --><a>{within}</a>".encode())
    assert faults(data, rows_of(data)) == []


def test_a_part_with_a_document_type_is_none_for_both() -> None:
    """Its entities would be text for one reader and none for the other, and no build were published any more."""
    kind = '<!DOCTYPE p [<!ENTITY e "boo">]>'
    data = broken(DECK, "ppt/slides/slide1.xml", f"{kind}<sld><sp><p>a&e;b</p></sp></sld>".encode())
    with pytest.raises(DocumentRefused, match="document type"):
        pptx_slides(data)
    assert slides_of(data) is None and not list(refusal_faults("a.pptx", data, {"unparsable"}))


def test_sections_of_slides_are_no_slides() -> None:
    """Of a presentation with sections each slide is named by the same element again."""
    assert [len(one.titles) for one in slides_of(DECK) or []] == [1, 1, 0, 1]


def test_notes_and_charts_in_two_forms_are_read_once() -> None:
    """Notes that hold a formula are written in two forms; with both read, no build were published any more."""
    slide = Slide(
        frame(forms('<c:chart r:id="one"/>', '<c:chart r:id="two"/>')),
        notes="Say why.",
        beside={"one": chart("New", "a"), "two": chart("Old", "b")},
    )
    data = deck([slide])
    with zipfile.ZipFile(io.BytesIO(data)) as made:
        notes = made.read("ppt/notes1.xml").decode()
    body = shape("Say why.", place="body")
    assert body in notes
    data = broken(data, "ppt/notes1.xml", notes.replace(body, forms(body, shape("Old", place="body"))).encode())
    assert [row["text"] for row in rows_of(data)] == ["New\na\n\nSay why."] and faults(data, rows_of(data)) == []


def test_categories_of_several_levels_are_words_of_a_chart() -> None:
    levels = chart("Files", "opened").replace("strCache>", "multiLvlStrCache>")
    data = deck([Slide(frame('<c:chart r:id="one"/>'), beside={"one": levels})])
    assert [row["text"] for row in rows_of(data)] == ["Files\nopened"] and faults(data, rows_of(data)) == []


def test_a_frame_is_no_title_and_no_footer() -> None:
    for place in ("title", "ftr"):
        held = frame(f'<p:ph type="{place}"/><a:tbl><a:tr><a:tc>{drawn("cell")}</a:tc></a:tr></a:tbl>')
        (row,) = rows_of(data := deck([Slide(held)]))
        assert (row["symbol"], row["text"]) == ("slide 1", "cell") and faults(data, [row]) == []


def test_what_is_beyond_its_parser_is_said_so_and_not_looked_into() -> None:
    data = deck([Slide("<p:grpSp>" * 300 + shape("deep") + "</p:grpSp>" * 300)])
    with pytest.raises(DocumentRefused) as refused:
        pptx_slides(data)
    assert refused.value.reason == "beyond-limits"
