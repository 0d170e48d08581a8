"""Definitions of languages whose grammars name their nodes in their own way: by grammar, what each type of node is.

The other languages share one table (code_grammar), since most names of nodes mean the same there. In these a node's
type says little (`call` is a module, a function or a call), so that each has a small reading.
"""

from xtr_assets.core.chunking.command_forms import FISH, GDSCRIPT, REGO, STARLARK, TCL, VIM
from xtr_assets.core.chunking.functional_forms import ELM, FSHARP, HASKELL, JSONNET, NIX, PURESCRIPT
from xtr_assets.core.chunking.lisp_forms import CLOJURE, COMMON_LISP, ELISP, SCHEME
from xtr_assets.core.chunking.native_forms import ADA, FORTRAN, NIM, PASCAL, VERILOG, VHDL, D
from xtr_assets.core.chunking.node_form import Forms
from xtr_assets.core.chunking.script_forms import ELIXIR, JULIA, LUA, PERL, POWERSHELL, R
from xtr_assets.core.chunking.style_forms import PRISMA, STYLES, THRIFT
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
    "haskell": HASKELL,
    "purescript": PURESCRIPT,
    "elm": ELM,
    "fsharp": FSHARP,
    "nix": NIX,
    "jsonnet": JSONNET,
    "clojure": CLOJURE,
    "elisp": ELISP,
    "commonlisp": COMMON_LISP,
    "scheme": SCHEME,
    "racket": SCHEME,
    "fortran": FORTRAN,
    "d": D,
    "nim": NIM,
    "pascal": PASCAL,
    "ada": ADA,
    "verilog": VERILOG,
    "vhdl": VHDL,
    "tcl": TCL,
    "vim": VIM,
    "fish": FISH,
    "starlark": STARLARK,
    "rego": REGO,
    "gdscript": GDSCRIPT,
    "css": STYLES,
    "scss": STYLES,
    "thrift": THRIFT,
    "prisma": PRISMA,
}
