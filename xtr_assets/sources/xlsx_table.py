"""Records of Excel workbooks: the rows of the one visible sheet that has the columns."""

import json
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from xtr_assets.core.chunking.blocks import DocumentRefused
from xtr_assets.sources.document_worker import WORKBOOK, WORKER
from xtr_assets.sources.parquet import wanted_columns
from xtr_assets.sources.place import SourceFile
from xtr_assets.sources.reason import Reason
from xtr_assets.sources.record_rows import InvalidRecord, Row

# Above a header stand titles, dates, a logo; not more than this.
HEADER_ROWS = 20

Sheet = list[tuple[int, list[Any]]]  # Rows that are not blank: the number from 1, and the cells.


def read_xlsx(
    file: SourceFile, required: Sequence[str], optional: Sequence[str], texts: Collection[str]
) -> Iterator[Row | InvalidRecord]:
    """Rows below the header, with their numbers. Raises OSError.

    texts : columns of texts, in which a number is what it is written as.
    """
    try:
        sheets = sheets_of(file.read_bytes())
        header, names, rows = _table(sheets, required)
        columns = wanted_columns(names, required, optional, "header")
    except InvalidRecord as error:
        yield error
        return
    places = {name: names.index(name) for name in columns}
    for number, cells in rows:
        if number > header:
            values = {
                name: _value(cells[at] if at < len(cells) else None, name in texts) for name, at in places.items()
            }
            yield Row(number, values)


def sheets_of(data: bytes) -> dict[str, Sheet]:
    """The visible sheets of a workbook by name. InvalidRecord of line 0 where it cannot be read."""
    try:
        blocks = WORKER.read(WORKBOOK, data)
    except DocumentRefused as error:
        # What cannot be read as a whole keeps its rows from before.
        reason: Reason = "not-installed" if error.reason == "not-installed" else "no-records"
        raise InvalidRecord(0, reason, error.detail) from error
    sheets: dict[str, Sheet] = {}
    name = ""
    for block in blocks:
        if block.level:
            name = block.text
            sheets[name] = []
        else:
            sheets[name].append((block.first, json.loads(block.text)))
    return sheets


def names_of(cells: Sequence[Any]) -> list[str]:
    """What columns are called by a row of cells."""
    return ["" if one is None or isinstance(one, dict) else str(one).strip() for one in cells]


def _table(sheets: dict[str, Sheet], required: Sequence[str]) -> tuple[int, list[str], Sheet]:
    """(number of the header's row, names, rows) of the one sheet that has the columns. InvalidRecord where none or
    several have."""
    found: dict[str, tuple[int, list[str], Sheet]] = {}
    for sheet, rows in sheets.items():
        for number, cells in rows[:HEADER_ROWS]:
            if set(required) <= set(names := names_of(cells)):
                found[sheet] = number, names, rows
                break
    if len(found) == 1:
        return found.popitem()[1]
    wanted = ", ".join(f"`{name}`" for name in required)
    if found:
        said = f"the sheets {' and '.join(found)} have the columns {wanted}: hide all but one, or save each as CSV"
    else:
        begins = (f"{sheet} ({_shown(rows)})" for sheet, rows in sheets.items())
        said = f"none of its visible sheets has a row with the columns {wanted}; they begin: {'; '.join(begins):.500}"
    raise InvalidRecord(0, "no-records", said)


def _shown(rows: Sheet) -> str:
    return ", ".join(name for name in names_of(rows[0][1]) if name) if rows else "empty"


def _value(cell: Any, is_text: bool) -> Any:
    plain = cell["date"] if isinstance(cell, dict) else cell
    return str(plain) if is_text and isinstance(plain, int | float) and not isinstance(plain, bool) else plain
