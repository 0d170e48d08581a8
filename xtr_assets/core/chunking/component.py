"""Components of one file (Vue, Svelte, Astro): which lines are script, style and markup, and what of them is script.

No parser of markup is asked. A block begins on a line that begins with its tag and ends with the first end of that tag,
as the compilers of all three have it; all other lines are markup.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate

from xtr_assets.core.chunking.line_spans import Lines, Range

SCRIPT, MARKUP, STYLE = "<script>", "<template>", "<style>"
# The suffix of a file that would hold a script of this `lang`. Another one (CoffeeScript) is read by lines.
_SUFFIXES = {"": ".js", "js": ".js", "ts": ".ts", "typescript": ".ts", "jsx": ".tsx", "tsx": ".tsx"}
# Letters of tags are those of ASCII: no other `s` begins a script.
_TAGS = re.MULTILINE | re.IGNORECASE | re.ASCII
_OPENS = re.compile(r"^[ \t]*(?:(?=<!--)<!.*?(?:-->|\Z)|(?=<(script|style)[\s/>]))", _TAGS | re.DOTALL)
# An attribute may hold what ends a tag elsewhere: `generic="T extends Map<string, U>"`.
_TAG = re.compile(r"<\w+((?:[^>\"']++|\"[^\"]*+\"|'[^']*+')*+)>")
_MOST_TAG = 1000
_ENDS = {tag: re.compile(rf"</{tag}(?=[\s/>])[^>]*+>", _TAGS) for tag in ("script", "style")}
_LANG = re.compile(r"\blang\s*=\s*[\"']?([\w-]*)")
# The code that an Astro component begins with, between two lines of dashes.
_FENCED = re.compile(r"\s*^---((?:.*\n)(?:(?!---).*\n)*)---[ \t]*$", re.MULTILINE)
_CLOSING = re.compile(r"[ \t]*(?:</|/>|[)\]}>])")
# How many steps of indentation are followed.
_MOST_STEPS = 64


@dataclass(frozen=True, slots=True)
class Block:
    """Lines of one kind."""

    place: Range
    kind: str


@dataclass(frozen=True, slots=True)
class Component:
    """blocks : in order, each line in one. script : the scripts alone, on the lines that they have in the component.
    suffix : of a file that would hold them, empty where that is none that is parsed."""

    blocks: tuple[Block, ...]
    script: str
    suffix: str


def component(text: str, suffix: str) -> Component:
    """The blocks of a text whose newlines are normalized.

    >>> found = component("<script>\\na\\n</script>\\n<p>\\n</p>\\n", ".vue")
    >>> [one.kind for one in found.blocks], found.script, found.suffix
    (['<script>', '<template>'], '\\na\\n', '.js')
    """
    starts = list(accumulate((len(line) + 1 for line in text.split("\n")[:-1]), initial=0))
    blocks: list[Block] = []
    scripts: list[str] = []
    suffixes: list[str] = []
    above = end = 0  # The last line of the block before, and the end of the script before.
    for kind, place, inner, language in _found(text, suffix):
        first, last = bisect_right(starts, place[0]), bisect_right(starts, place[1] - 1)
        if first == last or first <= above:
            continue  # `<script src="x.js"></script>` is markup.
        if above + 1 < first:
            blocks.append(Block((above + 1, first - 1), MARKUP))
        blocks.append(Block((first, last), kind))
        above = last
        if kind == SCRIPT:
            scripts += ["\n" * text.count("\n", end, inner[0]), text[slice(*inner)]]
            suffixes.append(_SUFFIXES.get(language, ""))
            end = inner[1]
    if above < len(starts):
        blocks.append(Block((above + 1, len(starts)), MARKUP))
    chosen = next((one for one in ("", ".tsx", ".ts") if one in suffixes), ".js")
    return Component(tuple(blocks), "".join(scripts), chosen)


def _found(text: str, suffix: str) -> Iterator[tuple[str, Range, Range, str]]:
    """Scripts and styles: the kind, where it begins and ends, where what is in it does, and its language."""
    at = 0
    if suffix == ".astro" and (fenced := _FENCED.match(text)):
        at = fenced.end()
        yield SCRIPT, (text.index("---"), at), fenced.span(1), "ts"
    while opened := _OPENS.search(text, at):
        at = max(opened.end(), at + 1)
        tag = _TAG.match(text, opened.end(), opened.end() + _MOST_TAG) if opened[1] else None
        if tag is None or tag[1].endswith("/"):
            continue
        closed = _ENDS[opened[1].lower()].search(text, tag.end())
        inner = (tag.end(), closed.start() if closed else len(text))
        at = closed.end() if closed else len(text) + 1
        said = _LANG.search(tag[1])
        language = said[1].lower() if said else ("ts" if suffix == ".astro" else "")
        yield (SCRIPT if opened[1].lower() == "script" else STYLE), (tag.start(), at), inner, language


def by_indentation(lines: Lines, place: Range, max_chars: int, steps: int = 0) -> list[Range]:
    """Ranges that cover the lines: cut above those that are indented least, and what is longer above those that are
    indented next. A line that closes something goes with what is above it."""
    trimmed = lines.trim(*place)
    if trimmed is None:
        return []
    if lines.size(*trimmed) <= max_chars or steps == _MOST_STEPS:
        return [trimmed]
    first, last = trimmed
    depths = {
        number: len(line) - len(line.lstrip())
        for number, line in enumerate(lines.lines[first:last], first + 1)
        if line.strip() and not _CLOSING.match(line)
    }
    least = min(depths.values(), default=0)
    starts = [number for number, depth in depths.items() if depth == least]
    if not starts:
        return [trimmed]
    ranges = zip([first, *starts], [*(number - 1 for number in starts), last], strict=True)
    return [one for piece in ranges for one in by_indentation(lines, piece, max_chars, steps + 1)]
