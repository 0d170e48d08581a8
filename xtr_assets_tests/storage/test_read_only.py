"""A warehouse that cannot be written is searched, verified and looked at; what would write says that it cannot."""

import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from xtr_assets.core.errors import StorageError
from xtr_assets.storage.catalog import connect
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.storage.sample import publish, texts, write

# Whoever runs the tests as root may write everything: they then run as nobody.
NOBODY = 65534
A, B = {"a.py": ["f one"]}, {"a.py": ["f two"]}


@pytest.fixture
def read_only() -> Iterator[Warehouse]:
    """Generations 1 and 2 in a folder of which nothing may be written."""
    folder = Path(tempfile.mkdtemp())
    warehouse = Warehouse.create(folder / "w")
    for corpus in (A, B):
        write(warehouse, corpus)
        publish(warehouse)
    for lock in (warehouse.layout.writer_lock, warehouse.layout.commit_lock):
        lock.unlink()
    folder.chmod(0o755)
    for path in (folder / "w", *(folder / "w").rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    root = os.geteuid() == 0
    if root:
        os.seteuid(NOBODY)
    try:
        yield Warehouse.open(folder / "w")
    finally:
        if root:
            os.seteuid(0)
        for path in (folder / "w", *(folder / "w").rglob("*")):
            if path.is_dir():
                path.chmod(0o755)
        shutil.rmtree(folder)


def test_it_is_read_verified_and_planned_over(read_only: Warehouse) -> None:
    assert read_only.published is not None and texts(read_only.published) == ["f two"]
    assert [one.state for one in read_only.generations()] == ["retired", "published"]
    assert read_only.verify().ok
    report = read_only.collect(keep=1, dry_run=True)
    assert report.generations == (1,) and report.bytes > 0
    assert read_only.newest_draft() is None and len(read_only.history()) == 2
    with connect(read_only.published) as connection:
        assert connection.execute("SELECT text FROM chunks").fetchall() == [("f two",)]
    with read_only.published.pin():
        assert read_only.collect(keep=1, dry_run=True).generations == (1,)


@pytest.mark.parametrize("step", ["clean", "collect", "rollback", "withdraw", "write", "first write"])
def test_what_writes_says_that_it_cannot(read_only: Warehouse, step: str) -> None:
    steps: dict[str, Callable[[], object]] = {
        "clean": lambda: read_only.clean(),
        "collect": lambda: read_only.collect(keep=1),
        "rollback": lambda: read_only.rollback(),
        "withdraw": lambda: read_only.withdraw(1, "licence"),
        "write": lambda: write(read_only, A),
        "first write": lambda: write(read_only, A, "t"),
    }
    named = {"write": r"shard\.lock", "first write": "t"}.get(step, r"writer\.lock")
    with pytest.raises(StorageError, match=rf"cannot be written here \(Permission denied: {named}\)"):
        steps[step]()


@pytest.mark.parametrize(("umask", "mode"), [(0o077, 0o600), (0o022, 0o644), (0o002, 0o664)])
def test_files_are_as_the_umask_says(tmp_path: Path, umask: int, mode: int) -> None:
    before = os.umask(umask)
    try:
        warehouse = Warehouse.create(tmp_path / "w")
        write(warehouse, A)
        publish(warehouse)
    finally:
        os.umask(before)
    modes = {p.relative_to(tmp_path): stat.S_IMODE(p.stat().st_mode) for p in warehouse.root.rglob("*") if p.is_file()}
    assert set(modes.values()) == {mode}, {str(p): oct(m) for p, m in modes.items() if m != mode}
