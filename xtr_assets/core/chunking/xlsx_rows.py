"""Rows of Excel workbooks, by calamine: each visible sheet with its name, then what stands in it, row by row."""

import io
import json
import zipfile
import zlib
from datetime import date, datetime, time, timedelta
from typing import Any

from python_calamine import CalamineError, CalamineWorkbook, SheetTypeEnum, SheetVisibleEnum

from xtr_assets.core.chunking.blocks import Block, DocumentRefused
from xtr_assets.core.chunking.office_package import weigh

# Numbers of a workbook are floats; whole ones beyond this are not exact.
_WHOLE = 1e15


def xlsx_rows(data: bytes) -> list[Block]:
    """A block of level 1 for each visible sheet, of its name, and behind it one of level 0 for each row that is not
    blank: its number, from 1, and its cells as a list of JSON. Raises DocumentRefused."""
    weigh(data, "workbook", "XLSX")
    _check_sums(data)
    blocks: list[Block] = []
    try:
        book = CalamineWorkbook.from_filelike(io.BytesIO(data))
        for about in book.sheets_metadata:
            if about.visible != SheetVisibleEnum.Visible or about.typ != SheetTypeEnum.WorkSheet:
                continue
            blocks.append(Block(0, 0, 1, about.name))
            for number, row in enumerate(book.get_sheet_by_name(about.name).iter_rows(), 1):
                cells = [_plain(cell) for cell in row]
                if any(cell is not None for cell in cells):
                    blocks.append(Block(number, number, 0, json.dumps(cells, ensure_ascii=False)))
    except CalamineError as error:
        detail = f"no workbook: {error!s:.200}; open it in a spreadsheet program and save it again as XLSX"
        raise DocumentRefused("unparsable", detail) from error
    return blocks


def _check_sums(data: bytes) -> None:
    """Refuse a damaged part: calamine reads what is left of it."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            damaged = archive.testzip()
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, OSError) as error:
        damaged = f"{error!s:.200}"
    if damaged is not None:
        raise DocumentRefused("unparsable", f"no workbook: a part of it is damaged ({damaged}); copy or save it again")


def _plain(cell: Any) -> Any:
    """A cell as JSON has it: whole numbers are such, a date is {"date": "2024-05-01"}, a duration seconds; None for
    nothing."""
    if isinstance(cell, str):
        return cell.strip().replace("\r\n", "\n").replace("\r", "\n") or None
    if isinstance(cell, float) and not isinstance(cell, bool):
        return int(cell) if cell.is_integer() and abs(cell) < _WHOLE else cell
    if isinstance(cell, datetime | date | time):
        return {"date": cell.isoformat()}
    return {"date": cell / timedelta(seconds=1)} if isinstance(cell, timedelta) else cell
