"""What a Word document says, paragraph by paragraph, walked element by element.

Tracked insertions, content controls and text boxes are read in their place. So is what stands beside the body: a
footnote or endnote after the paragraph, or the row of a table, that first refers to it; headers and footers at the end
of the section that first has them. Comments are left out.
"""

import re
from collections.abc import Container, Iterator, Mapping

from lxml import etree

from xtr_assets.core.chunking.blocks import Block, Paragraph, paragraph_blocks
from xtr_assets.core.chunking.office_package import Package, read_package, text_of

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_R = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
_MATH = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
# What was taken out or moved away while changes were tracked, how the letters below are read (ruby), and the second
# form of a drawing for old programs.
_GONE = frozenset({f"{_W}del", f"{_W}moveFrom", f"{_W}rt", _FALLBACK})
_MARKS = {f"{_W}tab": "\t", f"{_W}ptab": "\t", f"{_W}br": "\n", f"{_W}cr": "\n", f"{_W}noBreakHyphen": "-"}
_SAID = {f"{_W}t", f"{_MATH}t", *_MARKS}
_NOTES = {f"{_W}footnoteReference": "footnote", f"{_W}endnoteReference": "endnote"}
_MARGINS = frozenset({f"{_W}headerReference", f"{_W}footerReference"})
# People have a heading above the first level, too, which they call 0.
_HEADING = re.compile(r"heading ([0-9])", re.IGNORECASE)


def docx_blocks(data: bytes) -> list[Block]:
    """The blocks of a document; places are numbers of paragraphs. Raises DocumentRefused."""
    return read_package(data, "Word document", "DOCX", "word processor", _blocks)


def _blocks(package: Package) -> Iterator[Block]:
    main = package.main
    document, related = package.part(main), package.related(main)
    body = document.find(f"{_W}body")
    if body is None:
        kind = etree.QName(document)
        if "purl.oclc.org" in str(kind.namespace):
            # Named as the dialogs of Word do.
            raise ValueError("it is a Strict Open XML Document, and no plain Word Document")
        raise ValueError(f"its main part, a {kind.localname}, has no body")
    levels = _levels(package, related)
    yield from paragraph_blocks(
        Paragraph("", of_row)
        if paragraph is None or not (text := "".join(_said(paragraph)).strip())
        else Paragraph(text, of_row, 0 if beside or of_row is not None else _level(paragraph, levels))
        for paragraph, of_row, beside in _walked(body, Beside(package, related))
    )


class Beside:
    """What stands beside the body of a document: notes, headers and footers, each handed out once."""

    def __init__(self, package: Package, related: Mapping[str, tuple[str, str]]) -> None:
        self._package, self._related = package, related
        self._used = set[str]()
        self._notes: dict[str, dict[str, etree._Element]] = {}

    def notes(self, paragraph: etree._Element) -> list[etree._Element]:
        """The notes that a paragraph is the first to refer to, in order."""
        found = []
        for reference in _own(paragraph, _NOTES):
            kind, number = _NOTES[reference.tag], reference.get(f"{_W}id", "")
            if kind not in self._notes:
                self._notes[kind] = self._of_kind(kind)
            note = self._notes[kind].pop(number, None)
            if note is not None:
                found.append(note)
        return found

    def margins(self, section: etree._Element | None) -> list[etree._Element]:
        """The headers and footers that a section is the first to have, in order."""
        found = []
        for reference in [] if section is None else section:
            _, name = self._related.get(reference.get(f"{_R}id", ""), ("", ""))
            if reference.tag in _MARGINS and name and name not in self._used:
                self._used.add(name)
                found.append(self._package.part(name))
        return found

    def _of_kind(self, kind: str) -> dict[str, etree._Element]:
        roots = [self._package.part(name) for told, name in self._related.values() if told == f"{kind}s"]
        return {note.get(f"{_W}id", ""): note for root in roots for note in root.iter(f"{_W}{kind}")}


def _walked(
    body: etree._Element, beside: Beside | None
) -> Iterator[tuple[etree._Element | None, etree._Element | None, bool]]:
    """(paragraph, the row of a table that it lies in, whether it stands beside the body) in order; None for one that
    was deleted, which has its number all the same. Those of a drawing's second form have none."""
    rows: list[etree._Element] = []
    noted: list[etree._Element] = []
    second = gone = 0
    for event, element in etree.iterwalk(body, events=("start", "end")):
        step = 1 if event == "start" else -1
        second += step * (element.tag == _FALLBACK)
        gone += step * (element.tag in _GONE)
        if element.tag == f"{_W}tr":
            rows.append(element) if event == "start" else rows.pop()
        elif element.tag == f"{_W}p" and event == "start" and not second:
            # Of tables within tables the outermost row counts: it is what a reader sees as one.
            yield None if gone else element, rows[0] if rows else None, beside is None
        if beside is None or event == "start" or second or gone:
            continue
        section = None
        if element.tag == f"{_W}p":
            noted += beside.notes(element)
            section = element.find(f"{_W}pPr/{_W}sectPr")
        elif element is body:
            section = element.find(f"{_W}sectPr")
        if not rows:
            for one in (*noted, *beside.margins(section)):
                yield from _walked(one, None)
            noted = []


def _own(paragraph: etree._Element, tags: Container[str]) -> Iterator[etree._Element]:
    """The elements of a paragraph with these tags, but for those of paragraphs inside it and of what was taken out."""
    walk = etree.iterwalk(paragraph, events=("start",))
    for _, element in walk:
        if element is not paragraph and (element.tag == f"{_W}p" or element.tag in _GONE):
            walk.skip_subtree()
        elif element.tag in tags:
            yield element


def _said(paragraph: etree._Element) -> Iterator[str]:
    """The text of a paragraph as it reads with all changes accepted, without paragraphs inside it (text boxes)."""
    for element in _own(paragraph, _SAID):
        if element.tag not in _MARKS:
            yield text_of(element)
        elif element.getparent().tag == f"{_W}r":
            yield _MARKS[element.tag]


def _levels(package: Package, related: Mapping[str, tuple[str, str]]) -> dict[str, int]:
    """The heading level of each style that has one, by the style's id; a style may have it from the one below it."""
    part = next((name for kind, name in related.values() if kind == "styles"), None)
    names = {} if part is None else {one.get(f"{_W}styleId", ""): one for one in package.part(part).iter(f"{_W}style")}
    found: dict[str, int] = {}
    for identity in names:
        at, passed = identity, set[str]()
        while at in names and at not in passed:
            passed.add(at)
            if level := _own_level(names[at]):
                found[identity] = level
                break
            based = names[at].find(f"{_W}basedOn")
            at = "" if based is None else based.get(f"{_W}val", "")
    return found


def _own_level(style: etree._Element) -> int:
    name = style.find(f"{_W}name")
    called = "" if name is None else name.get(f"{_W}val", "")
    if called.lower() == "title":
        return 1
    if match := _HEADING.fullmatch(called):
        return max(1, int(match[1]))
    return _outline_level(style)


def _level(paragraph: etree._Element, levels: dict[str, int]) -> int:
    if own := _outline_level(paragraph):
        return own
    style = paragraph.find(f"{_W}pPr/{_W}pStyle")
    return 0 if style is None else levels.get(style.get(f"{_W}val", ""), 0)


def _outline_level(element: etree._Element) -> int:
    """1 to 9; 0 for body text."""
    outline = element.find(f"{_W}pPr/{_W}outlineLvl")
    value = "" if outline is None else outline.get(f"{_W}val", "")
    return int(value) + 1 if value in tuple("012345678") else 0
