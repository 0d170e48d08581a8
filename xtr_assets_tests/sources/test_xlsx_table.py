"""Excel workbooks as records: the one visible sheet that has the columns, whatever stands above its header."""

import io
import zipfile
from dataclasses import asdict, replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from xtr_assets.core.types import Chunk, Quarantined
from xtr_assets.pipeline.gate.workbook_evidence import workbook_faults
from xtr_assets.sources import document_worker
from xtr_assets.sources.base import Source
from xtr_assets_tests.sources.conftest import Opener, chunks, write
from xtr_assets_tests.workbooks import Rows, workbook

HEADER: list[Any] = ["id", " text ", "price", "when", "open"]
ROWS: list[list[Any]] = [
    [None, "Report of 2024"],
    [],
    HEADER,
    [1, " one\nof two_x000D_\nlines ", 1.5, date(2024, 5, 1), True],
    [2, 7, 10, None, False],
    [None, None],
    ["c-3", "three", "n/a", "", None, "beside"],
]
FIELDS: dict[str, Any] = {"id": "id", "metadata": ("price", "when", "open")}


def damaged(data: bytes) -> bytes:
    """The checksum of its sheet is another one."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        place = archive.getinfo("xl/worksheets/sheet1.xml")
    sums = place.CRC.to_bytes(4, "little")
    return data.replace(sums, bytes(255 - byte for byte in sums))


def faults(source: Source, file: Path, items: list[Chunk | Quarantined]) -> list[str]:
    rows = [asdict(one) for one in items if isinstance(one, Chunk)]
    refused = {one.line for one in items if isinstance(one, Quarantined)}
    return list(workbook_faults(file.name, file.read_bytes(), rows, refused, source.config))


def refused(source: Source, path: str) -> tuple[str, str]:
    (found,) = source.read(path)
    assert isinstance(found, Quarantined) and found.line == 0
    return found.reason, found.detail


def test_a_sheet_gives_one_chunk_a_record(tmp_path: Path, opened: Opener) -> None:
    """Whole numbers are such, dates are ISO 8601, and a number among texts is what it is written as."""
    hidden: Rows = [["id", "text", "price", "when", "open"], [9, "x"]]
    sheets: dict[str, Rows] = {"Notes": [["What this is"]], "Data": ROWS, "Old": hidden}
    file = write(tmp_path, "a.XLSX", workbook(sheets, hidden=["Old"]))
    source = opened("records", **FIELDS)
    found = chunks(source, "a.XLSX")
    assert [(one.symbol, one.text, one.start_line, one.end_line) for one in found] == [
        ("1", "one\nof two\nlines", 4, 4),
        ("2", "7", 5, 5),
        ("c-3", "three", 7, 7),
    ]
    assert [one.metadata for one in found] == [
        '{"open":true,"price":1.5,"when":"2024-05-01"}',
        '{"open":false,"price":10,"when":null}',
        '{"open":null,"price":"n/a","when":null}',
    ]
    items: list[Chunk | Quarantined] = list(found)
    assert faults(source, file, items) == []
    for fault, told in (
        ({"text": "other"}, "its text is not"),
        ({"metadata": found[0].metadata.replace("1.5", "15")}, "metadata"),
        ({"metadata": found[0].metadata.replace('"2024-05-01"', "null")}, "metadata"),
        ({"start_line": 6, "end_line": 6}, "where no record stands"),
    ):
        assert any(told in one for one in faults(source, file, [replace(found[0], **fault), *items[1:]])), fault
    assert faults(source, file, items[1:]) == ["1 records have no row, the first in line 4"]


def test_rows_of_one_of_two_sheets_are_found(tmp_path: Path, opened: Opener) -> None:
    file, source = write(tmp_path, "a.xlsx", workbook({"A": ROWS})), opened("records", **FIELDS)
    items = list(source.read("a.xlsx"))
    assert not faults(source, file, items)
    file.write_bytes(workbook({"A": ROWS, "B": ROWS}))
    assert faults(source, file, items) == ["2 of its sheets have the columns, and it has rows"]
    file.write_bytes(workbook({"A": ROWS[:2]}))
    assert faults(source, file, items) == ["none of its sheets has the columns, and it has rows"]


def test_a_date_names_no_column_and_a_year_does(tmp_path: Path, opened: Opener) -> None:
    sheets: dict[str, Rows] = {
        "A": [["_id", "text", 2024, date(2024, 5, 1)], [1, "a", 7, 8]],
        "B": [[date(2024, 5, 1)]],
    }
    file = write(tmp_path, "a.xlsx", workbook(sheets))
    source = opened("records", metadata=("2024",))
    found = chunks(source, "a.xlsx")
    assert [one.metadata for one in found] == ['{"2024":7}']
    assert not faults(source, file, [*found])


@pytest.mark.parametrize(
    ("sheets", "detail"),
    [
        (
            {"A": ROWS, "B": ROWS},
            "the sheets A and B have the columns `id`, `text`, `price`, `when`, `open`: hide all but",
        ),
        ({"A": [["x", "y"]], "B": []}, "none of its visible sheets has a row with the columns `id`, `text`, `price`,"),
        ({"A": [[*HEADER, "text"], [1, "a"]]}, "the column `text` stands there twice"),
        ({"A": [HEADER]}, "it holds no record"),
        ({"A": [["above"]] * 20 + ROWS}, "they begin: A (above)"),
    ],
)
def test_a_workbook_is_certain_or_refused(tmp_path: Path, opened: Opener, sheets: dict[str, Rows], detail: str) -> None:
    write(tmp_path, "a.xlsx", workbook(sheets))
    reason, said = refused(opened("records", **FIELDS), "a.xlsx")
    assert reason == "no-records" and detail in said, said


@pytest.mark.parametrize(
    ("data", "detail"),
    [
        (b"PK\3\4 cut off", "no workbook: "),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "encrypted, or a .xls of 1997"),
        (workbook({"A": ROWS})[:-40], "no workbook: "),
        (b"", "no workbook: "),
        (damaged(workbook({"A": ROWS})), "no workbook: a part of it is damaged (xl/worksheets/sheet1.xml)"),
    ],
)
def test_what_is_no_workbook_is_refused_as_a_whole(tmp_path: Path, opened: Opener, data: bytes, detail: str) -> None:
    write(tmp_path, "a.xlsx", data)
    reason, said = refused(opened("records"), "a.xlsx")
    assert reason == "no-records" and said.startswith(detail), said


def test_a_library_that_is_missing_is_told_with_its_command(
    tmp_path: Path, opened: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, "a.xlsx", workbook({"A": ROWS}))
    source = opened("records", **FIELDS)
    before = source.fingerprint()
    monkeypatch.setattr(document_worker, "_version", lambda name: "")
    assert refused(source, "a.xlsx") == (
        "not-installed",
        ".xlsx files need lxml and python-calamine: pip install 'xtr-assets[documents]'",
    )
    assert source.fingerprint() != before


def test_a_source_that_holds_no_workbook_is_not_read_anew_for_their_library(
    tmp_path: Path, opened: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [tmp_path, tmp_path / "a.xlsx", tmp_path / "a.csv", tmp_path / "a.jsonl"]
    before = [opened("records", path=path).fingerprint() for path in paths]
    monkeypatch.setattr(document_worker, "_version", lambda name: "")
    after = [opened("records", path=path).fingerprint() for path in paths]
    assert [one != other for one, other in zip(before, after, strict=True)] == [True, True, False, False]
