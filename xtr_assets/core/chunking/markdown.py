"""Headings and blocks of Markdown, as CommonMark with tables has them (markdown-it-py); front matter by own rules.

Only blocks are parsed, and the words of headings: what stands inside a line decides no heading. Lines are counted as
the parser counts them, by LF alone, which is what `Lines` holds.
"""

import re
import tomllib
from itertools import takewhile
from typing import Any

import yaml
from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.token import Token

from xtr_assets.core.chunking.heading_words import markdown_words
from xtr_assets.core.chunking.headings import MAX_TITLE_CHARS, Heading, Outline, titled
from xtr_assets.core.chunking.line_spans import Lines, Range

# Blocks that are not torn at blank lines. A list or a quote is: it may be as long as the document.
_WHOLE = frozenset({"fence", "html_block", "math_block"})
# Blocks that may touch the block above them without a blank line.
_BORDERS = frozenset({"table_open", "bullet_list_open", "ordered_list_open", "list_item_open", "fence", "html_block"})
# A formula is closed within so many lines: a line of $$ that stands alone costs no more than looking at these.
_MATH_LINES = 100


def markdown_outline(lines: Lines) -> Outline:
    """Headings of the document itself, not those inside quotes, lists, HTML, code or formulas."""
    front = front_matter(lines.lines)
    # Front matter goes as blank lines, so that all others keep their numbers.
    source = "\n" * front + "\n".join(lines.lines[front:])
    blocks = _Blocks()
    references: dict[str, Any] = {}
    if source:
        _PARSER.block.parse(source, _PARSER, references, blocks)
    headings = [_heading(opening, inline, references) for opening, inline in blocks.headings]
    title = front_title(lines.lines[:front])
    highest = [heading.title for heading in headings if heading.level == 1]
    # A page has one title: a heading above all others, or one that says the same, is it.
    if (len(highest) == 1 and headings[0].level == 1) or title in highest[:1]:
        title = ""
    whole = tuple(_disjoint(blocks))
    return Outline(tuple(headings), whole, front, frozenset({*blocks.borders, front + 1}), title)


def _heading(opening: Token, inline: Token, references: dict[str, Any]) -> Heading:
    first, last = opening.map or (0, 0)
    return Heading(first + 1, last, int(opening.tag[1:]), titled(markdown_words(inline.content, _PARSER, references)))


class _Blocks(list[Token]):
    """What the parser found, of which few tokens are kept: a document of list items has a million in a megabyte."""

    def __init__(self) -> None:
        super().__init__()
        self.headings: list[tuple[Token, Token]] = []
        self.borders: set[int] = set()
        self.whole: list[Token] = []
        self._opening: Token | None = None
        self._last: Token | None = None

    def append(self, token: Token) -> None:
        # The place of a token is written into it after it was appended: that of the one before stands now.
        self.settle()
        self._last = token
        if self._opening is not None and token.type == "inline":
            self.headings.append((self._opening, token))
        self._opening = token if token.type == "heading_open" and token.level == 0 else None

    def settle(self) -> None:
        last, self._last = self._last, None
        if last is not None and last.map and last.type in _BORDERS and last.level <= 1:
            self.borders.add(last.map[0] + 1)
        if last is not None and last.type in _WHOLE:
            self.whole.append(last)


def _disjoint(blocks: _Blocks) -> list[Range]:
    blocks.settle()
    ranges: list[Range] = []
    for token in blocks.whole:
        first, end = token.map or (0, 0)
        if end > first and (not ranges or first + 1 > ranges[-1][1]):
            ranges.append((first + 1, end))
    return ranges


# A key ends within so many characters: patterns with two wishes for the same spaces see no more of a line.
_KEY_CHARS = 300
_KEY = re.compile(r"[\"']?[\w$@.][\w$@./ -]*[\"']?[ \t]*:(?:\s|$)")
_OTHER = re.compile(r"(?:\s|#|- |-$|[\]})]|$)")
_TOML = re.compile(r"\s*(?:[\w.\"'-]+[ \t]*=|\[)")


def front_matter(text: list[str]) -> int:
    """The last line of YAML (`---`) or TOML (`+++`) front matter; 0 where there is none.

    A document may also begin with a rule, so what stands between two of them has to look like front matter: a line
    follows at once, and each that is not indented is a key, an item or a comment.

    >>> front_matter(["---", "title: A", "---"]), front_matter(["---", "", "Prose.", "---"])
    (3, 0)
    """
    opening = text[0].rstrip()
    if opening not in ("---", "+++") or len(text) < 2:
        return 0
    closing = ("---", "...") if opening == "---" else ("+++",)
    keys = 0
    for number, whole in enumerate(text[1:], 2):
        line = whole[:_KEY_CHARS]
        if line.rstrip() in closing:
            return number if keys or number == 2 else 0
        if number == 2 and not line.strip():
            return 0
        if opening == "+++":
            if not keys and line.strip() and not line.lstrip().startswith("#") and not _TOML.match(line):
                return 0
            keys += bool(_TOML.match(line))
        elif _KEY.match(line) or line.startswith(("{{", "{%")):  # A template writes the keys.
            keys += 1
        elif not _OTHER.match(line):
            return 0
    return 0


_TITLE = re.compile(r"[\"']?title[\"']?[ \t]*[:=]", re.ASCII)
# Where a table of TOML begins: a title below it is that of something else, as of a picture of Hugo's `[[resources]]`.
_TABLE = re.compile(r"\s*\[\[?[\w.\"' -]+\]\]?\s*(?:#|$)")
# A title of several lines goes on indented; a template writes it when the site is built.
_TITLE_LINES = 10
_TEMPLATE = ("{{", "{%", "<%")
# PyYAML takes the square of these: 1,600 of them took a second.
_MOST_BRACKETS = 64


class _Written(yaml.BaseLoader):
    """Values as they are written, but for what YAML says is none."""


_NULL = "tag:yaml.org,2002:null"
_Written.add_implicit_resolver(_NULL, re.compile(r"(?:~|null|Null|NULL)?\Z"), ["~", "n", "N", ""])
_Written.add_constructor(_NULL, lambda loader, node: None)  # noqa: ARG005 (as PyYAML calls it)


def front_title(front: list[str]) -> str:
    """What `title` of front matter says, as words; "" where it is not there, is no text, or a template writes it.

    >>> front_title(["---", "title: 'It''s a title'", "---"]), front_title(["+++", 'title = "A"', "+++"])
    ("It's a title", 'A')
    """
    toml = bool(front) and front[0].startswith("+++")
    own = list(takewhile(lambda line: not _TABLE.match(line), front)) if toml else front
    at = next((at for at, line in enumerate(own) if _TITLE.match(line)), 0)
    if not at:
        return ""
    end = at + 1
    while end < min(len(own), at + _TITLE_LINES) and own[end].startswith((" ", "\t")):
        end += 1
    told = "\n".join(own[at:end])[: 8 * MAX_TITLE_CHARS]
    if told.count("[") + told.count("{") > _MOST_BRACKETS:
        return ""
    try:
        found = tomllib.loads(told) if toml else yaml.load(told, _Written)
        value = found.get("title") if isinstance(found, dict) else None
        # JSON, which is YAML, writes a character beyond 16 bits as two halves; one half is no character.
        text = value.encode("utf-16-le", "surrogatepass").decode("utf-16-le") if isinstance(value, str) else ""
    except (ValueError, OverflowError, RecursionError, yaml.YAMLError):
        return ""
    # No text file holds a null character, and no file of a warehouse.
    return "" if any(mark in text for mark in (*_TEMPLATE, "\0")) else titled(text)


def _math_block(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """A formula between two lines of $$: its lone = and - underline nothing."""
    if state.is_code_block(start) or _stripped(state, start) != "$$":
        return False
    for number in range(start + 1, min(end, start + _MATH_LINES)):
        line = _stripped(state, number)
        if not line:
            return False
        if line.endswith("$$"):
            if not silent:
                state.line = number + 1
                state.push("math_block", "math", 0).map = [start, state.line]
            return True
    return False


def _stripped(state: StateBlock, number: int) -> str:
    return state.src[state.bMarks[number] + state.tShift[number] : state.eMarks[number]].strip()


_PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
_PARSER.block.ruler.before("fence", "math_block", _math_block, {"alt": ["paragraph", "blockquote", "list"]})
