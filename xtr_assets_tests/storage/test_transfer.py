"""A generation travels as one folder and answers the same where it arrives."""

import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest

from xtr_assets.core.errors import CorruptFile, GenerationError, LinkRefused, StorageError, WarehouseNotFound
from xtr_assets.core.files import FileRecord, move_into_place
from xtr_assets.storage import transfer
from xtr_assets.storage.catalog import connect
from xtr_assets.storage.digests import forget_digests
from xtr_assets.storage.layout import Layout
from xtr_assets.storage.seal import seal_text
from xtr_assets.storage.stored_json import canonical_json, sha256_bytes
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.faults.dying import dying
from xtr_assets_tests.long_cases import kept
from xtr_assets_tests.storage.sample import FINGERPRINT, REQUIRED, check, draft, flip, publish, texts, vectors_of, write

CORPUS = {"a.py": ["f one", "g two"]}


@pytest.fixture(scope="module")
def built_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two generations; the second has a model of its own. Never changed: `built` gives each test a copy."""
    warehouse = Warehouse.create(tmp_path_factory.mktemp("built") / "warehouse")
    write(warehouse, {"old.py": ["o old"]})
    publish(warehouse)
    write(warehouse, CORPUS)
    model = warehouse.add_model(lambda folder: np.save(folder / "c.npy", np.ones(2)), "test")
    made = draft(warehouse)
    made.use_folders([warehouse.layout.relative(model)])
    check(made)
    warehouse.publish(made.number, required=REQUIRED)
    return warehouse.root


@pytest.fixture
def built(built_once: Path, tmp_path: Path) -> Warehouse:
    return Warehouse.open(shutil.copytree(built_once, tmp_path / "warehouse"))


def test_an_export_is_a_warehouse_in_which_the_generation_serves(built: Warehouse, tmp_path: Path) -> None:
    exported = built.export(2, tmp_path / "out")
    generation = exported.published
    assert generation is not None and (generation.number, texts(generation)) == (2, ["f one", "g two"])
    assert exported.verify().ok
    assert [s.segment_id for s in exported.segments()] == [one.segment_id for one in generation.manifest.segments]
    with connect(generation) as connection:
        assert connection.execute("SELECT count(*) FROM chunks").fetchone() == (2,)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out", "warehouse"]


def test_an_export_removes_nothing_that_lies_beside_its_target(built: Warehouse, tmp_path: Path) -> None:
    (tmp_path / "out.partial").mkdir()
    (tmp_path / "out.partial" / "mine.txt").write_text("mine")
    built.export(2, tmp_path / "out")
    assert (tmp_path / "out.partial" / "mine.txt").read_text() == "mine"
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    with pytest.raises(StorageError, match="exists"):
        built.export(2, tmp_path / "dangling")
    assert not (tmp_path / "nowhere").exists()


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


def test_what_is_copied_is_not_collected_meanwhile(
    built: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = transfer._copy_files

    def slow(source: Layout, target: Layout, files: Mapping[str, FileRecord]) -> None:
        assert Warehouse.open(source.root).collect(1).kept[-1] == 2
        real(source, target, files)

    monkeypatch.setattr(transfer, "_copy_files", slow)
    exported = built.export(1, tmp_path / "out")
    assert exported.verify().ok and built.layout.numbers() == [1, 2]
    assert built.collect(1).generations == (1,)


def test_a_shard_that_is_written_beside_an_import_meets_no_half_segment(
    built: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its rows are those of a segment that comes: it was told to remove a folder that holds no segment."""
    built.export(2, tmp_path / "out")
    fresh = Warehouse.create(tmp_path / "fresh")
    move, written = move_into_place, list[str]()

    def build() -> None:
        written.append(str(write(Warehouse.open(fresh.root), CORPUS).new_segment))

    beside = Thread(target=build)

    def watched(source: Path, target: Path) -> None:
        move(source, target)
        if target.name == "chunks.arrow":
            beside.start()
            beside.join(0.5)

    monkeypatch.setattr(transfer, "move_into_place", watched)
    fresh.import_generation(tmp_path / "out")
    beside.join()
    assert written == [str(fresh.segments()[0])] and fresh.verify().ok


def test_an_import_is_no_generation_to_roll_back_to(built: Warehouse, tmp_path: Path) -> None:
    """It passed the gate of another warehouse, or was forced past it: here it serves where a publish lets it."""
    made = draft(built)
    built.publish(made.number, required=(), force_reason="no gate there")
    built.export(made.number, tmp_path / "out")
    target = Warehouse.create(tmp_path / "target")
    write(target, {"own.py": ["o own"]})
    publish(target)
    target.import_generation(tmp_path / "out")
    with pytest.raises(GenerationError, match="never ran on this generation"):
        target.publish(made.number, required=REQUIRED)
    with pytest.raises(GenerationError, match=r"never served here.*publish 3"):
        target.rollback(made.number)
    assert target.published is not None and target.published.number == 1
    target.publish(made.number, force_reason="looked at")
    assert target.rollback().number == 1 and target.rollback(made.number).number == made.number


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


def test_what_was_withdrawn_where_it_comes_from_is_not_taken_in(built: Warehouse, tmp_path: Path) -> None:
    """A PUBLISHED of before the withdrawal was copied back."""
    built.withdraw(2, "a secret")
    built.layout.published.write_text("2\n")
    with pytest.raises(CorruptFile, match="withdrawn"):
        Warehouse.create(tmp_path / "w").import_generation(built.root)


def altered(source: Warehouse, change: Callable[[dict[str, Any]], None]) -> None:
    """The manifest of what serves, changed as somebody could who seals it anew and writes the history for it."""
    number = source.published.number if source.published else 0
    path = source.layout.manifest(number)
    manifest = json.loads(path.read_bytes())
    change(manifest)
    path.write_bytes(canonical_json(manifest))
    source.layout.manifest_seal(number).write_bytes(seal_text(path.read_bytes()))
    info = Warehouse.open(source.root).info.model_copy(update={"format_version": 1, "history": None})
    source.layout.history.unlink()
    source.layout.warehouse_json.write_bytes(info.to_bytes())


def everything(folder: Path) -> dict[str, bytes]:
    """Every file but locks and what a writer may leave in its folder of temporaries."""
    skipped = ("writer.lock", "commit.lock")
    files = (p for p in folder.rglob("*") if p.is_file() and p.name not in skipped)
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(files)}


FOREIGN = [
    "PUBLISHED",
    "history.jsonl",
    "warehouse.json",
    ".bashrc",
    "writer.lock",
    "tmp/x",
    "staging/x/y",
    "generations/99/manifest.json",
    "generations/NEXT",
    "generations/2/manifest.json",
    "generations/2/manifest.json.sha256",
    "generations/2",
    "shards/s/CURRENT",
    "shards/s/scan.json",
    "shards/t/0123456789abcdef.json",
    "segments/0123456789abcdef/chunks.arrow",
    "segments/.hidden/chunks.arrow",
    "models/x",
    "models/.hidden/x",
    "../outside",
    "generations/2/../../PUBLISHED",
    "/etc/passwd",
    "models//x",
    "models/a/../../PUBLISHED",
    "models/" + "a/" * 1500 + "x",
]


# Of each rule by which a name is none of an export: other files of the root, another generation, a shard's pointer,
# what is sealed by itself, a hidden name, and each way out.
TOLD = (
    *("PUBLISHED", ".bashrc", "tmp/x", "generations/99/manifest.json", "generations/2/manifest.json", "generations/2"),
    *("shards/s/CURRENT", "shards/t/0123456789abcdef.json", "segments/0123456789abcdef/chunks.arrow"),
    *("models/x", "models/.hidden/x"),
    *("../outside", "/etc/passwd", "models//x", "models/a/../../PUBLISHED", FOREIGN[-1]),
)


@pytest.mark.parametrize("name", kept(FOREIGN, TOLD))
def test_an_import_takes_nothing_but_a_generation_and_what_it_needs(
    built: Warehouse, tmp_path: Path, name: str
) -> None:
    target = Warehouse.create(tmp_path / "target")
    write(target, {"z.py": ["z mine"]})
    publish(target)
    before = everything(target.root)
    payload = b"1\n"
    if ".." not in name and not name.startswith("/") and len(name) < 200:
        path = built.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_file() or not path.exists():
            payload = path.read_bytes() if path.is_file() else payload
            path.write_bytes(payload)
    one = {"bytes": len(payload), "sha256": sha256_bytes(payload)}
    altered(built, lambda manifest: manifest["files"].update({name: one}))
    with pytest.raises(CorruptFile, match=r"generations/2/manifest\.json: expected a Manifest, found .*is no file of"):
        target.import_generation(built.root)
    assert everything(target.root) == before
    with pytest.raises(CorruptFile, match="is no file of"):
        _ = built.published


def test_an_import_without_the_record_of_its_encoder_changes_nothing(built: Warehouse, tmp_path: Path) -> None:
    target = Warehouse.create(tmp_path / "target")
    before = everything(target.root)
    info = Warehouse.open(built.root).info
    built.layout.warehouse_json.write_bytes(info.model_copy(update={"encoders": {}}).to_bytes())
    for _ in range(2):
        with pytest.raises(
            CorruptFile, match=r"warehouse\.json: expected the encoder 5a5a5a5a of generation 2, found non"
        ):
            target.import_generation(built.root)
        assert everything(target.root) == before
    other = {FINGERPRINT: info.encoders[FINGERPRINT].model_copy(update={"dim": 9})}
    built.layout.warehouse_json.write_bytes(info.model_copy(update={"encoders": other}).to_bytes())
    with pytest.raises(CorruptFile, match=r"dims \(8, 4\), found dims \(9, 4\)"):
        target.import_generation(built.root)
    assert everything(target.root) == before
    built.layout.warehouse_json.write_bytes(info.to_bytes())
    assert texts(target.import_generation(built.root)) == ["f one", "g two"]
    assert list(Warehouse.open(target.root).info.encoders) == [FINGERPRINT] and target.verify().ok


def test_a_damaged_file_of_an_import_changes_nothing_whichever_it_is(built: Warehouse, tmp_path: Path) -> None:
    target = Warehouse.create(tmp_path / "target")
    before = everything(target.root)
    for name, one in built.generation(2).manifest.files.items():
        path = built.root / name
        flip(path, one.bytes - 1)
        forget_digests()
        with pytest.raises(StorageError):
            target.import_generation(built.root)
        flip(path, one.bytes - 1)
        assert everything(target.root) == before, name
    forget_digests()
    assert texts(target.import_generation(built.root)) == ["f one", "g two"]


def test_a_file_that_would_fill_the_memory_is_refused_by_its_size(built: Warehouse, tmp_path: Path) -> None:
    """A sparse file of an archive takes no disk, and whoever reads it whole takes what its size says."""
    target = Warehouse.create(tmp_path / "target")
    before, size = everything(target.root), 1 << 42
    layout = built.layout
    read = [built.root / name for name in built.generation(2).manifest.files]
    tried = [*read, layout.manifest(2), layout.history, layout.published, layout.warehouse_json]
    for path in tried:
        held = path.stat().st_size
        os.truncate(path, size)
        forget_digests()
        with pytest.raises(StorageError, match=r"4,?398,?046,?511,?104"):
            target.import_generation(built.root)
        os.truncate(path, held)
        assert everything(target.root) == before, path
    forget_digests()
    assert texts(target.import_generation(built.root)) == ["f one", "g two"]


@pytest.mark.parametrize(
    ("field", "value"), [("live_rows", 1), ("end_row", 9), ("end_row", 2**60), ("snapshots", {"s": "0" * 16})]
)
def test_an_import_whose_parts_disagree_is_refused_before_it_is_taken(
    built: Warehouse, tmp_path: Path, field: str, value: object
) -> None:
    target = Warehouse.create(tmp_path / "target")
    before = everything(target.root)
    altered(built, lambda manifest: manifest.update({field: value}))
    with pytest.raises(StorageError):
        target.import_generation(built.root)
    assert everything(target.root) == before


def test_an_import_that_dies_anywhere_is_whole_or_not_there_and_can_be_done_again(
    built: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with dying(monkeypatch, None) as life:
        Warehouse.create(tmp_path / "counted").import_generation(built.root)
    # The last ten, where things are put in their places, one by one.
    for at in (*range(1, len(life.steps) - 10, 5), *range(len(life.steps) - 10, len(life.steps) + 1)):
        target = Warehouse.create(tmp_path / f"target-{at}")
        with dying(monkeypatch, at):
            target.import_generation(built.root)
        survivor = Warehouse.open(target.root)
        assert survivor.published is None
        assert all(texts(one) == ["f one", "g two"] for one in survivor.generations())
        assert not survivor.verify().problems, at
        assert texts(survivor.import_generation(built.root)) == ["f one", "g two"]
        assert survivor.verify().ok and list(Warehouse.open(target.root).info.encoders) == [FINGERPRINT]
        assert "imported" in {entry.action for entry in survivor.history()}


def test_an_import_with_a_link_in_it_is_refused(built: Warehouse, tmp_path: Path) -> None:
    target = Warehouse.create(tmp_path / "target")
    path = built.generation(2).directory / "dense.faiss"
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(LinkRefused, match=r"generations/2/dense\.faiss is a link"):
        target.import_generation(built.root)
    assert target.generations() == []
