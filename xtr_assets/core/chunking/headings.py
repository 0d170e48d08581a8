"""Sections by headings, and the headings of reStructuredText. Those of Markdown are in markdown.py."""

import re
from dataclasses import dataclass

from xtr_assets.core.chunking.heading_words import rst_words
from xtr_assets.core.chunking.line_spans import Lines, Range
from xtr_assets.core.graphemes import boundary_at


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

    `front` is the last line of the front matter, 0 where there is none. `borders` are first lines of blocks that no
    blank line parts from what is above them (a table below its caption, an item of a list): the better places to cut
    in a paragraph that is too long. `title` is what the front matter calls the document, where no heading does.
    """

    headings: tuple[Heading, ...]
    whole: tuple[Range, ...] = ()
    front: int = 0
    borders: frozenset[int] = frozenset()
    title: str = ""


# A heading names a section, and it is repeated in each of the section's chunks. The longest of the Python documentation
# has 112 characters; one of 200,000 (a paragraph with a rule below it) over 400 chunks would be 80 million.
MAX_TITLE_CHARS = 200


def titled(text: str) -> str:
    """The text of a heading as a title: one line, at most MAX_TITLE_CHARS characters of it.

    >>> titled("two\\n lines"), len(titled("word " * 100)), len(titled("x" * 500))
    ('two lines', 199, 200)
    """
    # No more than four times the limit is looked at: a heading is mostly words.
    joined = " ".join(text.lstrip()[: 4 * MAX_TITLE_CHARS].split())
    if len(joined) <= MAX_TITLE_CHARS:
        return joined
    cut = joined.rfind(" ", 0, MAX_TITLE_CHARS + 1)
    return joined[: cut if cut > MAX_TITLE_CHARS // 2 else boundary_at(joined, MAX_TITLE_CHARS)]


# The characters docutils accepts for underlines; a run of one of them, at least as long as the title.
_ADORNMENT = re.compile(r"([!-/:-@[-`{-~])\1*[ \t]*$")


def rst_outline(lines: Lines) -> Outline:
    """Section titles of reStructuredText: underlined, or over- and underlined; levels in order of first use.

    Where docutils is installed it finds them (rst_titles.py); these rules stand in for it, and for what it fails on.
    """
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
        # docutils takes a line that is too short for its title from four characters on, with a warning.
        if not alone or length < min(4, len(title.strip())) or (title[0].isspace() and not over):
            continue
        style = under.group(1) * (2 if over else 1)
        if style not in styles:
            styles.append(style)
        headings.append(Heading(first, number, styles.index(style) + 1, titled(rst_words(title))))
    return Outline(tuple(headings))
