"""The programming language of a file by its suffix, and the languages that a question names.

A header `.h` may be of several, so it has none. Nor has what people ask about more often than they write in it, as SQL.
"""

import re
from collections.abc import Mapping

import regex

from xtr_assets.core.text_fold import LETTER, fold_form

_SUFFIXES: Mapping[str, tuple[str, ...]] = {
    "ada": ("adb", "ads"),
    "c": ("c",),
    "c#": ("cs", "csx"),
    "c++": ("cpp", "cc", "cxx", "hpp", "hh", "hxx", "ipp"),
    "clojure": ("clj", "cljs", "cljc"),
    "dart": ("dart",),
    "elisp": ("el",),
    "elixir": ("ex", "exs"),
    "elm": ("elm",),
    "erlang": ("erl", "hrl"),
    "f#": ("fs", "fsi", "fsx"),
    "fortran": ("f90", "f95", "f03", "f08"),
    "go": ("go",),
    "groovy": ("groovy",),
    "haskell": ("hs", "lhs"),
    "java": ("java",),
    "javascript": ("js", "jsx", "mjs", "cjs"),
    "julia": ("jl",),
    "kotlin": ("kt", "kts"),
    "lisp": ("lisp", "lsp", "asd"),
    "lua": ("lua",),
    "nim": ("nim",),
    "nix": ("nix",),
    "ocaml": ("ml", "mli"),
    "pascal": ("pas", "dpr", "lpr"),
    "perl": ("pl", "pm"),
    "php": ("php",),
    "purescript": ("purs",),
    "python": ("py", "pyi", "pyw", "pyx"),
    "r": ("r",),
    "racket": ("rkt",),
    "ruby": ("rb",),
    "rust": ("rs",),
    "scala": ("scala", "sc"),
    "scheme": ("scm", "ss", "sld", "sps"),
    "starlark": ("bzl", "star", "bazel"),
    "swift": ("swift",),
    "tcl": ("tcl",),
    "typescript": ("ts", "tsx", "mts", "cts"),
    "verilog": ("v", "sv", "vh", "svh"),
    "vhdl": ("vhd", "vhdl"),
    "zig": ("zig",),
}
# The term of each: no word of a text begins with a dot.
LANGUAGE_TERMS = tuple(f".{language}" for language in _SUFFIXES)
_OF_SUFFIX = {suffix: language for language, suffixes in _SUFFIXES.items() for suffix in suffixes}
# A question says which C++ it means, and C# by the sign that it is called after.
_STANDARDS = ("98", "03", "0x", "11", "14", "17", "20", "23", "26")
_ALSO_CALLED = {
    "cpp": "c++", "csharp": "c#", "c\u266f": "c#", "fsharp": "f#", "f\u266f": "f#", "golang": "go", "python2": "python",
    "python3": "python", **{f"c++{year}": "c++" for year in _STANDARDS},
}  # fmt: skip
# Words that say something else too: named only as what something is written in, and not in `C:\` or `R&D`; and where a
# question begins with one, but not "go to", nor `r = get(url)`.
_SHORT = ("c", "go", "r")
# What people go.
_GOES = (
    "about", "again", "ahead", "along", "and", "around", "away", "back", "backward", "backwards", "behind",
    "beyond", "by", "deeper", "directly", "down", "for", "forward", "forwards", "from", "full", "further", "home",
    "in", "inside", "into", "live", "off", "offline", "on", "online", "out", "outside", "over", "past", "straight",
    "the", "there", "through", "to", "under", "up", "upward", "via", "with", "without",
)  # fmt: skip
# What a question rarely means by it (a color scheme), or asks for in two words.
_UNNAMED = ("purescript", "scheme")
_LONG = sorted({*_SUFFIXES, *_ALSO_CALLED}.difference(_SHORT, _UNNAMED), key=len, reverse=True)
# Words that are no mistakes, whatever rows hold.
LANGUAGE_WORDS = frozenset({*_LONG, "powershell", "solidity"})
_CALLED = "|".join(map(regex.escape, _LONG))
# A word of its own, as terms have words: Han characters beside it are others. `python.org` and `my_rust` name none,
# `python3.12` names one.
_NAMED = regex.compile(
    rf"(?<!{LETTER}|\.)(?:{_CALLED})(?!{LETTER}|\.(?!\p{{Nd}}){LETTER}|[+#])", regex.V1 | regex.IGNORECASE
)
_IN_SHORT = regex.compile(
    rf"(?<!\S)(?:in|using)\s({'|'.join(_SHORT)})(?!{LETTER}|\.{LETTER}|[+#'&-]|:[/\\])", regex.V1 | regex.IGNORECASE
)
_WHERE_TO = rf"(?:{'|'.join(_GOES)})(?!{LETTER})"
_FIRST_SHORT = regex.compile(rf"\s*(?:[CcRr]|Go(?!\s{_WHERE_TO}))\s(?={LETTER}{LETTER})", regex.V1)
# Those that capitals part within a longer name.
_PARTED = "(?:Java|Type)Script|OCaml|[CF]Sharp"
_WITHIN = regex.compile(rf"(?<={LETTER})(?:{_PARTED})|(?:{_PARTED})(?={LETTER})", regex.V1)
_HINT = re.compile("Script|Caml|Sharp")


def language_of(path: str) -> str:
    """The language of a file, "" of one that is unknown.

    >>> language_of("lib/json.PY"), language_of("Main.java"), language_of("py"), language_of("a.h")
    ('python', 'java', '', '')
    """
    stem, dot, suffix = path.rpartition("/")[2].rpartition(".")
    return _OF_SUFFIX.get(suffix.casefold(), "") if dot and stem else ""


def languages_named(text: str) -> tuple[str, list[str]]:
    """(the text with the languages that it names in small letters, one word each; what they are called, each once).
    Accents, width and case do not count, as in all words.

    >>> languages_named("read JSON in JavaScript, not C++ or python3")
    ('read JSON in javascript, not c++ or python3', ['javascript', 'c++', 'python'])
    >>> languages_named("go to the end of a list in C")[1], languages_named("Binary search in Go")[1]
    (['c'], ['go'])
    >>> languages_named("Go binary search")[1], languages_named("Go to line")[1]
    (['go'], [])
    """
    read = fold_form(text)
    found = [one.group().lower() for one in _NAMED.finditer(read)]
    short = [one.group(1).lower() for one in _IN_SHORT.finditer(read)]
    if first := _FIRST_SHORT.match(read):
        short.insert(0, first.group().strip().lower())
    named = list(dict.fromkeys([*(_ALSO_CALLED.get(one, one) for one in found), *short]))
    return (_NAMED.sub(lambda one: one.group().lower(), read) if found else text), named


def languages_within(text: str) -> list[str]:
    """The languages within longer names of a text in `fold_form`, with repeats: a query asks for each as one word.

    >>> languages_within("setJavaScriptEnabled in JavaScript"), languages_within("OCamlParser")
    (['javascript'], ['ocaml'])
    """
    return [one.lower() for one in _WITHIN.findall(text)] if _HINT.search(text) else []
