import json
import tempfile
import time
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xtr_assets.config import SourceConfig
from xtr_assets.core.types import Chunk, Quarantined
from xtr_assets.sources import open_source
from xtr_assets.sources.base import Source
from xtr_assets_tests.sources.conftest import Opener, chunks, refusals, write


def lines(*records: Any) -> str:
    return "".join(f"{record if isinstance(record, str) else json.dumps(record)}\n" for record in records)


def details(source: Source, path: str) -> list[str]:
    return [one.detail for one in source.read(path) if isinstance(one, Quarantined)]


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


NS = 1_700_000_000_123_456_789
# Arrow values that pyarrow cannot turn into Python's own, and what they say.
UNUSUAL = {
    "time of nanoseconds": (pa.array([3_723_000_000_001], pa.time64("ns")), "01:02:03.000000001"),
    "instant of nanoseconds": (pa.array([NS], pa.timestamp("ns")), "2023-11-14T22:13:20.123456789"),
    "the same in a zone": (pa.array([NS], pa.timestamp("ns", "+01:30")), "2023-11-14T23:43:20.123456789+01:30"),
    "the same elsewhere": (pa.array([NS], pa.timestamp("ns", "Nowhere/Land")), "2023-11-14T22:13:20.123456789+00:00"),
    "an instant nowhere": (pa.array([5], pa.timestamp("ms", "Nowhere/Land")), "1970-01-01T00:00:00.005+00:00"),
    "a far instant": (pa.array([10**18], pa.timestamp("us")), "33658-09-27T01:46:40.000000"),
    "a far day": (pa.array([10**7], pa.date32()), "29349-01-26"),
    "a far day in milliseconds": (pa.array([86_400_000 * 10**7], pa.date64()), "29349-01-26"),
    "a duration": (pa.array([1_500], pa.duration("ms")), 1.5),
    "a duration of nanoseconds": (pa.array([2_000_000_500], pa.duration("ns")), 2.0000005),
    "a long duration": (pa.array([10**17], pa.duration("s")), 1e17),
    "a uuid": (pa.array([b"0123456789abcdef"], pa.uuid()), "30313233-3435-3637-3839-616263646566"),
    "a list of nanoseconds": (pa.array([[1, None]], pa.list_(pa.time64("ns"))), ["00:00:00.000000001", None]),
    "a structure": (pa.array([{"a": 1}], pa.struct([("a", pa.time64("ns"))])), {"a": "00:00:00.000000001"}),
    "a dictionary": (pa.array([7], pa.timestamp("ns")).dictionary_encode(), "1970-01-01T00:00:00.000000007"),
}


@pytest.mark.parametrize(("values", "said"), UNUSUAL.values(), ids=UNUSUAL)
def test_unusual_values_of_parquet_are_taken_for_what_they_say(
    values: pa.Array, said: Any, tmp_path: Path, opened: Opener
) -> None:
    pq.write_table(pa.table({"_id": ["a"], "text": ["x"], "at": values}), tmp_path / "a.parquet", version="2.6")
    (found,) = chunks(opened("records", metadata=("at",)), "a.parquet")
    assert json.loads(found.metadata) == {"at": said}


def test_an_unusual_value_changes_nothing_of_its_neighbours(tmp_path: Path, opened: Opener) -> None:
    ids, at = ["a", "b"], pa.array([1_000_000_000, 1], pa.timestamp("ns"))
    pq.write_table(pa.table({"_id": ids, "text": ids, "at": at}), tmp_path / "a.parquet")
    pq.write_table(pa.table({"_id": ids[:1], "text": ids[:1], "at": at[:1]}), tmp_path / "b.parquet")
    source = opened("records", metadata=("at",))
    assert chunks(source, "a.parquet")[0].metadata == chunks(source, "b.parquet")[0].metadata


arrow_types = st.recursive(
    st.sampled_from(
        [pa.bool_(), pa.int8(), pa.int64(), pa.uint64(), pa.float16(), pa.float64(), pa.date32(), pa.date64()]
        + [pa.time32("s"), pa.time32("ms"), pa.time64("us"), pa.time64("ns"), pa.string(), pa.large_string()]
        + [pa.binary(), pa.large_binary(), pa.binary(4), pa.decimal128(38, 10), pa.decimal256(76, 0), pa.null()]
        + [pa.timestamp(unit, tz) for unit in ("s", "ms", "us", "ns") for tz in (None, "UTC", "Asia/Tokyo", "No/Where")]
        + [pa.duration(unit) for unit in ("s", "ms", "us", "ns")]
    ),
    lambda inner: inner.map(pa.list_) | inner.map(lambda one: pa.struct([("f", one)])),
    max_leaves=3,
)


def drawn(kind: pa.DataType, data: bytes) -> pa.Array:
    """Three values of the type made of the bytes, as a file from elsewhere may hold: nothing is checked."""
    if pa.types.is_list(kind):
        return pa.ListArray.from_arrays([0, 1, 1, 3], drawn(kind.value_type, data))
    if pa.types.is_struct(kind):
        return pa.StructArray.from_arrays([drawn(kind.field(0).type, data)], fields=[kind.field(0)])
    if pa.types.is_null(kind):
        return pa.nulls(3)
    filled = (data * 100)[:96]
    if pa.types.is_string(kind) or pa.types.is_binary(kind):
        offsets = np.array([0, 2, 2, 9], np.int32).tobytes()
    elif pa.types.is_large_string(kind) or pa.types.is_large_binary(kind):
        offsets = np.array([0, 2, 2, 9], np.int64).tobytes()
    else:
        return pa.Array.from_buffers(kind, 3, [None, pa.py_buffer(filled)])
    return pa.Array.from_buffers(kind, 3, [None, pa.py_buffer(offsets), pa.py_buffer(filled)])


@settings(max_examples=200)
@given(arrow_types, st.binary(min_size=1, max_size=32), st.sampled_from(["_id", "text", "title", "more"]))
def test_no_parquet_value_ends_a_build(kind: pa.DataType, data: bytes, column: str) -> None:
    """Of three records all are told: as chunks, or as refusals with their line."""
    table = pa.table({"_id": ["a", "b", "c"], "text": ["x", "y", "z"], "title": ["t", "t", "t"], "more": [1, 2, 3]})
    table = table.set_column(table.column_names.index(column), column, drawn(kind, data))
    with tempfile.TemporaryDirectory() as folder:
        try:
            pq.write_table(table, Path(folder) / "a.parquet")
        except (pa.ArrowException, OverflowError, ValueError):
            # Some values no writer writes.
            return
        config = SourceConfig(name="lib", kind="records", path=Path(folder), metadata=("more",))
        found = list(open_source(config).read("a.parquet"))
    told = {one.start_line if isinstance(one, Chunk) else one.line for one in found}
    assert told - {0} == {1, 2, 3} or [one.reason for one in found if isinstance(one, Quarantined)] == ["no-records"]


def test_metadata_that_json_cannot_hold_is_refused(tmp_path: Path, opened: Opener) -> None:
    pq.write_table(pa.table({"_id": [1], "text": ["a"], "blob": [b"\xff"]}), tmp_path / "a.parquet")
    source = opened("records", metadata=("blob",))
    assert refusals(source, "a.parquet") == [(1, "invalid-record"), (0, "no-records")]
    assert "`blob` of the metadata cannot be written as JSON" in details(source, "a.parquet")[0]


def test_a_file_of_no_record_says_why_most_of_them_are_none(tmp_path: Path, opened: Opener) -> None:
    """The first record lacks a text, which is nobody's trouble; all the others have bytes among their metadata."""
    texts = [None, *(f"text {number}" for number in range(400))]
    pq.write_table(pa.table({"_id": range(401), "text": texts, "blob": [b"\xff"] * 401}), tmp_path / "a.parquet")
    said = details(opened("records", metadata=("blob",)), "a.parquet")[-1]
    assert said.startswith("none of its 401 records can be used: `blob` of the metadata cannot be written as JSON")
    assert "(400 of them, the others for other reasons)" in said
    write(tmp_path, "b.jsonl", lines({"_id": "a"}, *({"_id": str(n), "text": n} for n in range(1000))))
    said = details(opened("records"), "b.jsonl")[-1]
    assert said.startswith("none of its 1001 records can be used: `") and len(said) < 200


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-32"])
def test_json_lines_of_another_encoding_say_so(tmp_path: Path, opened: Opener, encoding: str) -> None:
    content = ("\ufeff" if encoding == "utf-16-be" else "") + lines(
        {"_id": "a", "text": "b"}, {"_id": "c", "text": "d"}
    )
    (tmp_path / "a.jsonl").write_bytes(content.encode(encoding))
    (said,) = details(opened("records"), "a.jsonl")
    assert said == "it begins with the byte order mark of UTF-16 or UTF-32; write it as UTF-8"


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


@pytest.mark.parametrize(
    "line", ['{"_id": "a", "text": "one", "text": "two"}', '{"_id": "a", "text": "t", "m": [{"x": 1, "x": 2}]}']
)
def test_a_name_twice_in_a_record_is_refused(tmp_path: Path, opened: Opener, line: str) -> None:
    write(tmp_path, "a.jsonl", lines(line, {"_id": "b", "text": "kept"}))
    source = opened("records")
    assert [one.symbol for one in source.read("a.jsonl") if isinstance(one, Chunk)] == ["b"]
    ((number, reason),) = [(one.line, one.reason) for one in source.read("a.jsonl") if isinstance(one, Quarantined)]
    assert (number, reason) == (1, "invalid-record")


def test_the_name_that_stands_twice_is_found_at_once(tmp_path: Path, opened: Opener) -> None:
    """Of 30,000 it took 8 CPU seconds, of a line of 10 MB hours."""
    names = ", ".join(f'"k{n}": 1' for n in range(30_000))
    write(tmp_path, "a.jsonl", f'{{{names}, "k29999": 2}}\n{{"_id": "b", "text": "kept"}}\n')
    begun = time.thread_time()
    refused, kept = opened("records").read("a.jsonl")
    assert isinstance(refused, Quarantined) and "'k29999' stands twice" in refused.detail and isinstance(kept, Chunk)
    assert time.thread_time() - begun < 2


def test_a_column_twice_is_refused_and_one_that_nobody_asked_for_is_not(tmp_path: Path, opened: Opener) -> None:
    def table(*names: str) -> None:
        arrays = [pa.array([f"value {number}"]) for number, _ in enumerate(names)]
        pq.write_table(pa.Table.from_arrays(arrays, names=list(names)), tmp_path / "a.parquet")

    source = opened("records")
    table("_id", "text", "text")
    (found,) = source.read("a.parquet")
    assert isinstance(found, Quarantined) and found.reason == "no-records"
    assert "the column `text` stands there twice" in found.detail
    table("_id", "text", "x", "x")
    assert [one.text for one in chunks(source, "a.parquet")] == ["value 1"]


def test_a_file_that_is_something_else_is_said_once_and_not_read_to_its_end(tmp_path: Path, opened: Opener) -> None:
    """A log of two million lines took minutes, and as many entries in the quarantine."""
    (tmp_path / "t.ods").write_bytes(b"PK\3\4" + b"1,a\n" * 5000)
    (tmp_path / "t.log").write_text("12:00 it began\n" * 5000)
    (tmp_path / "late.jsonl").write_text("# about\n" * 900 + '{"_id": "1", "text": "a"}\n' + "no json\n" * 1500)
    said = {name: list(opened("records", path=tmp_path / name).read(name)) for name in ("t.ods", "t.log", "late.jsonl")}
    (table,) = said["t.ods"]
    assert isinstance(table, Quarantined) and table.reason == "no-records"
    assert table.detail.startswith("a workbook (.ods) is not read; records are read from CSV, XLSX, JSON lines")
    assert len(said["t.log"]) == 1001 and isinstance(said["t.log"][-1], Quarantined)
    assert said["t.log"][-1].detail.startswith("none of its first 1,000 lines is a JSON object; records are read from")
    assert len(said["late.jsonl"]) == 2401 and [one.text for one in said["late.jsonl"] if isinstance(one, Chunk)] == [
        "a"
    ]
