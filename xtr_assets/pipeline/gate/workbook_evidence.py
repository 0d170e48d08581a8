"""A second reading of Excel workbooks by `zipfile` and expat: what `record_evidence` holds rows against.

Dates are numbers in a workbook, and what makes one a date is the format of its cell: a number with a format of more
than digits may be that number, its day and time, or so many days as seconds.
"""

import io
import math
import posixpath
import random
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any, Literal
from xml.etree import ElementTree

from xtr_assets.config import SourceConfig
from xtr_assets.pipeline.gate.office_part import root_of
from xtr_assets.pipeline.gate.record_evidence import OPAQUE, Opaque, Records, record_faults
from xtr_assets.pipeline.gate.text_evidence import Row

SUFFIX = ".xlsx"
# Records of one file that are compared; that each has its row is counted over all of them.
RECORDS = 500
# Rows among which the names of the columns stand.
HEADER_ROWS = 20
# Seconds of a day; times are read to the millisecond. The day after the 29th of February that 1900 did not have.
DAY, NEAR, LEAP = 86400, 1.0, 61
# The day behind the last one that Excel knows.
FAR = 2958466
# What a number is by its format.
Format = Literal["number", "day", "any"]
# Formats of numbers that no program takes for dates: 0.00, %, thousands, fractions, exponents, text.
_NUMBERS = frozenset({*range(5), *range(9, 14), *range(37, 45), 48, 49})
# Of days, with a time or without.
_DAYS: Mapping[int, Format] = dict.fromkeys((14, 15, 16, 17, 22), "day")
_PLAIN_FORMAT = re.compile(r'(?:General|[0#?.,%_() \-+*;/@Ee]|\[\$[^\]]*\]|"[^"]*"|\\.)*')
_ESCAPE = re.compile("_x([0-9A-Fa-f]{4})_")
_PLACE = re.compile(r"([A-Z]+)([0-9]+)")

IN_VAIN = "it is in quarantine and can be read"
Cells = dict[int, Any]  # By column, from 0.


def workbook_faults(
    path: str, data: bytes, rows: Sequence[Row], quarantined: set[int], config: SourceConfig
) -> Iterator[str]:
    """Whether the rows say what the one sheet says that has the columns. What a source refuses as a whole may be
    refused where just that sheet is not there: its library may fail where this reading does not, so that of a single
    file it proves nothing."""
    if not rows and 0 in quarantined:
        if _readable(data, config):
            yield IN_VAIN
        return
    sheets = list(_sheets(data))
    found = [records for cells in sheets if (records := _records(cells, config)) is not None]
    if len(found) > 1:
        yield f"{len(found)} of its sheets have the columns, and it has rows"
        return
    # A number with a format may name a column, or be a date and name none.
    found += [records for cells in sheets if (records := _records(cells, config, styled=True)) is not None]
    faults = [list(record_faults(path, records, rows, quarantined, config, _some)) for records in found]
    yield from min(faults, key=len, default=["none of its sheets has the columns, and it has rows"])


def _readable(data: bytes, config: SourceConfig) -> bool:
    """Whether just one sheet has the columns, and something below them."""
    try:
        held = [records for cells in _sheets(data) if (records := _records(cells, config)) is not None]
    except Exception:
        # Whatever stops this reading may have stopped the other.
        return False
    return len(held) == 1 and bool(held[0])


def _some(lines: Sequence[int]) -> Sequence[int]:
    return lines if len(lines) <= RECORDS else sorted(random.Random(0).sample(lines, RECORDS))


def _records(sheet: Mapping[int, Cells], config: SourceConfig, *, styled: bool = False) -> Records | None:
    """By row, the record; None of a sheet without the columns. styled : whether numbers with a format name some."""
    needed = {name for name in (config.id, config.text, *config.metadata) if name}
    if config.title and config.title != SourceConfig.model_fields["title"].default:
        needed.add(config.title)
    for number in sorted(sheet)[:HEADER_ROWS]:
        told = [(column, one) for column, one in sheet[number].items() if styled or not isinstance(one, _Styled)]
        names = {_name(value): column for column, value in reversed(told)}
        if needed <= names.keys():
            below = {row: cells for row, cells in sheet.items() if row > number}
            return {row: _reader(cells, names, config) for row, cells in below.items()}
    return None


@dataclass(frozen=True, slots=True)
class _Styled:
    """A number that may be a date to whoever reads it, counted in days from another one, or surely is; with no such
    day, what is written there as a date."""

    number: Any
    since: datetime | None
    dated: bool = False

    def may_be(self, value: Any) -> bool:
        """Whether a row may have this value for it."""
        if self.since is None or isinstance(value, bool) or value in (None, ""):
            return self.since is None and value not in (None, "")
        if isinstance(value, int | float):
            if self.dated and 0 <= self.number < FAR:
                return False
            return any(math.isclose(value, one, rel_tol=1e-9, abs_tol=1e-3) for one in (self.number, self.number * DAY))
        try:
            if self.number < 1:
                told = time.fromisoformat(value)
                seconds = told.hour * 3600 + told.minute * 60 + told.second
                return bool(self.number < 0 or abs(self.number * DAY - seconds) % DAY < NEAR)
            # A whole day has no time.
            day = self.number == int(self.number)
            said = date.fromisoformat(value) if day else datetime.fromisoformat(value)
        except (TypeError, ValueError):
            return False
        moment = said if isinstance(said, datetime) else datetime.combine(said, time())
        seconds_off = (moment - self.since).total_seconds() - self.number * DAY
        # To Excel, which counts the 29th of February of 1900, the days before it are one later.
        return bool(abs(seconds_off) < NEAR or (self.number < LEAP and abs(seconds_off - DAY) < NEAR))


def _name(value: Any) -> str:
    return str(value.number if isinstance(value, _Styled) else value).strip()


def _reader(cells: Cells, names: Mapping[str, int], config: SourceConfig) -> Callable[[], Any]:
    def read() -> Any:
        held = {name: cells.get(column) for name, column in names.items()}
        values = {name: Opaque(one.may_be) if isinstance(one, _Styled) else one for name, one in held.items()}
        told = [values.get(name) for name in (config.id, config.title, config.text) if name]
        if any(isinstance(one, Opaque) for one in told):
            return OPAQUE
        for name in (config.id, config.title, config.text):
            if name and isinstance(values.get(name), int | float) and not isinstance(values[name], bool):
                values[name] = str(values[name])
        return values

    return read


def _sheets(data: bytes) -> Iterator[dict[int, Cells]]:
    """The cells of each visible sheet, by row from 1; rows and cells that say nothing are left out."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        main = next(target for kind, target in _related(archive, "").values() if kind == "officeDocument")
        targets = _related(archive, main)
        shared = _shared(archive, targets)
        formats = _formats(archive, targets)
        book = root_of(_part(archive, main))
        since = _first_day(book)
        for sheet in book.iterfind("{*}sheets/{*}sheet"):
            kind, target = targets.get(_attribute(sheet, "id"), ("", ""))
            if sheet.get("state", "visible") == "visible" and kind == "worksheet":
                yield _rows(root_of(_part(archive, target)), shared, formats, since)


def _first_day(book: ElementTree.Element) -> datetime:
    """The day that days are counted from."""
    about = book.find("{*}workbookPr")
    later = about is not None and about.get("date1904", "0") in ("1", "true")
    return datetime(1904, 1, 1) if later else datetime(1899, 12, 30)


def _rows(
    root: ElementTree.Element, shared: Sequence[str], formats: Sequence[Format], since: datetime
) -> dict[int, Cells]:
    found: dict[int, Cells] = {}
    number = 0
    for row in root.iterfind("{*}sheetData/{*}row"):
        number = int(row.get("r", number + 1))
        cells: Cells = {}
        column = -1
        for cell in row.iterfind("{*}c"):
            column = _column(cell.get("r", ""), column + 1)
            value = _value(cell, shared, formats, since)
            if value is not None:
                cells[column] = value
        if cells:
            found[number] = cells
    return found


def _column(place: str, expected: int) -> int:
    found = _PLACE.fullmatch(place)
    if found is None:
        return expected
    column = 0
    for letter in found[1]:
        column = column * 26 + ord(letter) - 64
    return column - 1


def _value(cell: ElementTree.Element, shared: Sequence[str], formats: Sequence[Format], since: datetime) -> Any:
    kind, raw = cell.get("t", "n"), cell.findtext("{*}v")
    if kind == "inlineStr":
        return _said(cell.find("{*}is"))
    if raw is None or not raw.strip() or kind == "e":
        return None
    if kind == "s":
        return shared[int(raw)] or None
    if kind == "str":
        return _text(raw) or None
    if kind == "b":
        return raw.strip() not in ("0", "false")
    style = int(cell.get("s", 0))
    if kind != "n":
        return _Styled(raw, None)
    number = float(raw)
    told = int(number) if number.is_integer() and abs(number) < 1e15 else number
    form = formats[style] if style < len(formats) else "number"
    return told if form == "number" else _Styled(told, since, form == "day")


def _shared(archive: zipfile.ZipFile, targets: Mapping[str, tuple[str, str]]) -> list[str]:
    target = next((target for kind, target in targets.values() if kind == "sharedStrings"), None)
    root = None if target is None else root_of(_part(archive, target))
    return [] if root is None else [_said(one) or "" for one in root.iterfind("{*}si")]


def _formats(archive: zipfile.ZipFile, targets: Mapping[str, tuple[str, str]]) -> list[Format]:
    """By style, whether a number is one to everybody, or a day."""
    target = next((target for kind, target in targets.values() if kind == "styles"), None)
    if target is None:
        return []
    root = root_of(_part(archive, target))
    own = {one.get("numFmtId", ""): one.get("formatCode", "") for one in root.iterfind("{*}numFmts/{*}numFmt")}
    return [
        _own_format(own[key]) if key in own else "number" if int(key) in _NUMBERS else _DAYS.get(int(key), "any")
        for one in root.iterfind("{*}cellXfs/{*}xf")
        for key in (one.get("numFmtId", "0"),)
    ]


def _own_format(code: str) -> Format:
    return "number" if _PLAIN_FORMAT.fullmatch(code) else "any"


def _said(element: ElementTree.Element | None) -> str | None:
    """The text of a string, of all its runs but not what says how it is spoken."""
    if element is None:
        return None
    runs = [element, *element.iterfind("{*}r")]
    return _text("".join(text.text or "" for run in runs for text in run.iterfind("{*}t"))) or None


def _text(raw: str) -> str:
    r"""A text without white space around it; `_x000A_` stands for a character, and line breaks are LF.

    >>> _text(" a_x000D_\nb_x005F_ ")
    'a\nb_'
    """
    return re.sub("\r\n?", "\n", _ESCAPE.sub(lambda found: chr(int(found[1], 16)), raw).strip())


def _related(archive: zipfile.ZipFile, part: str) -> dict[str, tuple[str, str]]:
    """By id what a part refers to: (the last word of its type, the name of the other part)."""
    folder, own = posixpath.split(part)
    root = root_of(_part(archive, posixpath.join(folder, "_rels", f"{own}.rels")))
    return {
        one.get("Id", ""): (
            posixpath.basename(one.get("Type", "")),
            posixpath.normpath(posixpath.join("/", folder, one.get("Target", ""))).lstrip("/"),
        )
        for one in root
    }


def _part(archive: zipfile.ZipFile, name: str) -> bytes:
    """A part by its name, whose case does not count."""
    names = {one.replace("\\", "/").lower(): one for one in archive.namelist()}
    return archive.read(names[name.lower()])


def _attribute(element: ElementTree.Element, name: str) -> str:
    return next((value for key, value in element.items() if key.rpartition("}")[2] == name and "}" in key), "")
