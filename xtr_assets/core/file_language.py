"""The programming language of a file by its suffix, and the languages that a question names.

A header `.h` may be of several, so it has none. Nor has what people ask about more often than they write in it, as SQL.
"""

import re
from collections.abc import Mapping

_SUFFIXES: Mapping[str, tuple[str, ...]] = {
    "c": ("c",),
    "c#": ("cs", "csx"),
    "c++": ("cpp", "cc", "cxx", "hpp", "hh", "hxx", "ipp"),
    "clojure": ("clj", "cljs", "cljc"),
    "dart": ("dart",),
    "elixir": ("ex", "exs"),
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
    "lua": ("lua",),
    "ocaml": ("ml", "mli"),
    "perl": ("pl", "pm"),
    "php": ("php",),
    "python": ("py", "pyi", "pyw", "pyx"),
    "r": ("r",),
    "ruby": ("rb",),
    "rust": ("rs",),
    "scala": ("scala", "sc"),
    "swift": ("swift",),
    "typescript": ("ts", "tsx", "mts", "cts"),
    "zig": ("zig",),
}
# The term of each: no word of a text begins with a dot.
LANGUAGE_TERMS = tuple(f".{language}" for language in _SUFFIXES)
_OF_SUFFIX = {suffix: language for language, suffixes in _SUFFIXES.items() for suffix in suffixes}
_ALSO_CALLED = {"cpp": "c++", "csharp": "c#", "fsharp": "f#", "golang": "go", "python2": "python", "python3": "python"}
# Words that say something else too: named only as what something is written in.
_SHORT = ("c", "go", "r")
_LONG = sorted({*_SUFFIXES, *_ALSO_CALLED}.difference(_SHORT), key=len, reverse=True)
_CALLED = "|".join(map(re.escape, _LONG))
# `python.org` and `my_rust` name none. Letters of other scripts are letters, and none is like one of these.
_NAMED = re.compile(rf"(?<![\w.])(?ai:{_CALLED})(?!\w|\.\w|[+#])")
_IN_SHORT = re.compile(rf"(?<!\S)(?ai:in|using)\s(?ai:({'|'.join(_SHORT)}))(?!\w|\.\w|[+#'-])")


def language_of(path: str) -> str:
    """The language of a file, "" of one that is unknown.

    >>> language_of("lib/json.PY"), language_of("Main.java"), language_of("py"), language_of("a.h")
    ('python', 'java', '', '')
    """
    stem, dot, suffix = path.rpartition("/")[2].rpartition(".")
    return _OF_SUFFIX.get(suffix.casefold(), "") if dot and stem else ""


def languages_named(text: str) -> tuple[str, list[str]]:
    """(the text with the languages that it names in small letters, one word each; what they are called, each once).

    >>> languages_named("read JSON in JavaScript, not C++ or python3")
    ('read JSON in javascript, not c++ or python3', ['javascript', 'c++', 'python'])
    >>> languages_named("go to the end of a list in C")[1], languages_named("Binary search in Go")[1]
    (['c'], ['go'])
    """
    found = [one.group().lower() for one in _NAMED.finditer(text)]
    short = [one.group(1).lower() for one in _IN_SHORT.finditer(text)]
    named = list(dict.fromkeys([*(_ALSO_CALLED.get(one, one) for one in found), *short]))
    return (_NAMED.sub(lambda one: one.group().lower(), text) if found else text), named
