"""A second reading of texts of OpenDocument, by `zipfile` and expat alone: their paragraphs in order, and whether one
that was refused is whole."""

import io
import zipfile
import zlib
from collections.abc import Iterator
from xml.etree import ElementTree

from xtr_assets.pipeline.gate.docx_headings import Paragraph
from xtr_assets.pipeline.gate.office_part import root_of

Element = ElementTree.Element

_UNPACKED = 256 << 20
_UNREADABLE = (zipfile.BadZipFile, LookupError, ValueError, SyntaxError, OSError, NotImplementedError, RuntimeError,
               EOFError, zlib.error)  # fmt: skip
# As docs/configuration.md says: what is no text of a document.
_LEFT_OUT = frozenset(
    [
        "text:tracked-changes",
        "text:variable-decls",
        "text:sequence-decls",
        "text:user-field-decls",
        "text:page-number",
        "text:page-count",
        "text:ruby-text",
        "office:annotation",
        "office:annotation-end",
        "office:forms",
        "svg-compatible:title",
        "svg-compatible:desc",
    ]
)


# Elements that are white space.
_SPACES = ("text:s", "text:tab", "text:line-break")


def odt_paragraphs(data: bytes) -> list[Paragraph] | None:
    """The paragraphs of a document, notes behind what refers to them, headers and footers at its end; None for what is
    none."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as package:
            if sum(part.file_size for part in package.infolist()) > _UNPACKED:
                return None
            content = root_of(package.read("content.xml"))
            styles = root_of(package.read("styles.xml")) if "styles.xml" in package.namelist() else None
    except _UNREADABLE:
        return None
    body = next((one for one in content.iter() if _name(one) == "office:text"), None)
    if body is None:
        return None
    based = {
        _value(one, "name"): _value(one, "parent-style-name")
        for root in (styles, content)
        for one in ([] if root is None else root.iter())
        if _name(one) == "style:style"
    }
    reading = _Reading(based)
    reading.read(body, in_row=False, beside=False)
    for page in [] if styles is None else [one for one in styles.iter() if _name(one) == "style:master-page"]:
        for margin in page:
            if _name(margin).split("-")[0] in ("style:header", "style:footer"):
                reading.read(margin, in_row=False, beside=True)
    return reading.paragraphs


def is_encrypted(data: bytes) -> bool:
    """Whether a part of a package is encrypted, or is said to be."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as package:
            if any(part.flag_bits & 1 for part in package.infolist()):
                return True
            names = package.namelist()
            if "META-INF/encryption.xml" in names:
                return True
            return "META-INF/manifest.xml" in names and b"encryption-data" in package.read("META-INF/manifest.xml")
    except _UNREADABLE:
        return False


def _name(element: Element) -> str:
    """The tag of an element as people write it: `text:p`."""
    space, _, own = element.tag.rpartition("}")
    return f"{space.removeprefix('{urn:oasis:names:tc:opendocument:xmlns:').removesuffix(':1.0')}:{own}"


def _value(element: Element, name: str) -> str:
    return next((said for key, said in element.attrib.items() if key.rpartition("}")[2] == name), "")


class _Reading:
    """One pass over a document, to its paragraphs."""

    def __init__(self, based: dict[str, str]) -> None:
        self.paragraphs: list[Paragraph] = []
        self._based = based
        # Notes of the row that is open.
        self._waiting: list[Element] = []

    def read(self, element: Element, *, in_row: bool, beside: bool) -> None:
        for child in element:
            name = _name(child)
            if name in _LEFT_OUT or name == "text:note":
                continue
            if name in ("text:p", "text:h"):
                level = 0 if in_row or beside else self._level(child, name)
                self.paragraphs.append(Paragraph("".join(_text(child)), level))
                self.read(child, in_row=in_row, beside=beside)
                notes = list(_notes(child))
                if in_row:
                    self._waiting += notes
                else:
                    self._read_notes(notes)
            elif name == "table:table-row" and not in_row:
                self.read(child, in_row=True, beside=beside)
                waiting, self._waiting = self._waiting, []
                self._read_notes(waiting)
            else:
                self.read(child, in_row=in_row, beside=beside)

    def _read_notes(self, notes: list[Element]) -> None:
        for note in notes:
            for body in note:
                if _name(body) == "text:note-body":
                    self.read(body, in_row=False, beside=True)

    def _level(self, paragraph: Element, name: str) -> int:
        if name == "text:h":
            said = _value(paragraph, "outline-level") or "1"
            return max(1, min(9, int(said))) if said.isdecimal() else 1
        style, passed = _value(paragraph, "style-name"), set[str]()
        while style not in ("", "Title") and style not in passed:
            passed.add(style)
            style = self._based.get(style, "")
        return int(style == "Title")


def _text(element: Element) -> Iterator[str]:
    """The text of a paragraph but for paragraphs and notes in it, with what follows each element."""
    yield element.text or ""
    for child in element:
        if _name(child) in _SPACES and _value(child, "c") != "0":
            yield " "
        elif _name(child) not in _LEFT_OUT and _name(child) not in ("text:p", "text:h", "text:note"):
            yield from _text(child)
        yield child.tail or ""


def _notes(paragraph: Element) -> Iterator[Element]:
    """The notes of a paragraph, in order, but for those of paragraphs in it."""
    for child in paragraph:
        if _name(child) == "text:note":
            yield child
        elif _name(child) not in _LEFT_OUT and _name(child) not in ("text:p", "text:h"):
            yield from _notes(child)
