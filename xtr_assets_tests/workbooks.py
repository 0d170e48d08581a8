"""Excel workbooks, part by part: sheets of cells as Excel writes them."""

import io
import zipfile
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any
from xml.sax.saxutils import escape

Rows = Sequence[Sequence[Any]]

_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_EPOCH = date(1899, 12, 30)


def workbook(sheets: Mapping[str, Rows], hidden: Sequence[str] = ()) -> bytes:
    """A workbook of these sheets. A cell is a text, number, truth, date, or None for nothing; an empty row is left out,
    as Excel does."""
    shared: list[str] = []
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types">'
        '<Default Extension="xml" ContentType="application/xml"/></Types>',
        "_rels/.rels": _related({"r": ("officeDocument", "xl/workbook.xml")}),
        "xl/styles.xml": f'<styleSheet xmlns="{_MAIN}"><cellXfs>'
        '<xf numFmtId="0"/><xf numFmtId="14"/></cellXfs></styleSheet>',
    }
    listed, targets = [], {"s": ("sharedStrings", "sharedStrings.xml"), "f": ("styles", "styles.xml")}
    for number, (name, rows) in enumerate(sheets.items(), 1):
        state = ' state="hidden"' if name in hidden else ""
        listed.append(f'<sheet name="{escape(name)}" sheetId="{number}"{state} r:id="r{number}"/>')
        targets[f"r{number}"] = "worksheet", f"worksheets/sheet{number}.xml"
        held = ((at, cells) for at, cells in enumerate(rows, 1) if any(one is not None for one in cells))
        told = "".join(_row(at, cells, shared) for at, cells in held)
        part = f'<worksheet xmlns="{_MAIN}"><sheetData>{told}</sheetData></worksheet>'
        parts[f"xl/worksheets/sheet{number}.xml"] = part
    parts["xl/workbook.xml"] = (
        f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets>{"".join(listed)}</sheets></workbook>'
    )
    parts["xl/_rels/workbook.xml.rels"] = _related(targets)
    strings = "".join(f'<si><t xml:space="preserve">{escape(one)}</t></si>' for one in shared)
    parts["xl/sharedStrings.xml"] = f'<sst xmlns="{_MAIN}">{strings}</sst>'
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for part, text in parts.items():
            archive.writestr(part, text)
    return file.getvalue()


def _row(number: int, cells: Sequence[Any], shared: list[str]) -> str:
    told = (_cell(f"{chr(65 + at)}{number}", cell, shared) for at, cell in enumerate(cells) if cell is not None)
    return f'<row r="{number}">{"".join(told)}</row>'


def _cell(place: str, cell: Any, shared: list[str]) -> str:
    if isinstance(cell, str):
        shared.append(cell)
        return f'<c r="{place}" t="s"><v>{len(shared) - 1}</v></c>'
    if isinstance(cell, bool):
        return f'<c r="{place}" t="b"><v>{int(cell)}</v></c>'
    if isinstance(cell, date):
        return f'<c r="{place}" s="1"><v>{(cell - _EPOCH).days}</v></c>'
    return f'<c r="{place}"><v>{cell!r}</v></c>'


def _related(targets: Mapping[str, tuple[str, str]]) -> str:
    told = (f'<Relationship Id="{key}" Type="{_OFFICE}/{kind}" Target="{to}"/>' for key, (kind, to) in targets.items())
    return f'<Relationships xmlns="{_PACKAGE}/relationships">{"".join(told)}</Relationships>'
