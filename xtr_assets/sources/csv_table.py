"""Rows of CSV (RFC 4180) and its kin, one at a time: memory is bounded by the longest record.

What a file says is read, or refused, and never guessed: its delimiter is the one by which the header has the columns
that are asked for.
"""

import csv
import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterator, Mapping, Sequence
from io import StringIO, TextIOWrapper
from itertools import islice
from typing import BinaryIO, TextIO

from xtr_assets.sources.jsonl import MOST_STRANGE
from xtr_assets.sources.parquet import wanted_columns
from xtr_assets.sources.place import SourceFile
from xtr_assets.sources.reason import Reason
from xtr_assets.sources.record_rows import InvalidRecord, Row

SUFFIXES = (".csv", ".tsv")
# What parts the cells, with the word for it.
DELIMITERS: Mapping[str, str] = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a bar"}
# A quote that is never closed would take the rest of the file into one cell, and into memory.
MOST_BYTES = 32 << 20
# The widest of 80 real tables has a header of 2,700 bytes.
MOST_HEADER_BYTES = 1 << 20
# What Excel is told the delimiter by, in a line above the header; the header says it, too.
_SEPARATOR = re.compile(r'"?sep=[,;\t|]"?[\r\n]*')
UTF8 = 'save it as UTF-8 ("CSV UTF-8" in Excel)'

# Of the whole process, and 131,072 by default: a cell may be a book.
csv.field_size_limit(max(csv.field_size_limit(), MOST_BYTES))


def read_csv(file: SourceFile, required: Sequence[str], optional: Sequence[str]) -> Iterator[Row | InvalidRecord]:
    """Rows in order, each with the lines that it stands in; an empty cell is None, and a line break LF. Raises OSError.

    A broken record gives an InvalidRecord. Where its quotes are wrong, reading goes on behind the line in which they
    are even again; where they never are, the rest of the file is lost. Of a file whose first MOST_STRANGE records are
    broken the rest is not read.
    """
    with file.open() as stream:
        if _begins(stream, 2) in (BOM_UTF16_LE, BOM_UTF16_BE):
            detail = f"it begins with the byte order mark of UTF-16 or UTF-32; {UTF8}"
            yield InvalidRecord(0, "no-records", detail)
            return
        lines = _Lines(_text(stream))
        try:
            delimiter, names = chosen_reading(_header(lines), required, file.suffix)
            columns = wanted_columns(names, required, optional, "header, its first line,")
        except InvalidRecord as error:
            yield error
            return
        places = {name: names.index(name) for name in columns}
        strange, whole = 0, False
        for record in _records(lines, delimiter, names):
            if isinstance(record, InvalidRecord):
                yield record
            else:
                yield Row(lines.first, {name: _value(record[at]) for name, at in places.items()}, lines.last)
                whole = True
            strange += not whole
            if strange >= MOST_STRANGE:
                detail = f"none of its first {strange:,} records can be read"
                yield InvalidRecord(0, "no-records", detail)
                return


def first_records(file: SourceFile, most: int) -> tuple[list[str], list[list[str]]]:
    """(names, cells of the first records), by the delimiter that gives most names. Raises OSError, and InvalidRecord
    where there is no header."""
    with file.open() as stream:
        lines = _Lines(_text(stream))
        delimiter, names = _widest(_header(lines), file.suffix)
        records = islice(_records(lines, delimiter, names), most)
        return names, [record for record in records if not isinstance(record, InvalidRecord)]


def header_readings(header: str) -> dict[str, list[str]]:
    r"""The names of a header, by each delimiter by which it is well-formed; white space around a name is none of it.

    >>> header_readings('id;"a,b"\n')
    {',': ['id;"a', 'b"'], ';': ['id', 'a,b'], '\t': ['id;"a,b"'], '|': ['id;"a,b"']}
    """
    found = {}
    for delimiter in DELIMITERS:
        try:
            records = list(csv.reader(StringIO(header, newline=""), delimiter=delimiter, strict=True))
        except csv.Error:
            continue
        if len(records) == 1:
            found[delimiter] = [name.strip() for name in records[0]]
    return found


def chosen_reading(header: str, required: Sequence[str], suffix: str) -> tuple[str, list[str]]:
    """(delimiter, names) by which a header has all columns that are asked for. InvalidRecord where it has them by two;
    where it has them by none, the reading of the most names, of which a caller sees what is missing.

    A header of one name has no delimiter: that of the suffix parts the cells then.
    """
    readings = header_readings(header)
    holding = {one: names for one, names in readings.items() if set(required) <= set(names)}
    if len(holding) > 1 and any(len(names) > 1 for names in holding.values()):
        shown = " and by ".join(f"{DELIMITERS[one]} ({', '.join(names)})" for one, names in holding.items())
        detail = f"its header has the columns that are asked for by {shown}; rename one"
        raise InvalidRecord(0, "no-records", detail)
    if len(holding) == 1:
        return holding.popitem()
    return _widest(header, suffix)


def _widest(header: str, suffix: str) -> tuple[str, list[str]]:
    """(delimiter, names) of the most names; where several have as many that of the suffix."""
    readings = header_readings(header)
    if not readings:
        raise InvalidRecord(0, "no-records", "its header, the first line, has a quote within a name; double it")
    own = "\t" if suffix.lower() == ".tsv" else ","
    chosen = max(readings, key=lambda one: (len(readings[one]), one == own))
    return chosen, readings[chosen]


def _text(stream: BinaryIO) -> TextIO:
    # What is no UTF-8 becomes lone surrogates, which UTF-8 cannot hold: they are found in the record that has them.
    return TextIOWrapper(stream, encoding="utf-8-sig", errors="surrogateescape", newline="")


def _begins(stream: BinaryIO, count: int) -> bytes:
    begins = stream.read(count)
    stream.seek(0)
    return begins


class _Lines(Iterator[str]):
    """Lines for `csv`, which takes as many as a record has, and what there is to know of that record.

    first, last : its lines, from 1. quotes, bytes : of it so far. wrong : why it cannot be used, and what it is.
    ended : whether its last line has a line end.
    """

    def __init__(self, text: TextIO) -> None:
        self._text, self.last = text, 0
        self.begin()

    def begin(self) -> None:
        """A record begins with the next line."""
        self.first, self.quotes, self.bytes = self.last + 1, 0, 0
        self.wrong: tuple[Reason, str] | None = None

    def __next__(self) -> str:
        line = self.take()
        if self.bytes > MOST_BYTES:
            raise csv.Error(f"it has more than {MOST_BYTES:,} bytes")
        return line

    def take(self) -> str:
        """The next line, however long the record is by now."""
        line = next(self._text)
        self.last += 1
        self.quotes += line.count('"')
        self.bytes += len(line) if line.isascii() else len(line.encode("utf-8", "surrogateescape"))
        self.ended = line.endswith(("\n", "\r"))
        self.wrong = self.wrong or _wrong(line)
        return line

    def to_even(self) -> bool:
        """Pass over lines until the quotes of the record are even; False where they never are."""
        while self.quotes % 2:
            try:
                self.take()
            except StopIteration:
                return False
        return True


def _wrong(line: str) -> tuple[Reason, str] | None:
    if "\0" in line:
        return "null-bytes", "it holds a null character, as binary files and UTF-16 without a byte order mark do"
    if line.isascii():
        return None
    try:
        line.encode("utf-8")
    except UnicodeEncodeError as error:
        # As `surrogateescape` writes a byte.
        byte = ord(line[error.start]) - 0xDC00
        return "undecodable", f"byte {byte:#04x} is not UTF-8; {UTF8}"
    return None


def _header(lines: _Lines) -> str:
    """The first record that is not blank. By which delimiter it is parted is not known yet; its quotes are even."""
    header = ""
    try:
        while not header.strip() or _SEPARATOR.fullmatch(header):
            lines.begin()
            header = lines.take()
    except StopIteration:
        raise InvalidRecord(0, "no-records", "it is empty; its first line names the columns") from None
    try:
        while lines.quotes % 2 and lines.bytes <= MOST_HEADER_BYTES:
            header += lines.take()
    except StopIteration:
        pass
    if lines.quotes % 2:
        raise InvalidRecord(0, "no-records", "a quote in its header, the first line, is never closed")
    if lines.wrong:
        raise InvalidRecord(0, "no-records", f"its header, the first line, cannot be read: {lines.wrong[1]}")
    return header


def _records(lines: _Lines, delimiter: str, names: Sequence[str]) -> Iterator[list[str] | InvalidRecord]:
    """The cells of each record that is not blank, one for each name."""
    width = least = len(names)
    while least > 1 and not names[least - 1]:
        least -= 1
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        lines.begin()
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield _misquoted(lines, error)
            continue
        if not any(map(str.strip, cells)):
            continue
        # Many programs end each line with a delimiter, or the header alone.
        while len(cells) > width and not cells[-1]:
            cells.pop()
        cells += [""] * (width - len(cells) if len(cells) >= least else 0)
        if lines.wrong:
            yield InvalidRecord(lines.first, *lines.wrong)
        elif len(cells) < width and not lines.ended:
            detail = f"the file ends in the midst of a record ({_cells(len(cells))}, the header has {width})"
            yield InvalidRecord(lines.first, "truncated", detail)
        elif len(cells) != width:
            yield InvalidRecord(lines.first, "unparsable", _other_width(cells, width, DELIMITERS[delimiter]))
        elif delimiter == "\t" and lines.last > lines.first and any(map(_of_several_lines, cells)):
            yield InvalidRecord(lines.first, "unparsable", f"{_SEVERAL}; lines {lines.first} to {lines.last} are lost")
        else:
            yield cells


# Many programs part cells by tabs and know no quotes: two cells of different records that begin and end with one would
# be a single cell.
_SEVERAL = "a cell in quotes holds a tab and a line break, as several records do; write the tab as a blank"


def _of_several_lines(cell: str) -> bool:
    return "\t" in cell and ("\n" in cell or "\r" in cell)


def _value(cell: str) -> str | None:
    """A cell without the line ends of its file: saved with others it says the same."""
    return (cell.replace("\r\n", "\n").replace("\r", "\n") if "\r" in cell else cell) or None


def _other_width(cells: Sequence[str], width: int, delimiter: str) -> str:
    if any(cell.lstrip(" ").startswith('"') for cell in cells if cell.startswith(" ")):
        remedy = "a quote opens a cell where nothing stands before it: remove the blank"
    else:
        remedy = f"quote a cell that holds {delimiter if len(cells) > width else 'a line break'}"
    return f"it has {_cells(len(cells))}, the header has {width}: {remedy}"


def _cells(count: int) -> str:
    return "1 cell" if count == 1 else f"{count} cells"


def _misquoted(lines: _Lines, error: csv.Error) -> InvalidRecord:
    """A record whose quotes are wrong, once it is passed over."""
    where = lines.last
    if lines.to_even():
        lost = f"; lines {lines.first} to {lines.last} are lost" if lines.last > lines.first else ""
        said = f"{error}" if lines.bytes > MOST_BYTES else f"a quote in line {where} ends a cell that goes on"
        return InvalidRecord(lines.first, "unparsable", f"{said}: inside of quotes a quote is doubled{lost}")
    lost = f"lines {lines.first} to {lines.last}, the end of the file, are lost"
    return InvalidRecord(lines.first, "truncated", f"a quote is never closed: {lost}; double it where it is a letter")
