"""A second reading of code in other languages by its characters alone: no parser is asked what it found."""

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from importlib.util import find_spec
from itertools import accumulate
from pathlib import PurePosixPath

from xtr_assets.pipeline.gate.component_evidence import MARKED, component_faults
from xtr_assets.pipeline.gate.grammar_fit import fits
from xtr_assets.pipeline.gate.text_evidence import Row, part_faults, place_id, runs_of

_MODULE = "<module>"
# What no line says: all else is called by a name that stands in it.
_UNSAID = frozenset({"", _MODULE, *MARKED})
_KINDS = frozenset({"module", "class", "function", "method"})
# Where a file has so many functions and more than this share of them open more braces than they close, they were cut
# off. Some may hold a brace in a string, or branches of a preprocessor; in 1,810 files of headers and scripts the
# largest share among five functions or more was 0.8.
LEAST_FUNCTIONS, MOST_OPEN = 5, 0.8
LONG_LINE = 500
# Files of a suffix of which most have chunks of fewer than so many of the names that they define. In 29 real files of
# headers, scripts and modules each name had one.
LEAST_FILES, LEAST_NAMED = 3, 0.6
# Brackets inside each other beyond which a file is in quarantine for them. A string that one reader passes over and the
# other does not makes a difference of some; the deepest of 559 real files had 37.
DEEP = 128
_STRING = re.compile(r"\\[\\\"']|\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'")
# Where an apostrophe begins no string.
_CHARACTER = re.compile(r"\\[\\\"']|\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)'")
_UNQUOTED = (
    *(".hs", ".purs", ".elm", ".fs", ".fsx", ".nix", ".clj", ".cljs", ".cljc", ".el", ".lisp", ".lsp", ".asd", ".scm"),
    *(".ss", ".sld", ".sps", ".rkt", ".nim", ".adb", ".ads", ".v", ".sv", ".vh", ".svh", ".vhd", ".vhdl"),
)
_OPENS, _CLOSES = frozenset("([{"), frozenset(")]}")
# A name of more letters may be cut where it stands in a title.
LONG_NAME = 100
# What begins a definition in most languages, at the beginning of a line: a word for it, a name, and what follows one.
_WORDS_BEFORE = (
    "export|default|async|public|private|protected|internal|static|final|abstract|sealed|open|pub|local|inline"
)
_DEFINES = re.compile(
    rf"(?:(?:{_WORDS_BEFORE})\s+)*(?:function|def|func|fn|fun|sub|class|interface|struct|trait)\s+"
    r"([A-Za-z_]\w*)\s*(?:[(<{:]|$|(?:extends|implements)\b)"
)

# What surely defines something in a language that says it otherwise.
_BEGINS = {
    ".clj .cljs .cljc": r"\((?:defn-?|defmacro|defprotocol|defrecord)\s+([A-Za-z][\w*!?<>=+-]*)(?:\s|$)",
    ".el": r"\((?:defun|defmacro|cl-defun|defsubst)\s+([A-Za-z][\w-]*)\s",
    ".lisp .lsp .asd": r"\((?:defun|defmacro|defclass)\s+([A-Za-z][\w-]*)\s",
    ".scm .ss .sld .sps .rkt": r"\(define\s+\(([A-Za-z][\w-]*)[\s)]",
    ".hs .purs": r"([a-z]\w*)\s+::\s.*->",
    ".elm": r"([a-z]\w*)\s+:\s.*->",
    ".f90 .f95 .f03 .f08": r"(?i)\s*(?:pure |elemental |recursive )?(?:subroutine|function)\s+(\w+)\s*\(",
    ".nim": r"(?:proc|func)\s+(\w+)\*?\s*\(.*=\s*$",
    ".pas .dpr .lpr": r"(?i)(?:procedure|function|constructor)\s+\w+\.(\w+)",
    ".adb": r"(?i)\s*(?:procedure|function)\s+(\w+)(?:\s*\(.*\))?(?:\s+return\s+[\w.]+)?\s+is\s*$",
    ".tcl": r"proc\s+(\w+)\s+\{",
    ".v .sv": r"module\s+(\w+)\s*[(#]",
    ".vhd .vhdl": r"(?i)entity\s+(\w+)\s+is\b",
    ".fish": r"function\s+([\w-]+)(?:\s|$)",
    ".vim": r"fu(?:nction|nc)?!?\s+(?:s:)?([A-Za-z][\w#]*)\s*\(",
    ".scss": r"@(?:mixin|function)\s+([\w-]+)",
    ".prisma": r"(?:model|enum)\s+(\w+)\s*\{",
}  # fmt: skip
_DEFINES_IN = {suffix: re.compile(said) for many, said in _BEGINS.items() for suffix in many.split()}

# Suffixes that two languages share, and how lines begin that are of the one which no parser of the suffix reads: MATLAB
# beside Objective-C, Raku and the classes of newer Perl beside Perl. Such a file is plain text, and its definitions are
# nobody's.
_RAKU = re.compile(r"use v6\b|unit (?:module|class|role|grammar)\b|class\s+[A-Za-z_][\w:]*[^.]*[{;]\s*$")
_OTHER_LANGUAGE = {".m": re.compile(r"function\b|classdef\b"), ".pl": _RAKU, ".pm": _RAKU}
# What is declared alone has no chunk of its own: a line of TypeScript without a body, and files of such lines.
_DECLARES = (".d.ts", ".d.mts", ".d.cts")
_WITHOUT_BODY = re.compile(r"[^{]*;\s*$")


def code_faults(path: str, lines: Sequence[str], rows: Sequence[Row]) -> Iterator[str]:
    """Symbols, kinds, titles and ids of a file of code, or of plain text where it fell into paragraphs."""
    plain = bool(rows) and all(row["kind"] == "text" for row in rows)
    words = frozenset(re.findall(r"\w+", "\n".join(lines).casefold()))
    seen: Counter[str] = Counter()
    runs = runs_of(rows)
    # A type may be called at its end (`typedef struct { ... } name;`), beyond what stands apart inside it.
    reach = {row["symbol"]: row["end_line"] for row in rows}
    for row in rows:
        reach[row["symbol"]] = max(reach[row["symbol"]], row["end_line"])
    symbols = set(reach)
    yield from part_faults(runs)
    yield from component_faults(path, lines, rows)
    for run in runs:
        symbol, start = run[0]["symbol"], run[0]["start_line"]
        if plain and symbol:
            yield f"{symbol!r} at line {start}: a paragraph has no symbol"
        named = _place_of(path, run[0], seen, symbols)
        if named is None:
            yield f"{symbol!r} at line {start}: chunk_id {run[0]['chunk_id']} is another place's"
            continue
        occurrence = seen[named]
        seen[named] += 1
        if named == symbol and symbol not in _UNSAID and not _stands(symbol, lines[start - 1 : reach[symbol]]):
            yield f"the name of {symbol!r} does not stand in lines {start} to {reach[symbol]}"
        for row in run:
            where = f"{symbol!r} part {row['part']}"
            if row["chunk_id"] != place_id(row["source"], path, named, occurrence, row["part"]):
                yield f"{where}: chunk_id {row['chunk_id']} is another place's"
            if row["metadata"] != "{}" or not (plain or row["kind"] in _KINDS):
                yield f"{where}: kind {row['kind']!r}, metadata {row['metadata']}"
            if not _said(row["title"], words) or not _titled(row, named, symbols):
                yield f"{where}: its title is {row['title']!r}"
    yield from _cut_faults(lines, runs)


def _place_of(path: str, row: Row, seen: Counter[str], symbols: set[str]) -> str | None:
    """What a text is placed by: its symbol, or its symbol after another of the file."""
    symbol = str(row["symbol"])
    for named in (symbol, *(f"{symbol} after {other}" for other in sorted(symbols) if other)):
        if row["chunk_id"] == place_id(row["source"], path, named, seen[named], 0):
            return named
    return None


def _said(title: str, words: frozenset[str]) -> bool:
    """Whether the words of a title stand in the file; of a name longer than any title its beginning does."""
    return all(
        word in words or (len(word) >= LONG_NAME and any(one.startswith(word) for one in words))
        for word in re.findall(r"\w+", title.casefold())
    )


def _titled(row: Row, named: str, symbols: set[str]) -> bool:
    """Whether a title names what the row stands in: its own scope, or for the first part of one what that stands in."""
    symbol, title = row["symbol"], row["title"]
    if row["part"] or named != symbol:
        return symbol == title == "" or (_stands(symbol, [title]) if symbol not in _UNSAID else not title)
    parts = re.split(r"(::|\.)", symbol)
    above = ["".join(parts[:count]) for count in range(len(parts) - 2, 0, -2)]
    return not title or any(one in symbols and _stands(one, [title]) for one in above)


def _stands(symbol: str, own: Sequence[str]) -> bool:
    """Whether the last part of a symbol is written in the lines, whatever the case: some are called by a keyword. Of a
    name with colons (`setValue:forKey:`, `Stack:push`) each word, since parameters may stand between."""
    name = "".join(re.split(r"::|\.", symbol)[-1].split()).casefold()
    written = "".join("\n".join(own).split()).casefold()
    return all(word in written for word in name.split(":"))


def refusal_faults(path: str, text: str, lines: Collection[int], reasons: Collection[str]) -> Iterator[str]:
    """Whether a file that is text may be in quarantine. `lines` are those that it is told of: that its parser takes too
    long is told of none, and not tried again."""
    if "not-installed" in reasons:
        if find_spec("tree_sitter_language_pack"):
            yield "it is in quarantine for want of a library that is installed"
    elif 0 not in lines and deepest(text, _CHARACTER if path.lower().endswith(_UNQUOTED) else _STRING) < DEEP:
        yield "it is in quarantine and can be read"


def deepest(text: str, strings: re.Pattern[str] = _STRING) -> int:
    """How many brackets are open at once at most, strings of one line aside.

    >>> deepest("f(a[0], '((((')")
    2
    """
    steps = ((one in _OPENS) - (one in _CLOSES) for one in strings.sub("", text))
    return max(accumulate(steps, lambda depth, step: max(depth + step, 0), initial=0))


class NamedFiles:
    """Of the files of each suffix that were read, how many have definitions that any reader finds, and how many of
    these name few of them: a parser that finds nothing leaves every line where it was."""

    def __init__(self) -> None:
        self._files: dict[str, list[bool]] = defaultdict(list)
        # Of files with fewer definitions: how many each has, and how many have names.
        self._small: dict[str, list[tuple[int, int]]] = defaultdict(list)
        # Of each comment right above a definition, whether it lies apart from that; and of each chunk of a function,
        # whether it is said to be a class.
        self._apart: dict[str, list[bool]] = defaultdict(list)
        self._classes: dict[str, list[bool]] = defaultdict(list)
        # Paths of the latter.
        self.nameless: list[str] = []
        # Whether each file came to no end of its parser, by suffix.
        self._endless: dict[str, list[bool]] = defaultdict(list)

    def end(self, path: str, *, reached: bool) -> None:
        """Take into account whether a file's parser came to its end."""
        self._endless[PurePosixPath(path).suffix.lower()].append(not reached)

    def count(self, path: str, lines: Sequence[str], rows: Sequence[Row]) -> None:
        """Take a file into account."""
        suffix = PurePosixPath(path).suffix.lower()
        other = _OTHER_LANGUAGE.get(suffix)
        if path.lower().endswith(_DECLARES) or (other is not None and any(map(other.match, lines))):
            return
        owner = {number: row for row in rows for number in range(row["start_line"], row["end_line"] + 1)}
        begun = [
            (number, found[1])
            for number, line in enumerate(lines, 1)
            if (found := _DEFINES.match(line)) and not _WITHOUT_BODY.match(line)
        ]
        if suffix in _DEFINES_IN:
            said = _DEFINES_IN[suffix]
            begun = [(number, found[1]) for number, line in enumerate(lines, 1) if (found := said.match(line))]
        held = [number for number, name in begun if number in owner and _stands(name, [owner[number]["symbol"]])]
        own = len(held)
        for number in held:
            if comment := _comment_above(lines, number):
                self._apart[suffix].append(owner.get(comment) is not owner[number])
            if _FUNCTION.search(lines[number - 1]):
                self._classes[suffix].append(owner[number]["kind"] == "class")
        if len(begun) < LEAST_FUNCTIONS:
            if begun and not all(row["kind"] == "text" for row in rows):
                self._small[suffix].append((len(begun), own))
            return
        few = own < LEAST_NAMED * len(begun)
        self.nameless += [path] if few else []
        # What fell into paragraphs, and is no code to the parser itself, is no lost definition.
        if not (few and all(row["kind"] == "text" for row in rows) and not fits(suffix, "\n".join(lines))):
            self._files[suffix].append(few)

    def faults(self) -> Iterator[str]:
        """Where most of several files are so: one may be a template, or broken."""
        for suffix, endless in sorted(self._endless.items()):
            if len(endless) >= LEAST_FILES and 2 * sum(endless) > len(endless):
                yield f"{sum(endless)} of {len(endless)} files of {suffix} are in quarantine, and can be read"
        for suffix, small in sorted(self._small.items()):
            begun, own = (sum(one[at] for one in small) for at in (0, 1))
            few = sum(own < LEAST_NAMED * begun for begun, own in small)
            if few >= LEAST_FILES and 2 * few > len(small) and begun >= LEAST_FUNCTIONS and own < LEAST_NAMED * begun:
                yield f"{len(small)} files of {suffix} have {begun} definitions, and chunks of {own} of their names"
        for suffix, apart in sorted(self._apart.items()):
            if len(apart) >= LEAST_FUNCTIONS and 2 * sum(apart) > len(apart):
                yield f"{sum(apart)} of {len(apart)} comments of {suffix} lie apart from the definitions below them"
        for suffix, classes in sorted(self._classes.items()):
            if len(classes) >= LEAST_FUNCTIONS and 2 * sum(classes) > len(classes):
                yield f"{sum(classes)} of {len(classes)} functions of {suffix} are said to be classes"
        for suffix, nameless in sorted(self._files.items()):
            if len(nameless) >= LEAST_FILES and 2 * sum(nameless) > len(nameless):
                told = f"{sum(nameless)} of {len(nameless)} files of {suffix} have definitions"
                yield f"{told}, at least {LEAST_FUNCTIONS} each, and chunks of few of their names"


# What a comment of a line of its own begins with; what a directive or a pragma does is none.
_COMMENT = re.compile(
    r"\s*(?://|/\*|\*|--(?!-+\s*$)|;|\"\s|#(?!\s*(?:include|define|undef|if|el|endif|pragma|line|error)|[\[!])|!|%)"
)
# A word that only functions are defined by.
_FUNCTION = re.compile(r"\b(?:function|func|fn|fun|defun|defn-?|def|proc|subroutine)\b")


def _comment_above(lines: Sequence[str], number: int) -> int:
    """The line right above a definition where that is a comment, indented as it is; else 0."""
    if number < 2 or not _COMMENT.match(lines[number - 2]):
        return 0
    depths = [len(line) - len(line.lstrip(" \t*")) for line in lines[number - 2 : number]]
    return number - 1 if depths[0] - depths[1] in (0, 1, 2) else 0


def _cut_faults(lines: Sequence[str], runs: Sequence[Sequence[Row]]) -> Iterator[str]:
    functions = [run for run in runs if run[0]["kind"] in ("function", "method")]
    # Braces in the texts and patterns of a long line, as a bundle has them, are no blocks.
    plain = [run for run in functions if _longest(lines, run) <= LONG_LINE]
    texts = ["\n".join(row["text"] for row in run) for run in plain]
    braced = [text for text in texts if "{" in text]
    open_ = sum(text.count("{") > text.count("}") for text in braced)
    if len(braced) >= LEAST_FUNCTIONS and open_ > MOST_OPEN * len(braced):
        yield f"{open_} of {len(braced)} functions open more braces than they close: they are cut off"


def _longest(lines: Sequence[str], run: Sequence[Row]) -> int:
    return max(map(len, lines[run[0]["start_line"] - 1 : run[-1]["end_line"]]), default=0)
