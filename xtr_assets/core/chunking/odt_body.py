"""What a text of OpenDocument says, paragraph by paragraph, as it reads with all changes accepted.

Frames and text boxes are read in their place. A footnote or endnote follows the paragraph, or the row of a table, that
refers to it; headers and footers of all page styles stand at the end. Comments are left out.
"""

import re
from collections.abc import Iterator, Mapping

from lxml import etree

from xtr_assets.core.chunking.blocks import Block, DocumentRefused, Paragraph, paragraph_blocks
from xtr_assets.core.chunking.office_package import Package, read_package

_SPACE = "urn:oasis:names:tc:opendocument:xmlns:"
_TEXT, _TABLE, _OFFICE, _STYLE = (f"{{{_SPACE}{name}:1.0}}" for name in ("text", "table", "office", "style"))
_ENCRYPTED = b"encryption-data"
_SVG = f"{{{_SPACE}svg-compatible:1.0}}"
_PARAGRAPHS = frozenset({f"{_TEXT}p", f"{_TEXT}h"})
_NOTE, _ROW = f"{_TEXT}note", f"{_TABLE}table-row"
# What was taken out while changes were tracked, comments, declarations, what stands for a picture, numbers of pages,
# and how the letters below are read.
_GONE_TEXT = "tracked-changes variable-decls sequence-decls user-field-decls page-number page-count ruby-text"
_GONE = frozenset({
    *(f"{_TEXT}{name}" for name in _GONE_TEXT.split()),
    *(f"{_OFFICE}{name}" for name in ("annotation", "annotation-end", "forms")),
    *(f"{_SVG}{name}" for name in ("title", "desc")),
})  # fmt: skip
_APART = _GONE | _PARAGRAPHS | {_NOTE}
_MARGINS = frozenset(f"{_STYLE}{name}{form}" for name in ("header", "footer") for form in ("", "-left", "-first"))
# A space that stands as an element may stand for many; nobody reads more of them.
_MOST_SPACES = 1000
_DEEPEST = 9
_BLANKS = re.compile("[ \t\r\n]+")


def odt_blocks(data: bytes) -> list[Block]:
    """The blocks of a document; places are numbers of paragraphs. Raises DocumentRefused."""
    return read_package(data, "OpenDocument text", "ODT", "word processor", _blocks)


def _blocks(package: Package) -> Iterator[Block]:
    _refuse_encrypted(package)
    content = package.part("content.xml")
    body = content.find(f"{_OFFICE}body/{_OFFICE}text")
    if body is None:
        held = content.find(f"{_OFFICE}body/*")
        raise ValueError(f"its body is a {'nothing' if held is None else etree.QName(held).localname}, and no text")
    styles = package.part("styles.xml") if "styles.xml" in package.names else None
    titles = _title_styles(content, styles)
    yield from paragraph_blocks(
        Paragraph(
            text := _said(paragraph),
            of_row,
            0 if beside or of_row is not None or not text else _level(paragraph, titles),
        )
        for paragraph, of_row, beside in _all(body, styles)
    )


def _refuse_encrypted(package: Package) -> None:
    # That of OpenOffice 2 declares a document type; what it lists is all that is asked of it.
    if "META-INF/manifest.xml" in package.names and _ENCRYPTED in package.raw("META-INF/manifest.xml"):
        raise DocumentRefused("encrypted", "it opens with a password only; save it without one")


def _all(
    body: etree._Element, styles: etree._Element | None
) -> Iterator[tuple[etree._Element, etree._Element | None, bool]]:
    yield from _walked(body, None, False, [])
    for page in () if styles is None else styles.iter(f"{_STYLE}master-page"):
        for margin in page.iterchildren(*_MARGINS):
            yield from _walked(margin, None, True, [])


def _walked(
    element: etree._Element, row: etree._Element | None, beside: bool, notes: list[etree._Element]
) -> Iterator[tuple[etree._Element, etree._Element | None, bool]]:
    """(paragraph, the row of a table that it lies in, whether it stands beside the body) of those below an element, in
    order; the notes of a row are gathered in `notes`."""
    for child in element.iterchildren("*"):
        if child.tag in _GONE:
            continue
        if child.tag == _NOTE:
            notes.extend(child.iterchildren(f"{_TEXT}note-body"))
        elif child.tag in _PARAGRAPHS or (child.tag == _ROW and row is None):
            held = notes if row is not None else []
            # Of tables within tables the outermost row counts: it is what a reader sees as one.
            of_row = child if child.tag == _ROW else row
            if child.tag in _PARAGRAPHS:
                yield child, row, beside
            yield from _walked(child, of_row, beside, held)
            for note in held if row is None else ():
                yield from _walked(note, None, True, [])
        else:
            yield from _walked(child, row, beside, notes)


def _said(paragraph: etree._Element) -> str:
    """The text of a paragraph, without paragraphs inside it (text boxes) and notes."""
    text = _BLANKS.sub(" ", "".join(_pieces(paragraph))).replace(" \n", "\n").replace("\n ", "\n").strip(" ")
    return text.translate({0: " ", 1: "\t", 2: "\n"}).strip()


def _pieces(element: etree._Element) -> Iterator[str]:
    """Its text; spaces that count, tabs and ends of lines stand as control characters."""
    yield element.text or ""
    for child in element:
        if (
            isinstance(child.tag, str)
            and child.tag not in _GONE
            and child.tag not in _PARAGRAPHS
            and child.tag != _NOTE
        ):
            if child.tag == f"{_TEXT}s":
                count = child.get(f"{_TEXT}c", "1")
                yield "\0" * (min(int(count), _MOST_SPACES) if count.isdecimal() else 1)
            elif child.tag == f"{_TEXT}tab":
                yield "\1"
            elif child.tag == f"{_TEXT}line-break":
                yield "\2"
            else:
                yield from _pieces(child)
        yield child.tail or ""


def _title_styles(content: etree._Element, styles: etree._Element | None) -> frozenset[str]:
    """The styles that make a paragraph the title of the document: `Title`, and those that are based on it."""
    above: dict[str, str] = {}
    for root in (content,) if styles is None else (styles, content):
        for style in root.iter(f"{_STYLE}style"):
            above[style.get(f"{_STYLE}name", "")] = style.get(f"{_STYLE}parent-style-name", "")
    return frozenset(name for name in (*above, "Title") if _leads(name, above))


def _leads(name: str, above: Mapping[str, str]) -> bool:
    passed: set[str] = set()
    while name and name != "Title" and name not in passed:
        passed.add(name)
        name = above.get(name, "")
    return name == "Title"


def _level(paragraph: etree._Element, titles: frozenset[str]) -> int:
    if paragraph.tag == f"{_TEXT}h":
        level = paragraph.get(f"{_TEXT}outline-level", "1")
        return min(_DEEPEST, max(1, int(level))) if level.isdecimal() else 1
    return int(paragraph.get(f"{_TEXT}style-name", "") in titles)
