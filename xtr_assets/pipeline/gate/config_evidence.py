"""A second reading of configuration by its lines: what stands above and around a piece must be what it is called by.

No outline is asked. A line lies in those that stand above it with a smaller indent, in TOML and INI in the last header,
in a Dockerfile in the last FROM. A dash counts as half a step of indent.
"""

import re
from bisect import bisect_left, bisect_right
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from itertools import chain, islice
from operator import itemgetter
from pathlib import PurePosixPath

from xtr_assets.pipeline.gate.quoted_lines import within_quotes
from xtr_assets.pipeline.gate.text_evidence import Row, part_faults, place_id, runs_of, text_of

TREES, HEADERS, STAGES = "tree", "header", "stage"
_SHAPES = {
    **dict.fromkeys((".yml", ".yaml", ".json", ".jsonc", ".gradle"), TREES),
    **dict.fromkeys((".toml", ".ini", ".cfg", ".conf"), HEADERS),
    ".dockerfile": STAGES,
}
_SHAPES_OF_NAMES = {
    **dict.fromkeys(("Dockerfile*", "Containerfile*"), STAGES),
    **dict.fromkeys((".editorconfig", ".flake8", ".pylintrc", ".coveragerc"), HEADERS),
    **dict.fromkeys((".clang-format", ".clang-tidy", "Jenkinsfile"), TREES),
}
_MARKS = {
    # At the begin of its line a header may hold anything: a glob of .editorconfig has commas and brackets.
    HEADERS: re.compile(r"(?:\s*\[+(?:[^\[\],\"']|\"[^\"]*\"|'[^']*')+\]+|\[.+\])\s*(?:[#;].*)?$"),
    STAGES: re.compile(r"\s*FROM\s", re.IGNORECASE),
}
# What is nested by braces, and indented as anybody likes.
_BRACED = (".gradle", ".json", ".jsonc")
NOTE = re.compile(r"\s*(?:#|//|/\*|\*|;|$)|(?:---|\.\.\.)\s*(?:#.*)?$|%[A-Z]|(?:[&!]\S*(?:\s+|$))+$")
_LONGEST = 100
# What calls a document of Kubernetes, at its top or in its metadata, so many at most; and what calls an item of a list.
_KIND = re.compile(r"\b(?:kind|name)[\"']?\s*:\s*([^,}]+)")
_FEW = 8
# Lines below a key that its text may go on in.
_FOLDED = 3
# Lines that a table, a stage or a target begins with.
_FIRST = 3
_CALLS = re.compile(
    r"[\s{-]*[\"']?(?:name|id|alert|record|job_name|repo|key|uses|title|hosts|package-ecosystem)[\"']?\s*:"
)
# What a comment begins with; "": where none belongs to anything.
_COMMENTS = {
    ".ini": "#|;",
    ".cfg": "#|;",
    ".conf": "#|;",
    ".properties": "",
    ".gradle": "//",
    ".yml": "#",
    ".yaml": "#",
}
# Chunks of a file that are called by what is nowhere near them: so many, and such a share. In 3,117 real files there is
# none; of files that were broken at random one in a hundred has one.
LEAST_WRONG, WRONG_SHARE = 2, 0.2


def config_text_of(path: str, data: bytes) -> str | None:
    """The text; None for what is none. Properties of Java that are no UTF-8 are Latin-1."""
    text = text_of(data)
    if text is None and path.lower().endswith(".properties") and data[:2] not in (BOM_UTF16_LE, BOM_UTF16_BE):
        text = None if b"\0" in data or data.startswith(BOM_UTF8) else data.decode("iso-8859-1")
    return text


def config_faults(path: str, rows: Sequence[Row], wrong: Sequence[Sequence[str]]) -> Iterator[str]:
    """Symbols, titles, kinds and ids of a file of configuration, or of plain text where it fell into paragraphs.

    wrong : by kind, pieces that are called by what is elsewhere, or hold what is another's.
    """
    plain = bool(rows) and all(row["kind"] == "text" for row in rows)
    if plain and shape_of(path) != TREES:
        yield "it fell into paragraphs, and every text is read by its lines"
    runs = runs_of(rows)
    seen: Counter[str] = Counter()
    yield from part_faults(runs)
    for run in runs:
        symbol = run[0]["symbol"]
        occurrence = seen[symbol]
        seen[symbol] += 1
        if plain and symbol:
            yield f"{symbol!r} at line {run[0]['start_line']}: a paragraph has no symbol"
        for row in run:
            where = f"{symbol!r} part {row['part']}"
            if row["kind"] != ("text" if plain else "config") or row["metadata"] != "{}":
                yield f"{where}: kind {row['kind']!r}, metadata {row['metadata']}"
            if row["title"] != symbol:
                yield f"{where}: its title is {row['title']!r}"
            if row["chunk_id"] != place_id(row["source"], path, symbol, occurrence, row["part"]):
                yield f"{where}: chunk_id {row['chunk_id']} is another place's"
    # A single one may stand in a file that is broken, where each reader finds other names.
    named = sum(bool(run[0]["symbol"]) for run in runs)
    yield from next((one for one in wrong if len(one) >= max(LEAST_WRONG, WRONG_SHARE * named)), ())


def misnamed(path: str, lines: Sequence[str], runs: Sequence[Sequence[Row]]) -> list[str]:
    """Of each text that is called by what is nowhere near it, what is missing."""
    around, found = _Around(path, lines), list[str]()
    for run in runs:
        symbol, first, last = run[0]["symbol"], run[0]["start_line"], run[-1]["end_line"]
        if missing := around.missing(symbol, first, last):
            found.append(f"{symbol!r}: {missing!r} stands neither in lines {first} to {last} nor in what they lie in")
    return found


def parted(path: str, lines: Sequence[str], runs: Sequence[Sequence[Row]]) -> list[str]:
    """Of each comment that lies with what stands above it, and belongs to what stands right below it."""
    sign = _COMMENTS.get(PurePosixPath(path).suffix.lower(), "#" if shape_of(path) != TREES else "//|#")
    if not sign:
        return []
    comment, found = re.compile(rf"(\s*)(?:{sign})"), list[str]()
    for run in runs[1:]:
        first = run[0]["start_line"]
        said, own = comment.match(lines[first - 2]), lines[first - 1]
        if said and len(said[1]) == len(own) - len(own.lstrip()) and not comment.match(own):
            found.append(f"the comment in line {first - 1} lies apart from {run[0]['symbol']!r:.80}, below it")
    return found


def shape_of(path: str) -> str:
    name = PurePosixPath(path).name
    named = next((shape for one, shape in _SHAPES_OF_NAMES.items() if fnmatchcase(name, one)), "")
    return named or _SHAPES.get(PurePosixPath(name).suffix.lower(), "")


class _Around:
    """What the lines of a file lie in."""

    def __init__(self, path: str, lines: Sequence[str]) -> None:
        self.lines, self.shape = lines, shape_of(path)
        self.braces = PurePosixPath(path).suffix.lower() in _BRACED or path.endswith("Jenkinsfile")
        self.escapes = "\\" in "\n".join(lines)
        # By line, the one that it lies in, and what calls its document or its item; 0 is none.
        self._holder: dict[int, int] = {}
        self._callers: dict[int, list[str]] = defaultdict(list)
        if self.shape == TREES:
            self._look()
        # Of what is nested by braces, by line, what opens something, and what calls the item that is opened there; and
        # the first line of each word of it: any line above may be what a piece lies in.
        self._opened: list[tuple[int, str]] = []
        for number, line in enumerate(lines, 1) if self.braces else ():
            if "{" in line or "[" in line or _CALLS.match(line):
                self._opened += [(number, said) for said in (line, *self._callers.get(number, ()))]
        self._said: dict[str, int] = {}
        for number, said in self._opened:
            for word in _words(said):
                self._said.setdefault(word, number)
        mark = _MARKS.get(self.shape)
        self._marked = [number for number, line in enumerate(lines, 1) if mark is not None and mark.match(line)]

    def _look(self) -> None:
        """Find for each line that is no comment what it lies in."""
        open_: list[tuple[float, int]] = []
        within = set() if self.braces else within_quotes(self.lines)
        document, called = 0, dict[int, list[str]]()
        for number, line in enumerate(self.lines, 1):
            if line.startswith("---"):
                open_, document = [], number
            if NOTE.match(line) or number in within:
                continue
            depth = depth_of(line)
            while open_ and open_[-1][0] >= depth:
                open_.pop()
            self._holder[number] = open_[-1][1] if open_ else 0
            called.setdefault(document, [])
            top = not open_ or self.lines[open_[-1][1] - 1].startswith("metadata")
            if top and len(called[document]) < _FEW:
                called[document] += _KIND.findall(line)[:_FEW]
            # What an item is called may stand below its first line.
            if _CALLS.match(line):
                held = [at for _, at in open_[-1:] if self.lines[at - 1].lstrip().startswith(("-", "{"))]
                for above in (number, *held):
                    self._callers[above].append(self._folded(number))
            open_.append((depth, number))
        self._documents, self._begun = called, sorted(called)

    def _folded(self, number: int) -> str:
        """A key and its text, which may go on below it, further in."""
        line = self.lines[number - 1]
        column, found = len(line) - len(line.lstrip(" -")), [line]
        for below in self.lines[number : number + _FOLDED]:
            if not below.strip() or depth_of(below) <= column:
                break
            found.append(below)
        return " ".join(found)

    def missing(self, symbol: str, first: int, last: int) -> str:
        """What of a symbol stands neither in some lines nor in what they lie in: a word of it, or its last part where
        a name stands; "" where all does."""
        own = self.lines[first - 1 : last]
        if not symbol:
            return ""
        words = set(_words("\n".join([*self._above(first, last), *own])))
        for word in _words(symbol):
            if word in words or self._said.get(word, last + 1) <= last:
                continue
            # A long name is cut, and what is written as an escape is read as a letter.
            escaped = self.escapes and not word.isascii()
            cut = len(symbol) >= _LONGEST and any(one.startswith(word) for one in (*words, *self._said))
            if not escaped and not cut:
                return word
        if (self.escapes and not symbol.isascii()) or len(symbol) >= _LONGEST:
            return ""
        parts = symbol.split(".")
        ends = [end for at in range(len(parts)) if (end := _squeezed(".".join(parts[at:])))]
        places = self._places(first, last) if ends else ()
        if not ends or any(_names_it(line, end, self.shape) for line in places for end in ends):
            return ""
        return parts[-1]

    def _places(self, first: int, last: int) -> Iterator[str]:
        """The lines of which one says what some are called: those that they begin with, as far as each lies in the one
        before, or the one that they lie in."""
        if self.shape != TREES:
            told = self.lines[first - 1 : last]
            begun = (line for line in told if line.strip() and not line.lstrip().startswith(("#", ";")))
            yield from islice(begun, _FIRST)
            # One may be a line within a text.
            marked = self._marked[bisect_left(self._marked, first) : bisect_right(self._marked, last)]
            yield from (self.lines[number - 1] for number in marked)
            yield from () if marked else self._nearest(first, last)
            return
        depth = -1.0
        for number in range(first, last + 1):
            if NOTE.match(self.lines[number - 1]):
                continue
            if (further := depth_of(self.lines[number - 1])) <= depth:
                break
            depth = further
            yield from (self.lines[number - 1], *self._callers.get(number, ()))
        yield from self._nearest(first, last)

    def _above(self, first: int, last: int) -> list[str]:
        """The lines that some lie in, and what calls them; of what is nested by braces `_said` knows their words."""
        if self.braces:
            return []
        if self.shape != TREES:
            return list(self._nearest(first, last))
        found, number = list[str](), self._opening(first, last)
        while number:
            found += [self.lines[number - 1], *self._callers.get(number, ())]
            number = self._holder[number]
        # What is called by its own line may be called below its end.
        found += [line for one in range(first, last + 1) for line in self._callers.get(one, ())]
        return [*found, *self._documents_of(first, last)]

    def _nearest(self, first: int, last: int) -> Iterator[str]:
        """The line that some lie in, and what calls it; of what is nested by braces all that may be it, the nearest
        first."""
        if self.braces:
            until = bisect_right(self._opened, last, key=itemgetter(0))
            yield from (self._opened[at][1] for at in range(until - 1, -1, -1))
            return
        if self.shape == TREES:
            number, found = self._holder.get(self._opening(first, last), 0), list[str]()
            while number:
                found += [self.lines[number - 1], *self._callers.get(number, ())]
                # What a dash or a bracket alone opens has no name.
                if not self.lines[number - 1].lstrip().startswith(("-", "{", "[")):
                    break
                number = self._holder[number]
            yield from (*found, *(self._documents_of(first, last) if not number else ()))
            return
        # The nearest may be the end of a list, or a line within a text.
        above = bisect_left(self._marked, first)
        yield from (self.lines[number - 1] for number in reversed(self._marked[max(above - _FIRST, 0) : above]))

    def _opening(self, first: int, last: int) -> int:
        """The first of some lines that is no comment; 0 where all are."""
        return next((one for one in range(first, last + 1) if one in self._holder), 0)

    def _documents_of(self, first: int, last: int) -> list[str]:
        """What calls the documents of some lines: the kind and the name of each, and both as one. Several are one piece
        where those behind the first hold nothing but a text."""
        least = max(bisect_right(self._begun, first) - 1, 0)
        held = [self._documents[one] for one in self._begun[least : bisect_right(self._begun, last)]]
        pairs = (f"{one}/{other}" for said in held for one in said for other in said)
        return [*chain.from_iterable(held), *pairs]


def _words(text: str) -> list[str]:
    """Runs of letters and digits, without case."""
    return re.findall(r"\w+", text.casefold())


def _squeezed(text: str) -> str:
    """Letters and digits alone, without case."""
    return "".join(re.findall(r"\w+", text.casefold()))


def _names_it(line: str, name: str, shape: str) -> bool:
    """Whether a line begins with a name, or is of those that say it later."""
    later = shape != HEADERS and (shape != TREES or _CALLS.match(line) or "{" in line or "[" in line)
    return name in _squeezed(line) if later else _squeezed(line).startswith(name)


def depth_of(line: str) -> float:
    """How far a line is indented; a dash is half a step more, and a colon, behind `? key`, a quarter."""
    stripped = line.lstrip()
    return len(line) - len(stripped) + {"-": 0.5, ":": 0.25}.get(stripped[:1], 0.0)
