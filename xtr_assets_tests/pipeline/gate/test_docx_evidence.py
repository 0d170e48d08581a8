"""DOCX is read a second time by expat: notes, headers and footers, and documents of which a part is damaged."""

import dataclasses
import io
import re
import zipfile

import pytest

from xtr_assets.core.chunking.blocks import DocumentRefused, chunk_blocks
from xtr_assets.core.chunking.docx_body import docx_blocks
from xtr_assets.pipeline.gate.document_evidence import document_faults, refusal_faults
from xtr_assets.pipeline.gate.docx_evidence import paragraphs_of
from xtr_assets.pipeline.gate.text_evidence import Row
from xtr_assets_tests.documents import MANUAL, NOTED, OFFICE, note, paragraph, parts_docx, referred, said, section, word


def rows_of(data: bytes, max_chars: int = 2000) -> list[Row]:
    held = chunk_blocks("guide", "a.docx", docx_blocks(data), max_chars)
    return [{**dataclasses.asdict(one), "metadata": "{}"} for one in held]


def faults(data: bytes, rows: list[Row]) -> list[str]:
    return list(document_faults("a.docx", data, rows, 0))


@pytest.mark.parametrize("max_chars", [20, 60, 2000])
def test_notes_headers_and_footers_are_read_alike(max_chars: int) -> None:
    assert faults(NOTED, rows_of(NOTED, max_chars)) == []


@pytest.mark.parametrize(
    "text", ["Of one.", "At the end.", "Of a flag.", "Of a box.", "Company manual", "left", "Second part"]
)
def test_what_is_lost_beside_the_body_or_moved_is_found(text: str) -> None:
    rows = rows_of(NOTED)
    assert text in rows[0]["text"]
    assert faults(NOTED, [{**rows[0], "text": rows[0]["text"].replace(text, "")}])
    assert faults(NOTED, [{**rows[0], "text": rows[0]["text"].replace(text, "") + text[::-1]}])


def test_paragraphs_have_the_numbers_of_their_order() -> None:
    assert [one.text for one in paragraphs_of(NOTED) or []] == [
        *("Reader", "Of the heading.", "One and two.", "Of one.", "At the end.", "flag", "meaning", "Of a flag."),
        *("Around", "in a box", "Of a box.", "Around it.", "Its last.", "Company manual", "left", "right"),
        *("Another section.", "Second part", ""),
    ]


@pytest.mark.parametrize("within", ["<!-- c -->", "<?a b?>"])
def test_comments_and_instructions_part_no_text(within: str) -> None:
    data = parts_docx(paragraph(said(f"one{within}two")))
    (row,) = rows_of(data)
    assert row["text"] == "onetwo" and faults(data, [row]) == []


@pytest.mark.parametrize("mark", ["tab", "ptab", "br", "cr"])
def test_what_parts_words_of_a_line_is_read_by_both(mark: str) -> None:
    """A footer of Word has its columns at places of the page: `ptab`."""
    data = parts_docx(paragraph(said("left") + f"<w:r><w:{mark}/></w:r>" + said("right")))
    (row,) = rows_of(data)
    assert row["text"].split() == ["left", "right"] and faults(data, [row]) == []
    assert "run together" in faults(data, [{**row, "text": "leftright"}])[0]


def test_how_letters_are_read_is_left_out_by_both() -> None:
    ruby = f"<w:r><w:ruby><w:rt>{said('とうきょう')}</w:rt><w:rubyBase>{said('東京')}</w:rubyBase></w:ruby></w:r>"
    data = parts_docx(paragraph(ruby, said("都")))
    (row,) = rows_of(data)
    assert row["text"] == "東京都" and faults(data, [row]) == []


def test_a_part_with_a_document_type_is_none_for_both() -> None:
    """Its entities would be text for one reader and none for the other, and no build were published any more."""
    kind = '<!DOCTYPE d [<!ENTITY e "boo">]>'
    data = parts_docx(paragraph(said("one")) + section("header1"), header1=paragraph(said("two")))
    for name in ("word/document.xml", "word/header1.xml", "word/styles.xml"):
        with zipfile.ZipFile(io.BytesIO(data)) as package:
            part = re.sub(r"^<\?xml.*?\?>", "", package.read(name).decode()).replace("two", "t&e;o")
        changed = broken(data, name, f"{kind}{part}".encode())
        with pytest.raises(DocumentRefused, match="document type"):
            docx_blocks(changed)
        assert paragraphs_of(changed) is None and not list(refusal_faults("a.docx", changed, {"unparsable"}))


def test_headings_among_what_stands_beside_are_none() -> None:
    heading = "<w:p><w:pPr><w:outlineLvl w:val='0'/></w:pPr><w:r><w:t>Above</w:t></w:r></w:p>"
    data = parts_docx(paragraph(said("One.")) + section("header1"), header1=heading)
    (row,) = rows_of(data)
    assert (row["symbol"], row["text"]) == ("", "One.\n\nAbove") and faults(data, [row]) == []


def broken(data: bytes, name: str, text: bytes | None) -> bytes:
    """The document with another part of this name, or without it."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(file, "w") as new:
        for one in old.namelist():
            if one != name:
                new.writestr(one, old.read(one))
        if text is not None:
            new.writestr(name, text)
    return file.getvalue()


STYLES = {
    # Its name says more than its outline level, and than the style that it is based on.
    "a heading 0 over a first one": ("Heading 0", "Heading1", "7", ("Figures",)),
    "a heading 0 over body text": ("heading 0", "Normal", "", ("Figures",)),
    "a heading 3": ("HEADING 3", "Normal", "0", ("Contents", "Figures")),
    "a style of one's own": ("Chapter", "Heading2", "", ("Contents", "Figures")),
    "an outline level": ("Chapter", "Normal", "4", ("Contents", "Figures")),
    "a digit of another script": ("heading \u0663", "Normal", "", ("Contents",)),
    "body text": ("Chapter", "Normal", "9", ("Contents",)),
}


@pytest.mark.parametrize("case", STYLES)
def test_styles_make_the_same_headings_by_both_readings(case: str) -> None:
    """A manual whose lists of figures stood under a style called Heading 0 was refused."""
    name, based, level, path = STYLES[case]
    outline = f"<w:pPr><w:outlineLvl w:val='{level}'/></w:pPr>" if level else ""
    own = f"<w:style w:type='paragraph' w:styleId='Own'><w:name w:val='{name}'/><w:basedOn w:val='{based}'/>{outline}"
    body = paragraph("<w:pPr><w:pStyle w:val='Heading1'/></w:pPr>", said("Contents"))
    body += paragraph("<w:pPr><w:pStyle w:val='Own'/></w:pPr>", said("Figures")) + paragraph(said("None are there."))
    plain = parts_docx(body)
    with zipfile.ZipFile(io.BytesIO(plain)) as made:
        styles = made.read("word/styles.xml").replace(b"</w:styles>", f"{own}</w:style></w:styles>".encode())
    data = broken(plain, "word/styles.xml", styles)
    rows = rows_of(data)
    assert rows[-1]["symbol"] == " > ".join(path) and faults(data, rows) == []
    assert faults(data, [*rows[:-1], {**rows[-1], "symbol": "Elsewhere"}])


PARTS = ["word/styles.xml", "[Content_Types].xml", "word/_rels/document.xml.rels", "docProps/core.xml"]


@pytest.mark.parametrize("name", PARTS)
@pytest.mark.parametrize("text", [b"<w:p>", None])
def test_a_document_that_its_reader_refuses_for_a_part_is_in_quarantine_rightly(name: str, text: bytes | None) -> None:
    data = broken(MANUAL, name, text)
    try:
        rows = rows_of(data)
    except Exception:
        assert list(refusal_faults("a.docx", data, {"unparsable"})) == []
    else:
        assert faults(data, rows) == []
    assert list(refusal_faults("a.docx", MANUAL, {"unparsable"})) == ["it is in quarantine and can be read"]


def test_a_box_that_was_taken_out_counts_its_paragraphs_once() -> None:
    """Word writes a box in two forms; with that of a deleted box counted twice, no build were published."""
    box = f"<w:txbxContent>{paragraph(said('in a box'))}</w:txbxContent>"
    forms = "".join(f"<mc:{form} {_FORMS}>{box}</mc:{form}>" for form in ("Choice", "Fallback"))
    drawn = f"<w:r><mc:AlternateContent {_FORMS}>{forms}</mc:AlternateContent></w:r>"
    body = paragraph(f"<w:del>{drawn}</w:del>", said("One."), f"<w:moveFrom>{drawn}</w:moveFrom>")
    data = parts_docx(body + f"<w:del>{paragraph(said('Gone.'))}</w:del>" + paragraph(said("Two.")))
    (row,) = rows_of(data)
    assert (row["text"], row["end_line"]) == ("One.\n\nTwo.", 5) and faults(data, [row]) == []


_FORMS = "xmlns:mc='http://schemas.openxmlformats.org/markup-compatibility/2006'"
_LINKED = f"<Relationship Id='more' Type='{OFFICE}/%s' Target='%s'/></Relationships>"
# What Word writes or takes, and a library once refused: by the part that it stands in, what is there and what becomes
# of it.
TAKEN = {
    "macros, under another name": ("[Content_Types].xml", ".document.main+xml", ".document.macroEnabled.main+xml"),
    "a template, under another name": ("[Content_Types].xml", ".document.main+xml", ".template.main+xml"),
    "a picture that is nowhere": ("word/_rels/document.xml.rels", "</Relationships>", _LINKED % ("image", "NULL")),
    "a link to a bookmark": ("word/_rels/document.xml.rels", "</Relationships>", _LINKED % ("hyperlink", "#here")),
    "no styles": ("word/_rels/document.xml.rels", "relationships/styles", "relationships/other"),
    "an encoding of several bytes": ("word/document.xml", "", "<?xml version='1.0' encoding='GBK'?>"),
}


@pytest.mark.parametrize("case", TAKEN)
def test_a_document_whose_text_can_be_read_is_read_by_both(case: str) -> None:
    """What was in quarantine, and could be read a second time, stopped every build."""
    name, said_now, becomes = TAKEN[case]
    plain = parts_docx(paragraph(said("One.")))
    with zipfile.ZipFile(io.BytesIO(plain)) as made:
        text = made.read(name).decode()
    assert said_now in text
    data = broken(plain, name, text.replace(said_now, becomes, 1).encode())
    (row,) = rows_of(data)
    assert row["text"] == "One." and faults(data, [row]) == []


def test_what_is_beyond_its_parser_is_said_so_and_not_looked_into() -> None:
    cells = 300
    data = parts_docx("<w:sdt>" * cells + paragraph(said("One.")) + "</w:sdt>" * cells)
    with pytest.raises(DocumentRefused) as refused:
        docx_blocks(data)
    assert refused.value.reason == "beyond-limits" and list(refusal_faults("a.docx", data, {"beyond-limits"})) == []


def test_a_document_of_another_kind_is_told_as_what_it_is() -> None:
    strict = "http://purl.oclc.org/ooxml/wordprocessingml/main"
    for root, told in ((f"<document xmlns='{strict}'/>", "a Strict Open XML Document"), ("<workbook/>", "a workbook")):
        data = broken(MANUAL, "word/document.xml", root.encode())
        with pytest.raises(DocumentRefused, match=told):
            docx_blocks(data)
        assert not list(refusal_faults("a.docx", data, {"unparsable"}))
    with pytest.raises(DocumentRefused, match="said to be the main one"):
        docx_blocks(broken(MANUAL, "_rels/.rels", b"<Relationships/>"))


def test_a_footnote_that_refers_to_itself_or_to_nothing_ends() -> None:
    again = f"<w:footnote w:id='5'>{paragraph(said('Of one.'), referred(5))}</w:footnote>"
    data = parts_docx(paragraph(said("One."), referred(5), referred(99)), footnotes=again + note(6, "x"))
    (row,) = rows_of(data)
    assert row["text"] == "One.\n\nOf one." and faults(data, [row]) == []


def test_a_document_of_before_is_numbered_as_before() -> None:
    assert [one["start_line"] for one in rows_of(word((1, "A"), "b", (1, "C"), "d"))] == [1, 3]
