"""A second reading of DOCX, by `zipfile` and expat alone: the paragraphs of a document in its order, and whether a
document that was refused is whole."""

import io
import posixpath
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from xml.etree import ElementTree

from xtr_assets.pipeline.gate.docx_headings import Paragraph, paragraph_level, style_levels
from xtr_assets.pipeline.gate.office_part import root_of

Element = ElementTree.Element

# What a document may unpack to before it is not looked into here.
_UNPACKED = 256 << 20
_WORD = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_OMATH = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
_OLD_FORM = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
_BY_ID = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
_UNREADABLE = (
    zipfile.BadZipFile,
    LookupError,
    ValueError,
    SyntaxError,
    OSError,
    NotImplementedError,
    RuntimeError,
    EOFError,
    zlib.error,
)


def paragraphs_of(data: bytes) -> list[Paragraph] | None:
    """The paragraphs of a Word document in order, all changes accepted; None for what is none.

    A note follows the paragraph, or the row of a table, that first refers to it; headers and footers follow the end of
    the section that first has them. None of these is a heading, nor is a paragraph of a table.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as package:
            if sum(part.file_size for part in package.infolist()) > _UNPACKED:
                return None
            return _Reading(package).paragraphs
    except _UNREADABLE:
        return None


def whole(data: bytes) -> bool:
    """Whether every part of a package can be unpacked and parsed, and is there where another one refers to it."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as package:
            names = set(package.namelist())
            if sum(part.file_size for part in package.infolist()) > _UNPACKED or "[Content_Types].xml" not in names:
                return False
            for name in names:
                part = package.read(name)
                root = ElementTree.fromstring(part) if name.endswith((".xml", ".rels")) else None
                if root is not None and name.endswith(".rels"):
                    above = posixpath.dirname(posixpath.dirname(name))
                    if any(one.target not in names for one in _relations(root, above).values()):
                        return False
    except _UNREADABLE:
        return False
    return True


@dataclass(frozen=True, slots=True)
class _Relation:
    kind: str
    target: str


def _relations(root: Element, folder: str) -> dict[str, _Relation]:
    """By id, the parts of the package that one in `folder` refers to."""
    found = {}
    for one in root:
        if one.get("TargetMode") != "External":
            target = posixpath.normpath(posixpath.join("/", folder, one.get("Target", ""))).lstrip("/")
            found[one.get("Id", "")] = _Relation(one.get("Type", ""), target)
    return found


class _Reading:
    """One pass over a document, to its paragraphs."""

    def __init__(self, package: zipfile.ZipFile) -> None:
        self._package = package
        relations = _relations(root_of(package.read("_rels/.rels")), "")
        main = next((one.target for one in relations.values() if one.kind.endswith("/officeDocument")), None)
        if main is None:
            raise KeyError("no main part")
        folder, name = posixpath.split(main)
        beside = posixpath.join(folder, "_rels", f"{name}.rels")
        known = beside in package.namelist()
        self._relations = _relations(root_of(package.read(beside)), folder) if known else {}
        # By kind, those that were not referred to yet.
        self._notes: dict[str, dict[str, Element]] = {}
        self._margins = set[str]()
        body = root_of(package.read(main)).find(f"{_WORD}body")
        if body is None:
            raise KeyError("no body")
        # By the list of a paragraph's text, those that may be headings.
        self._own: dict[int, Element] = {}
        styles = self._styles()
        self.paragraphs = [
            Paragraph("".join(one), paragraph_level(self._own[id(one)], styles) if id(one) in self._own else 0)
            for one in self._texts(body, beside=True)
        ]

    def _styles(self) -> dict[str, int]:
        part = next((one.target for one in self._relations.values() if one.kind.endswith("/styles")), None)
        if part is None or part not in self._package.namelist():
            return {}
        return style_levels(root_of(self._package.read(part)))

    def _note(self, kind: str, number: str) -> Element | None:
        """A note that nothing referred to before; None where there is none."""
        if kind not in self._notes:
            self._notes[kind] = self._notes_of(kind)
        return self._notes[kind].pop(number, None)

    def _notes_of(self, kind: str) -> dict[str, Element]:
        parts = [one.target for one in self._relations.values() if one.kind.endswith(f"/{kind}s")]
        roots = [root_of(self._package.read(part)) for part in parts]
        return {note.get(f"{_WORD}id", ""): note for root in roots for note in root.iter(f"{_WORD}{kind}")}

    def _texts(self, body: Element, *, beside: bool) -> list[list[str]]:
        found: list[list[str]] = []
        # By the list of a paragraph's text, the notes it refers to; those of a table's row wait for its end.
        referred: dict[int, list[tuple[str, str]]] = defaultdict(list)
        waiting: list[Element] = []
        rows = 0
        # (element, the paragraph it lies in, the tag above it, whether all inside it was read)
        stack: list[tuple[Element, list[str] | None, str, bool]] = [(body, None, "", False)]
        while stack:
            element, paragraph, parent, passed = stack.pop()
            kind = element.tag.removeprefix(_WORD)
            if passed:
                rows -= kind == "tr"
                notes = [self._note(which, number) for which, number in referred.pop(id(paragraph), [])]
                waiting += [note for note in notes if note is not None]
                if not rows:
                    for one in (*waiting, *self._of_section(element, kind)):
                        found += self._texts(one, beside=False)
                    waiting = []
                continue
            if element.tag == _OLD_FORM:
                continue
            if kind in ("del", "moveFrom", "rt"):
                # Paragraphs inside what is left out count, and say nothing.
                found += [[] for _ in range(_paragraphs(element))]
                continue
            if kind == "p":
                paragraph = []
                found.append(paragraph)
                if beside and not rows:
                    self._own[id(paragraph)] = element
            elif paragraph is not None:
                paragraph += _said(element, kind, parent)
                if beside and kind in ("footnoteReference", "endnoteReference"):
                    referred[id(paragraph)].append((kind.removesuffix("Reference"), element.get(f"{_WORD}id", "")))
            rows += kind == "tr"
            if beside and kind in ("p", "tr", "body"):
                stack.append((element, paragraph if kind == "p" else None, "", True))
            stack += [(child, paragraph, element.tag, False) for child in reversed(element)]
        return found

    def _of_section(self, element: Element, kind: str) -> Iterator[Element]:
        """The headers and footers of the section that ends with a paragraph, or with the body."""
        section = element.find(f"{_WORD}pPr/{_WORD}sectPr" if kind == "p" else f"{_WORD}sectPr")
        for one in [] if section is None or kind == "tr" else section:
            relation = self._relations.get(one.get(_BY_ID, ""))
            if not one.tag.endswith(("}headerReference", "}footerReference")) or relation is None:
                continue
            if relation.target not in self._margins:
                self._margins.add(relation.target)
                yield root_of(self._package.read(relation.target))


def _paragraphs(element: Element) -> int:
    """How many paragraphs lie below an element, without those of a drawing's second form."""
    count, waiting = 0, [element]
    while waiting:
        one = waiting.pop()
        if one.tag != _OLD_FORM:
            count += one.tag == f"{_WORD}p"
            waiting += one
    return count


def _said(element: Element, kind: str, parent: str) -> Iterator[str]:
    if kind == "t" or element.tag == f"{_OMATH}t":
        yield element.text or ""
    elif parent == f"{_WORD}r":
        if kind == "noBreakHyphen":
            yield "-"
        elif kind in ("tab", "ptab", "br", "cr"):
            yield " "
