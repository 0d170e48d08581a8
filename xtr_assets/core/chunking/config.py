"""Files that run a project (YAML, TOML, INI, Dockerfiles, makefiles, CMake) into chunks: keys, tables, stages, targets.

A file is a tree of entries with names. What is long is taken apart, down to where its entries are short enough; short
ones lie together with their neighbours. A chunk of one entry is called by its path of keys (`jobs.publish`,
`tool.ruff.lint`), one of several by what they stand in. Every non-blank line lies in some chunk, comments right above
an entry with it, and chunks are whole lines.

Ids: a chunk's place is its symbol, which of the chunks with this symbol it is, and its part.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping

from xtr_assets.core.chunking.config_names import ConfigStyle, config_style
from xtr_assets.core.chunking.config_outline import Entry, paragraphs
from xtr_assets.core.chunking.config_scans import (
    brace_outline,
    cmake_outline,
    docker_outline,
    ini_outline,
    make_outline,
    toml_outline,
)
from xtr_assets.core.chunking.config_trees import json_outline, yaml_outline
from xtr_assets.core.chunking.line_spans import Lines, Range, normalize_newlines, pack
from xtr_assets.core.chunking.text import chunk_text
from xtr_assets.core.ids import chunk_id
from xtr_assets.core.types import Chunk

# An entry that is longer is taken apart. With 2,000 fewer questions about five projects were answered, with 800 as many
# (docs/dev/trials.md, "The grain of configuration").
LONG = 1500
# One that is shorter lies with its neighbours, where it is none that stands apart.
SHORT = 250
# As many characters of neighbours lie together.
TOGETHER = 800
# Entries inside entries that are taken apart; what lies deeper is cut by lines.
MOST_DEPTH = 16

_OUTLINES: Mapping[ConfigStyle, Callable[[list[str]], list[Entry] | None]] = {
    "yaml": yaml_outline,
    "json": json_outline,
    "toml": toml_outline,
    "ini": ini_outline,
    "docker": docker_outline,
    "make": make_outline,
    "cmake": cmake_outline,
    "braces": brace_outline,
}
_HASH = re.compile(r"\s*#")
_COMMENTS: Mapping[ConfigStyle, re.Pattern[str]] = {
    "json": re.compile(r"\s*(?://|/\*|\*)"),
    "braces": re.compile(r"\s*(?://|/\*|\*)"),
    "ini": re.compile(r"\s*[#;]"),
}


def chunk_config(source: str, path: str, text: str, max_chars: int) -> Iterator[Chunk]:
    """Chunks of one file, in order of lines, kind `config`; how it is read goes by its name.

    A file that does not parse (a template, tabs in YAML) falls into paragraphs as plain text does.
    """
    text = normalize_newlines(text)
    lines = Lines(text)
    style = config_style(path) or "plain"
    outline = _OUTLINES[style](lines.lines) if style in _OUTLINES else list(paragraphs(lines.lines, 1, len(lines)))
    if outline is None:
        yield from chunk_text(source, path, text, max_chars, "plain")
        return
    comment = _COMMENTS.get(style, _HASH)
    seen: Counter[str] = Counter()
    for symbol, place in _Cover(lines, comment, min(LONG, max_chars)).pieces("", outline, (1, len(lines)), 0):
        occurrence = seen[symbol]
        seen[symbol] += 1
        for part, span in enumerate(pack(lines, _atoms(lines, place), max_chars)):
            yield Chunk(
                chunk_id=chunk_id(source, path, symbol, occurrence, part),
                source=source,
                path=path,
                symbol=symbol,
                kind="config",
                part=part,
                start_line=span.start,
                end_line=span.end,
                title=symbol,
                text=span.text,
            )


def _atoms(lines: Lines, place: Range) -> list[Range]:
    """The paragraphs of a place."""
    starts = [one.first for one in paragraphs(lines.lines, *place)]
    return [(first, last - 1) for first, last in zip(starts, [*starts[1:], place[1] + 1], strict=True)]


class _Cover:
    """The lines of a file as pieces of its entries."""

    def __init__(self, lines: Lines, comment: re.Pattern[str], long: int) -> None:
        self.lines, self.comment, self.long = lines, comment, long

    def pieces(self, symbol: str, entries: list[Entry], place: Range, depth: int) -> Iterator[tuple[str, Range]]:
        """(symbol, lines) of each piece of a place, in order; each line that is not blank lies in one. What stands
        above the first entry goes with it."""
        held: list[tuple[Entry, Range]] = []
        for entry, reach in self._reaches(entries, place):
            size = self.lines.size(*reach)
            torn = entry.children and depth < MOST_DEPTH
            torn = torn and (size > self.long or (size > SHORT and any(one.apart for one in entry.children)))
            alone = torn or entry.apart or size >= SHORT
            if held and (alone or self.lines.size(held[0][1][0], reach[1]) > min(TOGETHER, self.long)):
                yield self._together(symbol, held, place[0])
                held = []
            if torn:
                yield from self.pieces(_joined(symbol, entry.name), entry.children, reach, depth + 1)
            elif alone:
                yield _joined(symbol, entry.name), reach
            else:
                held.append((entry, reach))
        if held:
            yield self._together(symbol, held, place[0])

    def _reaches(self, entries: list[Entry], place: Range) -> Iterator[tuple[Entry, Range]]:
        """Each entry with its lines, from the comments right above it to the next one. Of several that begin on one
        line the last is meant where it goes on below, else none of them calls it."""
        begun: list[tuple[Entry, int]] = []
        for entry in entries:
            if begun and entry.first <= begun[-1][0].first:
                if entry.first == begun[-1][0].first:
                    goes_on = bool(entry.children) and entry.children[-1].first > entry.first
                    begun[-1] = (entry if goes_on else Entry(entry.first), begun[-1][1])
                continue
            first = self._above(entry.first, begun[-1][1]) if begun else place[0]
            if begun and first <= begun[-1][0].first:
                # What has no name and is comments right above what has one goes with it.
                if begun[-1][0].name:
                    first = begun[-1][0].first + 1
                else:
                    first = begun.pop()[1]
            begun.append((entry, first))
        if not begun:
            begun = [(Entry(place[0]), place[0])]
        ends = [*(first - 1 for _, first in begun[1:]), place[1]]
        for (entry, first), last in zip(begun, ends, strict=True):
            if (reach := self.lines.trim(first, last)) is not None:
                yield entry, reach

    def _above(self, first: int, least: int) -> int:
        """The first of the comments right above a line, indented as it is."""
        indent = _indent(self.lines.lines[first - 1])
        while first > least:
            line = self.lines.lines[first - 2]
            if not self.comment.match(line) or _indent(line) != indent:
                break
            first -= 1
        return first

    def _together(self, symbol: str, held: list[tuple[Entry, Range]], first: int) -> tuple[str, Range]:
        # What holds the line that names them all is called by it, also where it holds one value alone.
        opens = bool(symbol) and held[0][1][0] == first
        name = held[0][0].name if len(held) == 1 and (held[0][0].children or not opens) else ""
        return _joined(symbol, name), (held[0][1][0], held[-1][1][1])


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _joined(symbol: str, name: str) -> str:
    return f"{symbol}.{name}" if symbol and name else symbol or name
