"""A warehouse that came from somebody else may hold links: nothing is written through one, and each is named."""

import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from xtr_assets.core.errors import CorruptFile, LinkRefused, StorageError
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.storage.conftest import Laid
from xtr_assets_tests.storage.sample import FINGERPRINT, check, draft, encode_all, publish, texts, vectors_of, write

A, B = {"a.py": ["f one", "g two"]}, {"a.py": ["f one", "g other"]}


@pytest.fixture
def built(laid: Laid) -> Warehouse:
    return laid(A)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Somebody's folder, full of what a writer could take for its own."""
    home = tmp_path / "home"
    (home / "photos").mkdir(parents=True)
    (home / "photos" / "one.jpg").write_bytes(b"a photo")
    (home / "notes.txt").write_text("what I wrote")
    (home / ".x.tmp").write_text("a hidden file")
    (home / "0123.lock").write_text("")
    return home


def contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def put(path: Path, target: Path) -> None:
    """A link in the place of what is there."""
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    path.symlink_to(target)


def everything(warehouse: Warehouse) -> list[Callable[[], object]]:
    """What writes and takes the lock for it."""
    return [
        lambda: warehouse.clean(),
        lambda: warehouse.collect(keep=1),
        lambda: write(warehouse, B),
        lambda: draft(warehouse),
        lambda: warehouse.publish(1, again_reason="why not"),
        lambda: warehouse.withdraw(1, "licence"),
        lambda: warehouse.compact(warehouse.plan_compaction()),
        lambda: warehouse.accept_history("why"),
        lambda: warehouse.import_generation(warehouse.root),
    ]


def beside_the_lock(warehouse: Warehouse) -> None:
    """What steps of a build write while the build holds the lock: they may be refused, or have nothing to do."""
    with suppress(StorageError):
        encode_all(warehouse, "6b" * 32)
    with suppress(StorageError):
        warehouse.add_model(lambda folder: np.save(folder / "m.npy", np.ones(2)), "test")


@pytest.mark.parametrize("name", ["tmp", "staging", "segments", "generations", "shards", "models"])
def test_a_folder_that_is_a_link_is_refused_by_its_name(built: Warehouse, home: Path, name: str) -> None:
    before = contents(home)
    put(built.root / name, home)
    with pytest.raises(LinkRefused, match=f"^{name} is a link to {home}"):
        Warehouse.open(built.root)
    assert name in {p.path for p in built.verify().problems if p.found == "a link"}
    for step in everything(built):
        with pytest.raises(StorageError):
            step()
        assert contents(home) == before
    beside_the_lock(built)
    assert contents(home) == before


@pytest.mark.parametrize("name", ["writer.lock", "commit.lock", "history.jsonl", "PUBLISHED", "warehouse.json"])
@pytest.mark.parametrize("there", [True, False])
def test_a_file_that_is_a_link_is_refused_by_its_name(built: Warehouse, home: Path, name: str, there: bool) -> None:
    target = home / ("notes.txt" if there else "not there")
    data = (built.root / name).read_bytes() if (built.root / name).is_file() else b""
    if there:
        target.write_bytes(data or b"what I wrote")
    before = contents(home)
    put(built.root / name, target)
    with pytest.raises(LinkRefused, match=rf"^{name} is a link to"):
        Warehouse.open(built.root)
    for step in everything(built):
        with pytest.raises(StorageError):
            step()
        assert contents(home) == before
    beside_the_lock(built)
    assert contents(home) == before


@pytest.mark.parametrize(
    "name", ["generations/1", "shards/s", "segments/*", "staging/x", "generations/NEXT", "shards/s/CURRENT", "tmp/deep"]
)
def test_a_link_below_is_refused_before_anything_is_written(built: Warehouse, home: Path, name: str) -> None:
    before = contents(home)
    (built.root / name).parent.mkdir(exist_ok=True)
    path = next(built.root.glob(name), built.root / name)
    put(path, home if path.suffix or not name.endswith(("NEXT", "CURRENT")) else home / "notes.txt")
    shown = path.relative_to(built.root).as_posix()
    for step in (built.clean, lambda: built.collect(1), lambda: write(built, B), lambda: draft(built)):
        with pytest.raises(StorageError, match=rf"^{shown}( is a link|: expected)|link"):
            step()
        assert contents(home) == before
    assert shown in {p.path for p in built.verify().problems}


def test_an_encoder_writes_into_no_linked_segment(built: Warehouse, home: Path) -> None:
    segment = built.segments()[0]
    elsewhere = shutil.move(segment.directory, home / "segment")
    segment.directory.symlink_to(elsewhere)
    before = contents(home)
    with pytest.raises(LinkRefused, match=f"segments/{segment.segment_id} is a link"):
        segment.write_embeddings("6b" * 32, vectors_of([b"a", b"b"], 8))
    assert contents(home) == before


def test_unfinished_work_is_not_resumed_through_links(built: Warehouse, home: Path) -> None:
    segment = built.segments()[0]
    staged = segment.staging("postings.m")
    (staged / "lists.npy").symlink_to(home / "notes.txt")
    with pytest.raises(LinkRefused, match=r"staging/\w+/postings\.m/lists\.npy is a link"):
        segment.staging("postings.m")
    (staged / "lists.npy").unlink()
    staged.rmdir()
    staged.parent.rmdir()
    staged.parent.symlink_to(home)
    for step in (segment.staging, segment.drop_staging, segment.seal_folder):
        with pytest.raises(LinkRefused, match="is a link"):
            step("photos")
    assert (home / "photos" / "one.jpg").is_file()


def test_a_draft_is_not_written_through_a_link(built: Warehouse, home: Path) -> None:
    write(built, B)
    made = draft(built)
    put(made.directory / "xtr", home)
    with pytest.raises(LinkRefused, match="generations/2/xtr is a link"), made.writing("xtr/notes.txt") as path:
        path.write_text("overwritten")
    assert (home / "notes.txt").read_text() == "what I wrote"
    check(made)


def test_a_published_file_that_became_a_link_is_refused(built: Warehouse, home: Path) -> None:
    generation = built.generation(1)
    for name in ("dense.faiss", "tombstones.npy"):
        path = generation.directory / name
        shutil.move(path, home / name)
        path.symlink_to(home / name)
        with pytest.raises(CorruptFile, match="found a link"):
            generation.path(name, full=False)
        with pytest.raises(CorruptFile, match="found a link"):
            generation.path(name)
    array = generation.segments[0].segment.directory / f"embeddings.{FINGERPRINT[:8]}.npy"
    shutil.move(array, home / "array")
    array.symlink_to(home / "array")
    with pytest.raises(CorruptFile, match="found a link"):
        generation.vectors()


def test_a_link_to_a_warehouse_is_no_link_in_one(built: Warehouse, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(built.root)
    beside = Warehouse.open(tmp_path / "link")
    write(beside, B)
    assert texts(publish(beside)) == ["f one", "g other"] and beside.verify().ok


@pytest.mark.parametrize("name", ["writer.lock", "commit.lock", "shards/s/shard.lock"])
@pytest.mark.parametrize("kind", ["fifo", "folder"])
def test_what_is_no_file_stops_nobody_for_ever(built: Warehouse, name: str, kind: str) -> None:
    path = built.root / name
    path.unlink(missing_ok=True)
    os.mkfifo(path) if kind == "fifo" else path.mkdir()
    told = rf"{path} is no file; .* remove what stands in its place"
    with pytest.raises(StorageError, match=told), built.lock("build"):
        write(built, B)
        draft(built)


def test_a_file_in_the_place_of_temporaries_is_named_with_what_to_do(built: Warehouse) -> None:
    shutil.rmtree(built.layout.scratch)
    built.layout.scratch.touch()
    with pytest.raises(StorageError, match="tmp cannot be a folder: a file stands there; remove it"):
        built.collect(keep=1)


def test_what_root_keeps_at_the_top_of_a_disk_is_not_looked_into(built: Warehouse, home: Path) -> None:
    (built.root / "lost+found").mkdir()
    # Another user may not list it; whoever tests may be root, and sees a link where it is.
    (built.root / "lost+found" / "#12").symlink_to(home)
    write(built, B)
    assert built.verify().ok and contents(home)["notes.txt"] == b"what I wrote"
