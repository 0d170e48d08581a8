"""An imported generation beside what serves: what each source would lose, whatever it holds."""

from pathlib import Path

from xtr_assets.pipeline.gate.foreign_generation import losses_here
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.fixtures import publish, write_shard
from xtr_assets_tests.pipeline.gate.drafts import chunks


def serving(folder: Path, rows: int) -> Warehouse:
    """One source with rows, and one whose files say nothing."""
    warehouse = Warehouse.create(folder)
    write_shard(warehouse, "blank", [])
    write_shard(warehouse, "code", chunks(rows))
    publish(warehouse, recipe="Flat")
    return warehouse


def test_a_source_without_rows_has_nothing_to_lose(tmp_path: Path) -> None:
    here, elsewhere = serving(tmp_path / "here", 80), serving(tmp_path / "elsewhere", 8)
    publish(elsewhere, recipe="Flat")
    taken = here.import_generation(elsewhere.export(2, tmp_path / "out").layout.root)
    (lost,) = losses_here(here, taken.number)
    assert lost.startswith("source code: 1 of 10 files are left")
