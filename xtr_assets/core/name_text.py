"""The name of a chunk: the words of its path and symbol, and the first sentence of what its author says of it.

Encoded beside the chunk, because people ask for a function by what it is called (`asyncio.gather`), and the module that
it stands in is nowhere in its text. docs/format.md says what a name is, line by line: the gate derives it anew from
there.
"""

import re
from collections.abc import Iterator
from typing import Literal

from xtr_assets.core.doc_comment import doc_lines

# Part of the names' folder: another wording is encoded anew, beside the one that older generations read.
NAME_VERSION = 2

# Which rows of a source have names: none; all; those of code and configuration alone, where documents lie among them.
Naming = Literal["", "all", "code"]
NAMINGS: tuple[Naming, ...] = ("all", "code")

# Folders that code lies in whatever it does.
ROOTS = frozenset({"src", "lib"})
# A path may be 4,096 characters long; what stands nearest to the thing tells it from others.
MOST_WORDS = 24
# A sentence that is longer is a paragraph; its beginning says what the thing is.
MOST_SAID = 24

# Python and Starlark.
_DOCSTRINGS = (".py", ".pyi", ".bzl", ".star", ".bazel")
_CODE = frozenset({"module", "class", "function", "method"})
# Of rows that have names beside documents: a heading stands in the text that is encoded (docs/measurements.md).
_NAMED = _CODE | {"config"}
_BORDER = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|[\W_]+")
_STOP = re.compile(r"[.!?:](?=\s|$)|[\u3002\uff01\uff1f]")
_QUOTE = re.compile(r"[rRuU]?(\"\"\"|''')")
# Tags behind which the description itself stands, and what any other tag begins with.
_DESCRIBES = re.compile(r"(?:@(?:doc|brief|title|notice|summary|description)|\\brief)(?=\s|$)")
_TAG = re.compile(r"@|\\[a-z]")


def name_text(path: str, symbol: str, text: str, kind: str, naming: Naming = "all") -> str | None:
    r"""What is encoded as the name of a chunk; None where nothing names it, or `naming` leaves its kind out.

    >>> name_text("src/tasks/runner.rs", "Runner::run_all", "/// Runs all. At once.\nfn run_all() {}", "method")
    'tasks runner run all: Runs all'
    >>> name_text("http/HTTPServer.java", "HTTPServer.doGet", "void doGet() {}", "method")
    'http server do get'
    """
    if not naming or (naming == "code" and kind not in _NAMED):
        return None
    words = list(dict.fromkeys([*_path_words(path), *_symbol_words(symbol)]))[-MOST_WORDS:]
    said = _said(path, text, kind)
    return ": ".join(one for one in (" ".join(words), said) if one) or None


def _words(text: str) -> list[str]:
    return [word.lower() for word in _BORDER.split(text) if word]


def _path_words(path: str) -> list[str]:
    *folders, file = path.split("/")
    while folders and folders[0] in ROOTS:
        folders = folders[1:]
    stem = file[: file.rfind(".")] if "." in file[1:] else file
    return [word for part in (*folders, stem if stem != "__init__" else "") for word in _words(part)]


def _symbol_words(symbol: str) -> list[str]:
    # "<module>" and its like are no names.
    return [] if symbol.startswith("<") else _words(symbol)


def _said(path: str, text: str, kind: str) -> str:
    if kind not in _CODE:
        return ""
    lines: Iterator[str] = iter(())
    if path.endswith(_DOCSTRINGS):
        lines = _docstring(text, kind)
    elif kind != "module":  # What stands above a whole file is its licence.
        lines = doc_lines(path, text)
    paragraph: list[str] = []
    for line in lines:
        stripped = line.strip()
        if not paragraph:
            stripped = stripped[found.end() :].strip() if (found := _DESCRIBES.match(stripped)) else stripped
        if _TAG.match(stripped) or (paragraph and not stripped):
            break
        if stripped:
            paragraph.append(stripped)
    sentence = _STOP.split(" ".join(paragraph), maxsplit=1)[0]
    said = " ".join(sentence.split()[:MOST_SAID])
    return said if any(one.isalnum() for one in said) else ""


def _docstring(text: str, kind: str) -> Iterator[str]:
    """Lines of the string that stands first: in a module, else below the first line that ends with a colon."""
    lines = iter(text.split("\n"))
    opened = kind == "module"
    for line in lines:
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        if not opened:
            opened = stripped.endswith(":")
            continue
        quote = _QUOTE.match(stripped)
        if quote is None:
            return
        first = stripped[quote.end() :]
        for one in (first, *lines):
            inside, closed, _ = one.partition(quote.group(1))
            yield inside
            if closed:
                return
