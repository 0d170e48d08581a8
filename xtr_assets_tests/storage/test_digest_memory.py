"""What is remembered of files: as long as they are there, and no longer."""

import threading
from pathlib import Path

import pytest

from xtr_assets.core.files import sha256_file
from xtr_assets.storage import digests
from xtr_assets.storage.digests import cached_sha256, forget_digests, is_sound, note_sound, remembered_files, stamp_of


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digests, "FIRST_LOOK", 8)
    forget_digests()


def written(folder: Path, name: str) -> Path:
    path = folder / name
    path.write_text(name)
    return path


def test_files_that_are_gone_are_forgotten_and_those_that_stay_are_not_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stay = [written(tmp_path, f"stay{number}") for number in range(5)]
    wanted = [cached_sha256(path) for path in stay]
    for path in stay:
        note_sound(path, stamp_of(path))
    for number in range(200):
        path = written(tmp_path, f"goes{number}")
        cached_sha256(path)
        note_sound(path, stamp_of(path))
        path.unlink()
    assert remembered_files() <= 2 * len(stay) + 8
    read: list[Path] = []

    def noted(path: Path) -> str:
        read.append(path)
        return sha256_file(path)

    monkeypatch.setattr(digests, "sha256_file", noted)
    assert [cached_sha256(path) for path in stay] == wanted and read == []
    assert all(is_sound(path) for path in stay)
    stay[0].write_text("another")
    assert cached_sha256(stay[0]) != wanted[0] and read == [stay[0]] and not is_sound(stay[0])


def test_many_files_that_stay_are_all_remembered(tmp_path: Path) -> None:
    for number in range(50):
        cached_sha256(written(tmp_path, str(number)))
    assert remembered_files() == 50


def test_threads_that_meet_forget_nothing_that_is_there(tmp_path: Path) -> None:
    paths = [written(tmp_path, str(number)) for number in range(120)]

    def note(own: list[Path]) -> None:
        for path in own:
            note_sound(path, stamp_of(path))

    threads = [threading.Thread(target=note, args=(paths[start::4],)) for start in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(is_sound(path) for path in paths) and remembered_files() == 120
