"""Code of other languages into chunks: functions, methods, class headers and what lies between, by tree-sitter.

As for Python: a scope is a file, a class, a namespace, or a function that holds a definition too long for it. Its
definitions get chunks of their own, with what is written above them; what is left, its own code, falls into runs of
lines between them. Every non-blank line lies in some chunk, and chunks are whole lines: of two definitions that share a
line the second stays with the first. Lines that only close something go with what is above them.

Ids are placed as those of Python: a run after a definition by that definition's symbol, never by a count of runs.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from itertools import islice, takewhile
from operator import attrgetter
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from xtr_assets.core.chunking import code_parser, code_syntax
from xtr_assets.core.chunking.code_forms import FORMS
from xtr_assets.core.chunking.code_grammar import COMPONENTS, LANGUAGES, Language
from xtr_assets.core.chunking.code_syntax import Definition
from xtr_assets.core.chunking.component import SCRIPT, by_indentation, component
from xtr_assets.core.chunking.line_spans import Lines, Range, normalize_newlines, pack
from xtr_assets.core.chunking.python import MODULE_SYMBOL
from xtr_assets.core.chunking.text import chunk_text
from xtr_assets.core.ids import chunk_id
from xtr_assets.core.types import Chunk

if TYPE_CHECKING:
    from tree_sitter import Node

# Scopes inside scopes, and statements inside statements, that are taken apart; what lies deeper is cut by lines.
MOST_SCOPES, MOST_STATEMENTS = 16, 64

# Brackets, the words that close a block, and a comment that says which.
_CLOSES = r"[)\]};,\s]*[)\]}][)\]};,\s]*(?:(?://|/\*).*)?|(?:@?end|fi|done|esac|#\s*endif)\b.*"


def chunk_code(source: str, path: str, text: str, max_chars: int) -> Iterator[Chunk]:
    """Chunks of one file, in order of lines; the language goes by the suffix of `path`.

    A file that its parser makes nothing of (code_parser.parse) falls into paragraphs as plain text does. Raises
    ProviderError where the parsers are not installed, and Unparsable before any chunk.
    """
    text, suffix = normalize_newlines(text), PurePosixPath(path).suffix.lower()
    if suffix in COMPONENTS:
        yield from _component_chunks(source, path, text, suffix, max_chars)
        return
    parsed = code_parser.parse(text, suffix)
    if parsed is None:
        yield from chunk_text(source, path, text, max_chars, "plain")
        return
    root, language = parsed
    yield from _File(source, path, Lines(text), max_chars, language).chunks(root)


def _component_chunks(source: str, path: str, text: str, suffix: str, max_chars: int) -> Iterator[Chunk]:
    """Scripts as files of their language are; markup and styles in texts of their own, cut by their indentation."""
    found = component(text, suffix)
    parsed = code_parser.parse(found.script, found.suffix) if found.script.strip() else None
    language = LANGUAGES[found.suffix or ".js"] if parsed is None else parsed[1]
    closes = (*language.closes, "</script", "---")
    file = _File(source, path, Lines(text), max_chars, replace(language, closes=closes))
    for block in found.blocks:
        if block.kind == SCRIPT and parsed is not None:
            yield from file.chunks(parsed[0], block.place)
        else:
            yield from file.markup(MODULE_SYMBOL if block.kind == SCRIPT else block.kind, block.place)


@cache
def _signs(language: Language) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """How lines begin that are comments or blank, and lines that only close something, or are blank."""
    comments = ("//", "/*", "*", "#" if language.hash_comments else "--", *language.comments)
    closes = "|".join([_CLOSES, *(rf"{word}(?!\w).*" for word in language.closes)])
    return re.compile(rf"\s*(?:{'|'.join(map(re.escape, comments))}|$)"), re.compile(rf"\s*(?:{closes})?")


@dataclass(frozen=True, slots=True)
class _Scope:
    """What a stretch of lines belongs to. `title` stands before its first lines, `own` before all later ones."""

    node: Node
    symbol: str
    kind: str
    title: str
    own: str
    depth: int


@dataclass(slots=True)
class _Piece:
    """Lines of a scope: a definition, or the scope's own after the definition `anchor`."""

    first: int
    last: int
    definition: Definition | None
    anchor: str


class _File:
    """One pass over one file."""

    def __init__(self, source: str, path: str, lines: Lines, max_chars: int, language: Language) -> None:
        self.source, self.path, self.lines, self.max_chars, self.language = source, path, lines, max_chars, language
        self._comment, self._closing = _signs(language)
        self._forms = FORMS.get(language.grammar)
        self._seen: Counter[str] = Counter()
        self._outermost: list[Definition] | None = None
        # The last line that was looked into: a minified file is one.
        self._line = (-1, b"")
        self._of_node: dict[int, tuple[list[Node], list[int]]] = {}

    def chunks(self, root: Node, place: Range | None = None) -> Iterator[Chunk]:
        """Of all lines, or those of `place`."""
        return self._scope(_Scope(root, MODULE_SYMBOL, "module", "", "", 0), place or (1, len(self.lines)))

    def markup(self, symbol: str, place: Range) -> Iterator[Chunk]:
        """Lines that no parser reads."""
        if trimmed := self.lines.trim(*place):
            atoms = by_indentation(self.lines, trimmed, self.max_chars)
            yield from self._spans(symbol, symbol, "module", atoms, ("", ""))

    def _scope(self, scope: _Scope, place: Range) -> Iterator[Chunk]:
        for piece in self._pieces(scope, place):
            if piece.definition is not None:
                yield from self._definition(scope, piece.definition, (piece.first, piece.last))
            else:
                named = f"{scope.symbol} after {piece.anchor}" if piece.anchor else scope.symbol
                title = scope.own if piece.anchor else scope.title
                yield from self._run(scope, named, (piece.first, piece.last), title)

    def _definition(self, scope: _Scope, found: Definition, place: Range) -> Iterator[Chunk]:
        symbol = self._symbol(scope, found)
        holds = found.kind in ("class", "module")
        own = found.header if holds or not scope.own else f"{scope.own}: {found.header}"
        inner = _Scope(found.node, symbol, found.kind, scope.own, own, scope.depth + 1)
        if inner.depth >= MOST_SCOPES or (not holds and self.lines.size(*place) <= self.max_chars):
            yield from self._run(inner, symbol, place, scope.own)
        else:
            yield from self._scope(inner, place)

    def _symbol(self, scope: _Scope, found: Definition) -> str:
        return found.name if not scope.depth else f"{scope.symbol}{self.language.separator}{found.name}"

    def _pieces(self, scope: _Scope, place: Range) -> list[_Piece]:
        """The lines of a scope without blank ones at its ends, each in one piece."""
        pieces: list[_Piece] = []
        cursor, anchor = place[0], ""
        for found in self._separate(scope, place):
            if found.first < cursor:
                continue
            first = found.first
            run = self._after_closing(pieces, self.lines.trim(cursor, first - 1))
            if run is not None and anchor and self._comments(run):
                first = run[0]
            elif run is not None:
                pieces.append(_Piece(*run, None, anchor))
            pieces.append(_Piece(first, found.last, found, anchor))
            cursor, anchor = found.last + 1, self._symbol(scope, found)
        rest = self._after_closing(pieces, self.lines.trim(cursor, place[1]))
        if rest is not None:
            pieces.append(_Piece(*rest, None, anchor))
        return pieces

    def _separate(self, scope: _Scope, place: Range) -> Iterator[Definition]:
        """Definitions with chunks of their own: all of a class or a file, of a function those that are too long."""
        every = scope.kind in ("class", "module")
        opens, floor = code_syntax.first_line(scope.node) if scope.depth else 0, place[0] - 1
        for found in self._definitions(scope, place):
            # The line on which a scope opens is its own.
            inside = found.first > opens and found.last <= place[1]
            if inside and (every or self.lines.size(found.first, found.last) > self.max_chars):
                first = max(found.first, floor + 1)
                if first <= code_syntax.first_line(found.node):
                    yield Definition(first, found.last, found.name, found.kind, found.header, found.node)
                    floor = found.last

    def _definitions(self, scope: _Scope, place: Range) -> Iterator[Definition]:
        """Those of a scope that reach into the lines; of a file, whose lines may be of many scripts, kept."""
        if scope.depth or self._outermost is None:
            found = code_syntax.definitions(scope.node, scope.kind == "class", self._forms)
            whole = (one for one in found if self._forms is None or not self._begins_in_word(one.node))
            if scope.depth:
                return whole
            self._outermost = list(whole)
        first = bisect_left(self._outermost, place[0], key=attrgetter("last"))
        return takewhile(lambda one: one.first <= place[1], islice(self._outermost, first, None))

    def _begins_in_word(self, node: Node) -> bool:
        """A grammar that knows the letters of ASCII alone takes the rest of `\u00fcber` for a name."""
        row, column = node.start_point
        if not column:
            return False
        if self._line[0] != row:
            self._line = (row, self.lines.lines[row].encode())
        around = self._line[1][max(0, column - 4) : column + 4].decode(errors="ignore")
        before = self._line[1][max(0, column - 4) : column].decode(errors="ignore")
        return before[-1:].isalnum() and around[len(before) : len(before) + 1].isalnum()

    def _after_closing(self, pieces: list[_Piece], run: Range | None) -> Range | None:
        """What is left of a run when lines that only close something went to the definition above them."""
        if run is None or not pieces or pieces[-1].definition is None:
            return run
        first, last = run
        while first <= last and self._closing.fullmatch(self.lines.lines[first - 1][:200]):
            first += 1
        if first > run[0]:
            closed = self.lines.trim(run[0], first - 1)
            pieces[-1].last = closed[1] if closed else pieces[-1].last
        return self.lines.trim(first, last)

    def _comments(self, run: Range) -> bool:
        return all(self._comment.match(line) for line in self.lines.lines[run[0] - 1 : run[1]])

    def _run(self, scope: _Scope, named: str, place: Range, title: str) -> Iterator[Chunk]:
        whole = self.lines.size(*place) <= self.max_chars
        atoms = [place] if whole else self._atoms(scope.node, place, 0)
        yield from self._spans(named, scope.symbol, scope.kind, atoms, (title, scope.own))

    def _spans(
        self, named: str, symbol: str, kind: str, atoms: list[Range], titles: tuple[str, str]
    ) -> Iterator[Chunk]:
        """`titles` : of the first chunk, and of the others."""
        occurrence = self._seen[named]
        self._seen[named] += 1
        for part, span in enumerate(pack(self.lines, atoms, self.max_chars)):
            yield Chunk(
                chunk_id=chunk_id(self.source, self.path, named, occurrence, part),
                source=self.source,
                path=self.path,
                symbol=symbol,
                kind=kind,
                part=part,
                start_line=span.start,
                end_line=span.end,
                title=titles[part > 0],
                text=span.text,
            )

    def _atoms(self, node: Node, place: Range, depth: int) -> list[Range]:
        """Cover the lines of `place`: the parts of a node that fit whole, of longer ones theirs."""
        atoms: list[Range] = []
        cursor, end = place
        children, lasts = self._children(node)
        for number in range(bisect_left(lasts, cursor), len(children)):
            child = children[number]
            if cursor > end or code_syntax.first_line(child) > end:
                break
            last = min(lasts[number], end)
            if last < cursor:
                continue
            if self.lines.size(cursor, last) <= self.max_chars or depth >= MOST_STATEMENTS:
                atoms.append((cursor, last))
            else:
                atoms += self._atoms(child, (cursor, last), depth + 1)
            cursor = last + 1
        if cursor <= end:
            atoms.append((cursor, end))
        return atoms

    def _children(self, node: Node) -> tuple[list[Node], list[int]]:
        """The children of a node that have names, and the last line of each. Kept: a file of many runs between its
        definitions asks for each of them."""
        if node.id not in self._of_node:
            children = node.named_children
            self._of_node[node.id] = children, [code_syntax.last_line(child) for child in children]
        return self._of_node[node.id]
