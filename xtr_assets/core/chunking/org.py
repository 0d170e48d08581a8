"""Headlines and blocks of Org, as Emacs has them; but a line of stars in a block of code is none, even unescaped."""

import re
from bisect import bisect_right
from collections import defaultdict

from xtr_assets.core.chunking.headings import Heading, Outline, titled
from xtr_assets.core.chunking.line_spans import Lines, Range
from xtr_assets.core.chunking.markup_words import org_words

_HEADLINE = re.compile(r"(\*+)[ \t]+(.*)")
_OPENS = re.compile(r"[ \t]*#\+begin_(\S+)", re.IGNORECASE)
_CLOSES = re.compile(r"[ \t]*#\+end_(\S+)[ \t]*", re.IGNORECASE)
_DYNAMIC = re.compile(r"[ \t]*#\+begin:", re.IGNORECASE)
_KEYWORD = re.compile(r"[ \t]*#\+(\w+):[ \t]*(.*)")
# What says something of the document, or of a headline, and nothing to a reader.
_SETTING = re.compile(r"[ \t]*(?:#\+\w+(?:\[[^\]]*\])?:|#(?:[ \t]|$))")
_DRAWER, _DRAWER_END = (
    re.compile(r"[ \t]*:(?!END:)[\w-]+:[ \t]*", re.IGNORECASE),
    re.compile(r"[ \t]*:END:[ \t]*", re.IGNORECASE),
)
_PLANNING = re.compile(r"[ \t]*(?:SCHEDULED|DEADLINE|CLOSED):")
_STATES = frozenset({"todo", "seq_todo", "typ_todo"})
_TAGS = re.compile(r"(?:^|[ \t]+):[\w@#%:]+:[ \t]*$")
_PRIORITY = re.compile(r"\[#\w+\][ \t]*")
# A headline with so many stars is a task within a text.
_INLINE_TASK = 15
# What a drawer holds, at most, in lines.
_DRAWER_LINES = 200


def org_outline(lines: Lines) -> Outline:
    """Headlines, without their states, priorities and tags; `title` is what `#+TITLE` says.

    The drawers below a headline belong to it, and the settings that a file begins with stand above its first section.
    """
    text = lines.lines
    states = {"TODO", "DONE"}
    titles: list[str] = []
    for line in text:
        keyword = _KEYWORD.match(line)
        if keyword is None:
            continue
        if keyword[1].lower() in _STATES:
            states.update(word.partition("(")[0] for word in keyword[2].split() if word != "|")
        elif keyword[1].lower() == "title":
            titles.append(keyword[2])
    headings: list[Heading] = []
    whole: list[Range] = []
    ends = _ends_of_blocks(text)
    at = 1
    while at <= len(text):
        line = text[at - 1]
        if at in ends:
            whole.append((at, ends[at]))
            at = ends[at] + 1
            continue
        headline = _HEADLINE.fullmatch(line)
        if headline is not None and len(headline[1]) < _INLINE_TASK:
            last = _behind_drawers(text, at)
            title = titled(org_words(_bare(headline[2], states)))
            headings.append(Heading(at, last, len(headline[1]), title))
            at = last
        at += 1
    title = titled(org_words(" ".join(titles)))
    front = _behind_settings(text, headings[0].first - 1 if headings else len(text))
    if title in [one.title for one in headings if one.level == 1][:1]:
        title = ""
    return Outline(tuple(headings), tuple(whole), front, title=title)


def _bare(headline: str, states: set[str]) -> str:
    said = _TAGS.sub("", headline).strip()
    state, _, rest = said.partition(" ")
    if state in states:
        said = rest.lstrip()
    said = _PRIORITY.sub("", said, count=1) if said.startswith("[#") else said
    return said.removeprefix("COMMENT ").strip()


def _ends_of_blocks(text: list[str]) -> dict[int, int]:
    """Where each block of `#+begin_x` ends, by its first line; one that nothing closes is none."""
    closes: dict[str, list[int]] = defaultdict(list)
    for number, line in enumerate(text, 1):
        if (end := _CLOSES.fullmatch(line)) is not None:
            closes[end[1].lower()].append(number)
    found: dict[int, int] = {}
    reached = 0
    for number, line in enumerate(text, 1):
        if number > reached and (opens := _OPENS.match(line)) is not None:
            places = closes[opens[1].lower()]
            after = bisect_right(places, number)
            if after < len(places):
                found[number] = reached = places[after]
    return found


def _behind_drawers(text: list[str], at: int) -> int:
    """The last line of what is said of a headline: when it is due, and its properties."""
    if at < len(text) and _PLANNING.match(text[at]):
        at += 1
    if at < len(text) and _DRAWER.fullmatch(text[at]):
        for end in range(at + 1, min(len(text), at + _DRAWER_LINES)):
            if _HEADLINE.fullmatch(text[end]):
                break
            if _DRAWER_END.fullmatch(text[end]):
                return end + 1
    return at


def _behind_settings(text: list[str], until: int) -> int:
    """The last line of the settings and drawers that a file begins with; blank ones may stand among them."""
    front = at = 0
    while at < until:
        if not text[at].strip():
            at += 1
            continue
        if _DRAWER.fullmatch(text[at]) and (end := _behind_drawers(text, at)) > at:
            front = at = end
        elif _SETTING.match(text[at]) and not _DYNAMIC.match(text[at]):
            front = at = at + 1
        else:
            break
    return min(front, until)
