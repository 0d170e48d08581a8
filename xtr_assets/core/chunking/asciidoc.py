"""Headings and blocks of AsciiDoc, as Asciidoctor has them; nothing is included, and no condition is asked.

A heading begins a block: a line of `=` within a paragraph is none. What stands between two equal delimiters is passed
over; a delimiter that nothing closes is text, so that one slip hides no section.
"""

import re
from bisect import bisect_right
from collections import defaultdict

from xtr_assets.core.chunking.headings import Heading, Outline, titled
from xtr_assets.core.chunking.line_spans import Lines, Range
from xtr_assets.core.chunking.markdown import front_matter, front_title
from xtr_assets.core.chunking.markup_words import asciidoc_words

_ATX = re.compile(r"(={1,6}|#{1,6})[ \t]+(\S.*?)(?:[ \t]+\1)?[ \t]*")
_UNDER = re.compile(r"(?:={2,}|-{2,}|~{2,}|\^{2,}|\+{2,})")
_LEVELS = {sign: level for level, sign in enumerate("=-~^+", 1)}
_DELIMITER = re.compile(r"-{4,}|\.{4,}|={4,}|\*{4,}|_{4,}|\+{4,}|/{4,}|~{4,}|--|[|,:!]={3,}|(```).*")
# In these a blank line parts nothing; examples, sidebars and quotes may be as long as the document.
_WHOLE = frozenset("-.+/|,:!`")
_ENTRY = re.compile(r":!?\w[^:\n]*:(?:[ \t].*)?")
# Of an anchor any name is taken: one with a digit first is text to Asciidoctor, and the heading below it with it.
_ATTRIBUTES = re.compile(r"\[(?:|(?:[^\W\d_]|[.#%{,\"']).*|\[[^\[\]]*\])\]")
_DISCRETE = re.compile(r"\[[ \t]*(?:discrete|float)\b")
_BLOCK_TITLE = re.compile(r"\.\.?[^ \t.].*")
_CONDITION = re.compile(r"(?:ifdef|ifndef)::\S*\[\]|ifeval::\[.*\]")
_DIRECTIVE = re.compile(r"(?:ifdef|ifndef|ifeval|endif)::\S*\[.*\]")
_ALONE = re.compile(r"[\w-]+::\S*\[.*\]|'{3,}|<{3,}|-{3}|\*{3}")
_WORD = re.compile(r"[^\W_]")
# Below the title of a document: its authors, and its revision.
_HEADER_LINES = 2


def asciidoc_outline(lines: Lines) -> Outline:
    """Headings of the document itself, not those in delimited blocks, nor discrete ones.

    The lines that say something of a heading (an anchor, attributes, comments) belong to it, and so do the header of a
    document, with its attributes, and what stands above its title.
    """
    front = front_matter(lines.lines)
    reading = _Reading(lines, front)
    title = front_title(lines.lines[:front])
    if title in [one.title for one in reading.headings if one.level == 1][:1] or (
        reading.headings and reading.headings[0].level == 1
    ):
        title = ""
    return Outline(tuple(reading.headings), tuple(reading.whole), front, title=title)


class _Reading:
    """One pass over the lines of a document."""

    def __init__(self, lines: Lines, front: int) -> None:
        self.headings: list[Heading] = []
        self.whole: list[Range] = []
        self._lines = [line.rstrip() for line in lines.lines]
        self._places: dict[str, list[int]] = defaultdict(list)
        for number, line in enumerate(self._lines, 1):
            if _DELIMITER.fullmatch(line):
                self._places[line].append(number)
        # Whether a block begins here; where what is said of it begins, 0 where nothing is; whether it is discrete.
        self._begins, self._lead, self._discrete = True, 0, False
        at = front + 1
        while at <= len(self._lines):
            at = self._read(at)

    def _read(self, at: int) -> int:
        """Read what begins at a line; the line behind it."""
        line = self._lines[at - 1]
        if not line:
            self._begins = True
            return at + 1
        if (line.startswith("//") and not line.startswith("///")) or _DIRECTIVE.fullmatch(line):
            if line.startswith("endif"):
                self._lead = 0
            elif self._begins and (line.startswith("//") or _CONDITION.fullmatch(line)):
                self._lead = self._lead or at
            return at + 1
        if self._begins and (heading := self._heading(at)) is not None:
            return heading
        if (end := self._closed(at, line)) > 0:
            if line[0] in _WHOLE:
                self.whole.append((at, end))
            if line[0] == "/":
                self._lead = self._lead or (at if self._begins else 0)
            else:
                self._end()
            return end + 1
        if _ATTRIBUTES.fullmatch(line):
            self._lead = self._lead or at
            self._begins, self._discrete = True, self._discrete or bool(_DISCRETE.match(line))
        elif self._begins and (_ENTRY.fullmatch(line) or _BLOCK_TITLE.fullmatch(line)):
            self._lead = self._lead or at
            return self._behind_entry(at) if line[0] == ":" else at + 1
        elif line.startswith("include::") or (self._begins and _ALONE.fullmatch(line)):
            self._end()
        else:
            self._end(begins=False)
        return at + 1

    def _end(self, *, begins: bool = True) -> None:
        self._begins, self._lead, self._discrete = begins, 0, False

    def _closed(self, at: int, line: str) -> int:
        """Where the block ends that a delimiter opens; 0 where it is none, or nothing closes it."""
        if not (found := _DELIMITER.fullmatch(line)):
            return 0
        places = self._places[found[1] or line]
        after = bisect_right(places, at)
        return places[after] if after < len(places) else 0

    def _behind_entry(self, at: int) -> int:
        """A value goes on behind a backslash."""
        while at < len(self._lines) and self._lines[at - 1].endswith(" \\") and self._lines[at]:
            at += 1
        return at + 1

    def _heading(self, at: int) -> int | None:
        """Note the heading at a line; the line behind it."""
        line, last = self._lines[at - 1], at
        if (atx := _ATX.fullmatch(line)) is not None:
            level, title = len(atx[1]), atx[2]
        else:
            under = self._lines[at] if at < len(self._lines) else ""
            if not _UNDER.fullmatch(under) or line[0] == "." or not _WORD.search(line):
                return None
            if abs(len(under) - len(line)) > 1 or _ATTRIBUTES.fullmatch(line) or _ENTRY.fullmatch(line):
                return None
            level, title, last = _LEVELS[under[0]], line, at + 1
        discrete, first = self._discrete, self._lead or at
        self._end()
        if discrete:
            return last + 1
        if level == 1 and not self.headings:
            last = self._behind_header(last)
        self.headings.append(Heading(first, last, level, titled(asciidoc_words(title))))
        return last + 1

    def _behind_header(self, at: int) -> int:
        """The last line of the header whose title ends at a line: authors, revision, attributes and comments."""
        others = 0
        while at < len(self._lines) and (line := self._lines[at]):
            if _ENTRY.fullmatch(line):
                at = self._behind_entry(at + 1) - 1
                continue
            if not (line.startswith("//") or _DIRECTIVE.fullmatch(line)):
                others += 1
                if others > _HEADER_LINES or self._closed(at + 1, line) or _ATTRIBUTES.fullmatch(line):
                    break
                under = self._lines[at + 1] if at + 1 < len(self._lines) else ""
                if _ATX.fullmatch(line) or _UNDER.fullmatch(under) or line.startswith("include::"):
                    break
            at += 1
        return min(at, len(self._lines))
