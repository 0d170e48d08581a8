"""Sections of LaTeX, by the commands that begin them; no macro is expanded and no file is read."""

import re
from collections.abc import Mapping

from xtr_assets.core.chunking.headings import Heading, Outline, titled
from xtr_assets.core.chunking.line_spans import Lines, Range
from xtr_assets.core.chunking.markup_words import latex_words

_LEVELS = {"part": 1, "chapter": 2, "section": 3, "subsection": 4, "subsubsection": 5}
_SECTION = re.compile(rf"\\({'|'.join(_LEVELS)})\*?(?![A-Za-z@])")
_NO_TITLE = re.compile(rf"{_SECTION.pattern}|\\begin\{{")
_TITLE = re.compile(r"\\title(?![A-Za-z@])")
# What nothing in is a command: a comment, what stands as it is written, and a character behind a backslash.
_VERBATIM = "verbatim|Verbatim|BVerbatim|LVerbatim|lstlisting|minted|comment|filecontents|alltt"
_UNREAD = re.compile(
    rf"\\(?:verb|lstinline)\*?(?:\[[^\]\n]*\])?([^\w\s*{{\[])[^\n]*?\1|\\begin\{{((?:{_VERBATIM})\*?)\}}|\\[^A-Za-z]|%[^\n]*",
    re.DOTALL,
)
# A command that is defined, or told how to look, on its line.
_DEFINED = re.compile(
    r"\\(?:(?:re)?newcommand|providecommand|DeclareRobustCommand|def|gdef|let|title(?:format|spacing))\b"
)
# Behind a heading: what it is called by, and what a reader does not see.
_BESIDE = re.compile(r"[ \t]*(?:\\(?:label|index|minitoc|sectionmark|chaptermark|markboth)\b.*|%.*)")
_COMMENT = re.compile(r"[ \t]*%")
# Characters of a title, with its macros, and white space before its braces.
_MOST_TITLE = 4000
_BRACES = re.compile(r"\\.|[{}]", re.DOTALL)
_OPTION = re.compile(r"[ \t]*\n?[ \t]*\[(?:[^\[\]{}]|\{[^{}]*\})*\]")
_MOST_OPTION = 1000
_GAP = re.compile(r"[ \t]*\n?[ \t]*")


def latex_outline(lines: Lines) -> Outline:
    r"""The headings from `\part` to `\subsubsection` between `\begin{document}` and its end, or of a file without one;
    `title` is what `\title` says."""
    written = "\n".join(lines.lines)
    text, whole = _masked(written)
    begins = text.find(r"\begin{document}")
    ends = text.find(r"\end{document}", max(begins, 0))
    closes = _closes(text)
    headings: list[Heading] = []
    starts = [0, *(found.end() for found in re.finditer("\n", text))]
    line = 0
    for found in _SECTION.finditer(text, max(begins, 0), ends if ends >= 0 else len(text)):
        while line + 1 < len(starts) and starts[line + 1] <= found.start():
            line += 1
        defined = _DEFINED.search(text, max(starts[line], found.start() - _MOST_OPTION), found.start())
        if defined or (said := _argument(text, found.end(), closes)) is None:
            continue
        title, behind = said
        # An argument of a macro, or braces that nothing closes.
        if re.search(r"#\d", title) or _NO_TITLE.search(written, found.end(), behind):
            continue
        last = line + 1 + text.count("\n", found.start(), behind)
        while last < len(lines) and _BESIDE.fullmatch(lines.lines[last]):
            last += 1
        first = line + 1
        while first > 1 and _COMMENT.match(lines.lines[first - 2]) and (not headings or headings[-1].last < first - 1):
            first -= 1
        heading = Heading(first, last, _LEVELS[found[1]], titled(latex_words(title)))
        # Of several on a line the last one has what follows, or all where each stands below the one before.
        while headings and headings[-1].last >= first and headings[-1].level >= heading.level:
            headings.pop()
        headings.append(heading)
    named = _TITLE.search(text)
    said = None if named is None else _argument(text, named.end(), closes)
    title = titled(latex_words(said[0])) if said is not None and not re.search(r"#\d", said[0]) else ""
    if title in [one.title for one in headings[:1]]:
        title = ""
    return Outline(tuple(headings), tuple(whole), title=title)


def _masked(text: str) -> tuple[str, list[Range]]:
    """The text with blanks for what no command stands in, every line in its place; and the lines of what stands as it
    is written."""
    pieces: list[str] = []
    whole: list[Range] = []
    open_ended: set[str] = set()
    at = line = 0
    while (found := _UNREAD.search(text, at)) is not None:
        start, end = found.span()
        pieces.append(text[at:start])
        line += text.count("\n", at, start)
        if found[2] is not None:
            close = -1 if found[2] in open_ended else text.find(f"\\end{{{found[2]}}}", end)
            if close < 0:
                open_ended.add(found[2])
            else:
                until = line + text.count("\n", start, close)
                if not whole or line + 1 > whole[-1][1]:
                    whole.append((line + 1, until + 1))
                end = close
            pieces.append(_blank(text[start:end]))
        else:
            pieces.append(_blank(found[0]) if found[0][0] == "%" or found[1] else found[0])
        line += text.count("\n", start, end)
        at = end
    pieces.append(text[at:])
    return "".join(pieces), whole


def _blank(text: str) -> str:
    return re.sub(r"[^\n]", " ", text)


def _closes(text: str) -> dict[int, int]:
    """Where the braces close that open at each place."""
    found: dict[int, int] = {}
    opened: list[int] = []
    for brace in _BRACES.finditer(text):
        if brace[0] == "{":
            opened.append(brace.start())
        elif brace[0] == "}" and opened:
            found[opened.pop()] = brace.start()
    return found


def _argument(text: str, at: int, closes: Mapping[int, int]) -> tuple[str, int] | None:
    """What stands in the braces of a command, behind those of its option, and the place behind them."""
    option = _OPTION.match(text, at, at + _MOST_OPTION)
    gap = _GAP.match(text, at if option is None else option.end())
    start = at if gap is None else gap.end()
    end = closes.get(start, -1)
    return (text[start + 1 : end], end + 1) if 0 < end - start <= _MOST_TITLE else None
