"""A second reading of components of one file: which of their lines are script, style or markup, line by line."""

import re
from collections.abc import Iterator, Sequence
from itertools import accumulate
from string import ascii_lowercase, ascii_uppercase

from xtr_assets.pipeline.gate.text_evidence import Row

SUFFIXES = (".vue", ".svelte", ".astro")
MARKUP, STYLE, _SCRIPT = "<template>", "<style>", "script"
_SMALL = str.maketrans(ascii_uppercase, ascii_lowercase)
# A longer opening tag is none.
MOST_TAG = 1000
# What rows of markup and of style are called.
MARKED = frozenset({MARKUP, STYLE})


def component_faults(path: str, lines: Sequence[str], rows: Sequence[Row]) -> Iterator[str]:
    """Rows that hold lines of two kinds, or lines of another kind than they are called by."""
    marked = [row for row in rows if row["symbol"] in MARKED]
    if not path.lower().endswith(SUFFIXES):
        yield from (f"{row['symbol']!r} at line {row['start_line']}: no component is in it" for row in marked)
        return
    kinds = kinds_of(lines, astro=path.lower().endswith(".astro"))
    for row in rows:
        numbers = range(row["start_line"] - 1, row["end_line"])
        own = {kinds[number] for number in numbers if lines[number].strip()}
        called = row["symbol"] if row["symbol"] in MARKED else _SCRIPT
        if own != {called}:
            where = f"lines {row['start_line']} to {row['end_line']} of {row['symbol']!r}"
            yield f"{where} are {', '.join(sorted(own))}"


def kinds_of(lines: Sequence[str], *, astro: bool) -> list[str]:
    """Of each line whether it is script, style or markup.

    >>> kinds_of(["<p>", "<style>", "p {}", "</style>"], astro=False)
    ['<template>', '<style>', '<style>', '<style>']
    """
    kinds = [MARKUP] * len(lines)
    text, starts = "\n".join(lines), list(accumulate((len(line) + 1 for line in lines), initial=0))
    number = 0
    if astro and (fences := _fences(lines)):
        kinds[fences[0] : fences[1] + 1] = [_SCRIPT] * (fences[1] + 1 - fences[0])
        number = fences[1] + 1
    while number < len(lines):
        begun = lines[number].lstrip(" \t")
        column = len(lines[number]) - len(begun)
        if begun.startswith("<!--"):
            number = (_end_of("-->", lines, number, column) or (len(lines), 0))[0] + 1
            continue
        tag = next((one for one in ("script", "style") if _stands(f"<{one}", lines[number], column)), "")
        at = starts[number] + column
        opened = _opening(text[at : at + MOST_TAG], number, column) if tag else None
        if opened is None:
            number += 1
            continue
        closed = _closing(tag, lines, *opened)
        if closed > number:
            kinds[number : closed + 1] = [_SCRIPT if tag == "script" else STYLE] * (closed + 1 - number)
        number = closed + 1
    return kinds


def _fences(lines: Sequence[str]) -> tuple[int, int] | None:
    """The lines of dashes around the code that an Astro component begins with."""
    first = next((number for number, line in enumerate(lines) if line.strip()), 0)
    if not lines[first].startswith("---"):
        return None
    last = next((number for number in range(first + 1, len(lines)) if lines[number].startswith("---")), 0)
    return (first, last) if last and not lines[last][3:].strip(" \t") else None


def _opening(begun: str, number: int, column: int) -> tuple[int, int] | None:
    """Where the tag ends that a text begins with, the text being of this place; None of one that closes itself, or does
    not end within the text."""
    quote = ""
    for sign in re.finditer("[>\"']", begun):
        if sign[0] == ">" and not quote:
            said = begun[: sign.end()]
            above, _, last = said.rpartition("\n")
            behind = len(last) + (0 if above else column)
            return None if said.endswith("/>") else (number + said.count("\n"), behind)
        quote = "" if sign[0] == quote else quote or sign[0]
    return None


def _closing(tag: str, lines: Sequence[str], number: int, column: int) -> int:
    """The line on which the first end of a tag is closed; the last one where it has none."""
    while found := _end_of(f"</{tag}", lines, number, column):
        if _stands(f"</{tag}", lines[found[0]], found[1] - len(tag) - 2):
            return (_end_of(">", lines, *found) or (len(lines) - 1, 0))[0]
        number, column = found
    return len(lines) - 1


def _end_of(sign: str, lines: Sequence[str], number: int, column: int) -> tuple[int, int] | None:
    """Where a sign ends that stands behind a place."""
    for place in range(number, len(lines)):
        at = lines[place].translate(_SMALL).find(sign, column if place == number else 0)
        if at >= 0:
            return place, at + len(sign)
    return None


def _stands(tag: str, line: str, column: int) -> bool:
    """Whether a tag stands there, and no longer word."""
    end = column + len(tag)
    return line[column:end].translate(_SMALL) == tag and (line[end : end + 1] or " ") in " \t\f\v/>"
