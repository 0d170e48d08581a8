"""Definitions of functional languages: Haskell, PureScript, Elm, F#, Nix and Jsonnet."""

from __future__ import annotations

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

# --- Haskell and PureScript: the type of a function stands above it, and its clauses follow each other.


def _hs_function(node: Node) -> Form | None:
    named = node.child_by_field_name("name")
    if named is None:
        infix = child_of(node, "infix")
        named = None if infix is None else child_of(infix, "operator")
    return form_of("function", named, node, text_of(named).strip("()"))


def _hs_bind(node: Node) -> Form | None:
    """What takes no argument: a constant of one line is one among others, but for one that says its type."""
    before = node.prev_named_sibling
    typed = before is not None and before.type == "signature"
    return form_of("function", node.child_by_field_name("name"), node) if typed or spans_lines(node) else None


def _hs_instance(node: Node) -> Form | None:
    """`instance Show Door` is called so, since a class has many."""
    named, patterns = child_of(node, "name"), child_of(node, "patterns")
    return form_of("class", named, node, f"{text_of(named)} {text_of(patterns)}".strip())


_HS_TYPES = ("data_type", "newtype", "type_synomym", "data_family", "type_family")

HASKELL = forms_of(
    {
        "function": _hs_function,
        "bind": _hs_bind,
        "class": named_by("class", "name"),
        "instance": _hs_instance,
        **dict.fromkeys(_HS_TYPES, named_by("class", "name")),
    },
    "declarations class_declarations instance_declarations",
    "haddock signature pragma",
    clauses=True,
    offside=True,
)


def _purs_class(node: Node) -> Form | None:
    return form_of("class", child_at(node, "class_head", "class_name"), node)


PURESCRIPT = forms_of(
    {
        "function": named_by("function", "name"),
        "class_declaration": _purs_class,
        "class_instance": named_by("class", "instance_name"),
        **dict.fromkeys(("data", "newtype", "type_alias"), named_by("class", "name")),
    },
    "class_body",
    "signature pragma",
    clauses=True,
    offside=True,
)

# --- Elm


def _elm_value(node: Node) -> Form | None:
    left = child_of(node, "functionDeclarationLeft")
    return form_of("function", None if left is None else child_of(left, "lower_case_identifier"), node)


ELM = forms_of(
    {
        "value_declaration": _elm_value,
        "type_declaration": named_by("class", "name"),
        "type_alias_declaration": named_by("class", "name"),
    },
    "",
    "type_annotation",
    offside=True,
)

# --- F#


def _fs_value(node: Node) -> Form | None:
    named = child_at(node, "function_declaration_left", "identifier")
    return form_of("function", named, node, text_of(named).strip("`"))


def _fs_type(node: Node) -> Form | None:
    inner = next((one for one in node.named_children if one.type.endswith("_defn")), None)
    named = None if inner is None else child_of(inner, "type_name")
    return form_of("class", named, node, text_of(named).split("<")[0])


def _fs_member(node: Node) -> Form | None:
    """A property of one line is one among others."""
    named = child_at(node, "method_or_prop_defn", "name")
    method = None if named is None else (child_of(named, "method") or named)
    return form_of("function", method, node, text_of(method).strip("`")) if spans_lines(node) else None


FSHARP = forms_of(
    {
        "function_or_value_defn": _fs_value,
        "type_definition": _fs_type,
        "member_defn": _fs_member,
        "module_defn": named_by("module", "identifier"),
    },
    "namespace named_module declaration_expression anon_type_defn record_type_defn union_type_defn "
    "type_extension_elements type_extension interface_implementation",
    "attributes",
    offside=True,
)

# --- Nix: sets of functions and options stand for classes, as objects of functions do in JavaScript.


def _nix_bound(node: Node) -> Form | None:
    named, value = child_of(node, "attrpath"), child_of(node, "expression")
    if named is None or value is None or not spans_lines(value):
        return None
    kind = {"function_expression": "function", "apply_expression": "function"}.get(value.type, "")
    kind = "class" if value.type.endswith("attrset_expression") and _holds_definitions(value) else kind
    return form_of(kind, named, node) if kind else None


def _holds_definitions(node: Node) -> bool:
    waiting = [node]
    while waiting:
        for one in waiting.pop().named_children:
            value = child_of(one, "expression") if one.type == "binding" else one
            if value is None or not spans_lines(value):
                continue
            if value.type in ("function_expression", "apply_expression"):
                return True
            if value.type == "binding_set" or value.type.endswith("attrset_expression"):
                waiting.append(value)
    return False


NIX = forms_of(
    {"binding": _nix_bound},
    "binding binding_set attrset_expression rec_attrset_expression let_attrset_expression let_expression "
    "function_expression with_expression assert_expression apply_expression parenthesized_expression binary_expression "
    "list_expression",
)

# --- Jsonnet


def _jsonnet_bind(node: Node) -> Form | None:
    named = node.child_by_field_name("function")
    return form_of("function", named, node) if named is not None and spans_lines(node) else None


JSONNET = forms_of(
    {"bind": _jsonnet_bind, "field": _jsonnet_bind},
    "local_bind object member field parenthesis binary implicit_plus",
)
