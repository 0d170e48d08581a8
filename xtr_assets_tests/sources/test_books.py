"""Books and texts of OpenDocument: what is read of them, under which names, and what is refused."""

from pathlib import Path

import pytest

from xtr_assets.core.types import Quarantined
from xtr_assets_tests.books import LETTER, NOVEL_CHAPTERS, NOVEL_CONTENTS, book, heading, odt, zipped
from xtr_assets_tests.sources.conftest import Opener, chunks, write

SECTIONS = [
    ("The Keeper", 1, 1, "The Keeper\n\nby Somebody"),
    ("Part one", 2, 2, "Part one"),
    ("Part the first > Of lamps", 3, 3, "Of lamps\n\nA lamp burns oil all night.\n\nIt is trimmed at dawn."),
    ("Part the first > A letter", 4, 4, "No heading stands above this fog."),
    ("Part the first > A letter > Later", 4, 4, "Later\n\nThe fog lifted."),
    ("Of gulls", 5, 5, "Of gulls\n\ngull\twhite\n\nA gull cries."),
]


@pytest.mark.parametrize("old", [False, True])
def test_a_book_is_read_by_its_spine_and_named_by_its_contents(tmp_path: Path, opened: Opener, old: bool) -> None:
    write(tmp_path, "a.epub", book(NOVEL_CHAPTERS, NOVEL_CONTENTS, old=old))
    found = chunks(opened("text"), "a.epub")
    assert [(one.symbol, one.start_line, one.end_line, one.text) for one in found] == SECTIONS
    assert {one.kind for one in found} == {"section"} and all(one.title == one.symbol for one in found)


def test_a_book_without_contents_is_named_by_its_headings(tmp_path: Path, opened: Opener) -> None:
    write(tmp_path, "a.epub", book(("<h1>A</h1><p>a</p>", "<p>b</p>", "<h2>C</h2><p>c</p>")))
    found = chunks(opened("text"), "a.epub")
    assert [(one.symbol, one.start_line, one.end_line) for one in found] == [("A", 1, 2), ("A > C", 3, 3)]


def test_what_xml_writes_in_one_tag_ends_there(tmp_path: Path, opened: Opener) -> None:
    body = "<title/><h1>A</h1><a id='x'/><script src='y'/><p>a<br/>b</p><m:math><m:mi>no</m:mi></m:math><![CDATA[<c>]]>"
    write(tmp_path, "a.epub", book([body]))
    assert [one.text for one in chunks(opened("text"), "a.epub")] == ["A\n\na\nb\n\n<c>"]


def test_a_text_of_opendocument(tmp_path: Path, opened: Opener) -> None:
    write(tmp_path, "a.odt", LETTER)
    found = chunks(opened("text"), "a.odt")
    assert [(one.symbol, one.start_line, one.end_line, one.text) for one in found] == [
        ("Harbour rules", 1, 1, "Harbour rules"),
        ("Mooring", 2, 5, "Mooring\n\nTie two  ropes, then wait.\n\nHemp is best.\n\nFirst the bow"),
        ("Mooring > At night", 6, 12, "At night\n\nlamp\tred\n\nNever green.\n\nSeen from afar\n\nIn a box\n\nHarbour"),
    ]


ENCRYPTION = (
    '<encryption xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><EncryptedData>'
    '<EncryptionMethod Algorithm="{}"/><CipherData><CipherReference URI="{}"/></CipherData></EncryptedData>'
    "</encryption>"
)
_OF_FONTS = ENCRYPTION.format("http://www.idpf.org/2008/embedding", "OPS/font.otf")
_PROTECTED = {
    "META-INF/encryption.xml": ENCRYPTION.format("http://www.w3.org/2001/04/xmlenc#aes128-cbc", "OPS/c%201.xhtml"),
    "META-INF/rights.xml": "<rights/>",
}
_MANIFEST = "<!DOCTYPE m><m:manifest xmlns:m='m'><m:file-entry><m:encryption-data/></m:file-entry></m:manifest>"
HOSTILE = {
    "none.epub": (b"\xff" * 100, "unparsable", "no EPUB"),
    "protected.epub": (book(["<p>a</p>"], more=_PROTECTED), "encrypted", "Adobe ADEPT"),
    "pictures.epub": (book(["<img src='a.png'/>"]), "no-text", "pictures"),
    "lost.epub": (
        book(["<p>a</p>"], more={"OPS/book.opf": "<package><spine><itemref idref='x'/></spine></package>"}),
        "unparsable",
        "x",
    ),
    "many.epub": (zipped({str(number): "" for number in range(10_001)}), "beyond-limits", "10,001 parts"),
    "deep.epub": (book(["<div>" * 3000 + "a" + "</div>" * 3000]), "beyond-limits", "2,048"),
    "hosts.epub": (
        book([""], more={"OPS/c 1.xhtml": b'<?xml version="1.0" encoding="punycode"?><html/>'}),
        "unparsable",
        "names of hosts",
    ),
    "none.odt": (b"\xff" * 100, "unparsable", "no OpenDocument text"),
    "locked.odt": (odt("<text:p>a</text:p>", more={"META-INF/manifest.xml": _MANIFEST}), "encrypted", "password"),
    "typed.odt": (zipped({"content.xml": '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'}), "unparsable", "document type"),
    "deep.odt": (odt("<text:list>" * 9000 + "</text:list>" * 9000), "beyond-limits", "Excessive depth"),
}


@pytest.mark.parametrize("path", HOSTILE)
def test_what_cannot_be_read_is_in_quarantine_with_what_it_is(opened: Opener, tmp_path: Path, path: str) -> None:
    data, reason, detail = HOSTILE[path]
    write(tmp_path, path, data)
    (found,) = opened("text").read(path)
    assert isinstance(found, Quarantined)
    assert (found.reason, detail in found.detail) == (reason, True), found


def test_fonts_that_are_made_unreadable_protect_no_text(opened: Opener, tmp_path: Path) -> None:
    write(tmp_path, "a.epub", book(NOVEL_CHAPTERS, more={"META-INF/encryption.xml": _OF_FONTS}))
    assert chunks(opened("text"), "a.epub")
    write(tmp_path, "a.odt", odt(heading(1, "A"), more={"META-INF/manifest.xml": "<!DOCTYPE m SYSTEM 'M.dtd'><m/>"}))
    assert [one.symbol for one in chunks(opened("text"), "a.odt")] == ["A"]
