"""Definitions of languages with types, Dart, Zig, Erlang and OCaml, and of schemas."""

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
    text_of,
)

if TYPE_CHECKING:
    from tree_sitter import Node

# --- Dart: the body of a function stands beside its signature.

_DART_SIGNATURES = "method_signature function_signature getter_signature setter_signature operator_signature"
_DART_NAMED = frozenset(
    f"{_DART_SIGNATURES} constructor_signature factory_constructor_signature constant_constructor_signature "
    "redirecting_factory_constructor_signature".split()
)


def _dart_function(node: Node) -> Form | None:
    before = node.prev_named_sibling
    if before is None or before.type not in _DART_NAMED:
        return None
    inner = next((one for one in before.named_children if one.type in _DART_NAMED), before)
    if inner.type == "operator_signature":
        sign = re.search(r"\boperator\s*([^\s(]+)", text_of(inner))
        return None if sign is None else Form("function", f"operator{sign[1]}", inner, before)
    parts = [one for one in inner.children if one.type == "identifier"]
    return form_of("function", parts[0], before, ".".join(map(text_of, parts))) if parts else None


def _dart_extension(node: Node) -> Form | None:
    return form_of("class", child_of(node, "name") or child_of(node, "class"), node)


DART = forms_of(
    {
        "function_body": _dart_function,
        "class_definition": named_by("class", "name"),
        "mixin_declaration": named_by("class", "identifier"),
        "extension_declaration": _dart_extension,
        "enum_declaration": named_by("class", "name"),
    },
    "class_body extension_body enum_body",
    f"documentation_comment annotation {_DART_SIGNATURES}",
)

# --- Zig: types are constants that hold a container, or functions that return one.


def _zig_decl(node: Node) -> Form | None:
    head = child_of(node, "FnProto")
    if head is not None:
        kind = "class" if re.search(r"\)\s*type$", (head.text or b"").decode(errors="ignore")) else "function"
        return form_of(kind, child_of(head, "function"), node) if child_of(node, "Block") is not None else None
    bound = child_of(node, "VarDecl")
    value = None if bound is None else child_at(bound, "ErrorUnionExpr", "SuffixExpr", "ContainerDecl")
    return form_of("class", child_of(bound, "variable_type_function"), node) if bound is not None and value else None


def _zig_test(node: Node) -> Form | None:
    said = child_of(node, "STRINGLITERALSINGLE") or child_of(node, "IDENTIFIER")
    return form_of("function", said, node, text_of(said).strip('"'))


ZIG = forms_of(
    {"Decl": _zig_decl, "TestDecl": _zig_test},
    "VarDecl ErrorUnionExpr SuffixExpr ContainerDecl Block Statement AssignExpr",
    "pub doc_comment",
)

# --- Erlang

ERLANG = forms_of(
    {
        "fun_decl": named_by("function", "clause", "name"),
        "record_decl": named_by("class", "name"),
    },
    "",
    "spec",
    clauses=True,
)

# --- OCaml


def _ml_let(node: Node) -> Form | None:
    body = child_of(node, "body")
    takes = child_of(node, "parameter") is not None
    named = node.child_by_field_name("pattern")
    if named is None or named.type not in ("value_name", "parenthesized_operator") or body is None:
        return None
    return form_of("function", named, node) if takes or body.type in ("fun_expression", "function_expression") else None


OCAML = forms_of(
    {
        "let_binding": _ml_let,
        "type_binding": named_by("class", "name", body="body"),
        "module_binding": named_by("module", "module_name", body="body"),
        "module_type_definition": named_by("class", "module_type_name", body="body"),
        "class_binding": named_by("class", "class_name"),
        "method_definition": named_by("function", "method_name"),
    },
    "value_definition type_definition module_definition class_definition structure object_expression functor",
)


# --- Schemas: protobuf, GraphQL, HCL

PROTO = forms_of(
    {
        "message": named_by("class", "message_name"),
        "enum": named_by("class", "enum_name"),
        "service": named_by("class", "service_name"),
        "rpc": named_by("function", "rpc_name"),
    },
    "message_body",
)
_GRAPHQL_TYPES = ("object_type", "interface_type", "enum_type", "input_object_type", "union_type", "scalar_type")
GRAPHQL = forms_of(
    {
        **{f"{one}_{end}": named_by("class", "name") for one in _GRAPHQL_TYPES for end in ("definition", "extension")},
        "operation_definition": named_by("function", "name"),
        "fragment_definition": named_by("function", "fragment_name"),
    },
    "document definition type_system_definition type_definition type_system_extension type_extension "
    "executable_definition",
)


def _hcl_block(node: Node) -> Form | None:
    """By its labels, as Terraform refers to it: `resource "a" "b"` is a.b, `data "a" "b"` is data.a.b."""
    first = node.named_children[0] if node.named_children else None
    body = node.parent
    outermost = body is not None and body.parent is not None and body.parent.type == "config_file"
    if first is None or not outermost:
        return None
    labels = [text_of(one).strip('"') for one in node.named_children[1:] if one.type in ("string_lit", "identifier")]
    said = text_of(first)
    return form_of("class", first, node, ".".join(labels if said == "resource" and labels else [said, *labels]))


HCL = forms_of({"block": _hcl_block}, "body")
