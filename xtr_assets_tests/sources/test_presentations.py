"""PPTX as sources read it, and presentations that were made to stop a build or that are none."""

import io
import zipfile
from pathlib import Path

import pytest

from xtr_assets_tests.documents import MANUAL
from xtr_assets_tests.presentations import DECK, Slide, deck, frame, shape, table
from xtr_assets_tests.sources.conftest import Opener, chunks, write
from xtr_assets_tests.sources.test_documents import refused


def test_a_slide_is_a_chunk_with_its_notes_tables_diagrams_and_charts(opened: Opener, tmp_path: Path) -> None:
    write(tmp_path, "a.pptx", DECK)
    found = chunks(opened("text"), "a.pptx")
    assert [(one.start_line, one.symbol, one.title, one.text) for one in found] == [
        (1, "Reader", "Reader", "Reader\n\nA reader opens files.\nAnd closes them."),
        (
            2,
            "Open and close",
            "Open and close",
            "Open\nand close\n\nIt opens them one after the other.\n\nflag\tmeaning\nr\tfor reading\n\nSay why.",
        ),
        (3, "slide 3", "", "Closing a reader twice is no fault.\n\nNew form"),
        (4, "Reader", "Reader", "first open\nthen close\n\nFiles a day\nopened closed\n\nReader"),
    ]
    assert {(one.kind, one.part, one.end_line - one.start_line) for one in found} == {("slide", 0, 0)}
    assert len({one.chunk_id for one in found}) == 4


def test_slides_come_in_the_order_in_which_they_are_shown(opened: Opener, tmp_path: Path) -> None:
    slides = [Slide(shape(text)) for text in ("one", "two", "three")]
    write(tmp_path, "a.pptx", deck(slides, order=(3, 1)))
    assert [(one.start_line, one.text) for one in chunks(opened("text"), "a.pptx")] == [(1, "three"), (2, "one")]


def test_a_long_slide_is_several_chunks_of_one_symbol(opened: Opener, tmp_path: Path) -> None:
    shapes = shape("Title", place="title") + "".join(shape("word " * 30) for _ in range(6))
    write(tmp_path, "a.pptx", deck([Slide(shapes)]))
    found = chunks(opened("text", max_chars=400), "a.pptx")
    assert [one.part for one in found] == list(range(len(found))) and len(found) > 1
    assert {(one.symbol, one.title, one.start_line) for one in found} == {("Title", "Title", 1)}
    assert "".join("".join(one.text.split()) for one in found) == "Title" + "word" * 180


def test_a_slide_that_says_nothing_has_no_chunk_and_keeps_its_number(opened: Opener, tmp_path: Path) -> None:
    write(tmp_path, "a.pptx", deck([Slide(shape("", place="title") + table([["", " "]])), Slide(shape("said"))]))
    (one,) = chunks(opened("text"), "a.pptx")
    assert (one.start_line, one.symbol, one.title) == (2, "slide 2", "")


def _without(name: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(DECK)) as old, zipfile.ZipFile(file, "w") as new:
        for one in old.namelist():
            if one != name:
                new.writestr(one, old.read(one))
    return file.getvalue()


HOSTILE = {
    "none.pptx": (b"\xff" * 100, "unparsable", "no presentation"),
    "old.pptx": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(512), "encrypted", "a .ppt of 1997"),
    "word.pptx": (MANUAL, "unparsable", "its main part is a document"),
    "lost.pptx": (_without("ppt/slides/slide2.xml"), "unparsable", "slide2.xml"),
    "deep.pptx": (deck([Slide("<p:grpSp>" * 9000 + "</p:grpSp>" * 9000)]), "beyond-limits", "Excessive depth"),
    "dangling.pptx": (deck([Slide(shape("a"))], order=(7,)), "unparsable", "rId7"),
    "pictures.pptx": (deck([Slide(shape("3", place="sldNum")), Slide("<p:pic/>")]), "no-text", "on its 2 slides"),
    "many.pptx": (deck([Slide(shape("a"))], order=[1] * 10_001), "beyond-limits", "10,001 slides, 10,000 are allowed"),
}


@pytest.mark.parametrize("path", HOSTILE)
def test_what_is_no_presentation_is_in_quarantine_with_what_it_is(opened: Opener, tmp_path: Path, path: str) -> None:
    data, reason, detail = HOSTILE[path]
    write(tmp_path, path, data)
    found = refused(opened("text"), path)
    assert (found.reason, detail in found.detail) == (reason, True), found


def test_a_shape_that_refers_to_nothing_loses_nothing_else(opened: Opener, tmp_path: Path) -> None:
    write(tmp_path, "a.pptx", deck([Slide(frame('<dgm:relIds r:dm="none"/>') + shape("said"))]))
    assert [one.text for one in chunks(opened("text"), "a.pptx")] == ["said"]
