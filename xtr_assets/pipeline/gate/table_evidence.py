"""A second reading of CSV, byte by byte, as docs/configuration.md says it: what `record_evidence` holds rows against.

The source reads by Python's `csv`; here lines are walked by rules of their own. Nothing of `sources` is called.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from xtr_assets.config import SourceConfig

SUFFIXES = (".csv", ".tsv")
UNREADABLE = object()
# A longer record is taken for one whose quote is never closed, and so is a longer header.
MOST_BYTES, MOST_HEADER_BYTES = 33_554_432, 1_048_576
_MARKS = (b",", b";", b"\t", b"|")
_BOM, _WIDE = b"\xef\xbb\xbf", (b"\xff\xfe", b"\xfe\xff")
_WITHIN = re.compile(rb'[^"]*+(?:""[^"]*+)*+')
_SEPARATOR = re.compile(rb'"?sep=[,;\t|]"?[\r\n]*')
_SAYS = re.compile(rb"[0-9A-Za-z]")
_BARE = {mark: re.compile(rb"[^\r\n" + re.escape(mark) + rb"]*+") for mark in _MARKS}


def table_records(file: Path, config: SourceConfig) -> tuple[dict[int, Callable[[], Any]], dict[int, int]] | None:
    """(the records of a table by their first lines, each read when it is asked for; the last lines of those that have
    several); None of a table that as a whole holds none."""
    with file.open("rb") as stream:
        headers = ((one, _text_of(file, one.start, one.end)) for one in _spans(stream, None) if not one.empty)
        header, said = next((held for held in headers if not _SEPARATOR.fullmatch(held[1])), (None, b""))
    if header is None or header.broken:
        return None
    chosen = _chosen(said, config, b"\t" if file.suffix.lower() == ".tsv" else b",")
    if chosen is None:
        return None
    mark, names = chosen
    found: dict[int, Callable[[], Any]] = {}
    ends: dict[int, int] = {}
    with file.open("rb") as stream:
        for one in _spans(stream, mark):
            where = one.start, one.end
            if one.first <= header.last or (one.empty and not one.broken and _blank(_text_of(file, *where), mark)):
                continue
            found[one.first] = _unreadable if one.broken else partial(_values, file, *where, mark, names)
            if one.last > one.first:
                ends[one.first] = one.last
    return found, ends


@dataclass(slots=True)
class _Span:
    """A record: its lines, from 1, and its bytes.

    empty : whether only quotes, white space and marks stand there. broken : whether its quotes are wrong.
    """

    first: int
    last: int
    start: int
    end: int
    empty: bool = True
    broken: bool = False


def _lines(stream: BinaryIO) -> Iterator[tuple[int, int, bytes]]:
    """(number, where it begins, the line): lines end with LF, CR or both; a byte order mark is none of the first."""
    number = start = 0
    for block in stream:
        for line in block.splitlines(keepends=True) if b"\r" in block else (block,):
            number += 1
            skipped = len(_BOM) if number == 1 and line.startswith(_BOM) else 0
            yield number, start + skipped, line[skipped:]
            start += len(line)


def _spans(stream: BinaryIO, mark: bytes | None) -> Iterator[_Span]:
    """The records in order. Without a mark they end with the line in which quotes are even, as the header does."""
    held: _Span | None = None
    inside, quotes = False, 0
    marks = re.compile(b'[,;\t|"]' if mark is None else b'["' + re.escape(mark) + b"]")
    most = MOST_HEADER_BYTES if mark is None else MOST_BYTES
    for number, start, line in _lines(stream):
        if held is None:
            held, inside, quotes = _Span(number, number, start, start), False, 0
        held.last, held.end = number, start + len(line)
        quotes += line.count(b'"')
        held.empty = held.empty and not _SAYS.search(line) and _is_blank(marks.sub(b"", line))
        if mark is None:
            inside = quotes % 2 == 1
            held.broken = inside and held.end - held.start > most
        elif not held.broken:
            walked = _walked(line, mark, inside=inside)
            held.broken = walked is None or held.end - held.start > most
            inside = walked is True
        if held.broken and mark is not None:
            inside = quotes % 2 == 1
        if not inside or (held.broken and mark is None):
            yield held
            held = None
    if held is not None:
        held.broken = True
        yield held


def _walked(line: bytes, mark: bytes, *, inside: bool) -> bool | None:
    """Whether a line ends inside of quotes, if it begins so or not; None where a quote ends a cell that goes on."""
    if not inside and b'"' not in line:
        return False
    at = 0
    while True:
        if inside:
            within = _WITHIN.match(line, at)
            at = within.end() if within else at
            if at == len(line):
                return True
            at += 1
            if line[at : at + 1] != mark:
                return False if line[at : at + 1] in (b"", b"\r", b"\n") else None
            at += 1
        inside = line[at : at + 1] == b'"'
        if inside:
            at += 1
            continue
        at = line.find(mark, at) + 1
        if not at:
            return False


def _cells(text: bytes, mark: bytes) -> list[bytes] | None:
    """The cells of one record; None where its quotes are wrong, or where another one follows."""
    found: list[bytes] = []
    at = 0
    while True:
        quoted = text[at : at + 1] == b'"'
        cell = (_WITHIN if quoted else _BARE[mark]).match(text, at + quoted)
        assert cell is not None, text[at : at + 80]
        at = cell.end()
        if quoted:
            if text[at : at + 1] != b'"':
                return None
            at += 1
        found.append(cell[0].replace(b'""', b'"') if quoted else cell[0])
        if text[at : at + 1] != mark:
            return found if text[at:] in (b"", b"\n", b"\r", b"\r\n") else None
        at += 1


def _chosen(header: bytes, config: SourceConfig, own: bytes) -> tuple[bytes, list[str]] | None:
    """The mark by which the header has the columns that are asked for, and the names; None where there is not just one
    such mark, or a column stands twice."""
    if header.startswith(_WIDE) or b"\0" in header:
        return None
    wanted = {name for name in (config.id, config.text, *config.metadata) if name}
    default = SourceConfig.model_fields["title"].default
    if config.title and config.title != default:
        wanted.add(config.title)
    holding: dict[bytes, list[str]] = {}
    for mark in _MARKS:
        try:
            names = [cell.decode("utf-8").strip() for cell in _cells(header, mark) or ()]
        except UnicodeDecodeError:
            return None
        if wanted <= set(names):
            holding[mark] = names
    if len(holding) > 1:
        if any(len(names) > 1 for names in holding.values()):
            return None
        holding = {own: holding[next(iter(holding))]}
    asked = wanted | ({config.title} if config.title else set())
    for mark, names in holding.items():
        return None if any(names.count(name) > 1 for name in asked) else (mark, names)
    return None


def _blank(text: bytes, mark: bytes) -> bool:
    return all(_is_blank(cell) for cell in _cells(text, mark) or ())


def _is_blank(cell: bytes) -> bool:
    return not cell.decode("utf-8", "surrogateescape").strip()


def _unreadable() -> object:
    return UNREADABLE


def _values(file: Path, start: int, end: int, mark: bytes, names: list[str]) -> Mapping[str, Any] | object:
    """By column, what a cell says, its lines parted by LF; None for an empty one."""
    text = _text_of(file, start, end)
    cells = _cells(text, mark)
    try:
        said = [cell.decode("utf-8") for cell in cells or ()]
    except UnicodeDecodeError:
        return UNREADABLE
    # What stands behind the last column with a name may be missing, and what stands behind all may be there if empty.
    named = max(number for number, name in enumerate(names, 1) if name)
    if len(said) < named or any(said[len(names) :]) or "\0" in text.decode("utf-8"):
        return UNREADABLE
    if mark == b"\t" and any(re.search("(?s)\t.*[\r\n]|[\r\n].*\t", cell) for cell in said):
        return UNREADABLE  # Of files that know no quotes two records may stand there.
    return {name: re.sub("\r\n?", "\n", cell) or None for name, cell in zip(names, said, strict=False)}


def _text_of(file: Path, start: int, end: int) -> bytes:
    with file.open("rb") as stream:
        stream.seek(start)
        return stream.read(end - start)
