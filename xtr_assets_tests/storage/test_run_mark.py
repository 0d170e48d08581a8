"""Marks of runs: who holds one lives; who died, anywhere, holds none; what cannot be told is no death."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from xtr_assets.core.errors import InvalidInput, LinkRefused, StorageError
from xtr_assets.storage import run_mark
from xtr_assets.storage.layout import Layout
from xtr_assets.storage.links import open_descriptor
from xtr_assets.storage.run_mark import KEPT_SECONDS, marked, read_mark

RUN = "5b5d036e-cafb-4d9d-bc6d-c925d0a7edb1"

HELD = """
import sys, time
from pathlib import Path
from xtr_assets.storage.layout import Layout
from xtr_assets.storage.run_mark import marked
with marked(Layout(Path(sys.argv[1])), sys.argv[2]):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path)


def held(layout: Layout, run: str = RUN) -> bool | None:
    mark = read_mark(layout, run)
    return None if mark is None else mark.held


def test_a_mark_is_held_within_the_block_and_stays_afterwards(layout: Layout) -> None:
    assert held(layout) is None
    with marked(layout, RUN):
        assert held(layout) is True
    assert held(layout) is False


def test_two_processes_of_a_run_hold_it_together(layout: Layout) -> None:
    with marked(layout, RUN):
        with marked(layout, RUN):
            pass
        assert held(layout) is True
    assert held(layout) is False


def test_a_killed_process_holds_nothing_and_its_neighbour_does(layout: Layout) -> None:
    command = [sys.executable, "-c", HELD, str(layout.root), RUN]
    with marked(layout, "neighbour"), subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        mark = read_mark(layout, RUN)
        assert mark is not None
        assert mark.held
        assert f"process {process.pid}" in mark.holder
        process.kill()
        process.wait()
        assert held(layout) is False
        assert held(layout, "neighbour") is True


def test_a_run_of_another_user_is_seen_to_live_and_to_die(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    """It counted as one that took no mark, and was reported as failed half an hour after its start."""

    def read_only(path: Path, flags: int) -> int:
        if flags & os.O_RDWR:
            raise StorageError(f"{path.parent} cannot be written here")
        return open_descriptor(path, flags)

    with marked(layout, RUN):
        monkeypatch.setattr(run_mark, "open_descriptor", read_only)
        assert held(layout) is True
    assert held(layout) is False


def test_a_child_does_not_speak_for_its_parent(layout: Layout) -> None:
    """A server that a run forked outlives it."""
    ready, go = os.pipe()
    told, begun = os.pipe()
    with marked(layout, RUN):
        child = os.fork()
        if child == 0:
            os.close(go)
            os.write(begun, b"x")
            os.read(ready, 1)
            os._exit(0)
    try:
        # It lets go as it begins, which may be after its parent looks.
        os.read(told, 1)
        assert held(layout) is False
    finally:
        os.close(go)
        os.waitpid(child, 0)
        for end in (ready, told, begun):
            os.close(end)


def test_letting_go_renews_the_time_and_old_marks_are_removed(layout: Layout) -> None:
    for run in ("old", "held"):
        with marked(layout, run):
            os.utime(layout.run_mark(run), (0, 0))
        mark = read_mark(layout, run)
        assert mark is not None
        assert mark.at > 0
    with marked(layout, "held"):
        for path in layout.run_marks.iterdir():
            os.utime(path, (path.stat().st_mtime - KEPT_SECONDS - 60,) * 2)
        with marked(layout, RUN):
            assert {path.name for path in layout.run_marks.iterdir()} == {"held", RUN}


def test_what_is_no_mark_says_nothing(layout: Layout, tmp_path: Path) -> None:
    layout.run_marks.mkdir()
    (layout.run_marks / "folder").mkdir()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("precious")
    (layout.run_marks / "link").symlink_to(elsewhere)
    os.mkfifo(layout.run_marks / "fifo")
    assert [held(layout, name) for name in ("folder", "link", "fifo")] == [None] * 3
    with pytest.raises(LinkRefused), marked(layout, "link"):
        pass
    assert elsewhere.read_text() == "precious"
    with pytest.raises(InvalidInput), marked(layout, "../PUBLISHED"):
        pass
