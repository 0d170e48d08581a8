"""Files of records that a source refuses as a whole, or from some place on: the gate sees why, or that it is not so."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from xtr_assets.core.types import Chunk, Quarantined
from xtr_assets.pipeline.gate.source_agrees import check
from xtr_assets_tests.pipeline.gate.conftest import Items, Plant, World


def table(rows: int) -> pa.Table:
    texts = [f"What row {n} says." for n in range(rows)]
    return pa.table({"_id": [f"d{n}" for n in range(rows)], "text": texts, "year": [1990] * rows})


def damaged(file: Path) -> None:
    """Four groups of five rows, of which the third cannot be read."""
    pq.write_table(table(20), file, row_group_size=5, use_dictionary=False)
    column = pq.ParquetFile(file).metadata.row_group(2).column(1)
    data = bytearray(file.read_bytes())
    at = column.data_page_offset
    data[at : at + column.total_compressed_size] = b"\xff" * column.total_compressed_size
    file.write_bytes(bytes(data))


def test_what_is_no_file_of_records_passes_beside_others(world: World) -> None:
    """None of them ever served, so that no rows stay."""
    lacks = world.folder / "papers/lacks.parquet"
    lacks.parent.mkdir(exist_ok=True)
    pq.write_table(table(9).drop_columns(["year"]), lacks)
    damaged(lacks.with_name("damaged.parquet"))
    world.write("papers/cut.parquet", b"PAR1" + b"\x07" * 300)
    world.write("papers/wide.jsonl", '{"_id": "w", "text": "words"}\n'.encode("utf-16"))
    world.write("papers/log.jsonl", "started\nstopped\n" * 600)
    world.write("papers/feed.jsonl", b'{"_id": "f", "text": "one"}\x0c\n')
    session = world.build()
    found = check(session)
    assert found.passed, found.details["faults"]
    told = {(one.path, one.line) for one in session.draft.snapshots()["papers"].quarantine}
    assert {(f"{name}.parquet", 0) for name in ("lacks", "cut")} | {("wide.jsonl", 0), ("log.jsonl", 0)} <= told
    # All of its rows lie in one batch, with which those before the damage are lost.
    assert ("damaged.parquet", 1) in told


@pytest.mark.parametrize(
    "fault", ["", "a good file is none", "a good file is cut", "lines behind strange ones are lost"]
)
def test_good_records_that_are_refused_are_found(world: World, plant: Plant, fault: str) -> None:
    (world.folder / "papers").mkdir(exist_ok=True)
    pq.write_table(table(40), world.folder / "papers/t.parquet", row_group_size=10)
    world.write("papers/late.jsonl", "no object\n" * 900 + '{"_id": "a", "text": "one"}\n' * 200)

    def planted(_: str, path: str, items: Items) -> Items:
        if path == "t.parquet" and fault == "a good file is none":
            return [Quarantined("papers", path, 0, "no-records", "not Parquet")]
        if path == "t.parquet" and fault == "a good file is cut":
            return [*items[:20], Quarantined("papers", path, 21, "truncated", "damaged")]
        if path == "late.jsonl" and fault.startswith("lines"):
            return [one for one in items if isinstance(one, Quarantined) and one.line <= 900]
        return [one for one in items if isinstance(one, Chunk | Quarantined)]

    plant(planted)
    found = check(world.build())
    assert found.passed == (not fault) and ("t.parquet" in found.summary or "late.jsonl" in found.summary or not fault)
