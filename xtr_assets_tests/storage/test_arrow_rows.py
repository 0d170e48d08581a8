"""Rows of chunks by ranges: what pyarrow reads from the whole file, and no byte beyond what they need."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from xtr_assets.core.errors import CorruptFile
from xtr_assets.storage.arrow_rows import ArrowRows, together
from xtr_assets.storage.chunk_files import CHUNK_COLUMNS, CHUNK_SCHEMA

BATCH = 4


def values(field: pa.Field) -> st.SearchStrategy[Any]:
    if pa.types.is_string(field.type):
        return st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
    if pa.types.is_fixed_size_binary(field.type):
        return st.binary(min_size=16, max_size=16)
    bits = field.type.bit_width - 1
    return st.integers(-(2**bits), 2**bits - 1)


ROWS = st.lists(st.fixed_dictionaries({field.name: values(field) for field in CHUNK_SCHEMA}), max_size=11)


def arrow_file(path: Path, rows: list[dict[str, Any]], batch: int = BATCH) -> bytes:
    with pa.ipc.new_file(str(path), CHUNK_SCHEMA) as writer:
        for at in range(0, len(rows), batch):
            writer.write_batch(pa.RecordBatch.from_pylist(rows[at : at + batch], schema=CHUNK_SCHEMA))
    return path.read_bytes()


class Bytes:
    """Ranges of bytes; what is read was asked for before, but for the footer."""

    def __init__(self, data: bytes) -> None:
        self.data, self.size = data, len(data)
        self.needed: set[tuple[int, int]] = set()
        self.read_bytes = 0

    def need(self, spans: Iterable[tuple[int, int]]) -> None:
        self.needed |= set(spans)

    def read(self, start: int, length: int) -> bytes:
        if not 0 <= start <= start + length <= self.size:
            raise EOFError(f"{start} {length}")
        self.read_bytes += length
        return self.data[start : start + length]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(ROWS, st.data())
def test_rows_are_those_of_the_whole_file(tmp_path: Path, rows: list[dict[str, Any]], data: st.DataObject) -> None:
    ranges = Bytes(arrow_file(tmp_path / "one.arrow", rows))
    positions = data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=6)) if rows else []
    columns = data.draw(st.lists(st.sampled_from(CHUNK_COLUMNS), unique=True))
    read = ArrowRows(ranges, "one.arrow", len(rows), BATCH)
    assert read.rows(positions, columns) == [{name: rows[at][name] for name in columns} for at in positions]


def sample(count: int) -> list[dict[str, Any]]:
    row = {f.name: "x" * 50 if pa.types.is_string(f.type) else 7 for f in CHUNK_SCHEMA} | {"text_hash": b"h" * 16}
    return [{**row, "text": f"text {i} " * 200} for i in range(count)]


def test_what_will_be_read_is_said_before_and_is_little(tmp_path: Path) -> None:
    rows = sample(40)
    data = arrow_file(tmp_path / "one.arrow", rows, 20)
    ranges, other = Bytes(data), Bytes(data)
    files = [(ArrowRows(one, "one.arrow", 40, 20), [31, 2]) for one in (ranges, other)]
    before = ranges.read_bytes
    found = together(files, ("path", "text"))
    assert found == [[{"path": "x" * 50, "text": rows[at]["text"]} for at in (31, 2)]] * 2
    assert ranges.read_bytes - before < len(data) / 8 and len(ranges.needed) == 2 + 4 + 4


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    rows = sample(6)
    data = arrow_file(tmp_path / "one.arrow", rows)
    whole = [{"text": rows[5]["text"], "chunk_id": 7}]
    for wrong in (b"", b"ARROW1", data[:-1], data[: len(data) // 2], bytes(len(data))):
        with pytest.raises(CorruptFile, match=r"one\.arrow"):
            ArrowRows(Bytes(wrong), "one.arrow", 6, BATCH)
    for rows_said, batch in ((6, 2), (60, BATCH), (9, BATCH)):
        with pytest.raises(CorruptFile, match=r"one\.arrow"):
            ArrowRows(Bytes(data), "one.arrow", rows_said, batch).rows([5], ("text", "chunk_id"))
    nulls = tmp_path / "nulls.arrow"
    table = pa.table({f.name: pa.array([None], f.type) for f in CHUNK_SCHEMA})
    with pa.ipc.new_file(str(nulls), table.schema) as writer:
        writer.write_table(table)
    with pytest.raises(CorruptFile, match="batch 0 of 1 chunks"):
        ArrowRows(Bytes(nulls.read_bytes()), "nulls.arrow", 1, BATCH).rows([0], ("text",))
    packed = tmp_path / "packed.arrow"
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_file(str(packed), CHUNK_SCHEMA, options=options) as writer:
        writer.write_batch(pa.RecordBatch.from_pylist(rows[:4], schema=CHUNK_SCHEMA))
    with pytest.raises(CorruptFile, match="batch 0 of 4 chunks"):
        ArrowRows(Bytes(packed.read_bytes()), "packed.arrow", 4, BATCH).rows([0], ("text",))
    assert ArrowRows(Bytes(data), "one.arrow", 6, BATCH).rows([5], ("text", "chunk_id")) == whole


def test_a_bit_that_is_another_one_gives_other_values_or_an_error(tmp_path: Path) -> None:
    """Digests keep such bytes away; were they to come, nothing but our own error leaves the reader."""
    data = arrow_file(tmp_path / "one.arrow", sample(6))
    refused = 0
    for at in range(0, len(data), 3):
        changed = bytearray(data)
        changed[at] ^= 0x84
        try:
            ArrowRows(Bytes(bytes(changed)), "one.arrow", 6, BATCH).rows(range(6), CHUNK_COLUMNS)
        except CorruptFile:
            refused += 1
    assert refused > 20
