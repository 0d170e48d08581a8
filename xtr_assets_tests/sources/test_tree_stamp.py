"""A stamp that is equal means a scan that would find the same: whatever is done to a folder, it is another or none."""

import gc
import os
import shutil
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from xtr_assets.sources import tree_stamp as looks
from xtr_assets.sources.globs import Globs
from xtr_assets.sources.tree_stamp import tree_stamp
from xtr_assets_tests.open_files import leads_into

SUFFIXES = (".md",)
# A look so late that no time is young any more.
LATER_NS = 10**10
# Looks that show whether one leaves a descriptor open.
OFTEN = 5
NATIVE: Any = vars(looks)["_listing"]
without_extension = pytest.mark.skipif(NATIVE is None, reason="the extension is not built here: Python looks")


@pytest.fixture(params=[pytest.param("native", marks=without_extension), "python"], autouse=True)
def look(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looks, "_listing", NATIVE if request.param == "native" else None)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    (folder / "deep" / "er").mkdir(parents=True)
    for name in ("a.md", "b.txt", "deep/c.md", "deep/er/d.md"):
        (folder / name).write_text("as it was")
    (folder / "node_modules").mkdir()
    (folder / "node_modules" / "x.md").write_text("other people's")
    (tmp_path / "beside.md").write_text("as it was")
    (folder / "link.md").symlink_to(tmp_path / "beside.md")
    return folder


def stamp(root: Path, now_ns: int | None = None) -> str | None:
    return tree_stamp(root, Globs([], [], SUFFIXES, "docs"), time.time_ns() + LATER_NS if now_ns is None else now_ns)


def _same_size_and_time(root: Path) -> None:
    before = (root / "deep/c.md").stat()
    (root / "deep/c.md").write_text("is NOW...")
    os.utime(root / "deep/c.md", ns=(before.st_atime_ns, before.st_mtime_ns))


def _replaced(root: Path) -> None:
    before = (root / "a.md").stat()
    shutil.copy2(root / "a.md", root / "other")
    (root / "other").replace(root / "a.md")
    os.utime(root / "a.md", ns=(before.st_atime_ns, before.st_mtime_ns))


def _swapped(root: Path) -> None:
    (root / "a.md").rename(root / "t")
    (root / "deep/c.md").rename(root / "a.md")
    (root / "t").rename(root / "deep/c.md")


def _a_folder(root: Path) -> None:
    (root / "a.md").unlink()
    (root / "a.md").mkdir()


CHANGES: dict[str, Callable[[Path], object]] = {
    "written": lambda root: (root / "deep/er/d.md").write_text("otherwise"),
    "written, size and mtime as before": _same_size_and_time,
    "another file of the same size and mtime": _replaced,
    "two names swapped": _swapped,
    "new": lambda root: (root / "deep/new.md").write_text(""),
    "new folder": lambda root: (root / "deep/new").mkdir(),
    "removed": lambda root: (root / "a.md").unlink(),
    "renamed": lambda root: (root / "a.md").rename(root / "z.md"),
    "rights": lambda root: (root / "a.md").chmod(0o600),
    "a file becomes a folder": _a_folder,
    "what a link leads to": lambda root: (root.parent / "beside.md").write_text("otherwise"),
    "a link that leads nowhere any more": lambda root: (root.parent / "beside.md").unlink(),
    "a suffix that nobody reads": lambda root: (root / "b.txt").write_text("otherwise"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_whatever_is_done_gives_another_stamp(root: Path, change: str) -> None:
    before = stamp(root)
    assert before is not None and stamp(root) == before
    CHANGES[change](root)
    assert stamp(root) != before


def test_what_is_never_looked_into_changes_nothing(root: Path) -> None:
    before = stamp(root)
    (root / "node_modules" / "x.md").write_text("otherwise")
    (root / "node_modules" / "deep").mkdir()
    # The folder itself is an entry of its parent, with a time of its own.
    assert stamp(root) != before
    before = stamp(root)
    (root / "node_modules" / "deep" / "y.md").write_text("new")
    assert stamp(root) == before


def test_nobody_can_tell_of_young_times_and_of_times_to_come(root: Path) -> None:
    assert stamp(root, time.time_ns()) is None
    assert stamp(root) is not None
    os.utime(root / "a.md", (2**32, 2**32))
    assert stamp(root) is None


def test_nor_of_what_is_not_there(tmp_path: Path) -> None:
    assert stamp(tmp_path / "none") is None


def test_a_link_to_a_folder_above_ends(root: Path) -> None:
    (root / "deep" / "up").symlink_to(root)
    assert stamp(root) is not None


def test_what_the_source_lies_in_is_no_part_of_it(root: Path) -> None:
    """As a scan does not go there: below a link to `/` a look would walk the machine, at each tick."""
    (root / "deep" / "up").symlink_to("../..")
    (root / "machine").symlink_to("/")
    (root.parent / "neighbour").mkdir()
    before = stamp(root)
    (root.parent / "neighbour" / "other.md").write_text("of nobody's concern")
    assert before is not None and stamp(root) == before


def test_a_source_that_is_one_file(root: Path) -> None:
    before = stamp(root / "a.md")
    assert before is not None
    (root / "a.md").write_text("otherwise")
    assert stamp(root / "a.md") != before


def test_times_before_1970_and_names_that_are_no_utf_8(root: Path) -> None:
    (root / "a.md").touch()
    os.utime(root / "a.md", ns=(0, -(10**18)))
    with (root / os.fsdecode(b"\xff.md")).open("w") as file:
        file.write("as it was")
    before = stamp(root)
    assert before is not None and stamp(root) == before
    (root / os.fsdecode(b"\xff.md")).rename(root / os.fsdecode(b"\xfe.md"))
    assert stamp(root) not in (None, before)
    (root / "a.md").write_text("otherwise")
    assert stamp(root) is not None


def test_folders_and_files_are_closed_again(root: Path) -> None:
    (root / "nowhere.md").symlink_to(root / "is not there")
    gc.collect()
    there = len(list(Path("/dev/fd").iterdir()))
    for _ in range(OFTEN):
        assert stamp(root) is not None
    (root / "deep" / "er").chmod(0)
    for _ in range(OFTEN):
        stamp(root)
    (root / "deep" / "er").chmod(0o755)
    # Other threads of the tests before may open or close one meanwhile.
    assert len(list(Path("/dev/fd").iterdir())) < there + OFTEN


def _strange(folder: Path) -> None:
    """Whatever may lie in a folder."""
    (folder / os.fsdecode(b"\xff.md")).write_text("a name that is no UTF-8")
    (folder / "line\nbreak .md").write_text("")
    (folder / ".hidden").write_text("hidden")
    (folder / "nowhere").symlink_to(folder / "is not there")
    (folder / "above").symlink_to(folder.parent)
    (folder / "file").symlink_to(folder / ".hidden")
    os.mkfifo(folder / "pipe")
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(folder / "s"))
    (folder / "closed").mkdir(mode=0)
    (folder / "old").touch()
    os.utime(folder / "old", ns=(0, -(10**18)))
    (folder / "sparse").touch()
    os.truncate(folder / "sparse", 2**33)


@without_extension
def test_the_extension_sees_what_python_sees(root: Path) -> None:
    _strange(root / "deep")
    (root / "empty").mkdir()
    for folder in (root, root / "deep", root / "empty", root / "deep" / "above"):
        assert NATIVE.look_into(os.fsencode(folder)) == looks.look_into(os.fsencode(folder))
    (root / "round").symlink_to(root / "round")
    for path in (root / "none", root / "a.md", root, Path()):
        told = []
        for one in (NATIVE.look_into, looks.look_into):
            with pytest.raises(OSError) as error:
                one(os.fsencode(path) if path.name else b"")
            told.append((type(error.value), error.value.errno))
        assert told[0] == told[1]


@without_extension
def test_the_extension_makes_the_stamp_that_python_makes(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _strange(root / "deep")
    now_ns = time.time_ns() + LATER_NS
    stamps = set()
    for one in (NATIVE, None):
        monkeypatch.setattr(looks, "_listing", one)
        stamps.add(stamp(root, now_ns))
    assert len(stamps) == 1 and None not in stamps


def test_an_extension_of_another_build_is_not_asked(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Other:
        ABI = 0

    monkeypatch.setattr(looks, "_listing", Other)
    assert stamp(root) is not None


def test_a_link_that_leads_round_is_for_nobody_to_tell(root: Path) -> None:
    (root / "deep" / "round").symlink_to(root / "deep" / "round")
    assert stamp(root) is None


def test_files_that_come_and_go_meanwhile_stop_no_look(root: Path) -> None:
    ended = threading.Event()

    def come_and_go() -> None:
        while not ended.is_set():
            for number in range(20):
                (root / "deep" / f"{number}.md").touch()
                (root / "deep" / f"{number}.md").unlink()

    other = threading.Thread(target=come_and_go)
    other.start()
    try:
        stamps = {stamp(root) for _ in range(200)}
    finally:
        ended.set()
        other.join()
    assert len(stamps) > 1
    # Threads of tests before this one open and close files of their own meanwhile.
    assert [one for one in Path("/dev/fd").iterdir() if leads_into(root, one)] == []


def test_a_warehouse_in_the_folder_is_passed_over(root: Path) -> None:
    for name in ("warehouse.json", "generations"):
        (root / "deep" / name).mkdir()
    before = stamp(root)
    (root / "deep/er/new.md").write_text("written by a build")
    assert before is not None and stamp(root) == before


def test_a_time_that_64_bits_do_not_hold_is_of_the_future() -> None:
    """tmpfs keeps seconds of 64 bits: a broken clock or archive must not stop the sensor."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        pytest.skip("there is no /dev/shm")
    folder = memory / f"xtr-assets-{os.getpid()}"
    folder.mkdir()
    try:
        (folder / "a.md").write_text("from the year 5138")
        os.utime(folder / "a.md", (10**11, 10**11))
        if (folder / "a.md").stat().st_mtime_ns < 2**64:
            pytest.skip("/dev/shm keeps no such time")
        assert stamp(folder) is None
        os.utime(folder / "a.md")
        assert stamp(folder) is not None
    finally:
        shutil.rmtree(folder)
