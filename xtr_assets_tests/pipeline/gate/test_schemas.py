from typing import Any

import pyarrow as pa
import pytest

from xtr_assets.core.ids import text_hash
from xtr_assets.pipeline.gate.schemas import chunk_problems, id_map_problems

ROW: dict[str, Any] = {
    "chunk_id": 1,
    "source": "docs",
    "path": "a.md",
    "symbol": "",
    "kind": "section",
    "part": 0,
    "start_line": 1,
    "end_line": 2,
    "title": "Guide",
    "text": "words",
    "metadata": "{}",
    "text_hash": text_hash("Guide\nwords"),
}

CHUNKS = pa.schema(
    [
        ("chunk_id", pa.int64()),
        *((name, pa.string()) for name in ("source", "path", "symbol", "kind")),
        *((name, pa.int32()) for name in ("part", "start_line", "end_line")),
        *((name, pa.string()) for name in ("title", "text", "metadata")),
        ("text_hash", pa.binary(16)),
    ]
)
ID_MAP = pa.schema(
    [
        ("row", pa.int64()),
        ("chunk_id", pa.int64()),
        ("segment", pa.dictionary(pa.int32(), pa.string())),
        ("position", pa.int32()),
        ("live", pa.bool_()),
    ]
)


def chunks(*changes: dict[str, Any]) -> pa.Table:
    return pa.Table.from_pylist([{**ROW, **change} for change in changes], schema=CHUNKS)


def test_a_table_of_chunks_and_an_empty_one_are_right() -> None:
    assert chunk_problems(chunks({}, {"chunk_id": 2})) == []
    assert chunk_problems(CHUNKS.empty_table()) == []


@pytest.mark.parametrize(
    ("change", "column"),
    [
        ({"chunk_id": -1}, "chunk_id"),
        ({"path": ""}, "path"),
        ({"text": None}, "text"),
        ({"start_line": 0}, "start_line"),
        ({"start_line": 3}, "table"),
        ({"end_line": 0, "start_line": 1}, "end_line"),
        ({"metadata": "[]"}, "table"),
        ({"metadata": "{}\n"}, "table"),
        ({"source": ""}, "source"),
        ({"kind": ""}, "kind"),
        ({"part": -1}, "part"),
        ({"symbol": None}, "symbol"),
        ({"text": ""}, "text"),
        ({"text": "other words"}, "text_hash"),
    ],
)
def test_a_wrong_value_is_found_in_its_column(change: dict[str, Any], column: str) -> None:
    found = chunk_problems(chunks({"chunk_id": 7}, change))
    assert [problem.column for problem in found] == [column]


def test_two_rows_of_one_chunk_id_and_a_missing_column_are_found() -> None:
    assert [p.check for p in chunk_problems(chunks({}, {}))] == ["unique"]
    assert chunk_problems(chunks({}).drop(["text_hash"]))[0].column == "text_hash"
    for name in CHUNKS.names:
        assert name in [problem.column for problem in chunk_problems(chunks({}).drop([name]))]


def test_a_column_of_another_type_one_too_many_and_one_that_is_there_twice_are_found() -> None:
    table = chunks({}, {"chunk_id": 2})
    for name, kind in (("part", pa.int64()), ("text", pa.large_string()), ("text_hash", pa.binary())):
        at = CHUNKS.get_field_index(name)
        other = table.set_column(at, name, table[name].cast(kind))
        assert [problem.column for problem in chunk_problems(other)] == [name]
    assert [problem.column for problem in chunk_problems(table.append_column("extra", table["part"]))] == ["extra"]
    assert [problem.column for problem in chunk_problems(table.append_column("part", table["part"]))] == ["part"]
    # An empty table of other columns is no table of chunks either.
    assert chunk_problems(CHUNKS.empty_table().drop(["title"]))


def id_map(*rows: tuple[int, int, str, int, bool]) -> pa.Table:
    return pa.Table.from_pylist([dict(zip(ID_MAP.names, row, strict=True)) for row in rows], schema=ID_MAP)


def test_an_id_map_is_a_bijection_between_live_rows_and_chunk_ids() -> None:
    dead_twin = id_map((0, 5, "s", 0, False), (1, 5, "s", 1, True), (4, 6, "t", 0, True))
    assert id_map_problems(dead_twin, 5) == []
    assert id_map_problems(dead_twin, 4)[0].column == "row"
    live_twin = id_map((0, 5, "s", 0, True), (1, 5, "s", 1, True))
    assert id_map_problems(live_twin, 2)[0].check == "unique among live rows"
    unordered = id_map((4, 6, "t", 0, True), (1, 5, "s", 1, True), (0, 7, "s", 0, True))
    assert id_map_problems(unordered, 5) == []
    apart = id_map((1, 5, "s", 0, True), (0, 6, "s", 1, True), (1, 7, "t", 0, True))
    assert [(p.column, p.check) for p in id_map_problems(apart, 5)] == [("row", "unique")]
    unnamed = id_map((0, 5, "s", 0, True), (1, 6, "", 0, True), (2, 7, "t", 0, True))
    assert [(p.column, p.check) for p in id_map_problems(unnamed, 3)] == [("segment", "not empty")]
    same_row = id_map((0, 5, "s", 0, True), (0, 6, "s", 1, True))
    assert id_map_problems(same_row, 2)[0].column == "row"
