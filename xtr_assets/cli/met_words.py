"""The words of a text that a query says too, and the lines of a chunk that hold most of them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import dedent, wrap

from xtr_assets.core.lexical_terms import query_terms

# Words that every text holds: marked, they would hide what was looked for.
COMMON = (
    "a an and are as at be by can do does for from how i if in is it its my of on or that the this to was what when "
    "where which who why will with you"
)
EVERYWHERE = frozenset(COMMON.split())
WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Line:
    """A line as it is shown, and where the met words stand in it: (start, end)."""

    text: str
    met: tuple[tuple[int, int], ...]


def asked_terms(query: str) -> frozenset[str]:
    """What to look for: the terms of the query by which the lexical index finds texts, those of its rarer words where
    there are some."""
    rare = " ".join(word for word in WORD.findall(query) if word.lower() not in EVERYWHERE)
    return frozenset(query_terms(rare or query))


def shown_lines(text: str, terms: frozenset[str], lines: int, width: int) -> list[Line]:
    """The `lines` neighbouring lines that hold most of the terms, the first of equals; common indentation and lines
    that say nothing are left out, and a long one, as a paragraph is, counts as several.

    >>> [line.text for line in shown_lines("a\\n\\nb\\nthe zebra\\nc", asked_terms("zebras"), 2, 40)]
    ['b', 'the zebra']
    """
    said = [piece for line in dedent(text).splitlines() if line.strip(" \t\"'#=-") for piece in _pieces(line, width)]
    found = [_met(line, terms) for line in said]
    start = _best(found, lines)
    return [Line(line, spans) for line, (spans, _) in list(zip(said, found, strict=True))[start : start + lines]]


Found = tuple[tuple[tuple[int, int], ...], frozenset[str]]


def _met(line: str, terms: frozenset[str]) -> Found:
    """Where the line holds the terms, and which."""
    spans, held = [], set[str]()
    for word in WORD.finditer(line):
        if common := terms.intersection(query_terms(word.group())):
            spans.append(word.span())
            held |= common
    return tuple(spans), frozenset(held)


def _best(found: Sequence[Found], lines: int) -> int:
    """Where the window begins: that of most different terms, as early as may be."""
    windows = range(max(1, len(found) - lines + 1))
    held = [frozenset[str]().union(*(terms for _, terms in found[at : at + lines])) for at in windows]
    return max(windows, key=lambda at: (len(held[at]), -at))


def _pieces(line: str, width: int) -> list[str]:
    return [line] if len(line) <= width else wrap(line, width, replace_whitespace=False)
