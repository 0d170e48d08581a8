"""Definitions of languages whose grammars name their nodes in their own way: by grammar, what each type of node is.

The other languages share one table (code_grammar), since most names of nodes mean the same there. In these a node's
type says little (`call` is a module, a function or a call), so that each has a small reading.
"""

from xtr_assets.core.chunking.node_form import Forms
from xtr_assets.core.chunking.script_forms import ELIXIR, JULIA, LUA, PERL, POWERSHELL, R
from xtr_assets.core.chunking.typed_forms import DART, ERLANG, GRAPHQL, HCL, OCAML, PROTO, ZIG

FORMS: dict[str, Forms] = {
    "lua": LUA,
    "dart": DART,
    "r": R,
    "elixir": ELIXIR,
    "julia": JULIA,
    "perl": PERL,
    "zig": ZIG,
    "proto": PROTO,
    "graphql": GRAPHQL,
    "hcl": HCL,
    "powershell": POWERSHELL,
    "erlang": ERLANG,
    "ocaml": OCAML,
}
