import json
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from xtr_assets.core.types import Chunk, Quarantined
from xtr_assets_tests.sources.conftest import Opener, chunks, refusals, write


def lines(*records: Any) -> str:
    return "".join(f"{record if isinstance(record, str) else json.dumps(record)}\n" for record in records)


def test_a_beir_corpus_gives_one_chunk_a_record(tmp_path: Path, opened: Opener) -> None:
    write(tmp_path, "corpus.jsonl", lines({"_id": "d1", "title": "Tïtle", "text": "Body.", "year": 2020, "x": 1}))
    source = opened("records", path=tmp_path / "corpus.jsonl", metadata=("year", "absent"))
    (found,) = chunks(source, "corpus.jsonl")
    assert (found.symbol, found.kind, found.title, found.text) == ("d1", "record", "Tïtle", "Body.")
    assert (found.start_line, found.end_line, found.part) == (1, 1, 0)
    assert found.metadata == '{"title":"Tïtle","year":2020}'


def test_broken_records_are_quarantined_by_line_and_the_rest_goes_on(tmp_path: Path, opened: Opener) -> None:
    content = lines(
        {"_id": 1, "text": "one"},
        "{broken",
        "",
        {"text": "no id"},
        {"_id": "", "text": "empty id"},
        {"_id": True, "text": "bool id"},
        {"_id": "a"},
        {"_id": "b", "text": 7},
        {"_id": "c", "text": " "},
        {"_id": "1", "text": "same id as line 1"},
        [1, 2],
        '{"_id": "d", "text": "\\ud800"}',
        {"_id": "e", "text": "t", "title": 3},
        {"_id": "last", "text": "last"},
    ).encode()
    write(tmp_path, "a.jsonl", content + b'{"_id": "f", "text": "\xff"}\n' + b"[" * 100_000)
    source = opened("records")
    assert refusals(source, "a.jsonl") == [
        (2, "unparsable"),
        (4, "invalid-record"),
        (5, "invalid-record"),
        (6, "invalid-record"),
        (7, "invalid-record"),
        (8, "invalid-record"),
        (9, "invalid-record"),
        (10, "duplicate-id"),
        (11, "invalid-record"),
        (12, "invalid-record"),
        (13, "invalid-record"),
        (15, "undecodable"),
        (16, "truncated"),
    ]
    assert [c.symbol for c in source.read("a.jsonl") if isinstance(c, Chunk)] == ["1", "last"]
    details = [item.detail for item in source.read("a.jsonl") if isinstance(item, Quarantined)]
    assert details[5] == "`text` is 7; allowed: a string"


def test_a_record_of_a_title_alone_is_its_title(tmp_path: Path, opened: Opener) -> None:
    write(tmp_path, "a.jsonl", lines({"_id": "a", "title": "Only", "text": ""}))
    (found,) = chunks(opened("records"), "a.jsonl")
    assert (found.title, found.text, found.metadata) == ("", "Only", '{"title":"Only"}')


def test_a_long_record_is_split_and_its_parts_share_symbol_line_and_title(tmp_path: Path, opened: Opener) -> None:
    text = "\n\n".join("A sentence of some words. " * 5 for _ in range(6))
    write(tmp_path, "a.jsonl", lines({"_id": "a", "title": "T", "text": text}, {"_id": "b", "text": "short"}))
    found = chunks(opened("records", max_chars=200), "a.jsonl")
    assert [(c.symbol, c.part, c.start_line) for c in found[:-1]] == [("a", part, 1) for part in range(len(found) - 1)]
    assert {c.title for c in found[:-1]} == {"T"} and len({c.chunk_id for c in found}) == len(found) > 3
    assert "".join("".join(c.text for c in found[:-1]).split()) == "".join(text.split())


def test_ids_hold_when_records_are_put_in_before(tmp_path: Path, opened: Opener) -> None:
    source = opened("records")
    write(tmp_path, "a.jsonl", lines({"_id": "a", "text": "one"}))
    before = chunks(source, "a.jsonl")[0].chunk_id
    write(tmp_path, "a.jsonl", lines({"_id": "z", "text": "zero"}, {"_id": "a", "text": "changed"}))
    assert chunks(source, "a.jsonl")[1].chunk_id == before


def test_other_fields_than_those_of_beir(tmp_path: Path, opened: Opener) -> None:
    write(tmp_path, "a.jsonl", lines({"key": 5, "body": "text", "head": "H", "title": "unused"}))
    source = opened("records", id="key", text="body", title="head", metadata=("title",))
    (found,) = chunks(source, "a.jsonl")
    assert (found.symbol, found.title, found.metadata) == ("5", "H", '{"title":"unused"}')
    assert chunks(opened("records", id="key", text="body", title=None), "a.jsonl")[0].title == ""


def test_parquet_gives_the_same_chunks_as_json_lines(tmp_path: Path, opened: Opener) -> None:
    records = [{"_id": f"d{n}", "title": f"T{n}", "text": f"text {n}", "year": n} for n in range(3000)]
    write(tmp_path, "a.jsonl", lines(*records))
    pq.write_table(pa.Table.from_pylist(records), tmp_path / "a.parquet", row_group_size=1000)
    source = opened("records", metadata=("year",))
    assert list(source.scan("lib", {})) == ["a.jsonl", "a.parquet"]

    def essence(path: str) -> list[tuple[Any, ...]]:
        return [(c.symbol, c.title, c.text, c.start_line, c.metadata) for c in chunks(source, path)]

    assert essence("a.parquet") == essence("a.jsonl")


def test_parquet_types_become_json_and_nulls_stay_null(tmp_path: Path, opened: Opener) -> None:
    table = pa.table(
        {
            "_id": pa.array([1, 2]),
            "text": pa.array(["a", "b"]).dictionary_encode(),
            "day": pa.array([date(2020, 1, 2), None]),
            "price": pa.array([Decimal("1.50"), None], pa.decimal128(5, 2)),
            "ratio": [float("nan"), 0.5],
            "tags": [["x", "y"], []],
        }
    )
    pq.write_table(table, tmp_path / "a.parquet")
    found = chunks(opened("records", metadata=("day", "price", "ratio", "tags")), "a.parquet")
    assert [c.metadata for c in found] == [
        '{"day":"2020-01-02","price":"1.50","ratio":null,"tags":["x","y"]}',
        '{"day":null,"price":null,"ratio":0.5,"tags":[]}',
    ]


def test_metadata_that_json_cannot_hold_is_refused(tmp_path: Path, opened: Opener) -> None:
    pq.write_table(pa.table({"_id": [1], "text": ["a"], "blob": [b"\xff"]}), tmp_path / "a.parquet")
    assert refusals(opened("records", metadata=("blob",)), "a.parquet") == [(1, "invalid-record"), (0, "no-records")]


@pytest.mark.parametrize("field", ["id", "text", "title", "metadata"])
def test_a_parquet_file_without_a_named_column_is_refused_whole(tmp_path: Path, opened: Opener, field: str) -> None:
    pq.write_table(pa.table({"_id": ["a", "b"], "text": ["x", "y"]}), tmp_path / "a.parquet")
    assert len(chunks(opened("records"), "a.parquet")) == 2
    (found,) = opened("records", **{field: ("gone",) if field == "metadata" else "gone"}).read("a.parquet")
    assert isinstance(found, Quarantined)
    assert (found.line, found.reason) == (0, "no-records")
    assert found.detail == "no column `gone`; the file has _id, text"


def test_a_parquet_row_that_is_no_utf8_does_not_take_the_others_with_it(tmp_path: Path, opened: Opener) -> None:
    raw = pa.array([b"good", b"\xff", b"fine"]).view(pa.string())
    pq.write_table(pa.table({"_id": ["a", "b", "c"], "text": raw}), tmp_path / "a.parquet")
    source = opened("records")
    assert refusals(source, "a.parquet") == [(2, "undecodable")]
    assert [c.symbol for c in source.read("a.parquet") if isinstance(c, Chunk)] == ["a", "c"]


def test_a_damaged_parquet_file_says_what_is_lost(tmp_path: Path, opened: Opener) -> None:
    table = pa.table({"_id": [str(n) for n in range(4000)], "text": [f"text {n} " * 20 for n in range(4000)]})
    file = tmp_path / "a.parquet"
    pq.write_table(table, file, row_group_size=2000, use_dictionary=False)
    data = bytearray(file.read_bytes())
    start = pq.ParquetFile(file).metadata.row_group(1).column(1).data_page_offset
    data[start : start + 400] = b"\xff" * 400
    file.write_bytes(bytes(data))
    found = list(opened("records").read("a.parquet"))
    assert isinstance(found[-1], Quarantined) and found[-1].reason == "truncated"
    assert "rows from here on are lost" in found[-1].detail
    assert found[-1].line == len(found)
    write(tmp_path, "b.parquet", b"PAR1 and nothing else")
    assert refusals(opened("records"), "b.parquet") == [(0, "no-records")]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", [(0, "no-records")]),
        (b"\n\n  \n", [(0, "no-records")]),
        (b"\xef\xbb\xbf", [(0, "no-records")]),
        (b'{"id": 1, "body": "x"}\n', [(1, "invalid-record"), (0, "no-records")]),
        (b'{"_id": 1, "text": "x"}\n{"_id": 2, "te', [(2, "truncated")]),
        (b'{"_id": 1, "text": "x"}\n{"_id": 2, "te\n', [(2, "unparsable")]),
        (b'{"_id": 1, "text": "x"}\n[2]', [(2, "invalid-record")]),
    ],
)
def test_a_file_that_lost_its_records_says_so(
    tmp_path: Path, opened: Opener, content: bytes, expected: list[tuple[int, str]]
) -> None:
    write(tmp_path, "a.jsonl", content)
    assert refusals(opened("records"), "a.jsonl") == expected
