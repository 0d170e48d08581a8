"""Faults between a table (CSV, TSV, a workbook) and its records: quotes, lines, columns, sheets, values."""

import csv
import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from xtr_assets.core.chunking.document_reader import READERS
from xtr_assets.sources.record_rows import InvalidRecord, Row
from xtr_assets_tests.mutants.fault import FULL, Mutant, Plant, Run, both, locally, replaced

AGREES = frozenset({"source_agrees"})
PLACE = "tables"
CSV, XLSX = "sources.csv_table:read_csv", "sources.xlsx_table:read_xlsx"


def records(where: str, alter: Callable[[list[Any]], list[Any]]) -> Plant:
    """What the reader of a kind of tables makes of a file is altered."""

    def of_sheets(original: Any) -> Any:
        def read(file: Any, required: Any, optional: Any, texts: Any) -> Iterator[Any]:
            yield from alter(list(original(file, required, optional, texts)))

        return read

    def of_csv(original: Any) -> Any:
        def read(file: Any, required: Any, optional: Any) -> Iterator[Any]:
            yield from alter(list(original(file, required, optional)))

        return read

    return replaced(where, of_csv if where == CSV else of_sheets)


def both_kinds(alter: Callable[[list[Any]], list[Any]]) -> Plant:
    return both(records(CSV, alter), records(XLSX, alter))


def values(change: Callable[[str, Any], Any]) -> Callable[[list[Any]], list[Any]]:
    """`change(name, value)` of each value of each record."""

    def alter(found: list[Any]) -> list[Any]:
        return [
            one
            if isinstance(one, InvalidRecord)
            else replace(one, values={name: change(name, value) for name, value in one.values.items()})
            for one in found
        ]

    return alter


def texts(change: Callable[[str], Any]) -> Callable[[list[Any]], list[Any]]:
    return values(lambda _, value: change(value) if isinstance(value, str) else value)


def of(name: str, change: Callable[[Any], Any]) -> Callable[[list[Any]], list[Any]]:
    return values(lambda own, value: change(value) if own == name else value)


def at_home(*plants: Plant) -> Plant:
    """Documents are read in this process, so that a fault in their readers is met."""

    def make(_: Any) -> Any:
        return lambda self, suffix, data: READERS[suffix](data)

    return both(replaced("sources.document_worker:DocumentWorker.read", make), *plants)


def sheet(change: Callable[[list[Any]], list[Any]]) -> Plant:
    """Blocks of a workbook: names of sheets, and rows."""

    def make(original: Any) -> Any:
        def read(data: bytes) -> list[Any]:
            return change(original(data))

        return read

    return at_home(replaced("core.chunking.xlsx_rows:xlsx_rows", make))


def _split(found: list[Any]) -> list[Any]:
    """A record of several lines is several."""
    return [
        replace(one, line=one.line + at, end_line=one.line + at, values={**one.values, "text": part})
        for one in found
        for at, part in enumerate(str(one.values["text"]).split("\n"))
        if at == 0 or one.values.update(_id=f"{one.values['_id']}.{at}") is None
    ]


def _counted(found: list[Any]) -> list[Any]:
    return [replace(one, line=at, end_line=0) for at, one in enumerate(found, 2)]


def _of_row_before(name: str) -> Callable[[list[Any]], list[Any]]:
    def alter(found: list[Any]) -> list[Any]:
        return [
            replace(one, values={**one.values, name: found[at - 1].values.get(name)}) for at, one in enumerate(found)
        ]

    return alter


def _exchanged(one: str, other: str) -> Callable[[list[Any]], list[Any]]:
    def alter(found: list[Any]) -> list[Any]:
        return [
            replace(row, values={**row.values, one: row.values.get(other), other: row.values.get(one)}) for row in found
        ]

    return alter


def _unique(found: list[Any]) -> list[Any]:
    first = {one.values["text"]: at for at, one in reversed(list(enumerate(found)))}
    return [one for at, one in enumerate(found) if first[one.values["text"]] == at]


def _last_of_id(found: list[Any]) -> list[Any]:
    """Ids are cut, and the last of those that are one then stays."""
    kept = {str(one.values["_id"])[:-1]: one for one in found}
    return list(kept.values())


def _number(value: Any) -> Any:
    try:
        return float(value) if "." in value else int(value)
    except (TypeError, ValueError):
        return value


def _american(value: Any) -> Any:
    found = re.fullmatch(r"(\d\d)/(\d\d)/(\d{4})", str(value))
    return f"{found[3]}-{found[1]}-{found[2]}" if found else value


def _swapped_days(value: Any) -> Any:
    """The day for the month where both may be."""
    found = re.fullmatch(r"(\d{4})-(\d\d)-(\d\d)(.*)", str(value))
    return f"{found[1]}-{found[3]}-{found[2]}{found[4]}" if found and int(found[3]) <= 12 else value


def _days_later(value: Any) -> Any:
    try:
        return (date.fromisoformat(str(value)[:10]) + timedelta(1462)).isoformat()
    except ValueError:
        return value


def _serial(value: Any) -> Any:
    try:
        return (date.fromisoformat(str(value)[:10]) - date(1899, 12, 30)).days
    except ValueError:
        return value


def _shown_day(value: Any) -> Any:
    try:
        return f"{date.fromisoformat(str(value)[:10]):%d.%m.%Y}"
    except ValueError:
        return value


def _hidden(original: Any) -> Any:
    """The first sheet, whatever is said of it."""

    def table(sheets: Any, required: Any) -> Any:
        return original(dict(list(sheets.items())[:1]), required)

    return table


def _renumbered(found: list[Any]) -> list[Any]:
    """Blank rows are not counted."""
    at, told = 0, []
    for one in found:
        at = 0 if one.level else at + 1
        told.append(one if one.level else replace(one, first=at, last=at))
    return told


def _decode(encoding: str, errors: str = "replace") -> Plant:
    from io import TextIOWrapper

    def make(_: Any) -> Any:
        return lambda stream: TextIOWrapper(stream, encoding=encoding, errors=errors, newline="")

    return replaced("sources.csv_table:_text", make)


def _first_of(delimiter: str) -> Plant:
    def make(original: Any) -> Any:
        def chosen(header: str, required: Any, suffix: str) -> Any:
            _, names = original(header, required, suffix)
            return delimiter, names

        return chosen

    return replaced("sources.csv_table:chosen_reading", make)


def _by_lines(original: Any) -> Any:
    """A quoted newline ends a record."""

    def read(lines: Any, delimiter: str, names: Any) -> Iterator[Any]:
        for line in lines:
            lines.begin()
            cells = next(csv.reader([line], delimiter=delimiter), [])
            yield [*cells, *[""] * len(names)][: len(names)]

    return read


def _mutant(
    name: str, plant: Plant, runs: tuple[Run, ...] = FULL, also: frozenset[str] = frozenset(), equivalent: str = ""
) -> Mutant:
    return Mutant(name, PLACE, plant, AGREES | also, runs, files="kinds", equivalent=equivalent)


MUTANTS = (
    _mutant(
        "the header is a record", records(CSV, lambda found: [Row(1, {key: key for key in found[0].values}), *found])
    ),
    _mutant("the last record of a table is lost", both_kinds(lambda found: found[:-1])),
    _mutant("the first record of a table is lost", both_kinds(lambda found: found[1:])),
    _mutant("the last row of a sheet is lost", records(XLSX, lambda found: found[:-1])),
    _mutant("a record of several lines is several", records(CSV, _split)),
    _mutant("a quoted line break ends a record", replaced("sources.csv_table:_records", _by_lines)),
    _mutant("lines of a table are counted by records", records(CSV, _counted)),
    _mutant("records end where they begin", records(CSV, lambda found: [replace(one, end_line=0) for one in found])),
    _mutant(
        "lines of a table are counted from 0",
        records(CSV, lambda found: [replace(one, line=one.line - 1, end_line=one.end_line - 1) for one in found]),
    ),
    _mutant("title and text of a table are exchanged", both_kinds(_exchanged("title", "text"))),
    _mutant("texts are those of the column beside", both_kinds(_exchanged("text", "team"))),
    _mutant("texts of a table are those of the row before", both_kinds(_of_row_before("text"))),
    _mutant("titles of a table are those of the row before", both_kinds(_of_row_before("title"))),
    _mutant("teams of a table are those of the row before", both_kinds(_of_row_before("team"))),
    _mutant("empty cells are empty texts", records(CSV, values(lambda _, value: "" if value is None else value))),
    _mutant(
        "an empty cell is the one above",
        both_kinds(
            lambda found: [
                replace(
                    one,
                    values={
                        key: value if value is not None else found[at - 1].values[key]
                        for key, value in one.values.items()
                    },
                )
                for at, one in enumerate(found)
            ]
        ),
    ),
    _mutant("doubled quotes stay", records(CSV, texts(lambda text: text.replace('"', '""')))),
    _mutant("blanks at the ends of cells are lost", records(CSV, texts(str.strip))),
    _mutant("blanks within cells are one", both_kinds(texts(lambda text: " ".join(text.split())))),
    _mutant("line breaks in cells are blanks", both_kinds(texts(lambda text: text.replace("\n", " ")))),
    _mutant(
        "letters of a table lose their accents",
        both_kinds(
            texts(
                lambda text: "".join(
                    one for one in unicodedata.normalize("NFD", text) if not unicodedata.combining(one)
                )
            )
        ),
    ),
    _mutant("letters of a table are decomposed", both_kinds(texts(lambda text: unicodedata.normalize("NFD", text)))),
    _mutant("a table is read as Windows-1252", _decode("cp1252")),
    _mutant("letters beyond ASCII of a table are lost", _decode("ascii", "ignore")),
    _mutant("a table of tabs is parted by commas", _first_of(",")),
    _mutant(
        "quotes of a table are letters",
        locally(
            "sources.csv_table",
            "csv",
            lambda original: type(
                "csv",
                (),
                {
                    "reader": staticmethod(
                        lambda *given, **options: original.reader(*given, **{**options, "quoting": original.QUOTE_NONE})
                    ),
                    "Error": original.Error,
                },
            ),
        ),
    ),
    _mutant("records that say the same are one", both_kinds(_unique)),
    _mutant("ids are cut, and the last one stays", both_kinds(_last_of_id)),
    _mutant("ids are written in small letters", both_kinds(of("_id", lambda value: str(value).lower()))),
    _mutant("every number in a table is one", records(CSV, values(lambda _, value: _number(value)))),
    _mutant("no text of a table is a number", replaced("sources.record_rows:number_of", lambda _: lambda value: value)),
    _mutant(
        "zeros before a number are a base of 8",
        replaced(
            "sources.record_rows:number_of",
            lambda original: lambda value: int(value, 8) if re.fullmatch("00[0-7]+", str(value)) else original(value),
        ),
    ),
    _mutant("NA is no value", records(CSV, values(lambda _, value: None if value == "NA" else value))),
    _mutant("days of a table are American", records(CSV, of("due", _american))),
    _mutant("months and days of a sheet change places", records(XLSX, of("due", _swapped_days))),
    _mutant("days of a sheet count from 1904", records(XLSX, of("due", _days_later))),
    _mutant("days of a sheet are numbers", records(XLSX, of("due", _serial))),
    _mutant("days of a sheet are as a locale has them", records(XLSX, of("due", _shown_day))),
    _mutant("days of a sheet are those of the row before", records(XLSX, _of_row_before("due"))),
    _mutant(
        "days of a sheet are days and times",
        records(XLSX, of("due", lambda value: f"{value}T00:00:00" if value else value)),
    ),
    _mutant("whole numbers of a sheet have a point", records(XLSX, of("count", lambda value: float(value)))),
    _mutant(
        "numbers of a sheet are rounded", records(XLSX, of("price", lambda value: round(value) if value else value))
    ),
    _mutant("numbers of a sheet are texts", records(XLSX, of("price", str))),
    _mutant(
        "hidden sheets are read",
        at_home(
            locally(
                "core.chunking.xlsx_rows",
                "SheetVisibleEnum",
                lambda original: type(
                    "any",
                    (),
                    {
                        "Visible": type(
                            "every",
                            (),
                            {"__eq__": lambda *_: True, "__ne__": lambda *_: False, "__hash__": lambda _: 0},
                        )()
                    },
                ),
            )
        ),
        also=frozenset({"evidence_suffices", "nothing_vanished"}),
    ),
    _mutant(
        "the first sheet is read",
        replaced("sources.xlsx_table:_table", _hidden),
        also=frozenset({"evidence_suffices", "nothing_vanished"}),
    ),
    _mutant("blank rows of a sheet are not counted", sheet(_renumbered)),
    _mutant(
        "rows of a sheet are counted from 0",
        records(XLSX, lambda found: [replace(one, line=one.line - 1) for one in found]),
    ),
    _mutant(
        "the last cell of a row is lost", records(XLSX, values(lambda name, value: None if name == "price" else value))
    ),
    _mutant(
        "a column without a value is left out",
        records(
            XLSX,
            lambda found: [
                replace(one, values={key: value for key, value in one.values.items() if value is not None})
                for one in found
            ],
        ),
    ),
)
