"""Definitions of further compiled languages, Fortran, D, Nim, Pascal and Ada, and of descriptions of hardware."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xtr_assets.core.chunking.node_form import (
    Form,
    child_of,
    form_of,
    forms_of,
    named_by,
    spans_lines,
    text_of,
)

if TYPE_CHECKING:
    from tree_sitter import Node

# --- Fortran

FORTRAN = forms_of(
    {
        "module": named_by("module", "module_statement", "name"),
        "submodule": named_by("module", "submodule_statement", "name"),
        "program": named_by("module", "program_statement", "name"),
        "subroutine": named_by("function", "subroutine_statement", "name"),
        "function": named_by("function", "function_statement", "name"),
        "module_procedure": named_by("function", "module_procedure_statement", "name"),
        "derived_type_definition": named_by("class", "derived_type_statement", "type_name"),
        "interface": named_by("class", "interface_statement", "name"),
    },
    "internal_procedures",
)

# --- D


def _d_function(node: Node) -> Form | None:
    if child_of(node, "function_body") is None:
        return None
    said = {"constructor": "this", "destructor": "~this"}.get(node.type)
    return form_of("function", child_of(node, "this" if said else "identifier"), node, said)


D = forms_of(
    {
        **dict.fromkeys(("function_declaration", "constructor", "destructor"), _d_function),
        **{
            f"{one}_declaration": named_by("class", "identifier", body="aggregate_body")
            for one in ("class", "struct", "interface", "union")
        },
        "enum_declaration": named_by("class", "identifier", body="enum_member"),
        "template_declaration": named_by("module", "identifier"),
        "unittest_declaration": named_by("function", "unittest"),
    },
    "module_def aggregate_body conditional_declaration mixin_template_declaration else_statement "
    "attribute_declaration declaration_block storage_class",
)

# --- Nim


def _nim_routine(node: Node) -> Form | None:
    named = node.child_by_field_name("name")
    return form_of("function", named, node, text_of(named).rstrip("*").strip("`")) if child_of(node, "body") else None


def _nim_type(node: Node) -> Form | None:
    named = child_of(node, "type_symbol_declaration")
    return form_of("class", named, node, text_of(named).split("[")[0].rstrip("*")) if spans_lines(node) else None


NIM = forms_of(
    {
        **{
            f"{one}_declaration": _nim_routine
            for one in ("proc", "func", "method", "template", "macro", "iterator", "converter")
        },
        "type_declaration": _nim_type,
    },
    "type_section when statement_list block elif_branch else_branch",
    "documentation_comment",
    offside=True,
)

# --- Pascal: the body of a method is called by its type, too.


def _pas_type(node: Node) -> Form | None:
    return form_of("class", node.child_by_field_name("name"), node) if spans_lines(node) else None


PASCAL = forms_of(
    {"defProc": named_by("function", "header", "name"), "declType": _pas_type},
    "unit program library interface implementation declTypes",
)

# --- Ada


def _ada_type(node: Node) -> Form | None:
    return form_of("class", child_of(node, "identifier"), node) if spans_lines(node) else None


def _ada_body(node: Node) -> Form | None:
    head = child_of(node, "procedure_specification") or child_of(node, "function_specification")
    return None if head is None else form_of("function", child_of(head, "name"), node)


ADA = forms_of(
    {
        "package_body": named_by("module", "name"),
        "package_declaration": named_by("module", "name"),
        "subprogram_body": _ada_body,
        "task_body": named_by("class", "identifier"),
        "protected_body": named_by("class", "identifier"),
        "full_type_declaration": _ada_type,
    },
    "compilation_unit non_empty_declarative_part generic_package_declaration",
)

# --- Verilog and SystemVerilog


def _sv_module(node: Node) -> Form | None:
    head = child_of(node, "module_header")
    return form_of("module", None if head is None else child_of(head, "simple_identifier"), node)


def _sv_type(node: Node) -> Form | None:
    return form_of("class", child_of(node, "simple_identifier"), node) if spans_lines(node) else None


def _sv_new(node: Node) -> Form | None:
    return form_of("function", child_of(node, "new"), node)


VERILOG = forms_of(
    {
        "module_declaration": _sv_module,
        "interface_declaration": named_by("class", "interface_ansi_header", "interface_identifier"),
        "program_declaration": named_by("module", "program_ansi_header", "program_identifier"),
        "package_declaration": named_by("module", "package_identifier"),
        "class_declaration": named_by("class", "class_identifier"),
        "class_constructor_declaration": _sv_new,
        "function_declaration": named_by("function", "function_body_declaration", "function_identifier"),
        "task_declaration": named_by("function", "task_body_declaration", "task_identifier"),
        "type_declaration": _sv_type,
    },
    "module_or_generate_item package_or_generate_item_declaration module_or_generate_item_declaration class_item "
    "class_method data_declaration generate_region interface_or_generate_item non_port_interface_item "
    "non_port_module_item module_common_item package_item description anonymous_program_item",
)

# --- VHDL


def _vhdl_architecture(node: Node) -> Form | None:
    """It is called by what it is of: every second one is `rtl`."""
    named, entity = child_of(node, "name"), child_of(node, "entity")
    return form_of("module", named, node, f"{text_of(entity)}.{text_of(named)}")


VHDL = forms_of(
    {
        "entity_declaration": named_by("class", "name"),
        "architecture_body": _vhdl_architecture,
        "package_declaration": named_by("module", "name"),
        "package_body": named_by("module", "package"),
        "function_body": named_by("function", "designator"),
        "procedure_body": named_by("function", "designator"),
        "process_statement": named_by("function", "label", "identifier"),
    },
    "design_unit declarative_part concurrent_statement_part",
)
