"""Definitions of style sheets, and of the schemas of Thrift and Prisma.

A rule of a sheet is no definition: a thousand rules of three lines each are cut between them into texts of the usual
size. What another rule refers to by its name is one.
"""

from __future__ import annotations

from xtr_assets.core.chunking.node_form import forms_of, named_by

STYLES = forms_of(
    {
        "mixin_statement": named_by("function", "name"),
        "function_statement": named_by("function", "name"),
        "keyframes_statement": named_by("class", "keyframes_name"),
    },
    "media_statement supports_statement at_rule block",
    "js_comment",
)
THRIFT = forms_of(
    {
        **{f"{one}_definition": named_by("class", "identifier") for one in ("struct", "enum", "exception", "union")},
        "service_definition": named_by("class", "identifier"),
        "function_definition": named_by("function", "identifier"),
    },
    "",
)
PRISMA = forms_of(
    {f"{one}_block": named_by("class", "identifier") for one in ("model", "enum", "view", "type")},
    "",
    "document_comment developer_comment",
)
