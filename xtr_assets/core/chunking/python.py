"""Python source into chunks: functions, methods, class headers and module code, by the syntax tree.

A *scope* is a module, a class, or a function that holds a definition too long for it. Its definitions get chunks of
their own; what is left, its own code, falls into *runs* of lines between them: the header (docstring, imports, class
attributes) and what stands after each definition. Every non-blank line of the file lies in some chunk:

- Comments right above a definition belong to it, and so do lines between two definitions that hold no statement
  (`else:`, `try:`, a comment further up). Simple statements right below a function, without a blank line, belong to
  it too (`__radd__ = __add__`, `dispatch[MARK] = load_mark`): alone they would be found by nothing.
- A nested function or class stays in the text of its function, unless it is itself longer than max_chars.
- What is longer than max_chars is split at statement borders into numbered parts; a statement that is too long by
  itself at line borders, and a line that is too long at sentence or character borders.

Ids: a run after a definition is placed by that definition's name, not by a count, and a redefined symbol by its
occurrence. So an edit inside one definition, or one more definition elsewhere, changes no other chunk's id.
"""

import ast
from collections import Counter
from collections.abc import Iterator

from xtr_assets.core.chunking import python_syntax
from xtr_assets.core.chunking.line_spans import Lines, Range, normalize_newlines, pack
from xtr_assets.core.chunking.python_syntax import Definition, Member
from xtr_assets.core.ids import chunk_id
from xtr_assets.core.types import Chunk

MODULE_SYMBOL = "<module>"


def chunk_python(source: str, path: str, text: str, max_chars: int) -> Iterator[Chunk]:
    """Chunks of one module, in order of lines; a file of blank lines has none.

    Parameters
    ----------
    text : str
        The decoded file without its byte order mark. Chunks hold its lines verbatim, newlines as LF.
    max_chars : int
        Upper bound of `len(chunk.text)`.

    Raises
    ------
    SyntaxError, ValueError, RecursionError, MemoryError
        Before the first chunk, for what Python's parser refuses.
    """
    text = normalize_newlines(text)
    tree = python_syntax.parse(text)
    yield from _Module(source, path, Lines(text), max_chars).chunks(tree)


class _Module:
    """One pass over one file."""

    def __init__(self, source: str, path: str, lines: Lines, max_chars: int) -> None:
        self.source, self.path, self.lines, self.max_chars = source, path, lines, max_chars
        self._seen: Counter[str] = Counter()

    def chunks(self, tree: ast.Module) -> Iterator[Chunk]:
        return self._scope(tree.body, (1, len(self.lines)), MODULE_SYMBOL, "module", "", "", "")

    def _definition(self, node: Definition, place: Range, scope: str, context: str, in_class: bool) -> Iterator[Chunk]:
        """`scope` prefixes the symbol ("date."), `context` is the title: what the definition stands in."""
        symbol = f"{scope}{node.name}"
        if isinstance(node, ast.ClassDef):
            return self._scope(node.body, place, symbol, "class", context, f"class {symbol}", f"{symbol}.")
        kind = "method" if in_class else "function"
        if self.lines.size(*place) <= self.max_chars:
            return self._run(symbol, symbol, kind, place, [], context, context)
        own = f"{context}: {python_syntax.signature(node)}" if context else python_syntax.signature(node)
        return self._scope(node.body, place, symbol, kind, context, own, f"{symbol}.")

    def _first(self, statement: ast.stmt) -> int:
        return python_syntax.first_line(statement, self.lines.lines)

    def _separate(self, kind: str, node: Definition) -> bool:
        if kind in ("module", "class"):
            return True
        return self.lines.size(self._first(node), python_syntax.last_line(node)) > self.max_chars

    def _scope(
        self, body: list[ast.stmt], place: Range, symbol: str, kind: str, title: str, own: str, prefix: str
    ) -> Iterator[Chunk]:
        """Runs and definitions in order. `title` stands before the scope's first lines, `own` before all later ones."""
        cursor, anchor = place[0], ""
        units: list[Member] = []
        found = list(python_syntax.members(body, self.lines.lines, lambda node: self._separate(kind, node)))
        for index, member in enumerate(found):
            if member.node is None:
                if member.last >= cursor:
                    units.append(member)
                continue
            first = self._with_comments(member.first, units[-1].last if units else cursor - 1)
            last = _with_statements_below(found, index)
            run = self.lines.trim(cursor, first - 1)
            if run is not None:
                if units or not anchor:
                    yield from self._own_run(symbol, anchor, kind, run, units, title, own)
                else:
                    first = run[0]
            yield from self._definition(member.node, (first, last), prefix, own, kind == "class")
            cursor, anchor, units = last + 1, member.node.name, []
        rest = self.lines.trim(cursor, place[1])
        if rest is not None:
            yield from self._own_run(symbol, anchor, kind, rest, units, title, own)

    def _own_run(
        self, symbol: str, anchor: str, kind: str, place: Range, units: list[Member], title: str, own: str
    ) -> Iterator[Chunk]:
        """A run of a scope's own code, placed by the definition above it. No symbol of Python has a space in it."""
        named = f"{symbol} after {anchor}" if anchor else symbol
        return self._run(symbol, named, kind, place, units, own if anchor else title, own)

    def _run(
        self, symbol: str, named: str, kind: str, place: Range, units: list[Member], title: str, later: str
    ) -> Iterator[Chunk]:
        occurrence = self._seen[named]
        self._seen[named] += 1
        if self.lines.size(*place) <= self.max_chars:
            atoms = [place]
        else:
            atoms = self._atoms(place, [unit.statement for unit in units])
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
                title=later if part else title,
                text=span.text,
            )

    def _atoms(self, place: Range, statements: list[ast.stmt]) -> list[Range]:
        """Cover the lines of `place`: a statement with the comments above it, or its inner statements if too long."""
        atoms: list[Range] = []
        cursor, end = place
        for statement in statements:
            last = min(python_syntax.last_line(statement), end)
            if last < cursor:
                continue
            first = max(cursor, self._first(statement))
            inner = python_syntax.inner_statements(statement)
            if self.lines.size(cursor, last) <= self.max_chars:
                atoms.append((cursor, last))
            elif inner and self.lines.size(first, last) > self.max_chars:
                atoms += self._atoms((cursor, last), inner)
            else:
                if cursor < first:
                    atoms.append((cursor, first - 1))
                atoms.append((first, last))
            cursor = last + 1
        if cursor <= end:
            atoms.append((cursor, end))
        return atoms

    def _with_comments(self, first: int, floor: int) -> int:
        """First line of the unbroken block of comments right above a definition, never at or above `floor`."""
        while first - 1 > floor and self.lines.lines[first - 2].lstrip().startswith("#"):
            first -= 1
        return first


def _with_statements_below(found: list[Member], index: int) -> int:
    """Last line of a definition and of the simple statements that touch it; a class takes none."""
    last = found[index].last
    if isinstance(found[index].node, ast.ClassDef):
        return last
    for number in range(index + 1, len(found)):
        member = found[number]
        if member.node is not None or member.first > last + 1 or python_syntax.inner_statements(member.statement):
            break
        last = max(last, member.last)
    return last
