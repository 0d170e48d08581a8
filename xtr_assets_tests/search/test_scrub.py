"""A damaged raw array answers nothing: it is read once on a host, and what is remembered of it holds while nobody wrote
to it."""

import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import xtr_assets as xa
from xtr_assets.core import files
from xtr_assets.core.errors import CorruptFile, InvalidInput
from xtr_assets.storage import digests, scrub
from xtr_assets.storage.digests import forget_digests
from xtr_assets.storage.scrub import Marks, marks_folder
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.storage.sample import flip

QUERY = "parse date zebra"


@pytest.fixture
def copy(warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Warehouse]:
    """A copy of its own, on a host that remembers nothing yet, whose times are exact."""
    monkeypatch.setenv("XTR_ASSETS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(scrub, "SETTLED_NS", -1)
    forget_digests()
    yield Warehouse.open(shutil.copytree(warehouse.root, tmp_path / "copy"))
    forget_digests()


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the .npy files that were read to be hashed."""
    found: list[str] = []
    real = files.sha256_file

    def counted(path: Path) -> str:
        if path.suffix == ".npy":
            found.append(path.name)
        return real(path)

    monkeypatch.setattr(digests, "sha256_file", counted)
    return found


def arrays(warehouse: Warehouse) -> list[str]:
    assert warehouse.published is not None
    return sorted(name for name in warehouse.published.manifest.files if name.endswith(".npy"))


def test_every_damaged_array_is_refused_at_opening_by_its_name(copy: Warehouse) -> None:
    names = arrays(copy)
    kinds = {name.rpartition("/")[2] for name in names}
    assert kinds >= {"tokens.npy", "scales.npy", "token_ids.npy", "offsets.npy", "lists.npy", "documents.npy"}
    for name in names:
        path = copy.root / name
        flip(path, path.stat().st_size - 1)
        with pytest.raises(CorruptFile) as refused:
            xa.open(copy, "cpu")
        assert refused.value.path == name
        flip(path, path.stat().st_size - 1)
    with xa.open(copy, "cpu") as searcher:
        assert searcher.search(QUERY)


def test_a_host_reads_an_array_once_and_again_when_somebody_wrote_to_it(copy: Warehouse, reads: list[str]) -> None:
    xa.open(copy, "cpu").close()
    assert len(reads) >= len(arrays(copy))
    reads.clear()
    forget_digests()  # as another process
    xa.open(copy, "cpu").close()
    # Tombstones and offsets are read by every process: they decide what is read.
    assert set(reads) <= {"tombstones.npy", "offsets.npy"}
    name = next(name for name in arrays(copy) if "embeddings" in name)
    path = copy.root / name
    times = path.stat()
    flip(path, path.stat().st_size - 1)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    with pytest.raises(CorruptFile, match=name.replace(".", r"\.")):
        xa.open(copy, "cpu")


def test_another_file_in_its_place_is_read(copy: Warehouse, tmp_path: Path) -> None:
    xa.open(copy, "cpu").close()
    path = copy.root / next(name for name in arrays(copy) if "embeddings" in name)
    other = shutil.copy2(path, tmp_path / "other.npy")
    flip(Path(other), path.stat().st_size - 1)
    Path(other).replace(path)
    with pytest.raises(CorruptFile, match=r"embeddings"):
        xa.open(copy, "cpu")


def test_another_process_remembers_and_another_host_does_not(copy: Warehouse, tmp_path: Path) -> None:
    script = (
        "import sys, xtr_assets as xa; from xtr_assets.storage import digests, scrub; scrub.SETTLED_NS = -1; "
        "reads = []; wanted = lambda name: 'embeddings' in name and name.endswith('npy'); "
        "real = digests.sha256_file; "
        "digests.sha256_file = lambda path: (reads.append(path.name), real(path))[1]; "
        "xa.open(sys.argv[1], 'cpu').close(); print(sum(map(wanted, reads)))"
    )

    def count(cache: Path) -> int:
        env = {**os.environ, "XTR_ASSETS_CACHE": str(cache)}
        command = [sys.executable, "-c", script, str(copy.root)]
        return int(subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout)

    first = count(tmp_path / "cache")
    assert first > 0
    assert count(tmp_path / "cache") == 0
    assert count(tmp_path / "elsewhere") == first


def test_full_reads_everything_and_sizes_nothing(copy: Warehouse, reads: list[str]) -> None:
    xa.open(copy, "cpu").close()
    path = copy.root / next(name for name in arrays(copy) if name.endswith("tokens.npy"))
    reads.clear()
    xa.open(copy, "cpu", verify="full").close()
    assert len(reads) >= len(arrays(copy))
    reads.clear()
    xa.open(copy, "cpu", verify="sizes").close()
    assert reads == []
    flip(path, path.stat().st_size - 1)
    xa.open(copy, "cpu", verify="sizes").close()
    with pytest.raises(CorruptFile, match=r"tokens\.npy"):
        xa.open(copy, "cpu", verify="full")
    with pytest.raises(InvalidInput, match="verify is 'twice'"):
        xa.open(copy, "cpu", verify="twice")  # type: ignore[arg-type]


def test_numbers_that_are_not_finite_are_never_mapped(copy: Warehouse) -> None:
    for kind in ("embeddings", "/scales"):
        name = next(name for name in arrays(copy) if kind in name)
        path = copy.root / name
        before = path.read_bytes()
        path.write_bytes(before[:-64] + b"\xff" * 64)
        with pytest.raises(CorruptFile, match=rf"{kind}.*expected finite numbers, found row \d+ with"):
            xa.open(copy, "cpu", verify="sizes")
        path.write_bytes(before)
    xa.open(copy, "cpu", verify="sizes").close()


def test_what_is_large_is_read_behind_the_first_searches_and_then_refused(
    copy: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scrub, "BACKGROUND_BYTES", 1000)
    path = copy.root / next(name for name in arrays(copy) if name.endswith("token_ids.npy"))
    flip(path, path.stat().st_size - 1)
    held, real = threading.Event(), digests.check_digest

    def slow(*arguments: object, **options: object) -> None:
        held.wait(20)
        real(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(scrub, "check_digest", slow)
    with xa.open(copy, "cpu") as searcher:
        assert searcher.search(QUERY), "answers meanwhile"
        with searcher.opened() as opened:
            held.set()
            assert opened.scrub.wait(20)
        for _ in range(2):
            with pytest.raises(CorruptFile, match=r"token_ids\.npy"):
                searcher.search(QUERY)
    flip(path, path.stat().st_size - 1)
    with xa.open(copy, "cpu") as searcher, searcher.opened() as opened:
        assert opened.scrub.wait(20)
        assert searcher.search(QUERY)


def test_a_marker_that_somebody_else_could_have_written_counts_nothing(copy: Warehouse, reads: list[str]) -> None:
    xa.open(copy, "cpu").close()
    (file,) = marks_folder().glob("*.json")
    assert Marks(copy.root).get(arrays(copy)[0])
    file.chmod(0o666)
    assert Marks(copy.root).get(arrays(copy)[0]) is None
    file.chmod(0o600)
    marks_folder().chmod(0o777)
    assert Marks(copy.root).get(arrays(copy)[0]) is None
    marks_folder().chmod(0o700)
    for damage in (b"", b"[]", b"{", b'{"x": 1}', b'{"x": ["a"]}', b"\xff", b"[" * 100_000):
        file.write_bytes(damage)
        reads.clear()
        forget_digests()
        xa.open(copy, "cpu").close()
        assert len(reads) >= len(arrays(copy))


def test_what_was_read_is_remembered_whatever_the_umask_says(copy: Warehouse) -> None:
    before = os.umask(0o002)
    try:
        xa.open(copy, "cpu").close()
    finally:
        os.umask(before)
    assert all(Marks(copy.root).get(name) for name in arrays(copy))


def test_where_nothing_can_be_remembered_it_is_read_each_time(
    copy: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XTR_ASSETS_CACHE", str(tmp_path / "file"))
    for _ in range(2):
        with xa.open(copy, "cpu") as searcher:
            assert searcher.search(QUERY)


def test_what_was_written_a_moment_ago_is_not_remembered(copy: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scrub, "SETTLED_NS", 10**18)
    xa.open(copy, "cpu").close()
    assert not list(marks_folder().glob("*.json"))


def test_a_refresh_reads_only_what_is_new(copy: Warehouse, reads: list[str]) -> None:
    with xa.open(copy, "cpu", generation=1) as searcher:
        reads.clear()
        assert searcher.refresh() == 2
        assert np.isfinite([hit.score for hit in searcher.search(QUERY)]).all()
        assert not any(name.startswith("embeddings") for name in reads)


def test_a_warehouse_of_which_nothing_may_be_written_is_searched(warehouse: Warehouse) -> None:
    folder = Path(tempfile.mkdtemp())
    copied = Path(shutil.copytree(warehouse.root, folder / "w"))
    folder.chmod(0o755)
    for path in (copied, *copied.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    # Whoever runs the tests as root may write everything.
    root = os.geteuid() == 0
    with xa.open(warehouse, "cpu") as searcher:
        expected = [hit.chunk_id for hit in searcher.search(QUERY)]
    try:
        if root:
            os.seteuid(65534)
        with xa.open(copied, "cpu") as searcher:
            assert [hit.chunk_id for hit in searcher.search(QUERY)] == expected
            assert searcher.refresh() == 2
    finally:
        if root:
            os.seteuid(0)
        for path in (copied, *copied.rglob("*")):
            if path.is_dir():
                path.chmod(0o755)
        shutil.rmtree(folder)


def test_a_user_without_a_home_remembers_beside_temporary_files(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere(_: object = None) -> Path:
        raise RuntimeError("Could not determine home directory.")

    for name in ("XTR_ASSETS_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", nowhere)
    assert marks_folder().parts[: len(Path(tempfile.gettempdir()).parts)] == Path(tempfile.gettempdir()).parts
