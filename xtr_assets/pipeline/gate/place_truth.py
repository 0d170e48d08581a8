"""Which places a question names, and which rows stand there: worked out from docs/searching.md, "Places".

Character by character and word by word, without the expressions of search.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from xtr_assets.core.text_fold import fold
from xtr_assets.core.types import Ints

# As docs/searching.md says.
MOST, LONGEST, DIGITS = 32, 4_096, 9
Doubles = npt.NDArray[np.float64]
Path = tuple[str, ...]
# (path, first line, last line); lines 0 of a file alone.
Named = tuple[Path, int, int]


@dataclass(frozen=True)
class _Found:
    """A place, where it stands in the text, whether it is a frame as Python writes it, and whether it looks like one of
    a file: it has a slash, or a dot and no bracket before its line."""

    named: Named
    start: int
    end: int
    framed: bool
    looks: bool


def places_in(text: str) -> list[Named]:
    """The places that a question names, the innermost first."""
    found = list(_found(text))
    if not found:
        alone = text.strip()
        path = _cleaned(alone) if len(alone) <= LONGEST and len(list(_words(alone, 0))) == 1 else ""
        whole = _words_whole(alone) and any(one in path for one in "./\\") and any(map(str.isalpha, path))
        return [(parts, 0, 0)] if whole and (parts := _parts(path)) else []
    lines = text.split("\n")
    backwards = any(one.framed for one in found) or "most recent call last" in text
    if backwards or any(line[:3] == "E  " for line in lines):
        found.reverse()
    every: list[Named] = []
    for one in found:
        if one.named not in every:
            every.append(one.named)
            if len(every) == MOST:
                break
    return every


def bare(text: str) -> str:
    """The text with a blank for each character of a path of a file with its line."""
    kept = list(text)
    for one in filter(lambda one: one.looks, _found(text)):
        kept[one.start : one.end] = " " * (one.end - one.start)
    return "".join(kept)


def stands_of(text: str, rows: Ints, columns: Mapping[int, Mapping[str, Any]]) -> Doubles:
    """float64 [len(rows)]: how much each row stands at the places of a question, 0 where at none."""
    places = places_in(text)
    return np.array([_stands(places, columns[row]) if places else 0.0 for row in rows.tolist()], np.float64)


def _stands(places: Sequence[Named], row: Mapping[str, Any]) -> float:
    own = _parts(row["path"])
    first, last = row["start_line"], row["end_line"]
    for number, (path, start, stop) in enumerate(places):
        alike = _alike(path, own)
        if alike and (not start or not (last < start or stop < first)):
            short = max(0.0, 1 - math.log2(max(last - first + 1, 1)) / 10) if start else 0.0
            count = alike + 1 if path == own else alike
            return 2 * (len(places) - number) - 1 + (min(count, 4) - 1 + short) / 4
    return 0.0


def _alike(one: Path, other: Path) -> int:
    """How many components both end with; 0 where that is one, and neither is it alone."""
    count = 0
    while count < min(len(one), len(other)) and one[-1 - count] == other[-1 - count]:
        count += 1
    return 0 if count == 1 and min(len(one), len(other)) > 1 else count


def _found(text: str) -> Iterator[_Found]:
    at, changed = 0, ""
    for line in text.split("\n"):
        if line[:4] == "+++ ":
            changed = line[4:].split("\t")[0].strip()
            for mark in ("a/", "b/"):
                changed = changed[2:] if changed[:2] == mark else changed
        elif hunk := _hunk(line):
            middle, length = hunk
            yield from _place(changed, middle, middle, at, at + length, framed=False)
        else:
            yield from _in_line(line, at)
        at += len(line) + 1


def _hunk(line: str) -> tuple[int, int] | None:
    """(the line in the middle of what `@@ -1,2 +3,4 @@` says there is now, how long that is); None for other lines."""
    parts = line.split(" ")
    if len(parts) < 4 or parts[0] != "@@" or parts[1][:1] != "-" or parts[2][:1] != "+" or parts[3][:2] != "@@":
        return None
    if not parts[1][1:] or parts[1][1:].strip("0123456789,"):
        return None
    first, comma, count = parts[2][1:].partition(",")
    numbers = [_number(one, 0) for one in ((first, count) if comma else (first,))]
    if any(one is None or one[1] != len(said) for one, said in zip(numbers, (first, count), strict=False)):
        return None
    value, lines = (numbers[0] or (0, 0))[0], (numbers[1] or (0, 0))[0] if comma else 1
    return value + lines // 2, len(" ".join(parts[:3])) + 3


def _in_line(line: str, at: int) -> Iterator[_Found]:
    words = list(_words(line, 0))
    texts = [word for _, word in words]
    # The last word that is part of a place.
    told = -1
    for number, (start, word) in enumerate(words):
        if number == told:
            continue
        mark = _mark(word)
        if mark is not None:
            stop, end, first, last = mark
            stands, call = (at + start, at + start + end), word[stop] == "("
            framed = number > 0 and texts[number - 1] == "File"
            yield from _place(word[:stop], first, last, *stands, framed=framed, call=call, worded=call)
            told = number
            continue
        behind = texts[number + 1] if number + 1 < len(words) else ""
        said = _number(behind, 0)
        if said is None or _joins(behind[said[1] : said[1] + 1]):
            continue
        end = at + words[number + 1][0] + said[1]
        if word[-5:] == ":line":
            told = number + 1
            yield from _place(word[:-5], said[0], 0, at + start, end, framed=False, worded=True)
        elif word == "line":
            own = number - 1
            if own > 0 and texts[own] in ("on", "at"):
                own -= 1
            if own > told:
                told = number + 1
                framed = own > 0 and texts[own - 1] == "File"
                yield from _place(texts[own], said[0], 0, at + words[own][0], end, framed=framed, worded=not framed)


def _place(
    raw: str, first: int, last: int, start: int, end: int,
    *, framed: bool, call: bool = False, worded: bool = False,
) -> Iterator[_Found]:  # fmt: skip
    path = _cleaned(raw)
    marks = [one for one in path if one in "./\\"]
    if not first or len(path) > LONGEST or not [one for one in path if one.isalpha()] or (worded and not marks):
        return
    if parts := _parts(path):
        looks = any(one != "." or not call for one in marks)
        yield _Found((parts, first, max(first, last)), start, end, framed, looks)


def _words(line: str, at: int) -> Iterator[tuple[int, str]]:
    """(where it begins, a word) of each: what stands between two quotes of a line belongs to one word, blanks too."""
    while at < len(line):
        start = at
        while at < len(line) and not line[at].isspace():
            if line[at] == '"':
                closed = line.find('"', at + 1)
                if closed < 0 or "\n" in line[at:closed]:
                    break
                at = closed
            at += 1
        if at > start:
            yield start, line[start:at]
        else:
            at += 1


def _words_whole(text: str) -> bool:
    """Whether a text is one word from its first character to its last."""
    return [word for _, word in _words(text, 0)] == [text]


def _mark(word: str) -> tuple[int, int, int, int] | None:
    """(where the first line that a word names is written: begin and end; first line, last line or 0)."""
    for at in range(1, len(word)):
        told = None
        if word[at] == ":":
            told = _colon(word, at)
        elif word[at] == "(":
            told = _bracket(word, at)
        elif word[at : at + 2] == "#L":
            told = _anchor(word, at)
        if told is not None:
            value, end, last = told
            return at, end, value, last
    return None


def _bracket(word: str, at: int) -> tuple[int, int, int] | None:
    first = _number(word, at + 1)
    if first is None:
        return None
    behind = word[first[1] : first[1] + 1]
    return (*first, 0) if behind == "," or (behind == ")" and not _goes_on(word, first[1] + 1)) else None


def _colon(word: str, at: int) -> tuple[int, int, int] | None:
    first = _number(word, at + 1)
    if first is None:
        return None
    last = _number(word, first[1] + 1) if word[first[1] : first[1] + 1] == "-" else None
    end = last[1] if last is not None else first[1]
    return None if _goes_on(word, end) else (first[0], end, last[0] if last is not None else 0)


def _goes_on(word: str, at: int) -> bool:
    """Whether a path goes on there, or a number with a point."""
    one = word[at : at + 1]
    return _joins(one) or one in ("/", "\\") or (one == "." and _joins(word[at + 1 : at + 2]))


def _anchor(word: str, at: int) -> tuple[int, int, int] | None:
    first = _number(word, at + 2)
    if first is None:
        return None
    end, last = _past_column(word, first[1]), 0
    if word[end : end + 1] == "-":
        begin = end + 2 if word[end + 1 : end + 2] == "L" else end + 1
        if (told := _number(word, begin)) is not None:
            last, end = told[0], _past_column(word, told[1])
    return None if _joins(word[end : end + 1]) else (first[0], end, last)


def _past_column(word: str, at: int) -> int:
    """Behind a column, `C12`; here where there is none."""
    end = at + 1
    while word[end : end + 1] and word[end] in "0123456789":
        end += 1
    return end if word[at : at + 1] == "C" and end > at + 1 else at


def _number(text: str, at: int) -> tuple[int, int] | None:
    """(the number that stands there, where it ends); None where none does, or one of more than nine digits."""
    end = at
    while end < len(text) and text[end] in "0123456789":
        end += 1
    return (int(text[at:end]), end) if 0 < end - at <= DIGITS else None


def _joins(one: str) -> bool:
    return bool(one) and (one.isalnum() or one == "_")


def _cleaned(raw: str) -> str:
    """A path without quotes, brackets that nothing closes, and a comma or colon behind it."""
    while raw and raw[-1] in "\"'`,: ":
        raw = raw[:-1]
    for quote in ('"',) if '"' in raw else ("'", "`", "<", ">", "|"):
        raw = raw.split(quote)[-1]
    for opened, closed in (("(", ")"), ("[", "]"), ("{", "}")):
        last = raw.split(opened)[-1]
        raw = raw if closed in last else last
    return raw.split("?")[0].strip()


def _parts(path: str) -> Path:
    """Folders and file, without case and accents; a colon parts them too."""
    whole = fold(path).replace("\\", "/").replace(":", "/")
    return tuple(one for one in whole.split("/") if one and one not in (".", "..", "~"))
