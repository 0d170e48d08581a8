"""The programming language of a file by its suffix, and the languages that a question names.

Only those whose name is not their suffix: what ends in `.java` or `.go` has that word in its path.
"""

import re
from collections.abc import Mapping

_SUFFIXES: Mapping[str, tuple[str, ...]] = {
    "c#": ("cs", "csx"),
    "c++": ("cpp", "cc", "cxx", "hpp", "hh", "hxx", "ipp"),
    "clojure": ("clj", "cljs", "cljc"),
    "elixir": ("ex", "exs"),
    "erlang": ("erl", "hrl"),
    "f#": ("fs", "fsi", "fsx"),
    "fortran": ("f90", "f95", "f03", "f08"),
    "haskell": ("hs", "lhs"),
    "javascript": ("js", "jsx", "mjs", "cjs"),
    "julia": ("jl",),
    "kotlin": ("kt", "kts"),
    "ocaml": ("ml", "mli"),
    "perl": ("pl", "pm"),
    "python": ("py", "pyi", "pyw", "pyx"),
    "ruby": ("rb",),
    "rust": ("rs",),
    "typescript": ("ts", "tsx", "mts", "cts"),
}
_OF_SUFFIX = {suffix: language for language, suffixes in _SUFFIXES.items() for suffix in suffixes}
_ALSO_CALLED = {"cpp": "c++", "csharp": "c#", "fsharp": "f#", "python2": "python", "python3": "python"}
_CALLED = "|".join(re.escape(one) for one in sorted([*_SUFFIXES, *_ALSO_CALLED], key=len, reverse=True))
# `python.org` and `my_rust` name none. Letters of other scripts are letters, and none is like one of these.
_NAMED = re.compile(rf"(?<![\w.])(?ai:{_CALLED})(?!\w|\.\w|[+#])")


def language_of(path: str) -> str:
    """The language of a file, "" of one that is unknown or called as it ends.

    >>> language_of("lib/json.PY"), language_of("Main.java"), language_of("py"), language_of("a.b/c")
    ('python', '', '', '')
    """
    stem, dot, suffix = path.rpartition("/")[2].rpartition(".")
    return _OF_SUFFIX.get(suffix.casefold(), "") if dot and stem else ""


def languages_named(text: str) -> tuple[str, list[str]]:
    """(the text with the languages that it names in small letters, one word each; what they are called, each once).

    >>> languages_named("read JSON in JavaScript, not C++ or python3")
    ('read JSON in javascript, not c++ or python3', ['javascript', 'c++', 'python'])
    """
    found = [one.group().lower() for one in _NAMED.finditer(text)]
    if not found:
        return text, []
    named = [_ALSO_CALLED.get(one, one) for one in found]
    return _NAMED.sub(lambda one: one.group().lower(), text), list(dict.fromkeys(named))
