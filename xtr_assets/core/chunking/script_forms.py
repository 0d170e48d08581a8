"""Definitions of scripting languages: Lua, R, Elixir, Julia, Perl and PowerShell."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from xtr_assets.core.chunking.node_form import (
    Form,
    child_at,
    child_of,
    form_of,
    forms_of,
    named_by,
    spans_lines,
    text_of,
)

if TYPE_CHECKING:
    from tree_sitter import Node

# --- Lua: functions are bound to names, and tables of functions stand for classes.


def _lua_bound(node: Node) -> Form | None:
    many = node.type == "assignment_statement"
    left, right = (
        (child_of(node, "variable_list"), child_of(node, "expression_list"))
        if many
        else (
            child_of(node, "name"),
            child_of(node, "value"),
        )
    )
    if many and left is not None and right is not None:
        if left.named_child_count != 1 or right.named_child_count != 1:
            return None
        right = right.named_children[0]
    if left is None or right is None or not spans_lines(right):
        return None
    kind = {"function_definition": "function", "table_constructor": "class"}.get(right.type, "")
    holds = any(text_of(child_of(one, "value")).startswith("function") for one in right.named_children)
    if not kind or (kind == "class" and not holds):
        return None
    return form_of(kind, left, node, text_of(left).strip("\"'"))


LUA = forms_of(
    {
        "function_declaration": named_by("function", "name"),
        "assignment_statement": _lua_bound,
        "field": _lua_bound,
    },
    "variable_declaration return_statement expression_list table_constructor if_statement else_statement "
    "elseif_statement do_statement block function_call arguments function_definition",
)

# --- R: functions are bound to names; classes of R6 and of `methods` are calls.

_R_CLASSES = frozenset({"R6Class", "R6::R6Class", "setRefClass", "setClass", "new_class", "S7::new_class", "ggproto"})
_R_GENERICS = frozenset({"setMethod", "setGeneric", "setReplaceMethod"})
_R_ARROWS = frozenset({"<-", "=", "<<-"})


def _r_bound(node: Node) -> Form | None:
    left, right = child_of(node, "lhs"), child_of(node, "rhs")
    if left is None or right is None or text_of(child_of(node, "operator")) not in _R_ARROWS or not spans_lines(right):
        return None
    called = text_of(child_of(right, "function")) if right.type == "call" else ""
    kind = "function" if right.type == "function_definition" else ("class" if called in _R_CLASSES else "")
    return form_of(kind, left, node, text_of(left).strip("`\"'")) if kind else None


def _r_call(node: Node) -> Form | None:
    called = text_of(child_of(node, "function"))
    kind = "function" if called in _R_GENERICS else ("class" if called in _R_CLASSES else "")
    said = child_at(node, "arguments", "argument", "value")
    bound = node.parent is not None and node.parent.type == "binary_operator"
    if not kind or bound or said is None or said.type != "string" or not spans_lines(node):
        return None
    return form_of(kind, said, node, text_of(said).strip("\"'"))


def _call_of(argument: Node) -> Node | None:
    """The call that an argument is handed to."""
    many = argument.parent if argument.type == "argument" else None
    return None if many is None else many.parent


def _r_argument(node: Node) -> Form | None:
    """A function that is handed to a call is a method where that call makes a class, else no definition."""
    value, call = child_of(node, "value"), _call_of(node)
    if call is not None and text_of(child_of(call, "function")) == "list":
        call = None if call.parent is None else _call_of(call.parent)
    holds = call is not None and text_of(child_of(call, "function")) in _R_CLASSES
    holds = holds and value is not None and value.type == "function_definition" and spans_lines(value)
    named = node.child_by_field_name("name")
    return form_of("function", named, node, text_of(named).strip("`\"'")) if holds else None


R = forms_of(
    {"binary_operator": _r_bound, "call": _r_call, "argument": _r_argument},
    "binary_operator call arguments argument braced_expression if_statement",
)

# --- Elixir: all is a call.

_EX_KINDS = {
    "defmodule": "module",
    "defprotocol": "class",
    "defimpl": "class",
    **dict.fromkeys(("def", "defp", "defmacro", "defmacrop", "defguard", "defguardp", "defn", "defnp"), "function"),
}


def _ex_call(node: Node) -> Form | None:
    kind = _EX_KINDS.get(text_of(child_of(node, "target")))
    arguments = child_of(node, "arguments")
    if kind is None or arguments is None or not arguments.named_children:
        return None
    said = arguments.named_children[0]
    if said.type == "binary_operator" and text_of(child_of(said, "operator")) == "when":
        said = child_of(said, "left") or said
    if said.type in ("binary_operator", "unary_operator"):
        said = child_of(said, "operator") or said
    if said.type == "call":
        said = child_of(said, "target") or said
    return form_of(kind, said, node)


ELIXIR = forms_of({"call": _ex_call}, "call do_block", "unary_operator", clauses=True)

# --- Julia


def _jl_function(node: Node) -> Form | None:
    kind = "module" if node.type == "module_definition" else "function"
    called = child_of(node, "signature") if node.type != "assignment" else node.named_children[0]
    wraps = ("signature", "where_expression", "typed_expression", "parenthesized_expression")
    while called is not None and called.type in wraps and called.named_children:
        called = called.named_children[0]
    if called is None or called.type not in ("call_expression", "identifier") or not called.named_children:
        bare = called is not None and called.type == "identifier" and node.type != "assignment"
        return form_of(kind, called, node) if bare else None
    return form_of(kind, called.named_children[0], node)


def _jl_struct(node: Node) -> Form | None:
    head = child_of(node, "type_head")
    while head is not None and head.type != "identifier" and head.named_children:
        head = head.named_children[0]
    return form_of("class", head, node)


JULIA = forms_of(
    {
        "module_definition": named_by("module", "name"),
        "function_definition": _jl_function,
        "macro_definition": _jl_function,
        "assignment": _jl_function,
        "struct_definition": _jl_struct,
    },
    "block macrocall_expression macro_argument_list if_statement compound_statement",
    "string_literal",
)

# --- Perl


def _pl_bound(node: Node) -> Form | None:
    left, right = child_of(node, "left"), child_of(node, "right")
    if left is None or right is None or right.type != "anonymous_subroutine_expression" or not spans_lines(right):
        return None
    said = re.fullmatch(r"(?:my |our |local |state )?\$(\w+)", text_of(left))
    return None if said is None else form_of("function", left, node, said[1])


PERL = forms_of(
    {
        "subroutine_declaration_statement": named_by("function", "name", body="body"),
        "package_statement": named_by("class", "name", body="block"),
        "assignment_expression": _pl_bound,
    },
    "block expression_statement block_statement conditional_statement phaser_statement",
    "pod",
)

# --- PowerShell

POWERSHELL = forms_of(
    {
        "function_statement": named_by("function", "function_name"),
        "class_statement": named_by("class", "simple_name"),
        "class_method_definition": named_by("function", "simple_name"),
        "enum_statement": named_by("class", "simple_name"),
    },
    "statement_list if_statement else_clause elseif_clause elseif_clauses statement_block script_block "
    "script_block_body pipeline pipeline_chain command command_elements "
    "array_literal_expression unary_expression script_block_expression",
)
