"""A generation travels as one folder and answers the same where it arrives."""

from pathlib import Path

import numpy as np
import pytest

from xtr_assets.core.errors import CorruptFile, GenerationError, StorageError, WarehouseNotFound
from xtr_assets.storage.catalog import connect
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.storage.sample import FINGERPRINT, REQUIRED, check, draft, flip, publish, texts, vectors_of, write

CORPUS = {"a.py": ["f one", "g two"]}


@pytest.fixture
def built(warehouse: Warehouse) -> Warehouse:
    """Two generations; the second has a model of its own."""
    write(warehouse, {"old.py": ["o old"]})
    publish(warehouse)
    write(warehouse, CORPUS)
    model = warehouse.add_model(lambda folder: np.save(folder / "c.npy", np.ones(2)), "test")
    made = draft(warehouse)
    made.use_folders([warehouse.layout.relative(model)])
    check(made)
    warehouse.publish(made.number, required=REQUIRED)
    return warehouse


def test_an_export_is_a_warehouse_in_which_the_generation_serves(built: Warehouse, tmp_path: Path) -> None:
    exported = built.export(2, tmp_path / "out")
    generation = exported.published
    assert generation is not None and (generation.number, texts(generation)) == (2, ["f one", "g two"])
    assert exported.verify().ok
    assert [s.segment_id for s in exported.segments()] == [one.segment_id for one in generation.manifest.segments]
    with connect(generation) as connection:
        assert connection.execute("SELECT count(*) FROM chunks").fetchone() == (2,)
    assert not (tmp_path / "out.partial").exists()


def test_an_export_can_be_built_on(built: Warehouse, tmp_path: Path) -> None:
    exported = built.export(2, tmp_path / "out")
    change = write(exported, {**CORPUS, "new.py": ["n new"]})
    assert (change.kept, change.added) == (2, 1)
    assert publish(exported).number == 3


def test_a_draft_an_existing_folder_and_damaged_files_are_refused(built: Warehouse, tmp_path: Path) -> None:
    write(built, {"x.py": ["x"]})
    with pytest.raises(GenerationError, match="is a draft"):
        built.export(draft(built).number, tmp_path / "out")
    built.withdraw(1, "licence")
    with pytest.raises(GenerationError, match=r"withdrawn .*licence"):
        built.export(1, tmp_path / "out")
    with pytest.raises(StorageError, match="exists"):
        built.export(2, tmp_path)
    flip(built.generation(2).directory / "dense.faiss", 3)
    with pytest.raises(CorruptFile, match=r"generations/2/dense\.faiss"):
        built.export(2, tmp_path / "out")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["warehouse"]


def test_an_imported_generation_is_published_by_a_step_of_its_own(built: Warehouse, tmp_path: Path) -> None:
    target = Warehouse.create(tmp_path / "target")
    for number in (1, 2):
        built.export(number, tmp_path / f"out-{number}")
        generation = target.import_generation(tmp_path / f"out-{number}")
        assert generation.state == "retired"
        target.publish(number, required=REQUIRED)
    assert target.published is not None and texts(target.published) == ["f one", "g two"]
    assert target.verify().ok
    assert target.rollback().number == 1
    assert list(target.info.encoders) == [] and list(Warehouse.open(target.root).info.encoders) == [FINGERPRINT]


def test_importing_twice_changes_nothing(built: Warehouse, tmp_path: Path) -> None:
    target = Warehouse.create(tmp_path / "target")
    for _ in range(2):
        assert target.import_generation(built.root).number == 2
    assert target.layout.numbers() == [2]


def test_numbers_made_after_an_import_lie_above_it(built: Warehouse, tmp_path: Path) -> None:
    target = Warehouse.create(tmp_path / "target")
    target.import_generation(built.root)
    write(target, CORPUS)
    assert draft(target).number == 3


def test_a_number_that_means_something_else_here_is_refused(built: Warehouse, tmp_path: Path) -> None:
    target = Warehouse.create(tmp_path / "target")
    for step in range(2):
        write(target, {"z.py": [f"z {step}"]})
        publish(target)
    with pytest.raises(GenerationError, match="has a generation 2 of its own"):
        target.import_generation(built.root)


def test_the_same_text_encoded_otherwise_is_refused(built: Warehouse, tmp_path: Path) -> None:
    target = Warehouse.create(tmp_path / "target")
    segment = write(target, CORPUS).new_segment
    assert segment is not None
    segment.write_embeddings(FINGERPRINT, vectors_of([b"other", b"bits"], 8))
    with pytest.raises(StorageError, match="encoded on two machines"):
        target.import_generation(built.root)
    assert target.generations() == []


def test_where_nothing_can_be_imported_it_says_why(warehouse: Warehouse, tmp_path: Path) -> None:
    with pytest.raises(WarehouseNotFound):
        warehouse.import_generation(tmp_path)
    with pytest.raises(GenerationError, match="no published generation"):
        warehouse.import_generation(Warehouse.create(tmp_path / "empty").root)
