"""An empty warehouse is made once: in an empty folder, by one of several hosts, and by the next one where one died."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from xtr_assets.core.errors import StorageError, WarehouseNotFound
from xtr_assets.storage import warehouse as warehouse_module
from xtr_assets.storage.layout import Layout, holds_other_things
from xtr_assets.storage.parts.part_set_reader import built_warehouse
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets.storage.warehouse_info import WarehouseInfo
from xtr_assets_tests.storage.conftest import Laid
from xtr_assets_tests.storage.sample import write


def test_create_refuses_a_folder_of_other_things_and_a_warehouse(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    with pytest.raises(StorageError, match="neither empty nor a warehouse"):
        Warehouse.create(tmp_path)
    Warehouse.create(tmp_path / "x")
    with pytest.raises(StorageError, match="is a warehouse already"):
        Warehouse.create(tmp_path / "x")
    assert Warehouse.create(tmp_path / "x", exist_ok=True).root == tmp_path / "x"


def test_a_creation_that_died_half_way_is_gone_on_with(tmp_path: Path) -> None:
    for name in ("shards", "segments"):
        (tmp_path / name).mkdir()
    (tmp_path / ".warehouse.json.1a2b3c4d.tmp").write_bytes(b"")
    (tmp_path / "writer.lock").write_bytes(b"")
    assert Warehouse.create(tmp_path).root == tmp_path


def test_a_build_tells_of_an_empty_folder_that_stands_there(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    built_warehouse(tmp_path / "new")
    built_warehouse(tmp_path / "new")
    assert not caplog.records
    (tmp_path / "mount").mkdir()
    with pytest.raises(WarehouseNotFound, match="the folder is empty: mount its disk where it has one, else"):
        Warehouse.open(tmp_path / "mount")
    built_warehouse(tmp_path / "mount")
    built_warehouse(tmp_path / "mount")
    (told,) = caplog.messages
    assert f"{tmp_path / 'mount'} is an empty folder: a new index begins there" in told


def test_a_warehouse_without_its_description_is_told_from_none(laid: Laid) -> None:
    lived = laid({"a.py": ["f one"]})
    kept = lived.layout.warehouse_json.read_bytes()
    lived.layout.warehouse_json.unlink()
    for step in (Warehouse.open, Warehouse.create):
        with pytest.raises(StorageError, match=r"holds PUBLISHED .* no warehouse.json; restore that file from a copy"):
            step(lived.root)
    lived.layout.warehouse_json.write_bytes(kept)
    assert Warehouse.open(lived.root).verify().ok


def test_the_top_of_a_disk_of_its_own_is_an_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "lost+found").mkdir()
    assert Warehouse.create(tmp_path).root == tmp_path


def test_folders_of_our_names_that_hold_something_are_other_things(tmp_path: Path) -> None:
    (tmp_path / "models" / "mine").mkdir(parents=True)
    with pytest.raises(StorageError, match="neither empty nor a warehouse"):
        Warehouse.create(tmp_path)


def test_hosts_that_create_a_warehouse_at_once_make_one(tmp_path: Path) -> None:
    for turn in range(20):
        root, start = tmp_path / f"w-{turn}", Barrier(4)

        def create(root: Path = root, start: Barrier = start) -> WarehouseInfo:
            start.wait()
            return Warehouse.create(root, exist_ok=True).info

        with ThreadPoolExecutor(4) as pool:
            made = [one.result() for one in [pool.submit(create) for _ in range(4)]]
        assert all(one == Warehouse.open(root).info for one in made)


def test_of_two_creations_the_later_one_takes_nothing_from_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another host makes the warehouse and writes to it after this one has seen an empty folder."""
    seen = holds_other_things

    def then_another(layout: Layout) -> bool:
        monkeypatch.setattr(warehouse_module, "holds_other_things", seen)
        strange = seen(layout)
        write(Warehouse.create(tmp_path), {"a.py": ["f one"]})
        return strange

    monkeypatch.setattr(warehouse_module, "holds_other_things", then_another)
    assert Warehouse.create(tmp_path, exist_ok=True).shards() == ["s"]
    with pytest.raises(StorageError, match="is a warehouse already"):
        Warehouse.create(tmp_path)


def test_a_file_in_the_place_of_the_folder_is_named_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_text("# Mine\n")
    for path in (tmp_path / "notes.md", tmp_path / "notes.md" / "warehouse"):
        with pytest.raises(StorageError, match=r"notes.md.* cannot be a folder: a file stands there"):
            Warehouse.create(path)
    assert (tmp_path / "notes.md").read_text() == "# Mine\n"
