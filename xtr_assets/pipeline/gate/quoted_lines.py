"""Lines of YAML that a text in quotes goes over: what they look like says nothing of what they lie in."""

import re
from collections.abc import Sequence

# What begins a text in quotes in a line of YAML, and what may stand behind its end.
_OPENS = re.compile(r"\s*(?:-\s+)*(?:[^\s#\"'{\[][^:]*:\s+)?(?:[!&]\S*\s+)*([\"'])(.*)")
_BEHIND = re.compile(r"\s*(?:$|#|[,\]}])")
# What begins a text that goes on in the lines below as far as they are indented more: quotes in it are letters.
_BLOCK = re.compile(r"(\s*(?:-\s+)*)(?:.*:\s+)?(?:[!&]\S*\s+)*[|>][-+0-9]*\s*(?:#.*)?$")
# Lines that such a text goes over at most: a quote that is none has no end.
_QUOTED = 400


def within_quotes(lines: Sequence[str]) -> set[int]:
    """The numbers of the lines that a text in quotes goes over, but for its first: they may be indented as they like.

    >>> sorted(within_quotes(['a: "one', "two: b", '"', "c: 'it''s", "so'", "d: it's", "e: |", " '", "f: '", "'"]))
    [2, 3, 5, 10]
    """
    within: set[int] = set()
    at = 0
    while at < len(lines):
        line = lines[at]
        if (block := _BLOCK.match(line)) is not None:
            at = _behind(lines, at, len(block[1]))
            continue
        opened = _OPENS.match(line)
        end = at if opened is None else _end_of_quote(opened[1], opened[2], lines, at)
        within.update(range(at + 2, end + 2))
        at = end + 1
    return within


def _behind(lines: Sequence[str], at: int, column: int) -> int:
    """The first line below that is no further in than a column."""
    at += 1
    while at < len(lines) and (not lines[at].strip() or len(lines[at]) - len(lines[at].lstrip()) > column):
        at += 1
    return at


def _end_of_quote(quote: str, rest: str, lines: Sequence[str], at: int) -> int:
    """Where the line lies that ends a text; `at`, its own, where none does, or more stands behind the end."""
    for number in range(at, min(at + _QUOTED, len(lines))):
        text = rest if number == at else lines[number]
        if (end := _end(quote, text)) >= 0:
            return number if _BEHIND.match(text, end) else at
    return at


def _end(quote: str, text: str) -> int:
    """Where the quote behind a text ends; below 0 where it has none."""
    at = 0
    while at < len(text):
        if text[at] == "\\" and quote == '"':
            at += 2
        elif text[at] != quote:
            at += 1
        elif quote == "'" and text[at + 1 : at + 2] == quote:
            at += 2
        else:
            return at + 1
    return -1
