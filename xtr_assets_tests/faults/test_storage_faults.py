"""A writer that dies or runs out of disk at any step: what is published serves on, and the next build cleans up."""

import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from xtr_assets.core.errors import StorageError
from xtr_assets.storage.digests import forget_digests
from xtr_assets.storage.generation import Generation
from xtr_assets.storage.id_map import write_id_map
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.faults.dying import dying
from xtr_assets_tests.id_maps import mapped_ids
from xtr_assets_tests.storage.sample import ENCODER, FINGERPRINT, REQUIRED, check, encode_all, texts, write

BEFORE = {"a.py": ["f one", "g two"], "b.py": ["h three"]}
AFTER = {"a.py": ["f one", "g other"], "c.py": ["k four"]}
OLD, NEW = ["f one", "g two", "h three"], ["f one", "g other", "k four"]


def build(warehouse: Warehouse, corpus: dict[str, list[str]]) -> Generation:
    """Snapshot, encodings, draft, a shared model, files, checks, pointer: every kind of commit there is."""
    warehouse.clean()
    write(warehouse, corpus)
    encode_all(warehouse)
    snapshot = warehouse.snapshot("s")
    assert snapshot is not None
    made = warehouse.draft("run", encoder=ENCODER, fingerprint=FINGERPRINT, snapshots={"s": snapshot.data_version})
    model = warehouse.add_model(lambda folder: np.save(folder / "centroids.npy", np.ones(3)), "test")
    made.use_folders([warehouse.layout.relative(model)])
    for placed in made.segments:
        name = f"postings.{model.name}"
        if not placed.segment.has_folder(name):
            np.save(placed.segment.staging(name) / "lists.npy", np.arange(placed.segment.rows))
            placed.segment.seal_folder(name)
        made.use_folders([f"segments/{placed.segment.segment_id}/{name}"])
    write_id_map(made)
    for name in ("dense.faiss", "xtr/index.json"):
        with made.writing(name) as path:
            path.write_bytes(b"index " * 100)
    check(made)
    return warehouse.publish(made.number, required=REQUIRED)


def everything_is_well(warehouse: Warehouse, allowed: list[list[str]]) -> None:
    """The published generation opens, holds one whole corpus, and every byte there is agrees with its record."""
    generation = warehouse.published
    assert generation is not None and texts(generation) in allowed
    assert len(generation.vectors()) == len(generation.tokens()) >= generation.live_rows
    assert np.count_nonzero(mapped_ids(generation) >= 0) == generation.live_rows
    assert generation.path("dense.faiss").stat().st_size == 600
    assert [g.number for g in warehouse.generations() if g.state == "published"] == [generation.number]
    assert warehouse.verify().problems == ()
    assert warehouse.history()[-1].generation in {generation.number, generation.parent}


def nothing_is_left_behind(warehouse: Warehouse) -> None:
    assert not any(warehouse.layout.scratch.iterdir())
    assert not warehouse.layout.staging_root.exists() or not any(warehouse.layout.staging_root.rglob("*.npy"))
    assert not list(warehouse.root.rglob(".*.tmp"))


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    warehouse = Warehouse.create(tmp_path_factory.mktemp("faults") / "warehouse")
    build(warehouse, BEFORE)
    return warehouse.root


def copy(pristine: Path, folder: Path) -> Warehouse:
    forget_digests()
    return Warehouse.open(shutil.copytree(pristine, folder))


def test_a_writer_may_die_at_any_step(pristine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with dying(monkeypatch, None) as life:
        build(copy(pristine, tmp_path / "counting"), AFTER)
    # Between two renames only temporaries change; the last fsyncs are those of the history after the pointer moved.
    last = len(life.steps)
    points = [at for at, step in enumerate(life.steps, start=1) if step == "replace" or at > last - 3]
    assert len(points) > 25
    old = 0
    for at in points:
        warehouse = copy(pristine, tmp_path / f"at-{at}")
        with dying(monkeypatch, at):
            build(warehouse, AFTER)
        survivor = Warehouse.open(warehouse.root)
        everything_is_well(survivor, [OLD, NEW])
        published = survivor.published
        assert published is not None
        old += published.number == 1
        numbers = survivor.layout.numbers()
        following = build(survivor, AFTER)
        assert following.number > max(numbers) and texts(following) == NEW
        everything_is_well(survivor, [NEW])
        nothing_is_left_behind(survivor)
        assert survivor.rollback().number == published.number
        shutil.rmtree(warehouse.root)
    # The pointer moves near the end: at most of the steps the old generation still serves, at the last ones the new.
    assert len(points) // 2 < old < len(points)


CRASH = """
import os, sys
from pathlib import Path
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.faults.test_storage_faults import AFTER, build
name, real = sys.argv[2], os.replace
def replace(source, target):
    if Path(target).name == name:
        os._exit(9)
    real(source, target)
os.replace = replace
build(Warehouse.open(sys.argv[1]), AFTER)
"""


@pytest.mark.parametrize("name", ["CURRENT", "manifest.json.sha256", "PUBLISHED"])
def test_a_killed_process_is_survived(pristine: Path, tmp_path: Path, name: str) -> None:
    warehouse = copy(pristine, tmp_path / "warehouse")
    run = subprocess.run([sys.executable, "-c", CRASH, str(warehouse.root), name], check=False, cwd=Path.cwd())
    assert run.returncode == 9
    everything_is_well(warehouse, [OLD])
    assert texts(build(warehouse, AFTER)) == NEW
    everything_is_well(warehouse, [NEW])
    nothing_is_left_behind(warehouse)


@contextmanager
def full_disk(limit: int) -> Iterator[None]:
    """No file grows beyond `limit` bytes: a write that does fails in Python, NumPy and Arrow alike."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("limit", [1, 150, 700, 2000, 4000])
def test_a_full_disk_fails_the_build_and_nothing_else(pristine: Path, tmp_path: Path, limit: int) -> None:
    warehouse = copy(pristine, tmp_path / "warehouse")
    with full_disk(limit), pytest.raises((OSError, StorageError)):
        build(warehouse, AFTER)
    everything_is_well(warehouse, [OLD])
    assert texts(build(warehouse, AFTER)) == NEW
    nothing_is_left_behind(warehouse)


def test_a_failing_fsync_publishes_nothing(pristine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    warehouse = copy(pristine, tmp_path / "warehouse")

    def failing(descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", failing)
        with pytest.raises(OSError, match="Input/output"):
            build(warehouse, AFTER)
    everything_is_well(warehouse, [OLD])
    assert texts(build(warehouse, AFTER)) == NEW
