import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from xtr_assets.storage import row_match
from xtr_assets.storage.row_match import COMPARED, StandingRows
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.storage.sample import chunk, chunks_of, write

CORPUS = {f"{name}.py": [f"f{i} of {name}" for i in range(7)] for name in "abcd"}


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    """Two segments: c.py was written anew, by all but one of its rows."""
    warehouse = Warehouse.create(tmp_path / "w")
    write(warehouse, CORPUS)
    write(warehouse, {**CORPUS, "c.py": [f"{text} now" if i else text for i, text in enumerate(CORPUS["c.py"])]})
    return warehouse


def stand(warehouse: Warehouse, *paths: str) -> StandingRows:
    return StandingRows(warehouse.layout, warehouse.snapshot("s"), paths)


@pytest.mark.parametrize("rows", [1, 2, 5, 4096])
def test_equal_rows_are_kept_in_whatever_order_and_blocks(
    warehouse: Warehouse, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(row_match, "BATCH_ROWS", rows)
    old = stand(warehouse, "a.py", "c.py")
    chunks = chunks_of(CORPUS, ["a.py", "c.py"])
    random.Random(rows).shuffle(chunks)
    kept = {one.text for one in chunks if old.keep(one)}
    assert kept == {*CORPUS["a.py"], CORPUS["c.py"][0]}
    dead = sum(int(mask.sum()) for mask in old.dead.values())
    assert dead == 2 * 6  # The rows of c.py that were replaced, and those that replaced them.
    assert all(one.chunk_id in old for one in chunks) and len(old.ids()) == len(chunks)
    assert len(old.other_ids) == 14 and not {one.chunk_id for one in chunks} & set(old.other_ids.tolist())


@pytest.mark.parametrize("column", COMPARED)
def test_a_row_that_differs_in_one_column_is_not_kept(warehouse: Warehouse, column: str) -> None:
    old, one = stand(warehouse, "a.py"), chunks_of(CORPUS, ["a.py"])[3]
    value = getattr(one, column)
    other: dict[str, Any] = {column: value + 1 if isinstance(value, int) else f"{value}."}
    assert not old.keep(replace(one, **other))
    assert old.keep(one)


def test_a_chunk_of_no_touched_file_is_unknown(warehouse: Warehouse) -> None:
    old = stand(warehouse, "a.py")
    other = chunk("b.py", "f0", "f0 of b")
    assert not old.keep(other) and other.chunk_id not in old
