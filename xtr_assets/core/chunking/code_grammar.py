"""Node types of tree-sitter grammars by kind of chunk: one table, since most names mean the same in all languages."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Language:
    """grammar : its name among the parsers. separator : between the parts of a symbol. hash_comments : whether a line
    that begins with # is a comment (and not a directive or an attribute). comments : the signs of others, beside those
    that most languages have. closes : words that end a block, beside those of most. apostrophes : whether strings may
    stand between them."""

    grammar: str
    separator: str = "."
    hash_comments: bool = False
    comments: tuple[str, ...] = ()
    closes: tuple[str, ...] = ()
    apostrophes: bool = True


def _named(types: str) -> frozenset[str]:
    return frozenset(types.split())


_C = Language("c", "::")
_CPP = Language("cpp", "::")
_OBJC = Language("objc")
_JS = Language("javascript")
_TS = Language("typescript")
_SHELL = Language("bash", hash_comments=True)
_LISP = (";", "#|")
_DASHES = ("--", "{-")
_VERILOG = tuple(f"end{one}" for one in ("module", "package", "class", "interface", "program", "function", "task"))


# What may be C or C++, or the header of a class of Objective-C: which is told by which parses it with fewer faults.
# Functions that a macro begins (`SYSCALL_DEFINE2(kill, ...) {`) are only known to the grammar of C++.
C_OR_CPP = frozenset({".c", ".h"})

LANGUAGES: dict[str, Language] = {
    **dict.fromkeys((".js", ".mjs", ".cjs", ".jsx"), _JS),
    **dict.fromkeys((".ts", ".mts", ".cts"), _TS),
    ".tsx": Language("tsx"),
    ".go": Language("go"),
    ".rs": Language("rust", "::"),
    ".java": Language("java"),
    **dict.fromkeys((".c", ".h"), _C),
    **dict.fromkeys((".cc", ".cpp", ".cxx", ".hh", ".hpp", ".hxx", ".ipp", ".tcc", ".inl", ".cu", ".cuh"), _CPP),
    ".cs": Language("csharp"),
    ".rb": Language("ruby", "::", hash_comments=True),
    ".php": Language("php", "::", hash_comments=True),
    **dict.fromkeys((".kt", ".kts"), Language("kotlin")),
    ".swift": Language("swift"),
    ".scala": Language("scala"),
    **dict.fromkeys((".sh", ".bash"), _SHELL),
    ".sql": Language("sql"),
    ".lua": Language("lua"),
    ".dart": Language("dart"),
    ".r": Language("r", hash_comments=True),
    **dict.fromkeys((".ex", ".exs"), Language("elixir", hash_comments=True)),
    **dict.fromkeys((".m", ".mm"), _OBJC),
    ".jl": Language("julia", hash_comments=True),
    **dict.fromkeys((".pl", ".pm"), Language("perl", "::", hash_comments=True)),
    ".zig": Language("zig"),
    ".proto": Language("proto"),
    **dict.fromkeys((".graphql", ".gql"), Language("graphql", hash_comments=True)),
    **dict.fromkeys((".tf", ".hcl"), Language("hcl", hash_comments=True)),
    **dict.fromkeys((".ps1", ".psm1"), Language("powershell", hash_comments=True)),
    **dict.fromkeys((".erl", ".hrl"), Language("erlang")),
    ".ml": Language("ocaml"),
    ".sol": Language("solidity"),
    ".hs": Language("haskell", comments=_DASHES, apostrophes=False),
    ".purs": Language("purescript", comments=_DASHES, apostrophes=False),
    ".elm": Language("elm", comments=_DASHES, apostrophes=False),
    **dict.fromkeys((".fs", ".fsx"), Language("fsharp", comments=("(*",), apostrophes=False)),
    ".nix": Language("nix", hash_comments=True, apostrophes=False),
    **dict.fromkeys((".jsonnet", ".libsonnet"), Language("jsonnet", hash_comments=True)),
    **dict.fromkeys((".clj", ".cljs", ".cljc"), Language("clojure", comments=_LISP, apostrophes=False)),
    ".el": Language("elisp", comments=_LISP, apostrophes=False),
    **dict.fromkeys((".lisp", ".lsp", ".asd"), Language("commonlisp", comments=_LISP, apostrophes=False)),
    **dict.fromkeys((".scm", ".ss", ".sld", ".sps"), Language("scheme", comments=_LISP, apostrophes=False)),
    ".rkt": Language("racket", comments=_LISP, apostrophes=False),
    **dict.fromkeys((".css", ".less"), Language("css")),
    ".scss": Language("scss"),
    **dict.fromkeys((".bzl", ".star", ".bazel"), Language("starlark", hash_comments=True)),
    **dict.fromkeys((".f90", ".f95", ".f03", ".f08"), Language("fortran", comments=("!",))),
    ".d": Language("d", comments=("/+",)),
    ".nim": Language("nim", hash_comments=True, apostrophes=False),
    **dict.fromkeys((".pas", ".dpr", ".lpr"), Language("pascal", comments=("{", "(*"))),
    **dict.fromkeys((".adb", ".ads"), Language("ada", apostrophes=False)),
    **dict.fromkeys((".v", ".sv", ".vh", ".svh"), Language("verilog", closes=_VERILOG, apostrophes=False)),
    **dict.fromkeys((".vhd", ".vhdl"), Language("vhdl", apostrophes=False)),
    **dict.fromkeys((".glsl", ".vert", ".frag", ".comp", ".geom"), Language("glsl")),
    ".hlsl": Language("hlsl", "::"),
    ".wgsl": Language("wgsl"),
    ".thrift": Language("thrift", hash_comments=True),
    ".prisma": Language("prisma"),
    ".tcl": Language("tcl", "::", hash_comments=True),
    ".vim": Language("vim", comments=('"',)),
    ".fish": Language("fish", hash_comments=True),
    ".zsh": _SHELL,
    ".rego": Language("rego", hash_comments=True),
    ".gd": Language("gdscript", hash_comments=True),
}
# Raise it when files of another suffix are parsed: they were plain text where a pattern named them.
LANGUAGES_VERSION = 2
# Components of one file: markup with scripts and styles in it (component).
COMPONENTS = frozenset({".vue", ".svelte", ".astro"})
# What kind `code` reads where no pattern says more. Compilers of C and Rust write what a file depends on into a `.d`.
CODE_SUFFIXES = (*(one for one in LANGUAGES if one != ".d"), *sorted(COMPONENTS))
CPP, OBJC = _CPP, _OBJC
# Grammars of languages whose files a preprocessor reads first.
MACROS, CONDITIONS = frozenset({"c", "cpp", "objc"}), frozenset({"c", "cpp", "objc", "csharp", "swift"})

# Functions and methods, where they have a body: a prototype is a line of what it stands in.
FUNCTIONS = _named(
    "function_declaration generator_function_declaration method_definition function_definition method_declaration "
    "constructor_declaration compact_constructor_declaration destructor_declaration operator_declaration "
    "conversion_operator_declaration init_declaration deinit_declaration function_item local_function_statement "
    "secondary_constructor constructor_definition modifier_definition fallback_receive_definition"
)
# Those that are whole without a body of their own.
WHOLE_FUNCTIONS = _named("method singleton_method macro_definition create_function create_procedure create_trigger")
BODIES = _named("block compound_statement statement_block function_body constructor_body")

# Classes and what stands for one; methods inside get chunks of their own.
CLASSES = _named(
    "class_declaration abstract_class_declaration class interface_declaration enum_declaration record_declaration "
    "struct_declaration annotation_type_declaration class_specifier struct_specifier union_specifier enum_specifier "
    "impl_item trait_item struct_item enum_item union_item trait_declaration object_declaration companion_object "
    "protocol_declaration class_definition object_definition trait_definition enum_definition type_spec "
    "type_alias_declaration type_definition create_table create_view create_materialized_view create_type "
    "class_interface class_implementation contract_declaration library_declaration"
)
# Their line is their header: what is in them follows without a sign.
LINE_HEADED = _named("class_interface class_implementation")
# Namespaces; functions inside are functions.
MODULES = _named("mod_item namespace_definition namespace_declaration internal_module module")
# Of these a mention without a body is no definition (`struct S *p;`, `namespace A;`).
NEED_BODY = _named(
    "class_specifier struct_specifier union_specifier enum_specifier type_definition namespace_definition mod_item"
)

# Where a function is bound to a name: the fields of the name and of the value.
BOUND = {
    "variable_declarator": ("name", "value"),
    "assignment_expression": ("left", "right"),
    "public_field_definition": ("name", "value"),
    "field_definition": ("property", "value"),
    "pair": ("key", "value"),
}
FUNCTION_VALUES = _named("arrow_function function_expression generator_function function")
# An object that holds functions (`module.exports = {...}`, the methods of a component) stands for a class.
CLASS_VALUES = _named("class object")

# What begins with the definition that it holds: an export, a template, the keyword before a list of types, the body of
# a class of Ruby (a comment above its first method stands above the body).
WRAPPERS = _named(
    "export_statement ambient_declaration lexical_declaration variable_declaration template_declaration "
    "type_declaration declaration type_definition field_declaration expression_statement assignment_expression "
    "statement call argument_list implementation_definition body_statement linkage_specification"
)
# What may stand before the definition in it.
BEFORE = _named("visibility_modifier modifiers template_parameter_list string_literal")
# What is looked into for definitions beside these.
THROUGH = WRAPPERS | _named(
    "class_body interface_body enum_body enum_body_declarations declaration_list field_declaration_list "
    "template_body enum_class_body protocol_body statement_block preproc_if preproc_ifdef "
    "preproc_else preproc_elif if_statement compound_statement parenthesized_expression call_expression arguments "
    "array function_expression arrow_function extension_definition do_block begin if unless then else else_clause "
    "elif_clause case_statement case_item variable_declarator object pair as_expression satisfies_expression "
    "return_statement object_creation_expression anonymous_class contract_body "
    "ERROR"
)

# Doc comments and what is written above a definition.
ABOVE = _named(
    "comment line_comment block_comment multiline_comment doc_comment attribute_item inner_attribute_item "
    "attribute_list decorator annotation marker_annotation"
)
# Kotlin: remarks below the imports are the end of their node.
IMPORTS = _named("import_list package_header")
