"""Definitions of languages that are lists of commands, Tcl, Vim script and fish, and of Starlark, Rego and GDScript."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xtr_assets.core.chunking.node_form import (
    Form,
    child_of,
    form_of,
    forms_of,
    named_by,
    text_of,
)

if TYPE_CHECKING:
    from tree_sitter import Node

# --- Tcl


def _tcl_namespace(node: Node) -> Form | None:
    words = child_of(node, "word_list")
    said = [] if words is None else words.named_children
    evaluates = len(said) > 2 and text_of(said[0]) == "eval" and said[1].type == "simple_word"
    return form_of("module", said[1], node) if evaluates else None


def _tcl_command(node: Node) -> Form | None:
    """Classes of TclOO, and what stands in one."""
    head, words = text_of(child_of(node, "name")), child_of(node, "arguments")
    said = [] if words is None else words.named_children
    if head == "oo::class" and len(said) > 2 and text_of(said[0]) == "create":
        return form_of("class", said[1], node)
    above = node.parent
    inside = above is not None and above.type == "braced_word" and above.parent is not None
    if not inside or not text_of(above.parent).startswith("create "):  # type: ignore[union-attr]
        return None
    if head == "method" and len(said) > 2:
        return form_of("function", said[0], node)
    return form_of("function", child_of(node, "name"), node) if head in ("constructor", "destructor") else None


TCL = forms_of(
    {"procedure": named_by("function", "name"), "namespace": _tcl_namespace, "command": _tcl_command},
    "namespace word_list braced_word command conditional",
)

# --- Vim script

VIM = forms_of(
    {"function_definition": named_by("function", "function_declaration", "name")},
    "if_statement body else_statement elseif_statement try_statement",
)

# --- fish

FISH = forms_of({"function_definition": named_by("function", "name")}, "if_statement else_clause begin_statement")

# --- Starlark: what a build calls with a name is a target.


def _bzl_target(node: Node) -> Form | None:
    arguments = child_of(node, "arguments")
    above = node.parent
    outermost = above is not None and above.parent is not None and above.parent.type == "module"
    for one in [] if arguments is None or not outermost else arguments.named_children:
        said = child_of(one, "value") if text_of(child_of(one, "name")) == "name" else None
        if said is not None and said.type == "string":
            return form_of("class", said, node, text_of(said).strip("\"'"))
    return None


STARLARK = forms_of(
    {"function_definition": named_by("function", "name"), "call": _bzl_target},
    "expression_statement if_statement block else_clause",
)

# --- Rego

REGO = forms_of({"rule": named_by("function", "rule_head", "var", body="rule_body")}, "module policy", clauses=True)

# --- GDScript

GDSCRIPT = forms_of(
    {
        "function_definition": named_by("function", "name"),
        "constructor_definition": named_by("function", "_init"),
        "class_definition": named_by("class", "name"),
    },
    "class_body body",
    "annotation annotations",
    offside=True,
)
