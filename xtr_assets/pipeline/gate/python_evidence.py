"""A second reading of Python files by `ast` and `tokenize`: where each definition stands and what it is called."""

import ast
import io
import re
import tokenize
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from xtr_assets.pipeline.gate.text_evidence import Row, is_of_hosts, part_faults, place_id, runs_of

_MODULE = "<module>"


def python_text_of(data: bytes) -> str | None:
    """The source text in the encoding that it declares; None for what is no text."""
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        if is_of_hosts(encoding):
            return None
        text = data.decode(encoding)
        text.encode("utf-8")
    except (SyntaxError, LookupError, ValueError):
        return None
    return None if "\0" in text else text


def tree_of(text: str) -> ast.Module | None:
    """The syntax tree; None where Python's parser refuses the text."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None


@dataclass(frozen=True, slots=True)
class Definition:
    """A class, function or method: its dotted name, its lines with decorators, the line of its name.

    inside, own : patterns of what titles say of the scope it stands in, and of itself. apart : whether it stands in
    modules and classes only, so that it always has a chunk of its own.
    """

    symbol: str
    kind: str
    first: int
    last: int
    line: int
    name: str
    inside: str
    own: str
    apart: bool


def definitions_of(tree: ast.Module, lines: Sequence[str]) -> list[Definition]:
    """Every definition of a file, by line."""
    marks = _marks(lines)
    found: list[Definition] = []
    # (node, prefix of names, what titles say of the scope, whether that is a class, whether definitions stand apart)
    waiting: list[tuple[ast.AST, str, str, bool, bool]] = [(tree, "", "", False, True)]
    while waiting:
        node, prefix, inside, in_class, apart = waiting.pop()
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                one = _definition(child, prefix, inside, in_class, apart, marks)
                found.append(one)
                is_class = isinstance(child, ast.ClassDef)
                waiting.append((child, f"{one.symbol}.", one.own, is_class, apart and is_class))
            elif isinstance(child, ast.stmt | ast.excepthandler | ast.match_case):
                waiting.append((child, prefix, inside, in_class, apart))
    return sorted(found, key=lambda one: (one.line, one.last))


# Where the sign of a decorator stands on another line than what it names: the tree says nothing of the sign.
_MARK_ALONE = re.compile(r"\s*@[\s(]*(?:\\|\(\s*(?:#.*)?)$")


def _marks(lines: Sequence[str]) -> dict[int, int]:
    """By the line of a definition's keyword, the line of its first `@`; only where one stands alone, by the tokens."""
    if not any(_MARK_ALONE.match(line) for line in lines):
        return {}
    marks: dict[int, int] = {}
    mark, opens = 0, True  # The line of the first @ since the last statement; whether a statement begins here.
    for token in tokenize.generate_tokens(io.StringIO("\n".join(lines)).readline):
        if token.type in (tokenize.COMMENT, tokenize.NL, tokenize.INDENT, tokenize.DEDENT):
            continue
        if opens and token.string == "@":
            mark = mark or token.start[0]
        elif opens:
            if mark:
                marks[token.start[0]] = mark
            mark = 0
        opens = token.type == tokenize.NEWLINE
    return marks


def _definition(
    node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef,
    prefix: str,
    inside: str,
    in_class: bool,
    apart: bool,
    marks: Mapping[int, int],
) -> Definition:
    symbol = f"{prefix}{node.name}"
    if isinstance(node, ast.ClassDef):
        kind, own = "class", re.escape(f"class {symbol}")
    else:
        kind = "method" if in_class else "function"
        keyword = "async def" if isinstance(node, ast.AsyncFunctionDef) else "def"
        written = re.escape(f"{keyword} {node.name}(") + r".*\)"
        own = f"{inside}: {written}" if inside else written
    first = min([node.lineno, marks.get(node.lineno, node.lineno), *(one.lineno for one in node.decorator_list)])
    last = node.end_lineno or node.lineno
    return Definition(symbol, kind, first, last, node.lineno, node.name, inside, own, apart)


def symbol_faults(path: str, tree: ast.Module, lines: Sequence[str], rows: Sequence[Row]) -> Iterator[str]:
    """Symbols, kinds, titles and ids of a module, against the definitions that stand in it."""
    found = definitions_of(tree, lines)
    by_place: dict[tuple[str, str], list[Definition]] = defaultdict(list)
    for one in found:
        by_place[one.symbol, one.kind].append(one)
    seen: Counter[str] = Counter()
    runs = runs_of(rows)
    yield from part_faults(runs)
    for run in runs:
        symbol, kind = run[0]["symbol"], run[0]["kind"]
        start, end = run[0]["start_line"], run[-1]["end_line"]
        here = [one for one in by_place[symbol, kind] if one.first <= end and start <= _reach(one, lines)]
        if not here and (symbol, kind) != (_MODULE, "module"):
            yield f"no {kind} {symbol!r} stands at lines {start} to {end}"
            continue
        named = _place_of(path, run[0], symbol, seen, found)
        if named is None:
            yield f"{symbol!r} at line {start}: chunk_id {run[0]['chunk_id']} is another place's"
            continue
        occurrence = seen[named]
        seen[named] += 1
        for row in run:
            where = f"{symbol!r} part {row['part']}"
            if row["chunk_id"] != place_id(row["source"], path, named, occurrence, row["part"]):
                yield f"{where}: chunk_id {row['chunk_id']} is another place's"
            if row["metadata"] != "{}" or row["kind"] != kind:
                yield f"{where}: kind {row['kind']!r}, metadata {row['metadata']}"
            if not _titled(row, here, later=named != symbol or row["part"] > 0):
                yield f"{where}: its title is {row['title']!r}"
    yield from _unnamed(found, rows, _comments(tree, lines))


def _reach(one: Definition, lines: Sequence[str]) -> int:
    """The last line that may belong to a definition: statements right below a function do, up to a blank line."""
    last = one.last
    while one.kind != "class" and last < len(lines) and lines[last].strip():
        last += 1
    return last


def _place_of(path: str, row: Row, symbol: str, seen: Counter[str], found: Sequence[Definition]) -> str | None:
    """What a text is placed by: its symbol, or its symbol after a definition that ends above it."""
    if row["chunk_id"] == place_id(row["source"], path, symbol, seen[symbol], 0):
        return symbol
    above = [one for one in found if one.last < row["start_line"]]
    for one in sorted(above, key=lambda one: -one.last):
        named = f"{symbol} after {one.name}"
        if row["chunk_id"] == place_id(row["source"], path, named, seen[named], 0):
            return named
    return None


def _titled(row: Row, here: Sequence[Definition], *, later: bool) -> bool:
    if not here:
        return bool(row["title"] == "")
    return any(re.fullmatch(one.own if later else one.inside, row["title"]) for one in here)


def _comments(tree: ast.Module, lines: Sequence[str]) -> set[int]:
    """Lines that are comments and nothing else; none within a string."""
    found = {number for number, line in enumerate(lines, 1) if line.lstrip().startswith("#")}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant | ast.JoinedStr) and (node.end_lineno or 0) > node.lineno:
            found.difference_update(range(node.lineno, (node.end_lineno or 0) + 1))
    return found


def _unnamed(found: Sequence[Definition], rows: Sequence[Row], comments: set[int]) -> Iterator[str]:
    """Definitions of modules and classes whose own line, first decorator, or comment right above, lies in a chunk of
    another name."""
    owner = {number: row for row in rows for number in range(row["start_line"], row["end_line"] + 1)}
    for one in found:
        above, line = set[int](), one.first - 1
        while line in comments:
            above.add(line)
            line -= 1
        for line in sorted({one.line, one.first} | above) if one.apart else ():
            row = owner.get(line)
            if row is not None and (row["symbol"], row["kind"]) != (one.symbol, one.kind):
                yield f"{one.kind} {one.symbol!r} of line {line} lies in the chunk of {row['symbol']!r}"
