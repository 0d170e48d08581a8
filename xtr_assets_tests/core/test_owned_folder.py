"""What a killed server leaves in the temporary folder goes with the next start; what lives, or is not ours, stays."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from xtr_assets.core.owned_folder import IN_USE, SERVED, TRAINED, owned_folder, remove_dead, use_folder

SERVER = """
import sys
from xtr_assets.core.owned_folder import SERVED, owned_folder
with owned_folder(SERVED) as folder:
    (folder / "worker-1.json").write_text("{}")
    print(folder, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def dead(parent: Path, name: str = "xtr-serve-7-dead") -> Path:
    """What SIGKILL leaves."""
    folder = parent / name
    folder.mkdir(mode=0o700)
    (folder / "worker-1.json").write_text("{}")
    (folder / IN_USE).touch()
    return folder


def test_a_server_that_was_killed_is_cleaned_up_after_by_the_next_and_not_before(temporary: Path) -> None:
    environment = {**os.environ, "TMPDIR": str(temporary)}
    with subprocess.Popen(
        [sys.executable, "-c", SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as server:
        assert server.stdout is not None
        folder = Path(server.stdout.readline().strip())
        with owned_folder(SERVED):
            assert (folder / "worker-1.json").is_file()
        # One of its workers that is still answering.
        worker = use_folder(folder)
        server.send_signal(signal.SIGKILL)
        server.wait(30)
    assert remove_dead(temporary, SERVED) == [] and folder.is_dir()
    os.close(worker)
    with owned_folder(SERVED) as own:
        assert [*temporary.iterdir()] == [own]
    assert [*temporary.iterdir()] == []


def _link(parent: Path) -> Path:
    """A link to a folder of somebody's that looks like one of ours."""
    (parent / "target").mkdir()
    aim = dead(parent / "target", "papers")
    link = parent / "xtr-serve-8-link"
    link.symlink_to(aim)
    return aim


def _inner_link(parent: Path) -> Path:
    """A folder whose lock is a link to a file of somebody's."""
    (parent / "papers").mkdir()
    (parent / "papers" / "letter").touch()
    folder = dead(parent, "xtr-serve-9-inner")
    (folder / IN_USE).unlink()
    (folder / IN_USE).symlink_to(parent / "papers" / "letter")
    return folder


def _unlocked_yet(parent: Path) -> Path:
    """Being made this moment, or of an earlier release."""
    folder = dead(parent, "xtr-serve-10-new")
    (folder / IN_USE).unlink()
    return folder


def _file(parent: Path) -> Path:
    (parent / "xtr-serve-notes").write_text("mine")
    return parent / "xtr-serve-notes"


def _other_name(parent: Path) -> Path:
    return dead(parent, "xtr-service")


def _other_kind(parent: Path) -> Path:
    return dead(parent, f"{TRAINED}7-dead")


@pytest.mark.parametrize("plant", [_link, _inner_link, _unlocked_yet, _file, _other_name, _other_kind])
def test_what_is_no_dead_folder_of_ours_stays(temporary: Path, plant: Callable[[Path], Path]) -> None:
    there, gone = plant(temporary), dead(temporary)
    before = sorted(temporary.rglob("*"))
    assert remove_dead(temporary, SERVED) == [gone]
    assert there.exists()
    assert sorted(temporary.rglob("*")) == [path for path in before if not path.is_relative_to(gone)]


def test_what_links_inside_point_at_stays(temporary: Path) -> None:
    (temporary / "papers").mkdir()
    (temporary / "papers" / "letter").touch()
    (dead(temporary) / "out").symlink_to(temporary / "papers")
    assert len(remove_dead(temporary, SERVED)) == 1
    assert (temporary / "papers" / "letter").exists()


def test_folders_of_another_user_stay(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = dead(temporary)
    monkeypatch.setattr(os, "geteuid", lambda: folder.stat().st_uid + 1)
    assert remove_dead(temporary, SERVED) == [] and folder.is_dir()


def test_a_server_starts_where_nothing_can_be_removed(
    temporary: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise PermissionError("read-only")

    folder = dead(temporary)
    monkeypatch.setattr("xtr_assets.core.owned_folder.shutil.rmtree", refused)
    assert remove_dead(temporary, SERVED) == [] and folder.is_dir()
    assert f"{folder} of a process that died cannot be removed" in caplog.text
    assert remove_dead(temporary / "none", SERVED) == []
