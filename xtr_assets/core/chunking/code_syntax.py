"""Syntax trees of tree-sitter, as the chunker reads them: definitions, their names and headers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from xtr_assets.core.chunking.code_grammar import (
    ABOVE,
    BEFORE,
    BODIES,
    BOUND,
    CLASS_VALUES,
    CLASSES,
    FUNCTION_VALUES,
    FUNCTIONS,
    IMPORTS,
    LINE_HEADED,
    MODULES,
    NEED_BODY,
    THROUGH,
    WHOLE_FUNCTIONS,
    WRAPPERS,
)
from xtr_assets.core.chunking.node_form import Forms

if TYPE_CHECKING:
    from tree_sitter import Node

# A name is a line's worth at most, a header no more than what MAX_SIGNATURE_CHARS is for Python.
MAX_NAME_CHARS, MAX_HEADER_CHARS = 120, 160

_SIGNS = re.compile(r"\boperator\b[^\w\s(]*|[<>]|\w+|.", re.DOTALL)
_OPERATOR = re.compile(r"operator\b")
_OPENS = re.compile(r"\s*(?:\{|=>|=|:)$")
_LINE_OPENS = re.compile(r"\s*(?:[{(,=;]|\bdo|->|=\s*(?:struct|sig|object|begin))$")


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


def first_line(node: Node) -> int:
    return int(node.start_point[0]) + 1


def last_line(node: Node) -> int:
    """A node that ends with the line's end ends on that line."""
    row, column = node.end_point
    return int(row) + (1 if column or row == node.start_point[0] else 0)


def definitions(scope: Node, in_class: bool, forms: Forms | None = None) -> Iterator[Definition]:
    """The definitions right inside a node, in order; those inside them are theirs. No recursion: trees may be deep.

    forms : those of a language with a table of its own.
    """
    above, last = ABOVE if forms is None else ABOVE | forms.above, None
    offside = forms is not None and forms.offside
    waiting: list[Iterator[tuple[Node, int]]] = [_with_above(scope, 0, above, offside=offside)]
    while waiting:
        node, begin = next(waiting[-1], (None, 0))
        if node is None:
            waiting.pop()
            continue
        # The struct of a typedef is that typedef's, whose name comes at its end.
        typed = scope.type == "type_definition" and node.parent == scope
        found = None if typed else _defined(node, begin, in_class, forms)
        if last is not None and node.is_named and not (found is not None and _is_clause(last, found, forms)):
            yield last
            last = None
        if found is not None:
            last = found if last is None else replace(last, last=found.last)
        elif typed or _is_through(node, forms):
            inherited = begin if forms is not None or node.type in WRAPPERS else 0
            waiting.append(_with_above(node, inherited, above, same_line=forms is not None, offside=offside))
    if last is not None:
        yield last


def _is_clause(last: Definition, found: Definition, forms: Forms | None) -> bool:
    """Whether a definition goes on with the last one."""
    return forms is not None and forms.clauses and found.kind in ("function", "method") and last.name == found.name


def _is_through(node: Node, forms: Forms | None) -> bool:
    if forms is not None:
        return node.is_named and node.type in forms.through
    return node.is_named and (node.type in THROUGH or node.type in MODULES)  # A namespace without a name.


def _with_above(
    node: Node, inherited: int, types: frozenset[str], *, same_line: bool = False, offside: bool = False
) -> Iterator[tuple[Node, int]]:
    """The children, each with the line where what is written above it begins; `inherited` is that of the parent, with
    same_line only for what begins on its line. offside : what is written above one may be the end of the one before."""
    above = until = 0
    for child in node.children:
        first = first_line(child)
        if child.type in types:
            # A comment behind code of its own line speaks of that.
            if not above or first > until + 1:
                # What stands above the first of them stands above what they belong to.
                above = inherited if inherited and first == first_line(node) else first
            # Documentation in a syntax of its own has an empty line after it.
            until = last_line(child) + (child.type == "pod")
            continue
        if child.type == "\n":
            continue
        begin = above if above and until >= first - 1 else first
        yield child, begin if same_line and first != first_line(node) else min(begin, inherited or begin)
        if child.is_named and child.type not in BEFORE:
            inherited = 0
        ends_in_them = offside or child.type in IMPORTS
        above, until = _remarks_below(child, types) if ends_in_them else (0, until)


def _remarks_below(node: Node, types: frozenset[str]) -> tuple[int, int]:
    """The lines of comments that end a node and begin no farther right than it does; 0 where it has none."""
    column, last = node.start_point[1], node
    while last.child_count and last.type not in types:
        last = last.children[-1]
    first = until = 0
    found: Node | None = last
    while found is not None and found.type in types and found.start_point[1] <= column:
        before = found.prev_sibling
        behind_code = before is not None and before.end_point[0] == found.start_point[0] and before.end_point[1]
        if behind_code or found.start_point[0] == node.start_point[0] or (first and last_line(found) < first - 1):
            break
        first, until = first_line(found), until or last_line(found)
        found = before
    return first, until


def _defined(node: Node, begin: int, in_class: bool, forms: Forms | None) -> Definition | None:
    if forms is None:
        return _definition(node, begin, in_class)
    reading = forms.readings.get(node.type) if node.is_named else None
    form = None if reading is None else reading(node)
    if form is None:
        return None
    kind = "method" if in_class and form.kind == "function" else form.kind
    below = _remarks_below(node, ABOVE | forms.above)[0] if forms.offside else 0
    last = below - 1 if below > last_line(form.named) else last_line(node)
    return Definition(begin, last, form.name, kind, _line_of(form.named, form.whole, form.name), node)


def _line_of(named: Node, whole: Node, name: str) -> str:
    """The line of a definition that holds its name, without what opens its body."""
    data, at = whole.text or b"", max(0, named.start_byte - whole.start_byte)
    start, end = data.rfind(b"\n", 0, at) + 1, data.find(b"\n", at)
    line = data[start : end if end >= 0 else len(data)][: 4 * MAX_HEADER_CHARS].decode(errors="ignore")
    return _shortened(_LINE_OPENS.sub("", " ".join(line.split())), name)


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
        holds = bound.type in CLASS_VALUES and (bound.type != "object" or _holds_functions(bound))
        if bound.type not in FUNCTION_VALUES and not holds:
            return None
        name = _text(named).strip("'\"")
        kind = "class" if holds else ("method" if in_class else "function")
        value = bound
    elif kind in WHOLE_FUNCTIONS or (kind in FUNCTIONS and _body(node) is not None):
        name, kind = _name(node), "method" if in_class or kind == "singleton_method" else "function"
        if receiver := _receiver(node):
            name, kind = f"{receiver}.{name}", "method"
        name = _of_macro(node, name)
    elif kind in CLASSES or kind in MODULES:
        mention = kind in NEED_BODY and _body(_typed(node)) is None
        if mention or (node.text or b"").startswith(b"@class "):
            return None
        name, kind = _name(node), "module" if kind in MODULES else "class"
    else:
        return None
    if not name:
        return None
    return Definition(begin, last_line(node), name, kind, _header(node, _typed(value), name), node)


def _holds_functions(value: Node) -> bool:
    waiting = [value]
    while waiting:
        for child in waiting.pop().named_children:
            held = child.child_by_field_name("value") if child.type == "pair" else child
            if held is None or held.start_point[0] == held.end_point[0]:
                continue
            if held.type in FUNCTION_VALUES or held.type == "method_definition":
                return True
            if held.type == "object":
                waiting.append(held)
    return False


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
    if node.type in LINE_HEADED:
        return _line_of(node, node, name)
    data, body = node.text or b"", _body(value)
    end = len(data) if body is None else max(0, body.start_byte - node.start_byte)
    named = node.child_by_field_name("name")
    start = 0 if named is None else data.rfind(b"\n", 0, max(0, named.start_byte - node.start_byte)) + 1
    header = " ".join(data[start:end][: 4 * MAX_HEADER_CHARS].decode(errors="ignore").split())
    header = _OPENS.sub("", header) if body is not None else header.split("{")[0].split(";")[0].strip()
    return _shortened(header, name)


def _shortened(header: str, name: str) -> str:
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
    "constructor_definition": "constructor",
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
    if node.type == "fallback_receive_definition":
        return re.split(r"\W", _text(node), maxsplit=1)[0]
    if named is None:
        return _CALLED.get(node.type, "")
    name = _selector(node) or _plain(named)
    return f"~{name}" if node.type == "destructor_declaration" else name


def _selector(node: Node) -> str:
    """The name of a method of Objective-C that takes something: `m:with:`."""
    if node.type != "method_definition" or not any(child.type == "method_parameter" for child in node.children):
        return ""
    takes = [child for child in node.named_children if child.type in ("identifier", "method_parameter")]
    return "".join(_text(one) if one.type == "identifier" else ":" for one in takes)


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


def _of_macro(node: Node, name: str) -> str:
    """What a macro defines is called by its words: `TEST(Vector, Grows) {` is Vector.Grows, `SYSCALL_DEFINE1(exit, int,
    code)` is exit."""
    declared = node.child_by_field_name("declarator")
    if not name.isupper() or declared is None or node.child_by_field_name("type") is not None:
        return name
    parameters = declared.child_by_field_name("parameters")
    words = [_text(one) for one in parameters.named_children] if parameters is not None else []
    if not words or not words[0].isidentifier():
        return name
    return ".".join(words) if len(words) == 2 and words[1].isidentifier() else words[0]


def _plain(node: Node | None) -> str:
    """A name without the types in angle brackets after its parts: `List<Key, Cmp>::Node` is `List::Node`; of an
    operator all that is written: `A<T>::operator<` is `A::operator<`."""
    name = _text(node) if node is not None else ""
    kept, depth, operator = "", 0, ""
    for found in _SIGNS.finditer(name):
        sign = found[0]
        if not depth and _OPERATOR.match(sign):
            operator = name[found.start() :]
            break
        depth += sign == "<"
        kept += sign if not depth else ""
        depth -= sign == ">" and depth > 0
    # Where a macro confuses the parser, what it takes for a part of the name stands before a space.
    return ("" if operator and kept.endswith(" ") else "".join(kept.split()[-1:])) + operator


def _text(node: Node) -> str:
    return " ".join((node.text or b"")[: 4 * MAX_NAME_CHARS].decode(errors="ignore").split())[:MAX_NAME_CHARS]
