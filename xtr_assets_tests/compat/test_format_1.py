"""What the first release wrote still opens, verifies, answers, and can be built on."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from xtr_assets.core.errors import UnknownFormat
from xtr_assets.core.row_placement import pack_tombstones
from xtr_assets.core.row_store import RowVectors
from xtr_assets.storage.catalog import connect
from xtr_assets.storage.row_hydration import Hydrator
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.id_maps import mapped_ids
from xtr_assets_tests.storage.sample import FINGERPRINT, publish, texts, vectors_of, write

GOLDEN = Path(__file__).parent / "format-1"


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return Warehouse.open(shutil.copytree(GOLDEN, tmp_path / "warehouse"))


def nearest(vectors: RowVectors, live: np.ndarray, query: np.ndarray) -> int:
    """The live row with the largest inner product, by the definition."""
    rows = np.flatnonzero(live)
    return int(rows[np.argmax(vectors.gather(rows) @ query)])


def test_it_is_small() -> None:
    assert sum(p.stat().st_size for p in GOLDEN.rglob("*") if p.is_file()) < 300_000


def test_every_generation_has_its_state_and_its_texts(warehouse: Warehouse) -> None:
    expected = json.loads((GOLDEN.parent / "format-1.json").read_text())
    assert {str(g.number): {"state": g.state, "texts": texts(g)} for g in warehouse.generations()} == expected
    assert warehouse.published is not None and warehouse.published.number == 2


def test_every_byte_verifies(warehouse: Warehouse) -> None:
    assert warehouse.verify().problems == ()


def test_rows_holes_and_tombstones_are_read_as_they_were_meant(warehouse: Warehouse) -> None:
    generation = warehouse.generation(2)
    assert [(one.base_row, one.segment.rows) for one in generation.segments] == [(0, 3), (4, 1)]
    assert generation.live.tolist() == [False, True, False, False, True]
    stored = np.load(generation.path("tombstones.npy"))
    assert stored.tolist() == pack_tombstones(generation.live).tolist() == [0b01101]


def test_a_text_is_found_by_its_vector_and_hydrated(warehouse: Warehouse) -> None:
    generation = warehouse.generation(2)
    for row in np.flatnonzero(generation.live).tolist():
        shown = Hydrator(generation, ["chunk_id", "text", "text_hash"]).rows([row])[0]
        query = vectors_of([shown["text_hash"]], 8)[0]
        assert nearest(generation.vectors(), generation.live, query) == row
        assert mapped_ids(generation)[row] == shown["chunk_id"]
        tokens = generation.tokens().document(row)
        assert np.allclose(np.linalg.norm(tokens, axis=1), 1.0, atol=0.02) and len(tokens) == 2


def test_the_catalog_answers(warehouse: Warehouse) -> None:
    with connect(warehouse.generation(2)) as connection:
        rows = connection.execute("SELECT text FROM chunks ORDER BY text").fetchall()
        assert rows == [("decode reads one document",), ("scan finds the next value",)]
        assert connection.execute("SELECT path, line, reason FROM quarantine").fetchall() == [("empty.py", 3, "syntax")]


def test_checks_recipe_profile_notes_and_history_are_kept(warehouse: Warehouse) -> None:
    second, third = warehouse.generation(2), warehouse.generation(3)
    assert [(c.name, c.passed, c.value) for c in second.check_results()] == [
        ("dense_recall", True, 0.97),
        ("files_verified", True, 0.97),
    ]
    assert second.manifest.recipe == {"dense": {"family": "flat"}}
    assert second.manifest.profile == {"dense": {"nprobe": 1}}
    assert second.manifest.notes == {"costs": {"encode": {"seconds": 1.5}}}
    assert (second.manifest.forced, third.manifest.forced) == (None, "golden")
    assert [e.action for e in warehouse.history()] == [
        "published",
        "published",
        "published",
        "rolled_back",
        "withdrawn",
    ]


def test_it_can_be_built_on(warehouse: Warehouse) -> None:
    model = next(warehouse.layout.models.iterdir()).name
    assert all(one.segment.has_folder(f"postings.{model}") for one in warehouse.generation(2).segments)
    files = {"json/decoder.py": ["decode reads one document", "scan finds the next value"], "late.py": ["late text"]}
    change = write(warehouse, files)
    assert change.kept == 2 and change.added == 1
    generation = publish(warehouse)
    assert (generation.number, generation.parent) == (4, 2)
    assert generation.segments[0].base_row == 0
    at = warehouse.find_encoded(generation.segments[0].segment.text_hashes(), FINGERPRINT)
    assert at.found.all()


def test_opening_it_needs_no_torch_and_no_dagster() -> None:
    script = (
        "import sys; from xtr_assets.storage.warehouse import Warehouse; "
        "Warehouse.open(sys.argv[1]).published.vectors(); "
        "print(sorted({'torch', 'dagster', 'faiss', 'transformers', 'duckdb'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", script, str(GOLDEN)], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"


def test_a_later_format_is_refused_with_both_versions(warehouse: Warehouse) -> None:
    path = warehouse.layout.warehouse_json
    path.write_text(path.read_text().replace('"format_version": 1', '"format_version": 7'))
    with pytest.raises(UnknownFormat, match="format_version 7, this release reads 1 and 2 and 3 and 4 and 5 and 6"):
        Warehouse.open(warehouse.root)
