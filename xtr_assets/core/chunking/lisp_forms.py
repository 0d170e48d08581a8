"""Definitions of the Lisps, where all is a list: Clojure, Emacs Lisp, Common Lisp, Scheme and Racket.

What a list defines is told by its first word. Functions and macros count however short they are; variables, options and
types where they take more than a line, since a constant of one line says no more than its neighbours.
"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

from xtr_assets.core.chunking.node_form import Form, child_at, child_of, form_of, forms_of, spans_lines, text_of

if TYPE_CHECKING:
    from tree_sitter import Node

# `defn`, `cl-defun`, `define-minor-mode`, `transient-define-prefix`, `s/defn`, `define/contract`.
_DEFINES = re.compile(r"(?:[^\s()]*[-/])?def[^\s()]*")
_FUNCTIONS = re.compile(
    r"(?:[^\s()]*[-/])?def(?:n-?|un|macro-?|subst|advice|method|generic|multi|test|ine(?:\*|-public|/.*|-.*)?)"
)
_CLASSES = re.compile(
    r"(?:[^\s()]*[-/])?def(?:class|struct|record|type|protocol|interface|ine-(?:record-type|condition))"
)
# What binds a name to whatever stands behind it.
_BINDS = re.compile(r"define(?:\*|-public|/.*)?")
_STRUCTS = frozenset({"struct", "serializable-struct"})
_MODULES = frozenset({"module", "module*", "module+", "define-library", "library"})
# Whose lists are methods.
_METHODS_OF = frozenset({"defrecord", "deftype", "extend-type", "extend-protocol"})
_LAMBDAS = frozenset({"lambda", "case-lambda", "\u03bb", "fn", "named-lambda"})
_SYMBOLS = frozenset({"symbol", "sym_lit", "string"})
_LISTS = frozenset({"list", "list_lit"})
# `ns` and what is like it.
_NAMES_A_FILE = frozenset({"define-module", "defpackage", "defsystem", "default"})


def _items(node: Node) -> list[Node]:
    """What stands in a list. The first word of `(defvar x)` is a keyword to the grammar of Emacs Lisp."""
    special = node.type == "special_form"
    return [one for one in node.children[1:-1] if (one.is_named or special) and "comment" not in one.type]


def _name(node: Node | None) -> Node | None:
    """The symbol of a name, without what is said of it (`^:private f`); of `((curried a) b)` the innermost one."""
    while node is not None and node.type in _LISTS:
        items = _items(node)
        node = items[0] if items else None
    if node is None or node.type not in _SYMBOLS:
        return None
    return child_of(node, "sym_name") if node.type == "sym_lit" and node.named_child_count > 1 else node


def _list(node: Node) -> Form | None:
    items = _items(node)
    if len(items) < 2 or (items[0].type not in _SYMBOLS and items[0].is_named):
        return None
    head, said = text_of(items[0]), _name(items[1])
    if said is None or head in _NAMES_A_FILE:
        return None
    if head in _MODULES:
        return form_of("module", said, node) if spans_lines(node) else None
    if head in _STRUCTS or _CLASSES.fullmatch(head):
        return form_of("class", said, node)
    if _is_method(node, items):
        return form_of("function", items[0], node)
    if not _DEFINES.fullmatch(head):
        return None
    # `(define x 1)` and `(define x (lambda ...))` beside `(define (f x) ...)`.
    value = _items(items[-1]) if items[-1].type in _LISTS else []
    plain = _BINDS.fullmatch(head) is not None and items[1].type not in _LISTS
    if _FUNCTIONS.fullmatch(head) and (not plain or (value and text_of(value[0]) in _LAMBDAS)):
        return form_of("function", said, node)
    return form_of("class", said, node) if spans_lines(node) else None


def _is_method(node: Node, items: list[Node]) -> bool:
    above = node.parent
    outer = _items(above) if above is not None and above.type in _LISTS else []
    return bool(outer) and text_of(outer[0]) in _METHODS_OF and items[1].type == "vec_lit" and spans_lines(node)


def _headed(kind: str, node: Node) -> Form | None:
    return form_of(kind, child_of(node, "name"), node)


def _defun(node: Node) -> Form | None:
    """Common Lisp's own node for functions, macros and methods."""
    return form_of("function", child_at(node, "defun_header", "function_name"), node)


CLOJURE = forms_of({"list_lit": _list}, "list_lit read_cond_lit splicing_read_cond_lit")
ELISP = forms_of(
    {
        "list": _list,
        "special_form": _list,
        "function_definition": partial(_headed, "function"),
        "macro_definition": partial(_headed, "function"),
    },
    "list special_form",
)
COMMON_LISP = forms_of({"list_lit": _list, "defun": _defun}, "list_lit")
SCHEME = forms_of({"list": _list}, "list")
