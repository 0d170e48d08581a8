"""What a node of a syntax tree defines, of languages with a table of their own (code_forms)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tree_sitter import Node


@dataclass(frozen=True, slots=True)
class Form:
    """A definition: `kind` is function, class or module; `named` holds its name, and `whole` its line."""

    kind: str
    name: str
    named: Node
    whole: Node


MAX_NAME_BYTES = 480

# What a node defines.
Reading = Callable[["Node"], Form | None]


@dataclass(frozen=True, slots=True)
class Forms:
    """readings : by node type. through : what is looked into for definitions. above : what is written above one, beside
    comments. clauses : whether definitions of one name that follow each other are one function. offside : whether
    indentation ends a block, so that a comment below one is the last thing in it to the parser."""

    readings: Mapping[str, Reading]
    through: frozenset[str]
    above: frozenset[str] = frozenset()
    clauses: bool = False
    offside: bool = False


def forms_of(
    readings: Mapping[str, Reading], through: str, above: str = "", *, clauses: bool = False, offside: bool = False
) -> Forms:
    return Forms(readings, frozenset({"ERROR", *through.split()}), frozenset(above.split()), clauses, offside)


def text_of(node: Node | None) -> str:
    return "" if node is None else " ".join((node.text or b"")[:MAX_NAME_BYTES].decode(errors="ignore").split())


def child_of(node: Node, step: str) -> Node | None:
    """The child of a field, or else the first one of a type."""
    found = node.child_by_field_name(step)
    return found if found is not None else next((one for one in node.children if one.type == step), None)


def child_at(node: Node, *steps: str) -> Node | None:
    found: Node | None = node
    for step in steps:
        found = None if found is None else child_of(found, step)
    return found


def spans_lines(node: Node) -> bool:
    return bool(node.start_point[0] != node.end_point[0])


def form_of(kind: str, named: Node | None, whole: Node, name: str | None = None) -> Form | None:
    said = text_of(named) if name is None else name
    return None if named is None or not said else Form(kind, said, named, whole)


def named_by(kind: str, *steps: str, body: str = "") -> Reading:
    """A node whose name lies at the end of `steps`; where it is told, a definition only with this child."""
    return partial(_read_named, kind, steps, body)


def _read_named(kind: str, steps: tuple[str, ...], body: str, node: Node) -> Form | None:
    return form_of(kind, child_at(node, *steps), node) if not body or child_of(node, body) is not None else None
