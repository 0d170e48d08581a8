"""A second reading of the headings of AsciiDoc, Org and LaTeX, by lines and letters: none is rendered, no macro known.

What a section of each begins with, and which of the letters of a heading a reader must, may and cannot see.
"""

import html
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import PurePosixPath

from xtr_assets.pipeline.gate.heading_evidence import Markup, Sight

ASCIIDOC, ORG, LATEX = (".adoc", ".asciidoc", ".asc"), (".org",), (".tex", ".latex")
# Below the title of AsciiDoc stand its authors and its revision.
_AUTHOR_LINES = 2

Letters = Iterator[tuple[int, str, Sight]]


def markup_of(path: str) -> Markup | None:
    """How the headings of a file are written; None where this module does not know."""
    suffix = PurePosixPath(path).suffix.lower()
    return next((markup for suffixes, markup in _MARKUPS.items() if suffix in suffixes), None)


_EQUALS = re.compile(r"(?:=+|#+)[ \t]+\S.*")
_BESIDE = re.compile(r"//.*|\[.*\]\s*|\.[^\s.].*|:[^:]+:.*|(?:ifn?def|ifeval|endif)::.*")
_UNDER = re.compile(r"(?:={2,}|-{2,}|~{2,}|\^{2,}|\+{2,})\s*")


def _asciidoc_leading(lines: Sequence[str]) -> Iterator[tuple[int, str]]:
    at = 0
    while at < len(lines):
        line = lines[at]
        under = lines[at + 1] if at + 1 < len(lines) else ""
        if at and lines[at - 1].rstrip().endswith(" \\") and line.strip():
            at += 1  # The value of an attribute goes on.
        elif line.startswith("////"):
            # A comment of several lines; what closes none is one line.
            same = [end for end in range(at + 1, len(lines)) if lines[end].rstrip() == line.rstrip()]
            at = (same[0] if same else at) + 1
        elif _EQUALS.fullmatch(line):
            yield at, line.lstrip("=#")
            at += 1
            if len(line) - len(line.lstrip("=#")) == 1:
                at = _behind_authors(lines, at)
        elif _UNDER.fullmatch(under) and any(map(str.isalnum, line)) and line[0] not in ".[:":
            yield at, line
            at = _behind_authors(lines, at + 2) if under[0] == "=" else at + 2
        elif not line.strip() or _BESIDE.fullmatch(line):
            at += 1
        else:
            return


def _behind_authors(lines: Sequence[str], at: int) -> int:
    passed = 0
    while at < len(lines) and lines[at].strip():
        goes_on = lines[at - 1].rstrip().endswith(" \\")
        if _EQUALS.fullmatch(lines[at]) and not goes_on:
            break
        if not _BESIDE.fullmatch(lines[at]) and not goes_on:
            passed += 1
            if passed > _AUTHOR_LINES or _UNDER.fullmatch("".join(lines[at + 1 : at + 2])):
                break
        at += 1
    return at


_STARS = re.compile(r"\*+[ \t]+(.*)")
_DRAWER = re.compile(r"\s*:[\w-]+:\s*")
_DUE = re.compile(r"\s*(?:SCHEDULED|DEADLINE|CLOSED):.*")


def _org_leading(lines: Sequence[str]) -> Iterator[tuple[int, str]]:
    at = 0
    while at < len(lines):
        line = lines[at].strip()
        if (headline := _STARS.fullmatch(lines[at])) is not None:
            yield at, headline[1]
        elif _DRAWER.fullmatch(line):
            while at + 1 < len(lines) and lines[at].strip().upper() != ":END:":
                at += 1
        elif line and not line.startswith("#") and not _DUE.fullmatch(line):
            return
        at += 1


_COMMAND = re.compile(r"\\(?:sub){0,2}section(?![A-Za-z@])\*?|\\(?:part|chapter)(?![A-Za-z@])\*?")
_DEPTHS = ("part", "chapter", "section", "subsection", "subsubsection")
_OPTION = re.compile(r"\s*\[(?:[^\]{}]|\{(?:[^{}]|\{[^{}]*\})*\})*\]")
_BRACES = re.compile(r"\\.|[{}]", re.DOTALL)
# A comment takes the end of its line with it.
_GAP = re.compile(r"(?:\s|%[^\n]*(?:\n|$))*+")
# Headings on one line that are looked at.
_ON_A_LINE = 50
_NAMED = re.compile(r"\s*(?:\\(?:label|index|minitoc|sectionmark|chaptermark|markboth)\b.*|%.*)?")


def _latex_leading(lines: Sequence[str]) -> Iterator[tuple[int, str]]:
    at = 0
    while at < len(lines):
        if lines[at].lstrip().startswith("%") or not lines[at].strip():
            at += 1
            continue
        found = _COMMAND.search(lines[at])
        if found is None:
            if not _NAMED.fullmatch(lines[at]):
                return
            at += 1
            continue
        # The lines that a title may go on in.
        text, first = "\n".join(lines[at : at + 50]), at
        on_line: list[tuple[int, int, str]] = []
        for _ in range(_ON_A_LINE):
            held = braced(text, found.end())
            raw, end = held or ("", found.end())
            # A title that holds a command of its own, or more than words, is a brace that nothing closes.
            if held and not _COMMAND.search(raw) and r"\begin" not in raw:
                level = _DEPTHS.index(found[0].strip("\\*"))
                # Of several on a line one that stands as high ends those before it.
                on_line = [*(one for one in on_line if one[0] < level), (level, at, raw)]
                at = max(at, first + text.count("\n", 0, end))
            else:
                end = found.end()
            line_end = text.find("\n", end)
            further = _COMMAND.search(text, end, len(text) if line_end < 0 else line_end)
            if further is None:
                break
            found = further
        if not on_line:
            return
        yield from ((place, raw) for _, place, raw in on_line)
        at += 1


def braced(text: str, at: int) -> tuple[str, int] | None:
    """What stands in the braces behind a place, and where they end; what stands in brackets before them is passed over.
    None where nothing closes them."""
    option = _OPTION.match(text, at)
    gap = _GAP.match(text, option.end() if option else at)
    start = gap.end() if gap else at
    depth = 0
    for found in _BRACES.finditer(text, start) if text[start : start + 1] == "{" else ():
        depth += {"{": 1, "}": -1}.get(found[0], 0)
        if depth == 0:
            return text[start + 1 : found.start()], found.end()
    return None


def _sighted(raw: str, perhaps: Sequence[re.Pattern[str]], hidden: Sequence[re.Pattern[str]] = ()) -> list[Sight]:
    sights = [Sight.SEEN] * len(raw)
    for patterns, sight in ((perhaps, Sight.PERHAPS), (hidden, Sight.HIDDEN)):
        for found in (one for form in patterns for one in form.finditer(raw)):
            # Of a form with a group the group alone.
            start, end = found.span(1) if found.re.groups else found.span()
            if start >= 0:
                sights[start:end] = [sight] * (end - start)
    return sights


def _lettered(raw: str, sights: Sequence[Sight], signs: Callable[[str, int], tuple[str, int]]) -> Letters:
    """The letters of a heading; `signs` says which may stand for what is spelled at a place, and where that ends."""
    at = 0
    while at < len(raw):
        stands, end = signs(raw, at)
        if end > at:
            yield from ((at, one, Sight.PERHAPS) for one in (*stands, *raw[at:end]) if one.isalnum())
            at = end
            continue
        if raw[at].isalnum():
            yield at, raw[at], sights[at]
        at += 1


_ENTITY = re.compile(r"&(?:#\w{1,8}|\w{1,32});|\{[\w-]+\}")
_ASCIIDOC_PERHAPS = (
    re.compile(r"\[\[[^\]]*\]\]|\(\(\(.*?\)\)\)|<<[^<>]*>>"),
    re.compile(r"[A-Za-z][\w+.-]*:[^\s\[\]]*(?=\[)"),
    re.compile(r"(?:image|icon|menu|footnote\w*|indexterm2?|anchor|bibanchor|pass|stem|\w*math):[^\s\[\]]*\[[^\]]*\]"),
    re.compile(r":[^\s\[\]]*\[[^\],]*(,[^\]]*)\]"),
    re.compile(r":[^\s\[\]]*\[([^\]]*=[^\]]*)\]"),
    re.compile(r"\[[^\[\]]*\](?=[#*_`])"),
    re.compile(r"\{[^{}]*\}"),
    re.compile(r"^[ \t]*=+|=+[ \t]*$"),
)
# Surely, where nothing is passed through as it stands.
_ASCIIDOC_HIDDEN = (
    re.compile(r"(?<!\S)(\[\[[\w.-]+\]\])"),
    re.compile(r"(?<!\S)((?:xref|link|https?):[^\s\[\]]+)\[[\w ]*[A-Za-z][\w ]*\]"),
)


def _asciidoc_letters(raw: str) -> Letters:
    hidden = () if re.search(r"[`\\+{<(]|pass:", raw) else _ASCIIDOC_HIDDEN
    return _lettered(raw, _sighted(raw, _ASCIIDOC_PERHAPS, hidden), _entity)


def _entity(raw: str, at: int) -> tuple[str, int]:
    found = _ENTITY.match(raw, at) if raw[at] in "&{" else None
    if found is None:
        return "", at
    # Of the signs that are attributes the two with letters in them.
    return {"{cpp}": "C", "{deg}": ""}.get(found[0], html.unescape(found[0])), found.end()


_ORG_PERHAPS = (
    re.compile(r"^[^\s]+"),
    re.compile(r"\[#\w+\]\s*(?:COMMENT\b)?|\bCOMMENT\b"),
    re.compile(r"(?:^|\s):[\w@#%:]+:\s*$"),
    re.compile(r"\[\[(?:[^\[\]\\]|\\.)*\](?=\[)"),
    re.compile(r"\[fn:[^\]]*\]|\[\d*(?:/\d*|%)\]|\[\d+\]"),
    re.compile(r"\{\{\{.*?\}\}\}"),
)
_NAME = re.compile(r"\\([A-Za-z@]+)(?:\{\})?")


def _org_letters(raw: str) -> Letters:
    return _lettered(raw, _sighted(raw, _ORG_PERHAPS), _named_sign)


# Letters that TeX has names for.
_TEX_LETTERS = {"ss": "\u00df", "o": "\u00f8", "O": "\u00d8", "l": "\u0142", "L": "\u0141", "ae": "\u00e6",
                "AE": "\u00c6", "oe": "\u0153", "OE": "\u0152", "aa": "a", "AA": "A"}  # fmt: skip


def _named_sign(raw: str, at: int) -> tuple[str, int]:
    found = _NAME.match(raw, at) if raw[at] == "\\" else None
    if found is None:
        return "", at
    return _TEX_LETTERS.get(found[1], "") + _folded(html.unescape(f"&{found[1]};")), found.end()


# Macros that show their argument, and those that show their second one; what others show is not known.
_SHOWN = frozenset(["emph", "textbf", "textit", "texttt", "textsc", "textsf", "textrm"])
_SECOND = frozenset(["texorpdfstring", "href", "hyperlink", "textcolor"])
_TEX_TOKEN = re.compile(r"\\([A-Za-z@]+)\*?|\\.|%[^\n]*|[{}$\[\]]|\s+|.", re.DOTALL)


def _latex_letters(raw: str) -> Letters:
    raw = _folded(raw)
    return _lettered(raw, _latex_sights(raw), _named_sign)


def _latex_sights(raw: str) -> list[Sight]:
    """A reader sees what stands outside of braces, brackets and formulas, and what is known to be shown."""
    sights: list[Sight] = []
    # Of each group that is open what is seen in it, and whose argument it is, of which number.
    opened: list[tuple[Sight, str, int]] = []
    sight, macro, number, formula, option = Sight.SEEN, "", 0, False, False
    for found in _TEX_TOKEN.finditer(raw):
        token = found[0]
        if found[1]:
            macro, number = found[1], 0
        elif token == "{":
            opened.append((sight, macro, number + 1))
            shown = not macro or macro in _SHOWN or (macro in _SECOND and number == 1)
            sight, macro, number = sight if shown else Sight.PERHAPS, "", 0
        elif token == "}" and opened:
            sight, macro, number = opened.pop()
        elif token == "$":
            formula = not formula
        elif token in "[]" and (macro or option):
            option = token == "["
        elif not token.isspace() and not option:
            macro = ""
        doubtful = formula or option or len(token) > 1 or macro != ""
        sights += [Sight.HIDDEN if token[0] == "%" else Sight.PERHAPS if doubtful else sight] * len(token)
    return sights


def _folded(text: str) -> str:
    """Without accents, which TeX writes beside their letters."""
    return "".join(one for one in unicodedata.normalize("NFD", text) if not unicodedata.combining(one))


_CODED = re.compile(r"(?:[^`\\+\[{:]*(?<![\w`])`[A-Za-z][^`\\+]*`(?![\w`]))+[^`\\+\[{:]*")
_STRONG = re.compile(r"(?:[^*`\\+\[{:]*\s)?\*\w+\*(?:\s[^*`\\+\[{:]*)?")
_ORG_CODED = re.compile(r"(?:[^~=\\\[]*\s)?([~=])\w+\1(?:\s[^~=\\\[]*)?")
_EMPHASIZED = re.compile(r"[^\\]*\\(?:emph|textbf|textit|texttt)\{[\w ]+\}[^\\]*")


def _left(simple: Sequence[tuple[re.Pattern[str], str]], path: str, raw: str) -> bool:
    """Whether a mark stands in the last name of a path, that in a heading of this form can only be one."""
    last = path.rpartition(" > ")[2]
    return any(form.fullmatch(raw) and re.search(mark, last) for form, mark in simple)


_MARKUPS: dict[tuple[str, ...], Markup] = {
    ASCIIDOC: Markup(_asciidoc_leading, _asciidoc_letters, partial(_left, ((_CODED, "`"), (_STRONG, r"\*")))),
    ORG: Markup(_org_leading, _org_letters, partial(_left, ((_ORG_CODED, r"[~=]\w+[~=]"),))),
    LATEX: Markup(_latex_leading, _latex_letters, partial(_left, ((_EMPHASIZED, r"[\\{}]"),)), _folded),
}
