"""Places in a query: `File "asyncio/tasks.py", line 349`, `src/x.rs:1:5`, `x.py#L12-L20`; or a file and nothing else.

Whoever pastes a traceback, a message of a compiler or a line of grep asks for the code that stands there. What is a
place is said of the text alone; it means something only where a row's path agrees with it, so that `10:30` and
`localhost:8080` mean nothing where no file is called so. The grammar is that of docs/searching.md, "Places": the gate
reads it a second time from there.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from xtr_assets.core.text_fold import fold
from xtr_assets.core.types import Floats, Ints

# Frames of a traceback, of which the innermost say most; a log may hold thousands.
MOST_PLACES = 32
# As long as a path may be.
MOST_CHARACTERS = 4_096
# Components that agree beyond these tell no file from another.
MOST_AGREEING = 4
# A row of so many lines, as a power of two, and longer ones gain nothing for being short.
LONG_ROW = 10

# What is blank inside quotes is part of a word. Possessive, so that no text is read twice.
_WORD = re.compile(r'(?:"[^"\n]*+"|[^\s"]++)++')
_NUMBER = r"([0-9]{1,9}+)(?![0-9])"
# The line behind a path: `:12`, `:12-20`, `(12`, `#L12`, `#L12C5-L20C1`. Not in `a:1.5`, nor where the path goes on.
_GOES_ON = r"[\w/\\]|\.\w"
_MARK = re.compile(
    rf":{_NUMBER}(?:-{_NUMBER})?+(?!{_GOES_ON})"
    rf"|\({_NUMBER}(?=,|\)(?!{_GOES_ON}))"
    rf"|\#L{_NUMBER}(?:C[0-9]++)?+(?:-L?{_NUMBER}(?:C[0-9]++)?+)?+(?!\w)"
)
_LINE_NUMBER = re.compile(rf"{_NUMBER}(?!\w)")
_HUNK = re.compile(rf"@@ -[0-9,]++ \+{_NUMBER}(?:,{_NUMBER})?+ @@")
# Whether a text, or a line of it, may name a line at all: most queries are asked no more than this.
_HINT = re.compile(r'[:(][0-9]|#L[0-9]|line[\s"]++[0-9]|^@@ -', re.MULTILINE)
# What says that the innermost frame is the last one, beside frames of Python: titles of tracebacks, errors of pytest.
_TRACEBACK = "most recent call last"
_LAST_FIRST = re.compile(rf"{_TRACEBACK}|^E  ", re.MULTILINE)
_BORDER = re.compile(r"[/\\:]+")
_SAY_NOTHING = frozenset({"", ".", "..", "~"})
_BRACKETS = (("(", ")"), ("[", "]"), ("{", "}"))
# Behind the place that a compiler's line begins with: columns, and what it says.
_SAYS = re.compile(r"(?::[0-9]++|,\s*+[0-9]++)*+\)?:")


@dataclass(frozen=True, slots=True)
class Place:
    """Lines `first` to `last` of the file that these components end; the whole file where both are 0."""

    path: tuple[str, ...]
    first: int = 0
    last: int = 0


@dataclass(frozen=True, slots=True)
class _Written:
    """A place as it stands in a text. framed : as a frame of Python, of which the last one is the innermost; looks :
    whether its path looks like one of a file, and not like a word, or a function that is called with a number."""

    place: Place
    start: int
    end: int
    framed: bool
    looks: bool


def asked_places(text: str) -> tuple[Place, ...]:
    """The places of a query, the innermost first, each once, at most MOST_PLACES of them.

    >>> asked_places('File "/usr/lib/json/decoder.py", line 355, in raw_decode')
    (Place(path=('usr', 'lib', 'json', 'decoder.py'), first=355, last=355),)
    >>> asked_places("asyncio/tasks.py"), asked_places("see asyncio/tasks.py")
    ((Place(path=('asyncio', 'tasks.py'), first=0, last=0),), ())
    """
    written = _written(text)
    if not written:
        file = _file_alone(text)
        return () if file is None else (file,)
    last_first = any(one.framed for one in written) or _LAST_FIRST.search(text) is not None
    found = [one.place for one in (reversed(written) if last_first else written)]
    return tuple(dict.fromkeys(found))[:MOST_PLACES]


def place_spans(text: str) -> list[tuple[int, int]]:
    """Where paths with their lines stand in a text, from the path to the number, ascending.

    >>> place_spans("in src/x.rs:1:5 now")
    [(3, 13)]
    """
    return [(one.start, one.end) for one in _written(text)]


def without_places(text: str) -> str:
    """The text with blanks where paths of files with their lines stand: what folders are called is nobody's spelling.

    >>> without_places("in rust/x.py:12 of Rust")
    'in              of Rust'
    """
    said, at = [], 0
    for one in _written(text):
        if one.looks:
            said += [text[at : one.start], " " * (one.end - one.start)]
            at = one.end
    return "".join([*said, text[at:]]) if said else text


def is_pasted(text: str) -> bool:
    """Whether a tool wrote a text that names lines: several lines of text, a traceback that was pasted into a field of
    one line, or a text that begins with a place and a colon. Its quotes and plus signs are that tool's.

    >>> is_pasted('x.py:12: error: Name "f" is not defined'), is_pasted('x.py:12 "wait for"')
    (True, False)
    """
    written = _written(text)
    if not written:
        return False
    begins = written[0].start == len(text) - len(text.lstrip()) and _looks(text[: written[0].end])
    several = ("\n" in text.strip() or _TRACEBACK in text) and any(one.looks or one.framed for one in written)
    return several or (begins and _SAYS.match(text, written[0].end) is not None)


@lru_cache(maxsize=1 << 12)
def components(path: str) -> tuple[str, ...]:
    r"""The folders and the file of a path, folded: no case, no accents; a drive is a folder.

    >>> components(r"C:\src\Main.cs"), components("./a/../a.py")
    (('c', 'src', 'main.cs'), ('a', 'a.py'))
    """
    return tuple(one for one in _BORDER.split(fold(path)) if one not in _SAY_NOTHING)


def agreeing(asked: Sequence[str], own: Sequence[str]) -> int:
    """How many components two paths end with alike; 0 where one does not end the other and it is the last one alone.

    >>> agreeing(("usr", "lib", "json", "a.py"), ("json", "a.py")), agreeing(("a.py",), ("json", "a.py"))
    (2, 1)
    >>> agreeing(("a", "x.py"), ("b", "x.py")), agreeing(("a", "b", "x.py"), ("c", "b", "x.py"))
    (0, 2)
    """
    shared = 0
    for one, other in zip(reversed(asked), reversed(own), strict=False):
        if one != other:
            break
        shared += 1
    return shared if shared > 1 or shared in (len(asked), len(own)) else 0


def place_shares(places: Sequence[Place], own: Sequence[str], start: Ints, end: Ints) -> Floats:
    """How much rows of the file `own`, of lines `start` to `end`, int64 [n], stand at these places: float32 [n], NaN
    where a row stands at none.

    Of several places that of the innermost counts: 1 for a place, 2 more for each that is farther out; and up to 1 by
    how many components agree, one more where all of both do, and how few lines the row has.

    >>> start, end = np.array([1, 9]), np.array([8, 12])
    >>> place_shares(asked_places("json/decoder.py:12"), ("json", "decoder.py"), start, end).tolist()
    [nan, 1.7000000476837158]
    """
    found = np.full(len(start), np.nan, np.float32)
    for number, place in reversed(list(enumerate(places))):
        shared = agreeing(place.path, own)
        if not shared:
            continue
        farther_out = len(places) - 1 - number
        short = np.zeros(len(start))
        here = np.ones(len(start), np.bool_)
        if place.first:
            here = (start <= place.last) & (end >= place.first)
            short = np.maximum(1.0 - np.log2(np.maximum(end - start + 1, 1)) / LONG_ROW, 0.0)
        closeness = (min(shared + (place.path == tuple(own)), MOST_AGREEING) - 1 + short) / MOST_AGREEING
        found[here] = (2 * farther_out + 1 + closeness)[here]
    return found


# A query is read for its demands, its words, its spelling and its vectors.
@lru_cache(maxsize=16)
def _written(text: str) -> tuple[_Written, ...]:
    """All places with lines, in order."""
    if _HINT.search(text) is None:
        return ()
    found: list[_Written] = []
    at, changed = 0, ""
    for line in text.split("\n"):
        if line.startswith("+++ "):
            changed = line[4:].split("\t")[0].strip().removeprefix("a/").removeprefix("b/")
        elif hunk := _HUNK.match(line):
            # A change stands between lines that did not change.
            middle = int(hunk[1]) + int(hunk[2] or 1) // 2
            found += _placed(changed, middle, middle, at, at + hunk.end())
        elif _HINT.search(line):
            found += _of_line(line, at)
        at += len(line) + 1
    return tuple(found)


def _of_line(line: str, at: int) -> Iterator[_Written]:
    words = list(_WORD.finditer(line))
    # The last word that is part of a place.
    spent = -1
    for number, word in enumerate(words):
        if number == spent:
            continue
        start, text = word.start(), word[0]
        if mark := _MARK.search(text, 1):
            first, last = (int(one) for one in (mark[1] or mark[3] or mark[4], mark[2] or mark[5] or 0))
            framed = number > 0 and words[number - 1][0] == "File"
            stands = at + start, at + start + mark.end()
            # What is called with a number is a function, unless it is called like a file.
            call = mark[3] is not None
            yield from _placed(text[: mark.start()], first, last, *stands, framed=framed, call=call, worded=call)
            spent = number
            continue
        behind = words[number + 1] if number + 1 < len(words) else None
        told = None if behind is None else _LINE_NUMBER.match(behind[0])
        if behind is None or told is None:
            continue
        end, line_number = at + behind.start() + told.end(), int(told[1])
        if text.endswith(":line"):
            spent = number + 1
            yield from _placed(text.removesuffix(":line"), line_number, 0, at + start, end, worded=True)
        elif text == "line" and number > 0:
            # "in x.php on line 12", "x.pl line 12".
            own = number - (2 if number > 1 and words[number - 1][0] in ("on", "at") else 1)
            if spent >= own:
                continue
            spent, named = number + 1, words[own]
            framed = own > 0 and words[own - 1][0] == "File"
            yield from _placed(named[0], line_number, 0, at + named.start(), end, framed=framed, worded=not framed)


def _placed(
    raw: str, first: int, last: int, start: int, end: int,
    *, framed: bool = False, call: bool = False, worded: bool = False,
) -> Iterator[_Written]:  # fmt: skip
    """The place of a path as it was written, none where that is none. call : with its line in brackets; worded : as the
    words of a sentence may be, so that only what looks like a file is one."""
    path = _path(raw)
    if not first or not any(map(str.isalpha, path)) or len(path) > MOST_CHARACTERS or (worded and not _looks(path)):
        return
    if own := components(path):
        looks = _looks(path.replace(".", "") if call else path)
        yield _Written(Place(own, first, max(first, last)), start, end, framed, looks)


def _path(raw: str) -> str:
    """A path without what stands around it: quotes, brackets, a comma, and what a page is asked with."""
    raw = raw.rstrip("\"'`,: ")
    marks = '"' if '"' in raw else "'`<>|"
    raw = raw[1 + max(raw.rfind(one) for one in marks) :]
    for opened, closed in _BRACKETS:
        _, there, behind = raw.rpartition(opened)
        raw = behind if there and closed not in behind else raw
    return raw.partition("?")[0].strip()


def _looks(path: str) -> bool:
    return any(one in path for one in "./\\")


def _file_alone(text: str) -> Place | None:
    stripped = text.strip()
    if len(stripped) > MOST_CHARACTERS or _WORD.fullmatch(stripped) is None:
        return None
    path = _path(stripped)
    own = components(path) if _looks(path) and any(map(str.isalpha, path)) else ()
    return Place(own) if own else None
