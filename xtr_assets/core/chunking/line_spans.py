"""Lines of a file, and packing them into spans of at most max_chars characters without losing any."""

import re
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Set
from dataclasses import dataclass
from itertools import accumulate

from xtr_assets.core.graphemes import boundaries
from xtr_assets.core.sentences import SENTENCE_END

# First and last line, 1-based and inclusive.
Range = tuple[int, int]

_SENTENCE_END = re.compile(rf"{SENTENCE_END}|\n+")
_SPACE = re.compile(r"\s+")
# Of scripts without spaces: commas and colons of Chinese and Japanese.
_CLAUSE_END = re.compile("[\u3001\uff0c\uff1a\uff1b]")


@dataclass(frozen=True, slots=True)
class Span:
    """Text verbatim from line `start` to line `end`, or a slice of a line too long for one span."""

    start: int
    end: int
    text: str


def normalize_newlines(text: str) -> str:
    """CRLF and lone CR as LF: what Python's own parser counts lines by. Form feeds and U+2028 end no line."""
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


class Lines:
    """The lines of a text whose newlines are normalized; sizes of ranges in constant time."""

    def __init__(self, text: str) -> None:
        self.lines = text.split("\n")
        # Of eight bytes each: a file of newlines alone has as many lines as bytes.
        self._ends = array("q", accumulate((len(line) + 1 for line in self.lines), initial=0))

    def __len__(self) -> int:
        return len(self.lines)

    def size(self, first: int, last: int) -> int:
        """Characters of a range, the newlines between its lines included."""
        return self._ends[last] - self._ends[first - 1] - 1

    def text(self, first: int, last: int) -> str:
        return "\n".join(self.lines[first - 1 : last])

    def blank(self, number: int) -> bool:
        return not self.lines[number - 1] or self.lines[number - 1].isspace()

    def trim(self, first: int, last: int) -> Range | None:
        """The range without blank lines at its ends; None where nothing else is in it."""
        while first <= last and self.blank(first):
            first += 1
        while last >= first and self.blank(last):
            last -= 1
        return (first, last) if first <= last else None


def pack(lines: Lines, atoms: Iterable[Range], max_chars: int, borders: Set[int] = frozenset()) -> list[Span]:
    """Pack ascending, disjoint ranges into spans of at most `max_chars` characters.

    An atom stays whole where it fits; a longer one is taken apart above the lines in `borders`, what is longer still
    line by line, a longer line slice by slice. Spans come out
    of about equal size rather than full ones and a rest, since a rest of two lines is found by nothing. Blank lines at
    the ends of a span are left out.
    """
    fitting = [piece for atom in atoms for piece in _fitting(lines, atom, max_chars, borders)]
    if not fitting:
        return []
    target = _even_share(lines.size(fitting[0][0], fitting[-1][1]), max_chars)
    groups: list[Range] = []
    for first, last in fitting:
        if groups:
            start, end = groups[-1]
            if lines.size(start, end) < target and lines.size(start, last) <= max_chars:
                groups[-1] = (start, last)
                continue
        groups.append((first, last))
    if len(groups) > 1 and lines.size(groups[-2][0], groups[-1][1]) <= max_chars:
        groups[-2:] = [(groups[-2][0], groups[-1][1])]
    spans: list[Span] = []
    for group in groups:
        trimmed = lines.trim(*group)
        if trimmed is None:
            continue
        text = lines.text(*trimmed)
        pieces = [text] if len(text) <= max_chars else slices(text, max_chars)
        spans.extend(Span(*trimmed, piece) for piece in pieces if not piece.isspace())
    return spans


def _fitting(lines: Lines, atom: Range, max_chars: int, borders: Set[int] = frozenset()) -> list[Range]:
    """The atom without blank ends, or its blocks, or its lines where it is too long; only a single line may still be
    too long."""
    trimmed = lines.trim(*atom)
    if trimmed is None:
        return []
    if lines.size(*trimmed) <= max_chars:
        return [trimmed]
    starts = [number for number in range(trimmed[0] + 1, trimmed[1] + 1) if number in borders] if borders else []
    if starts:
        ends = [*(number - 1 for number in starts), trimmed[1]]
        blocks = zip([trimmed[0], *starts], ends, strict=True)
        return [piece for block in blocks for piece in _fitting(lines, block, max_chars)]
    return [(number, number) for number in range(trimmed[0], trimmed[1] + 1)]


def _even_share(total: int, limit: int) -> int:
    return -(-total // -(-total // limit)) if total else limit


def slices(text: str, max_chars: int) -> list[str]:
    """Cut a text into pieces of at most `max_chars` characters that join to the text again.

    Cuts lie after a sentence or a line where one ends near the even share, else after white space, else after a comma
    of a script without spaces, else anywhere; never inside a grapheme cluster, unless it is longer than a piece.

    >>> slices("One two. Three four. Five", 12)
    ['One two. ', 'Three four. ', 'Five']
    """
    pieces: list[str] = []
    start = 0
    while len(text) - start > max_chars:
        cut = _cut(text, start, start + max_chars, start + _even_share(len(text) - start, max_chars))
        pieces.append(text[start:cut])
        start = cut
    return [*pieces, text[start:]]


def _cut(text: str, start: int, limit: int, ideal: int) -> int:
    """The best place to cut in (start, limit], near `ideal`."""
    # A cut nearer to the start than a quarter of the share would make a crumb.
    earliest = start + (ideal - start) // 4
    whole = boundaries(text, start, limit)
    if not whole:
        return limit
    for border in (_SENTENCE_END, _SPACE, _CLAUSE_END):
        ends = [match.end() for match in border.finditer(text, earliest, limit) if match.end() > earliest]
        ends = [end for end in ends if whole[min(bisect_left(whole, end), len(whole) - 1)] == end]
        if ends:
            return min(ends, key=lambda end: abs(end - ideal))
    return min(whole, key=lambda end: (abs(end - ideal), end))
