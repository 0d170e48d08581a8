"""Every byte of every file counts: one flipped bit anywhere is reported with that file's name."""

import os
import random
import shutil
from pathlib import Path
from typing import Any

import pytest

from xtr_assets.core.errors import CorruptFile, GenerationError, StorageError
from xtr_assets.core.files import record, sha256_file
from xtr_assets.storage import digests, verify
from xtr_assets.storage.digests import forget_digests, verify_files
from xtr_assets.storage.layout import Layout
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.storage.sample import REQUIRED, check, draft, flip, publish, texts, write

CORPUS = {"a.py": ["f one", "g two"], "b.py": ["h three"]}


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    warehouse = Warehouse.create(tmp_path_factory.mktemp("verify") / "warehouse")
    write(warehouse, CORPUS)
    publish(warehouse)
    write(warehouse, {**CORPUS, "a.py": ["f other", "g two"]})
    made = draft(warehouse)
    segment = made.segments[0].segment
    (segment.staging("postings.m") / "lists.npy").write_bytes(b"lists")
    segment.seal_folder("postings.m")
    made.use_folders([f"segments/{segment.segment_id}/postings.m"])
    check(made)
    warehouse.publish(made.number, required=REQUIRED)
    return warehouse.root


@pytest.fixture
def warehouse(pristine: Path, tmp_path: Path) -> Warehouse:
    return Warehouse.open(shutil.copytree(pristine, tmp_path / "copy"))


def kept_files(root: Path) -> list[str]:
    """Everything but locks, the folder of temporaries, and what only saves reads or is replaced at the next step."""
    free = {"writer.lock", "commit.lock", "scan.json", "NEXT", "warehouse.json"}
    names = (p for p in root.rglob("*") if p.is_file() and p.name not in free)
    return sorted(p.relative_to(root).as_posix() for p in names if p.stat().st_size)


def test_an_untouched_warehouse_verifies(warehouse: Warehouse) -> None:
    report = warehouse.verify()
    assert report.ok and report.files > 30 and report.bytes > 50_000
    assert warehouse.verify(2).files < report.files


def test_flipping_one_bit_of_any_file_is_reported_with_its_name(pristine: Path) -> None:
    warehouse, random_offset = Warehouse.open(pristine), random.Random(7)
    for name in kept_files(pristine):
        path = pristine / name
        offset = random_offset.randrange(path.stat().st_size)
        flip(path, offset)
        problems = [problem.path for problem in warehouse.verify().problems]
        flip(path, offset)
        assert any(problem == name or problem.startswith(f"{name} line") for problem in problems), (name, offset)
        # Nothing else is accused, except a segment's files whose own list cannot be trusted any more.
        listed = "/".join(name.split("/")[:2]) if name.startswith("segments/") and name.endswith(".json") else name
        assert all(problem.startswith(listed) for problem in problems), (name, offset, problems)
    assert warehouse.verify().ok


def test_a_format_version_that_was_altered_accuses_the_file_that_holds_it(warehouse: Warehouse) -> None:
    altered = 0
    for name in kept_files(warehouse.root):
        path = warehouse.root / name
        before = path.read_bytes()
        if path.suffix == ".json" and b'"format_version":1' in before.replace(b" ", b""):
            path.write_bytes(before.replace(b'version":1', b'version":9').replace(b'version": 1', b'version": 9'))
            assert path.read_bytes() != before
            assert [problem.path for problem in warehouse.verify().problems] == [name]
            path.write_bytes(before)
            altered += 1
    assert altered >= 6 and warehouse.verify().ok


def test_a_missing_and_a_truncated_file_are_reported(warehouse: Warehouse) -> None:
    (warehouse.layout.generation(2) / "dense.faiss").unlink()
    path = warehouse.layout.generation(2) / "id_map.parquet"
    path.write_bytes(path.read_bytes()[:-1])
    for full in (True, False):
        report = warehouse.verify(2, full=full)
        assert [p.path for p in report.problems] == ["generations/2/dense.faiss", "generations/2/id_map.parquet"]


def test_a_file_that_was_added_to_a_sealed_generation_is_reported(warehouse: Warehouse) -> None:
    (warehouse.layout.generation(1) / "notes.txt").write_text("x")
    assert [(p.path, p.found) for p in warehouse.verify(1).problems] == [("generations/1/notes.txt", "a file")]


def test_a_damaged_warehouse_json_is_an_error_not_a_crash(warehouse: Warehouse) -> None:
    warehouse.layout.warehouse_json.write_bytes(b"{")
    assert [p.path for p in warehouse.verify().problems] == ["warehouse.json"]
    with pytest.raises(StorageError, match=r"warehouse\.json"):
        Warehouse.open(warehouse.root)


def test_what_is_collected_while_it_is_verified_is_no_damage(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A night's `gc` beside `verify`: fifty files were told to be restored from a copy. What differs is told still."""

    def beside(*given: Any, **named: Any) -> list[CorruptFile]:
        monkeypatch.setattr(verify, "verify_files", verify_files)
        assert Warehouse.open(warehouse.root).collect(keep=1).generations == (1,)
        return verify_files(*given, **named)

    flip(warehouse.generation(2).directory / "dense.faiss", 5)
    monkeypatch.setattr(verify, "verify_files", beside)
    report = warehouse.verify()
    assert [one.path for one in report.problems] == ["generations/2/dense.faiss"]
    assert report.files == warehouse.verify().files


def test_what_is_named_at_the_second_look_alone_is_read_too(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody restores a manifest while the rest is verified: all of its generation was told to be well, unread."""
    generation = warehouse.generation(2)
    manifest, whole = generation.directory / "manifest.json", (generation.directory / "manifest.json").read_bytes()

    def beside(*given: Any, **named: Any) -> list[CorruptFile]:
        manifest.write_bytes(whole)
        return verify_files(*given, **named)

    flip(generation.directory / "dense.faiss", 5)
    flip(manifest, 5)
    monkeypatch.setattr(verify, "verify_files", beside)
    assert [one.path for one in warehouse.verify().problems] == ["generations/2/dense.faiss"]


def test_verify_of_an_unknown_generation_says_which_there_are(warehouse: Warehouse) -> None:
    with pytest.raises(GenerationError, match="there are: 1, 2"):
        warehouse.verify(5)


def test_rollback_refuses_a_damaged_target_and_leaves_the_pointer(warehouse: Warehouse) -> None:
    flip(warehouse.layout.generation(1) / "dense.faiss", 0)
    with pytest.raises(StorageError, match=r"generations/1/dense\.faiss"):
        warehouse.rollback()
    assert warehouse.published is not None and warehouse.published.number == 2


def test_a_copied_and_a_moved_warehouse_work(pristine: Path, tmp_path: Path) -> None:
    copied = shutil.copytree(pristine, tmp_path / "copied")
    moved = copied.rename(tmp_path / "moved elsewhere")
    forget_digests()
    warehouse = Warehouse.open(moved)
    assert warehouse.verify().ok
    generation = warehouse.published
    assert generation is not None and texts(generation) == ["f other", "g two", "h three"]
    write(warehouse, CORPUS)
    assert publish(warehouse).number == 3


def test_no_file_holds_an_absolute_path(pristine: Path) -> None:
    needle = str(pristine).encode()
    assert [name for name in kept_files(pristine) if needle in (pristine / name).read_bytes()] == []


def test_bytes_read_a_moment_ago_are_not_read_again_but_a_write_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout, path = Layout(tmp_path), tmp_path / "a.bin"
    path.write_bytes(b"right")
    files = {"a.bin": record(path)}
    os.utime(path, ns=(1, 1))
    reads: list[Path] = []

    def counted(file: Path) -> str:
        reads.append(file)
        return sha256_file(file)

    monkeypatch.setattr(digests, "sha256_file", counted)
    monkeypatch.setattr(digests, "SETTLED_NS", -1)
    assert digests.verify_files(layout, files, full=True) == []
    assert digests.verify_files(layout, files, full=True, within=60.0) == []
    assert len(reads) == 1
    assert digests.verify_files(layout, files, full=True) == [], "without `within` the disk is read"
    assert len(reads) == 2
    path.write_bytes(b"wrong")
    os.utime(path, ns=(1, 1))
    (problem,) = digests.verify_files(layout, files, full=True, within=60.0)
    assert "sha256" in str(problem), "size and mtime are as they were, ctime is not"


def test_what_was_read_right_after_it_was_written_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout, path = Layout(tmp_path), tmp_path / "a.bin"
    path.write_bytes(b"right")
    files = {"a.bin": record(path)}
    monkeypatch.setattr(digests, "SETTLED_NS", 10**18)
    reads: list[Path] = []

    def counted(file: Path) -> str:
        reads.append(file)
        return sha256_file(file)

    monkeypatch.setattr(digests, "sha256_file", counted)
    for _ in range(2):
        assert digests.verify_files(layout, files, full=True, within=60.0) == []
    assert len(reads) == 2


def test_a_file_that_no_generation_has_is_to_be_removed_and_not_restored(warehouse: Warehouse) -> None:
    stray = warehouse.layout.generation(2) / ".DS_Store"
    stray.touch()
    (problem,) = warehouse.verify().problems
    assert (problem.path, problem.found) == ("generations/2/.DS_Store", "a file")
    assert problem.remedy == "remove it: no generation has it, and nothing reads it"
    stray.unlink()
    assert warehouse.verify().ok
