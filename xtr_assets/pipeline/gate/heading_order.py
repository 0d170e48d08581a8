"""Headings of Markdown that can be nothing else, and whether the sections of a file begin and are named by them.

Only lines are read: a line of `#` and plain words, at the beginning of a line, outside of code, HTML, formulas and
front matter, is a heading whatever parser looks. What may be more than that is passed over.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from xtr_assets.pipeline.gate.heading_evidence import (
    BLANKS,
    CLOSES,
    CUT_FROM,
    MARKDOWN,
    begins_at,
    is_plain_heading,
    readings,
)
from xtr_assets.pipeline.gate.text_evidence import Row

_SEPARATOR = " > "
_ATX = re.compile(r" {0,3}(#{1,6})(?:[ \t].*)?")
_UNDER = re.compile(r" {0,3}(?:=+|-+)[ \t]*")
# Lines that front matter has: keys, what is indented, items, comments, brackets, templates.
_KEYS = {
    "---": re.compile(r"[\"']?[\w$@.][\w$@./ -]*[\"']?[ \t]*:(?:\s|$)"),
    "+++": re.compile(r"\s*(?:[\w.\"'-]+[ \t]*=|\[)"),
}
_BESIDE_KEYS = re.compile(r"\s|$|#|-\s|-$|[\])}]|\{[{%]")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})(.*)")
# HTML that goes on beyond blank lines: where it ends is not looked for.
_RAW_HTML = re.compile(r" {0,3}<(?:[!?]|(?:script|pre|style|textarea)\b)", re.IGNORECASE)
# Tags that begin a block of HTML wherever they stand; it ends at a blank line.
_BLOCK = re.compile(
    r" {0,3}</?(?:address|article|aside|blockquote|body|caption|center|col|colgroup|dd|details|dialog|dir|div|dl|dt"
    r"|fieldset|figcaption|figure|footer|form|frame|h[1-6]|head|header|hr|html|iframe|legend|li|link|main|menu|nav|ol"
    r"|option|p|section|summary|table|tbody|td|tfoot|th|thead|title|tr|track|ul)(?:[ \t]|/?>|$)",
    re.IGNORECASE,
)
# One tag and nothing else begins one behind a blank line.
_ALONE = re.compile(
    r" {0,3}(?:</[a-z][a-z0-9-]*+[ \t]*+>|<[a-z][a-z0-9-]*+"
    r"(?:[ \t]++[a-z_:][\w:.-]*+(?:[ \t]*+=[ \t]*+(?:[^\s\"'=<>`]++|'[^']*+'|\"[^\"]*+\"))?+)*+[ \t]*+/?>)[ \t]*+",
    re.IGNORECASE | re.ASCII,
)
# What may begin one: a tag that ends with its line.
_TAG = re.compile(r" {0,3}</?[A-Za-z][A-Za-z0-9-]*(?:[ \t/].*)?>.*", re.DOTALL)
_MATH = "$$"


@dataclass(frozen=True, slots=True)
class Line:
    """A heading: its line from 1, its level, its words where they are plain."""

    number: int
    level: int
    words: str | None


class _Reading:
    """One pass over the lines of a file. headings : by `#`; until : the last line up to which there surely are no
    others, so that what they stand under is known."""

    def __init__(self, lines: Sequence[str]) -> None:
        self.lines, self.until = lines, len(lines)
        self.headings: list[Line] = []
        at = self._behind_front_matter()
        while at < len(lines):
            at = self._block(at)

    def _behind_front_matter(self) -> int:
        opening = self.lines[0].rstrip()
        if opening not in CLOSES:
            return 0
        rules, key = CLOSES[opening], _KEYS[opening]
        end = next((at for at, line in enumerate(self.lines) if at and line.rstrip() in rules), len(self.lines) - 1) + 1
        # Where it is none, what begins in it goes on: a heading, HTML, code.
        within = self.lines[1 : end - 1]
        sure = (
            bool(within and key.match(within[0]))
            and all(key.match(line) or _BESIDE_KEYS.match(line) for line in within)
            and not any(map(_UNDER.fullmatch, within))
        )
        return self._passed(0, end if sure else len(self.lines))

    def _block(self, at: int) -> int:
        """Read what begins at a line; the place behind it."""
        line = self.lines[at]
        opens = _FENCE.fullmatch(line)
        if opens and not (opens[1][0] == "`" and "`" in opens[2]):
            return self._behind_fence(at, opens[1])
        if _RAW_HTML.match(line):
            return self._passed(at, len(self.lines))
        if _BLOCK.match(line) or line.strip() == _MATH or (_TAG.fullmatch(line) and line.rstrip().endswith(">")):
            return self._behind_block(at)
        if (atx := _ATX.fullmatch(line)) is not None:
            words = " ".join(line.lstrip("#").split()) if is_plain_heading(line) else None
            self.headings.append(Line(at + 1, len(atx[1]), words))
        elif at and self.lines[at - 1].strip(BLANKS) and _UNDER.fullmatch(line):
            # What stands above a rule may be a heading, or the end of one.
            self.until = min(self.until, at - 1)
        return at + 1

    def _behind_fence(self, at: int, fence: str) -> int:
        end = at + 1
        while end < len(self.lines):
            closes = _FENCE.fullmatch(self.lines[end])
            end += 1
            if closes and closes[1].startswith(fence) and not closes[2].strip():
                break
        if self.lines[at][0] == fence[0]:
            return end
        # One that is indented may be the end of one in a list, or end with its item: what comes may stand in another.
        leaves = any(line.strip() and not line[0].isspace() for line in self.lines[at + 1 : end])
        return self._passed(at, len(self.lines) if leaves else end)

    def _behind_block(self, at: int) -> int:
        """Up to a blank line, or the end of a formula."""
        formula, end = self.lines[at].strip() == _MATH, at + 1
        free = not at or not self.lines[at - 1].strip(BLANKS)
        surely = _BLOCK.match(self.lines[at]) or (free and _ALONE.fullmatch(self.lines[at]))
        while end < len(self.lines) and self.lines[end].strip(BLANKS):
            # Text may begin so, too: then code or HTML begins in it, and goes on beyond blank lines.
            if not surely and (_RAW_HTML.match(self.lines[end]) or _FENCE.fullmatch(self.lines[end])):
                return self._passed(at, len(self.lines))
            end += 1
            if formula and self.lines[end - 1].rstrip().endswith(_MATH):
                break
        return self._passed(at, end)

    def _passed(self, at: int, end: int) -> int:
        """Lines that are not looked into: where a heading may stand among them, what follows may stand under it."""
        if any(_ATX.fullmatch(line) for line in self.lines[at:end]):
            self.until = min(self.until, at)
        return end


def order_faults(lines: Sequence[str], runs: Sequence[Sequence[Row]]) -> Iterator[str]:
    """Whether each plain heading begins a section, which is named by it and by those that it stands under.

    runs : the parts of each section, in order of lines.
    """
    read = _Reading(lines)
    leading: Leading = {}
    for run in runs:
        last = int(run[-1]["end_line"])
        for start in readings(lines, begins_at(lines, int(run[0]["start_line"])), last)[::-1]:
            places = list(MARKDOWN.leading(lines[start - 1 : last]))
            leading |= {start + at: (run, number == len(places)) for number, (at, _) in enumerate(places, 1)}
    yield from named_faults(read.headings, read.until, leading)


# By the line of each heading that a section begins with: the section, and whether the heading is its own.
Leading = dict[int, tuple[Sequence[Row], bool]]


def named_faults(headings: Sequence[Line], until: int, leading: Leading) -> Iterator[str]:
    """Whether each heading of plain words begins a section, which is named by those that it stands under.

    until : the last line up to which there surely are no others.
    """
    inner = [one.number for one in headings if one.words is not None and one.number not in leading]
    if inner:
        yield f"{len(inner)} headings begin no section, the first in line {inner[0]}"
    above: list[Line] = []
    for one in headings:
        above = [*(other for other in above if other.level < one.level), one]
        run, own = leading.get(one.number, ((), False))
        names = [other.words for other in above]
        if not own or one.number > until or None in names:
            continue
        named = [name for name in names if name]
        path = _SEPARATOR.join(named)
        if not _is_called(" ".join(str(run[0]["symbol"]).split()), named):
            yield f"the section of line {one.number} is called {run[0]['symbol']!r:.80}, it stands under {path!r:.80}"


def _is_called(symbol: str, names: Sequence[str]) -> bool:
    """Whether a section's name is these headings, of which each long one may end early. Plain words hold no separator.

    >>> long = "word " * 50
    >>> [_is_called(f"A > {'word ' * end}".strip(), ["A", long]) for end in (39, 15, 45)]
    [True, False, False]
    """
    parts = symbol.split(_SEPARATOR) if symbol else []
    return len(parts) == len(names) and all(
        part == name or (len(name) > CUT_FROM and CUT_FROM // 2 < len(part) <= CUT_FROM and name.startswith(part))
        for part, name in zip(parts, names, strict=True)
    )
