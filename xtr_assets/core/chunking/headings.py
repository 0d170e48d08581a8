"""Headings and paragraphs of Markdown and reStructuredText, line by line: what counts as one and what only looks so."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from xtr_assets.core.chunking.line_spans import Lines, Range


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading on lines first..last (an underline is part of it); level 1 is the highest."""

    first: int
    last: int
    level: int
    title: str


@dataclass(frozen=True, slots=True)
class Outline:
    """Headings in order, and the ranges that hold together although blank lines lie in them (fenced code, comments).

    `front` is the last line of the front matter, 0 where there is none.
    """

    headings: tuple[Heading, ...]
    whole: tuple[Range, ...]
    front: int


_ATX = re.compile(r" {0,3}(#{1,6})(?:[ \t]+(.*))?$")
_ATX_CLOSING = re.compile(r"(?:^|[ \t]+)#+[ \t]*$")
_SETEXT = re.compile(r" {0,3}(=+|-+)[ \t]*$")
_FENCE = re.compile(r" {0,3}(`{3,}(?=[^`]*$)|~{3,})")
_RULE = re.compile(r" {0,3}([-*_])(?:[ \t]*\1){2,}[ \t]*$")
# Lines that are no paragraph text, so that a line of dashes below them is a rule and not an underline.
_NOT_TEXT = re.compile(r"(?: {4}|\t| {0,3}(?:>|[-+*][ \t]|\d{1,9}[.)][ \t]|\||<))")
_ANCHOR = re.compile(r"\s*\{#[^}]*\}\s*$")


def markdown_outline(lines: Lines) -> Outline:
    """CommonMark's ATX and setext headings outside fenced code, HTML comments and YAML front matter."""
    text = lines.lines
    front = _front_matter(text)
    headings: list[Heading] = []
    whole: list[Range] = []
    paragraph = 0  # First line of the paragraph that is open above the current line; 0 where there is none.
    lazy = False  # Whether a list, quote, table or code is open: lines below it continue it until a blank one.
    number = front + 1
    while number <= len(text):
        line = text[number - 1]
        end = _end_of_whole(text, number, line)
        if end:
            whole.append((number, end))
            paragraph, lazy, number = 0, False, end + 1
            continue
        atx = _ATX.match(line)
        underline = _SETEXT.match(line) if paragraph else None
        if atx:
            title = _ATX_CLOSING.sub("", atx.group(2) or "")
            headings.append(Heading(number, number, len(atx.group(1)), _ANCHOR.sub("", title).strip()))
        elif underline:
            title = " ".join(part.strip() for part in text[paragraph - 1 : number - 1])
            level = 1 if underline.group(1)[0] == "=" else 2
            headings.append(Heading(paragraph, number, level, _ANCHOR.sub("", title)))
        if atx or underline or lines.blank(number) or _RULE.match(line):
            paragraph, lazy = 0, False
        elif not paragraph:
            lazy = lazy or _NOT_TEXT.match(line) is not None
            paragraph = 0 if lazy else number
        number += 1
    return Outline(tuple(headings), tuple(whole), front)


def _end_of_whole(text: list[str], number: int, line: str) -> int:
    """Last line of the fenced code or HTML comment that opens on this line; 0 where none does."""
    fence = _FENCE.match(line)
    if fence:
        return _end_of(text, number + 1, _closes(fence.group(1)))
    if line.lstrip().startswith("<!--") and "-->" not in line:
        return _end_of(text, number + 1, lambda later: "-->" in later)
    return 0


def _front_matter(text: list[str]) -> int:
    if text[0].rstrip() != "---":
        return 0
    for number, line in enumerate(text[1:], 2):
        if line.rstrip() in ("---", "..."):
            return number
    return 0


def _closes(opening: str) -> Callable[[str], bool]:
    closing = re.compile(rf" {{0,3}}{re.escape(opening[0])}{{{len(opening)},}}[ \t]*$")
    return lambda line: closing.match(line) is not None


def _end_of(text: list[str], start: int, closes: Callable[[str], bool]) -> int:
    """The line that closes a block; the last line of the file where none does, as CommonMark has it."""
    return next((number for number in range(start, len(text) + 1) if closes(text[number - 1])), len(text))


# The characters docutils accepts for underlines; a run of one of them, at least as long as the title.
_ADORNMENT = re.compile(r"([!-/:-@[-`{-~])\1*[ \t]*$")


def rst_outline(lines: Lines) -> Outline:
    """Section titles of reStructuredText: underlined, or over- and underlined; levels in order of first use."""
    text = lines.lines
    styles: list[str] = []
    headings: list[Heading] = []
    for number in range(2, len(text) + 1):
        under = _ADORNMENT.match(text[number - 1])
        title = text[number - 2]
        if not under or not title.strip() or _ADORNMENT.match(title):
            continue
        length = len(text[number - 1].rstrip())
        over = number > 2 and text[number - 3].rstrip() == text[number - 1].rstrip()
        first = number - 2 if over else number - 1
        alone = first == 1 or lines.blank(first - 1) or bool(headings and headings[-1].last == first - 1)
        if not alone or length < len(title.strip()) or (title[0].isspace() and not over):
            continue
        style = under.group(1) * (2 if over else 1)
        if style not in styles:
            styles.append(style)
        headings.append(Heading(first, number, styles.index(style) + 1, title.strip()))
    return Outline(tuple(headings), (), 0)
