"""A second reading of headings: whether the path of a section is spelled by the headings that stand in its lines.

No heading is rendered. The letters of a path are followed through the raw lines, letter by letter: what a reader sees
has to be in the path, in order; what tells a renderer (where a link goes, a tag, an attribute) must not, or need not.
"""

import html
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import partial
from itertools import islice

_SEPARATOR = " > "
# Titles are cut at 200 characters: what is longer may end after half of that.
CUT_FROM = 200
# What makes a line of Markdown blank: of a form feed or a space that breaks no line it is text.
BLANKS = " \t"
# Of what a rule underlines no more is followed than any title holds.
MOST_FOLLOWED = 1600
# Lines above a rule that are looked at wherever they stand.
MOST_UNDERLINED = 50

# What closes front matter, by what opens it.
CLOSES = {"---": ("---", "..."), "+++": ("+++",)}
_ATX = re.compile(r" {0,3}#{1,6}(?:[ \t]+(.*))?")
_UNDER = re.compile(r" {0,3}(?:=+|-+)[ \t]*")
_ADORNMENT = re.compile(r"([!-/:-@\[-`{-~])\1*[ \t]*")
_PLAIN_ATX = re.compile(r"#{1,6} [A-Za-z][A-Za-z ]*")
_PLAIN_TITLE = re.compile(r"[A-Za-z][A-Za-z ]*[A-Za-z]")


class Sight(Enum):
    """Whether a reader sees a letter: in some places that depends on more than its line."""

    SEEN = 0
    PERHAPS = 1
    HIDDEN = 2


# What may be hidden, and what surely is (a backslash or a code span may show it all). Each is looked for by itself, as
# they overlap. Of Markdown: where a link goes, by which name, what a picture shows, a tag or address, attributes.
_MARKDOWN = (
    re.compile(r"\]\((?:[^()\\]|\\.|\((?:[^()\\]|\\.)*\))*\)"),
    re.compile(r"(?<=\])\[[^\[\]]*\]"),
    re.compile(r"!\[(?:\\.|[^\[\]\\]|\[[^\[\]]*\](?:\([^()]*\))?)*\]"),
    re.compile(r"<[^<>]*>"),
    re.compile(r"\{[^{}]*\}"),
)
_RST = (
    re.compile(r":[\w.+:-]+:(?=`)"),
    re.compile(r"(?<=`):[\w.+:-]+:"),
    re.compile(r"<[^<>]*>"),
    re.compile(r"`~[^`]*\."),
    re.compile(r"\[[#*\w-]+\]_"),
)
_LINK = re.compile(r"\[[^\[\]]*(\]\([^\s()<>]*\))")
_TAG = re.compile(r"(</?[A-Za-z][A-Za-z0-9-]*(?:\s+[\w:-]+=\"[^\"<>]*\")*\s*/?>)")
_ENTITY = re.compile(r"&(?:#\w{1,8}|\w{1,32});")

# Headings in which marks can only be marks: pairs of them around words, and nothing that makes them mean more.
_CODE = re.compile(r"(?:[^`\\<\[]*`[^`\\<\[]+`)+[^`\\<\[]*")
_STRONG = re.compile(r"(?:[^*`\\<\[]*\s)?\*\*\w+\*\*(?:\s[^*`\\<\[]*)?")
_RST_CODE = re.compile(r"(?<!\S)(?::[\w:]+:)?(`{1,2})(?=\S)[^`\\]*[^`\\\s]\1(?!\S)")


@dataclass(frozen=True, slots=True)
class Markup:
    """How headings are written.

    leading : of the lines of a section (the place of its first line, the heading, raw) of each heading that it begins
    with: those without a text of their own, and its own. letters : (place, letter, sight) of a raw heading. marked :
    whether marks that no reader sees were left in the last name of a path, which a raw heading spells. fold : what of
    the letters of a path is compared.
    """

    leading: Callable[[Sequence[str]], Iterator[tuple[int, str]]]
    letters: Callable[[str], Iterator[tuple[int, str, Sight]]]
    marked: Callable[[str, str], bool]
    fold: Callable[[str], str] = str


def _leading(rst: bool, lines: Sequence[str]) -> Iterator[tuple[int, str]]:
    at = 0
    while at < len(lines):
        blank = not lines[at].strip()
        read = None
        if lines[at].strip(BLANKS):
            read = _rst_heading(lines, at) if rst else _markdown_heading(lines, at, len(lines))
        if read is None and blank:
            at += 1
            continue
        if read is None:
            return
        yield at, read[0]
        at = read[1]


def begins_at(lines: Sequence[str], start: int) -> int:
    """The line, from 1, that a section of Markdown begins with which shows from line `start` on: a rule below a space
    that breaks no line, or a form feed, is a heading without a letter."""
    while start > 1 and lines[start - 2].strip(BLANKS) and not lines[start - 2].strip():
        start -= 1
    return start


def readings(lines: Sequence[str], start: int, last: int) -> list[int]:
    """The lines, from 1, from which a section of Markdown may be read that stands in lines `start` to `last`: what
    begins a file may begin with front matter, or with a rule."""
    closes = CLOSES.get(lines[0].rstrip(), ()) if start == 1 else ()
    # Of thousands of sections each but the first is looked at no further.
    if not closes:
        return [start]
    behind = (at + 1 for at, line in enumerate(lines[1:last], 2) if line.rstrip() in closes)
    return [*islice(behind, 1), start]


def every_heading(lines: Sequence[str]) -> Iterator[str]:
    """What may be a heading of Markdown, raw, wherever it stands: a comment of code too."""
    at = 0
    while at < len(lines):
        read = _markdown_heading(lines, at, at + MOST_UNDERLINED)
        if read is not None:
            yield read[0]
        # Not behind it: what stands above a rule may be more than its heading, and ends in one.
        at += 1


def _markdown_heading(lines: Sequence[str], at: int, last: int) -> tuple[str, int] | None:
    """(the heading that begins at line `at` and ends before line `last`, the place behind it)."""
    atx = _ATX.fullmatch(lines[at])
    if atx is not None:
        return re.sub(r"(^|[ \t]+)#+[ \t]*$", "", atx.group(1) or ""), at + 1
    for end in range(at + 1, min(last, len(lines))):
        if not lines[end].strip(BLANKS) or _ATX.fullmatch(lines[end]):
            return None
        if _UNDER.fullmatch(lines[end]):
            return " ".join(lines[at:end]), end + 1
    return None


def _rst_heading(lines: Sequence[str], at: int) -> tuple[str, int] | None:
    for title in (at + 1, at):
        over = title == at or _ADORNMENT.fullmatch(lines[at])
        if over and title + 1 < len(lines) and lines[title].strip() and _ADORNMENT.fullmatch(lines[title + 1]):
            return lines[title], title + 2
    return None


class Paths:
    """The heading paths of a file, as its sections come."""

    def __init__(self, markup: Markup) -> None:
        self._markup = markup
        self._known: set[int] = set()

    def spelled(self, path: str, headings: Iterable[str], *, optional: bool = False) -> bool:
        """Whether a path is what was known before and these raw headings behind it, from the first on, up to any of
        them; `optional` ones may be passed over."""
        path = self._markup.fold(path)
        ends = [found.start() for found in re.finditer(f"(?={_SEPARATOR})", path)] + [len(path)]
        letters = [one for one in path if one.isalnum()]
        counted = [sum(map(str.isalnum, path[a:b])) for a, b in zip([0, *ends], ends, strict=False)]
        borders = [sum(counted[: number + 1]) for number in range(len(counted))]
        reached = 1
        for end, border in zip(ends, borders, strict=True):
            if hash(path[:end]) in self._known:
                reached |= 1 << border
        done, places = 1 << len(letters), _places(letters)
        found = optional and bool(reached & done) and (not path or hash(path) in self._known)
        for raw in headings:
            passed = _followed(reached, raw, places, borders, self._markup)
            reached = reached | passed if optional else passed
            if passed & done and not self._markup.marked(path, raw):
                found = True
                break
        if found:
            self._known.update(hash(path[:end]) for end in ends)
        return found


def is_plain_heading(line: str) -> bool:
    """Whether a line of Markdown is a heading, whatever stands around it in a section that it begins."""
    return _PLAIN_ATX.fullmatch(line) is not None


def plain_titles(lines: Sequence[str]) -> int:
    """How many lines of reStructuredText are titles whatever stands around them: plain words between blank lines,
    underlined from end to end.

    >>> plain_titles(["Use", "===", "", "See below", "--", "", "    Code", "    ====", ""])
    1
    """
    framed = ["", *lines, ""]
    return sum(
        not before.strip() and not behind.strip() and bool(_PLAIN_TITLE.fullmatch(title)) and _is_rule(under, title)
        for before, title, under, behind in zip(framed, framed[1:], framed[2:], framed[3:], strict=False)
    )


def _is_rule(line: str, title: str) -> bool:
    return len(line.rstrip()) >= len(title) and set(line.rstrip()) in ({"="}, {"-"})


def _places(letters: Sequence[str]) -> dict[str, int]:
    """Where each letter stands: bit i for letter i."""
    places: dict[str, int] = {}
    for number, letter in enumerate(letters):
        places[letter] = places.get(letter, 0) | 1 << number
    return places


def _followed(reached: int, raw: str, places: dict[str, int], borders: Sequence[int], markup: Markup) -> int:
    """The ends of what these letters of a path spell, from each of its `reached` places (bits) on."""
    cut = 0
    ends = sum(1 << border for border in set(borders))
    for at, letter, sight in markup.letters(raw[:MOST_FOLLOWED]):
        if at > CUT_FROM // 4 and len(raw) > CUT_FROM:
            cut |= reached & ends
        if sight is Sight.HIDDEN:
            continue
        moved = (reached & places.get(letter, 0)) << 1
        reached = moved if sight is Sight.SEEN else reached | moved
    return reached | cut


def _letters(rst: bool, raw: str) -> Iterator[tuple[int, str, Sight]]:
    """(place, letter) of the letters and digits of a heading, and whether a reader sees them."""
    sights = [Sight.SEEN] * len(raw)
    for found in (one for form in (_RST if rst else _MARKDOWN) for one in form.finditer(raw)):
        sights[found.start() : found.end()] = [Sight.PERHAPS] * (found.end() - found.start())
    if not rst and not re.search(r"[`\\]", raw):
        for other, hidden in (("<", _LINK), ("[", _TAG)):
            for found in hidden.finditer(raw) if other not in raw else ():
                sights[found.start(1) : found.end(1)] = [Sight.HIDDEN] * (found.end(1) - found.start(1))
    entities = {} if rst else {found.start(): found for found in _ENTITY.finditer(raw)}
    at = 0
    while at < len(raw):
        entity = entities.get(at)
        if entity is not None:
            stands = html.unescape(entity.group())
            # In a code span it stands as it is written.
            yield from ((at, one, Sight.PERHAPS) for one in (*stands, *entity.group()) if one.isalnum())
            at = entity.end()
            continue
        if raw[at].isalnum():
            yield at, raw[at], sights[at]
        at += 1


def _marked(rst: bool, path: str, raw: str) -> bool:
    """Whether marks that no reader sees were left in a path's last heading."""
    last = path.rpartition(_SEPARATOR)[2]
    if rst:
        return "`" in last and "`" in raw and not re.search(r"[`\\*|]", _RST_CODE.sub("", raw))
    code = "`" in last and "``" not in raw and _CODE.fullmatch(raw)
    return bool(code or ("**" in last and _STRONG.fullmatch(raw)))


MARKDOWN = Markup(partial(_leading, False), partial(_letters, False), partial(_marked, False))
RST = Markup(partial(_leading, True), partial(_letters, True), partial(_marked, True))
