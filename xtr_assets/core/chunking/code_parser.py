"""Text of code into a syntax tree of tree-sitter, by the language of its suffix, in bounded time."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from xtr_assets.core.chunking.c_macros import with_one_branch, without_macros
from xtr_assets.core.chunking.code_depth import MOST_NESTED, deepest
from xtr_assets.core.chunking.code_forms import FORMS
from xtr_assets.core.chunking.code_grammar import C_OR_CPP, CONDITIONS, CPP, LANGUAGES, MACROS, OBJC, Language
from xtr_assets.core.chunking.swift_words import without_newer
from xtr_assets.core.errors import ProviderError

if TYPE_CHECKING:
    from tree_sitter import Node, Parser

# Of a file more than this share of which is no code of its language the tree says nothing: a template, a dump, another
# language under this suffix. C with many macros stays below a tenth.
MOST_ERRORS = 0.3
# Faults in less than this share are not worth the definitions of all branches but one.
FEW_ERRORS = 0.02
# What begins a line of Objective-C, and of no C: its headers have the suffix of C.
_OBJC_ONLY = re.compile(rb"^[ \t]*@(?:interface|protocol|class|implementation|import)\b", re.MULTILINE)
# Seconds of CPU for one file. 2 MiB of code take 1 s; what is built so that a parser takes hours (a chain of 200,000
# `else` in Scala) is left out, and the next file read.
MOST_SECONDS = 20.0
# The parser asks for the text in such slices, for some languages once a token: with 64 KiB Scala took 9 times as long.
_SLICE = 512


class Unparsable(Exception):
    """What no parser is given, or what it does not come to an end with; `detail` has the figure and the limit."""

    def __init__(self, line: int, detail: str) -> None:
        super().__init__(detail)
        self.line, self.detail = line, detail


def require() -> None:
    """Raises ProviderError where the parsers are not installed."""
    try:
        import tree_sitter_language_pack  # noqa: F401
    except ImportError as error:
        raise ProviderError(
            "sources of kind `code` need the parsers of tree-sitter, which are not installed; "
            "install them with: pip install 'xtr-assets[code]'"
        ) from error


def parse(text: str, suffix: str) -> tuple[Node, Language] | None:
    """The tree of a text; None where its language is not known, or most of it is not code of that language.

    Of a file with faults that reading is taken which has the fewest: as C, C++ or Objective-C, without macros and words
    of newer Swift, with one branch of each condition. Unparsable where brackets stand too deep inside each other, or
    where the parser takes too long.
    """
    language = LANGUAGES.get(suffix)
    if language is None:
        return None
    depth, line = deepest(text, apostrophes=language.apostrophes)
    if depth > MOST_NESTED:
        detail = f"{depth:,} brackets stand inside each other, at most {MOST_NESTED} are parsed; exclude the file"
        raise Unparsable(line, detail)
    data, end = text.encode(), time.thread_time() + MOST_SECONDS
    root = _parsed(data, language.grammar, end)
    if root is None:
        seconds, size = f"{MOST_SECONDS:.0f} s", f"{len(data):,} bytes"
        raise Unparsable(0, f"the parser of {language.grammar} took more than {seconds} for {size}; exclude the file")
    errors = _errors(root, language.grammar)
    for other, source, worth in _other_readings(data, suffix, language):
        if errors <= worth:
            break
        tree = _parsed(source, other.grammar, end)
        fewer = errors if tree is None else _errors(tree, other.grammar)
        if tree is not None and fewer < errors:
            root, errors, language = tree, fewer, other
    return None if errors > MOST_ERRORS * len(data) else (root, language)


def _other_readings(data: bytes, suffix: str, language: Language) -> Iterator[tuple[Language, bytes, float]]:
    """What a file with faults may be besides, and the bytes in error above which that is worth a look."""
    languages: tuple[Language, ...] = (language,)
    if suffix in C_OR_CPP:
        languages = (language, OBJC, CPP) if _OBJC_ONLY.search(data) else (language, CPP)
    yield from ((other, data, 0.0) for other in languages[1:])
    plain = without_macros(data) if language.grammar in MACROS else data
    plain = without_newer(data) if language.grammar == "swift" else plain
    if plain != data:
        yield from ((other, plain, 0.0) for other in languages)
    chosen = with_one_branch(plain) if language.grammar in CONDITIONS else plain
    if chosen != plain:
        yield from ((other, chosen, FEW_ERRORS * len(data)) for other in languages)


def _errors(root: Node, grammar: str) -> int:
    """Bytes that lie in errors, and one for each sign that is missing."""
    if not root.has_error:
        return 0
    errors, waiting = 0, [root]
    # Where no rule holds to the end of a file, the root is an error that has all its definitions: the tokens between
    # these are what is in error.
    if root.is_error and grammar in FORMS:
        waiting = [child for child in root.children if child.child_count]
        errors = sum(child.end_byte - child.start_byte for child in root.children if not child.child_count)
    while waiting:
        node = waiting.pop()
        if node.is_error:
            errors += node.end_byte - node.start_byte
        elif node.is_missing:
            errors += 1
        elif node.has_error:
            waiting.extend(node.children)
    return errors


def _parsed(data: bytes, grammar: str, end: float) -> Node | None:
    """None where the parser is not done at `end` (seconds of this thread's CPU)."""
    late = False

    def slices(at: int, _point: object) -> bytes:
        return data[at : at + _SLICE]

    def stop(_at: int, _failed: bool) -> bool:
        nonlocal late
        late = time.thread_time() > end
        return late

    try:
        return _parser(grammar).parse(slices, progress_callback=stop).root_node
    except ValueError:
        if not late:
            raise
        return None


def _parser(grammar: str) -> Parser:
    require()
    from tree_sitter_language_pack import get_parser

    return get_parser(grammar)  # type: ignore[arg-type]
