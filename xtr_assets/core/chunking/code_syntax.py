"""Syntax trees of tree-sitter, as the chunker reads them: validity, definitions, their names and headers."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xtr_assets.core.chunking.code_depth import MOST_NESTED, deepest
from xtr_assets.core.chunking.code_grammar import (
    ABOVE,
    BODIES,
    BOUND,
    CLASSES,
    CPP,
    FUNCTION_VALUES,
    FUNCTIONS,
    HEADERS,
    LANGUAGES,
    MODULES,
    NEED_BODY,
    THROUGH,
    WHOLE_FUNCTIONS,
    WRAPPERS,
    Language,
)
from xtr_assets.core.errors import ProviderError

if TYPE_CHECKING:
    from tree_sitter import Node, Parser

# Of a file more than this share of which is no code of its language the tree says nothing: a template, a dump, another
# language under this suffix. C with many macros stays below a tenth.
MOST_ERRORS = 0.3
# A name is a line's worth at most, a header no more than what MAX_SIGNATURE_CHARS is for Python.
MAX_NAME_CHARS, MAX_HEADER_CHARS = 120, 160

# Seconds of CPU for one file. 2 MiB of code take 1 s; what is built so that a parser takes hours (a chain of 200,000
# `else` in Scala) is left out, and the next file read.
MOST_SECONDS = 20.0
# The parser asks for the text in such slices, for some languages once a token: with 64 KiB Scala took 9 times as long.
_SLICE = 512

_OPENS = re.compile(r"\s*(?:\{|=>|=|:)$")


@dataclass(frozen=True, slots=True)
class Definition:
    """A function, class or namespace on lines first..last, what is written above it included.

    name : as the language writes it, with the type that a method is declared for outside of it. header : its first
    words up to its body, on one line.
    """

    first: int
    last: int
    name: str
    kind: str
    header: str
    node: Node


class Unparsable(Exception):
    """What no parser is given, or what it does not come to an end with; `detail` has the figure and the limit."""

    def __init__(self, line: int, detail: str) -> None:
        super().__init__(detail)
        self.line, self.detail = line, detail


def require() -> None:
    """Raises ProviderError where the parsers are not installed."""
    try:
        import tree_sitter_language_pack  # noqa: F401
    except ImportError as error:
        raise ProviderError(
            "sources of kind `code` need the parsers of tree-sitter, which are not installed; "
            "install them with: pip install 'xtr-assets[code]'"
        ) from error


def parse(text: str, suffix: str) -> tuple[Node, Language] | None:
    """The tree of a text; None where its language is not known, or most of it is not code of that language.

    Unparsable where brackets stand too deep inside each other, or where the parser takes too long.
    """
    language = LANGUAGES.get(suffix)
    if language is None:
        return None
    depth, line = deepest(text)
    if depth > MOST_NESTED:
        detail = f"{depth:,} brackets stand inside each other, at most {MOST_NESTED} are parsed; exclude the file"
        raise Unparsable(line, detail)
    data = text.encode()
    root, errors = _tree(data, language)
    if suffix in HEADERS and errors:
        other, fewer = _tree(data, CPP)
        if fewer < errors:
            root, errors, language = other, fewer, CPP
    return None if errors > MOST_ERRORS * len(data) else (root, language)


def _tree(data: bytes, language: Language) -> tuple[Node, int]:
    """(root, bytes that lie in errors)."""
    root = _parsed(data, language.grammar)
    if not root.has_error:
        return root, 0
    errors, waiting = 0, [root]
    while waiting:
        node = waiting.pop()
        if node.is_error:
            errors += node.end_byte - node.start_byte
        elif node.has_error:
            waiting.extend(node.children)
    return root, errors


def _parsed(data: bytes, grammar: str) -> Node:
    end, late = time.thread_time() + MOST_SECONDS, False

    def slices(at: int, _point: object) -> bytes:
        return data[at : at + _SLICE]

    def stop(_at: int, _failed: bool) -> bool:
        nonlocal late
        late = time.thread_time() > end
        return late

    try:
        return _parser(grammar).parse(slices, progress_callback=stop).root_node
    except ValueError:
        if not late:
            raise
        detail = (
            f"the parser of {grammar} took more than {MOST_SECONDS:.0f} s for {len(data):,} bytes; exclude the file"
        )
        raise Unparsable(0, detail) from None


def _parser(grammar: str) -> Parser:
    require()
    from tree_sitter_language_pack import get_parser

    return get_parser(grammar)  # type: ignore[arg-type]


def first_line(node: Node) -> int:
    return int(node.start_point[0]) + 1


def last_line(node: Node) -> int:
    """A node that ends with the line's end ends on that line."""
    row, column = node.end_point
    return int(row) + (1 if column or row == node.start_point[0] else 0)


def definitions(scope: Node, in_class: bool) -> Iterator[Definition]:
    """The definitions right inside a node, in order; those inside them are theirs. No recursion: trees may be deep."""
    waiting: list[Iterator[tuple[Node, int]]] = [_with_above(scope, 0)]
    while waiting:
        node, begin = next(waiting[-1], (None, 0))
        if node is None:
            waiting.pop()
            continue
        found = _definition(node, begin, in_class)
        if found is not None:
            yield found
        elif node.is_named and node.type in THROUGH:
            waiting.append(_with_above(node, begin if node.type in WRAPPERS else 0))


def _with_above(node: Node, inherited: int) -> Iterator[tuple[Node, int]]:
    """The children, each with the line where what is written above it begins; `inherited` is that of the parent."""
    above = until = 0
    for child in node.children:
        first = first_line(child)
        if child.type in ABOVE:
            # A comment behind code of its own line speaks of that.
            if not above or first > until + 1:
                above = first
            until = last_line(child)
            continue
        begin = above if above and until >= first - 1 else first
        yield child, min(begin, inherited or begin)
        if child.is_named and child.type not in ("visibility_modifier", "modifiers"):
            inherited = 0
        above = 0


def _definition(node: Node, begin: int, in_class: bool) -> Definition | None:
    if not node.is_named:
        return None
    kind, value = node.type, node
    if kind in BOUND:
        name_field, value_field = BOUND[kind]
        bound = node.child_by_field_name(value_field)
        named = node.child_by_field_name(name_field)
        # One line of an arrow function is a constant like others.
        if bound is None or named is None or last_line(bound) == first_line(node):
            return None
        if bound.type not in FUNCTION_VALUES and bound.type != "class":
            return None
        name = _text(named)
        kind = "class" if bound.type == "class" else ("method" if in_class else "function")
        value = bound
    elif kind in WHOLE_FUNCTIONS or (kind in FUNCTIONS and _body(node) is not None):
        name, kind = _name(node), "method" if in_class or kind == "singleton_method" else "function"
        if receiver := _receiver(node):
            name, kind = f"{receiver}.{name}", "method"
    elif kind in CLASSES or kind in MODULES:
        if kind in NEED_BODY and _body(_typed(node)) is None:
            return None
        name, kind = _name(node), "module" if kind in MODULES else "class"
    else:
        return None
    if not name:
        return None
    return Definition(begin, last_line(node), name, kind, _header(node, _typed(value), name), node)


def _typed(node: Node) -> Node:
    """Of a typedef the struct in it."""
    inner = node.child_by_field_name("type") if node.type == "type_definition" else None
    return node if inner is None else inner


def _body(node: Node) -> Node | None:
    body = node.child_by_field_name("body")
    if body is not None:
        return body
    return next((child for child in node.children if child.type in BODIES or child.type.endswith("_body")), None)


def _header(node: Node, value: Node, name: str) -> str:
    """The lines of the name up to the body; annotations above them may be long. The name is always in it."""
    data, body = node.text or b"", _body(value)
    end = len(data) if body is None else max(0, body.start_byte - node.start_byte)
    named = node.child_by_field_name("name")
    start = 0 if named is None else data.rfind(b"\n", 0, max(0, named.start_byte - node.start_byte)) + 1
    header = " ".join(data[start:end][: 4 * MAX_HEADER_CHARS].decode(errors="ignore").split())
    header = _OPENS.sub("", header) if body is not None else header.split("{")[0].split(";")[0].strip()
    if len(header) > MAX_HEADER_CHARS:
        header = header[:MAX_HEADER_CHARS].rsplit(" ", 1)[0]
    last = re.split(r"::|\.", name)[-1]
    return header if last in header else f"{header} {last}".strip()


# Definitions that are called by what they are.
_CALLED = {
    "companion_object": "Companion",
    "init_declaration": "init",
    "deinit_declaration": "deinit",
    "secondary_constructor": "constructor",
    "conversion_operator_declaration": "operator",
    "operator_declaration": "operator",
}
_NAMES = frozenset(
    {"identifier", "simple_identifier", "type_identifier", "object_reference", "field_identifier", "constant"}
)


def _name(node: Node) -> str:
    """The name as written, without type arguments."""
    if node.type == "impl_item":
        return _plain(node.child_by_field_name("type"))
    named = node.child_by_field_name("name")
    if named is None:
        named = _declared(node)
    if named is None and node.type not in _CALLED:
        named = next((child for child in node.children if child.type in _NAMES), None)
    if named is None:
        return _CALLED.get(node.type, "")
    name = _plain(named)
    return f"~{name}" if node.type == "destructor_declaration" else name


def _declared(node: Node) -> Node | None:
    """What a declarator of C declares: inside pointers, references and parameter lists."""
    found = node.child_by_field_name("declarator")
    while found is not None:
        inner = found.child_by_field_name("declarator")
        if inner is None and found.type in ("reference_declarator", "parenthesized_declarator"):
            inner = next((child for child in found.named_children), None)
        if inner is None:
            return found
        found = inner
    return None


def _receiver(node: Node) -> str:
    """The type that a method of Go is declared for."""
    receiver = node.child_by_field_name("receiver") if node.type == "method_declaration" else None
    waiting = [] if receiver is None else [receiver]
    while waiting:
        one = waiting.pop()
        if one.type == "type_identifier":
            return _text(one)
        waiting.extend(reversed(one.named_children))
    return ""


def _plain(node: Node | None) -> str:
    name = _text(node) if node is not None else ""
    if "operator" in name:
        return name
    # Where a macro confuses the parser, what it takes for a part of the name stands before a space.
    return "".join(name.split("<")[0].split()[-1:])


def _text(node: Node) -> str:
    return " ".join((node.text or b"")[: 4 * MAX_NAME_CHARS].decode(errors="ignore").split())[:MAX_NAME_CHARS]
