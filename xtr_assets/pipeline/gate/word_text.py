"""What a Word document says by `zipfile` and expat: its paragraphs, all changes accepted, and which are headings."""

import io
import re
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from xml.etree import ElementTree

# What a document may unpack to before it is not looked into here.
_UNPACKED = 256 << 20
_WORD = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_OMATH = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
_OLD_FORM = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
_STYLE_NAME = re.compile(r"heading ([1-9])|title", re.IGNORECASE)

Element = ElementTree.Element


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Its text, and its level as a heading, 1 to 9; 0 for any other."""

    text: str
    level: int = 0


def paragraphs_of(data: bytes) -> list[Paragraph] | None:
    """The paragraphs of a document in order; None for what is none."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as package:
            name = _part(package, "_rels/.rels", "/officeDocument")
            if sum(part.file_size for part in package.infolist()) > _UNPACKED:
                return None
            root = ElementTree.fromstring(package.read(name))
            styles = _styles(package, name)
    except (zipfile.BadZipFile, KeyError, ValueError, SyntaxError, OSError, NotImplementedError, RuntimeError):
        return None
    body = root.find(f"{_WORD}body")
    return None if body is None else [_read(one, styles) for one in _walked(body)]


def headings_above(paragraphs: Sequence[Paragraph]) -> list[tuple[str, ...]]:
    """For each paragraph the headings that it stands under, the highest first; a heading stands under itself."""
    above: list[Paragraph] = []
    found = []
    for one in paragraphs:
        if one.level and one.text.strip():
            above = [*(other for other in above if other.level < one.level), one]
        found.append(tuple(other.text for other in above))
    return found


@dataclass(slots=True)
class _Walked:
    """element : None of what was deleted; pieces : of its text; tabled : whether a table holds it."""

    element: Element | None
    pieces: list[str]
    tabled: bool = False


def _walked(body: Element) -> list[_Walked]:
    found: list[_Walked] = []
    # (element, the paragraph it lies in, the tag above it, whether it lies in a table)
    waiting: list[tuple[Element, _Walked | None, str, bool]] = [(body, None, "", False)]
    while waiting:
        element, paragraph, parent, tabled = waiting.pop()
        if element.tag == _OLD_FORM or (paragraph is not None and element.tag in (f"{_WORD}del", f"{_WORD}moveFrom")):
            # Paragraphs inside what is deleted count, and say nothing.
            found += [_Walked(None, []) for _ in element.iter(f"{_WORD}p")] if element.tag != _OLD_FORM else []
            continue
        if element.tag == f"{_WORD}p":
            paragraph = _Walked(element, [], tabled)
            found.append(paragraph)
        elif paragraph is not None and element.tag in (f"{_WORD}t", f"{_OMATH}t"):
            paragraph.pieces.append(element.text or "")
        elif paragraph is not None and element.tag == f"{_WORD}noBreakHyphen" and parent == f"{_WORD}r":
            paragraph.pieces.append("-")
        inside = tabled or element.tag == f"{_WORD}tr"
        waiting += [(child, paragraph, element.tag, inside) for child in reversed(element)]
    return found


def _read(one: _Walked, styles: Mapping[str, int]) -> Paragraph:
    """A paragraph of a table is no heading, whatever its style."""
    text = "".join(one.pieces)
    if one.element is None or one.tabled:
        return Paragraph(text)
    style = one.element.find(f"{_WORD}pPr/{_WORD}pStyle")
    named = "" if style is None else style.get(f"{_WORD}val", "")
    return Paragraph(text, _outlined(one.element) or styles.get(named, 0))


def _styles(package: zipfile.ZipFile, main: str) -> dict[str, int]:
    """The level of each style that has one, its own or that of the style it is based on, by its id."""
    folder, _, file = main.rpartition("/")
    place = f"{folder}/" if folder else ""
    try:
        name = _part(package, f"{place}_rels/{file}.rels", "/styles")
        root = ElementTree.fromstring(package.read(name if name in package.namelist() else f"{place}{name}"))
    except KeyError:
        return {}
    known = {one.get(f"{_WORD}styleId", ""): one for one in root.iter(f"{_WORD}style")}

    def level_of(identity: str, seen: frozenset[str]) -> int:
        if identity in seen or identity not in known:
            return 0
        based = known[identity].find(f"{_WORD}basedOn")
        below = "" if based is None else based.get(f"{_WORD}val", "")
        return _styled(known[identity]) or level_of(below, seen | {identity})

    return {identity: level_of(identity, frozenset()) for identity in known}


def _styled(style: Element) -> int:
    name = style.find(f"{_WORD}name")
    called = _STYLE_NAME.fullmatch("" if name is None else name.get(f"{_WORD}val", ""))
    return _outlined(style) if called is None else int(called[1] or 1)


def _outlined(element: Element) -> int:
    """By its outline level, of which 9 is body text."""
    outline = element.find(f"{_WORD}pPr/{_WORD}outlineLvl")
    value = "" if outline is None else outline.get(f"{_WORD}val", "")
    return 1 + int(value) if len(value) == 1 and value in "012345678" else 0


def _part(package: zipfile.ZipFile, relations: str, kind: str) -> str:
    for one in ElementTree.fromstring(package.read(relations)):
        if one.get("Type", "").endswith(kind):
            return one.get("Target", "").lstrip("/")
    raise KeyError(f"no part of the kind {kind}")
