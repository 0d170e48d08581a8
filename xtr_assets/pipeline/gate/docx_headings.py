"""Which paragraphs of a Word document are headings, by their styles and outline levels, read by expat alone."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from xml.etree import ElementTree

_WORD = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
# Of the highest level are a title, and what some call heading 0.
_STYLE_NAME = re.compile(r"heading ([1-9])|heading 0|title", re.IGNORECASE)

Element = ElementTree.Element


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Its text, and its level as a heading, 1 to 9; 0 for any other."""

    text: str
    level: int = 0


def headings_above(paragraphs: Sequence[Paragraph]) -> list[tuple[str, ...]]:
    """For each paragraph the headings that it stands under, the highest first; a heading stands under itself."""
    above: list[Paragraph] = []
    found = []
    for one in paragraphs:
        if one.level and one.text.strip():
            above = [*(other for other in above if other.level < one.level), one]
        found.append(tuple(other.text for other in above))
    return found


def paragraph_level(paragraph: Element, styles: Mapping[str, int]) -> int:
    """Its own outline level, or that of its style; 0 where it is no heading."""
    style = paragraph.find(f"{_WORD}pPr/{_WORD}pStyle")
    named = "" if style is None else style.get(f"{_WORD}val", "")
    return _outlined(paragraph) or styles.get(named, 0)


def style_levels(root: Element) -> dict[str, int]:
    """The level of each style that has one, its own or that of the style it is based on, by its id."""
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
