"""Where the tests write: a run that lives keeps its folder in memory, and what one left that was killed goes."""

import os
import subprocess
import sys
from pathlib import Path

from xtr_assets_tests.conftest import OURS, folder_of_a_run

# Locks its folder and ends without a word, as a process does that is killed.
KILLED = """
import os, sys
from pathlib import Path
from xtr_assets_tests.conftest import folder_of_a_run
print(folder_of_a_run(Path(sys.argv[1]))[0], flush=True)
sys.stdin.read()
os._exit(9)
"""


def test_a_run_that_lives_keeps_its_folder_and_what_a_killed_one_left_goes(tmp_path: Path) -> None:
    (tmp_path / f"{OURS}{os.getpid()}").mkdir()
    (tmp_path / "of-somebody").mkdir()
    (tmp_path / f"{OURS}link").symlink_to(tmp_path / "of-somebody")
    command = [sys.executable, "-c", KILLED, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdin is not None and other.stdout is not None
        living = Path(other.stdout.readline().strip())
        (living / "file").touch()
        first, held = folder_of_a_run(tmp_path)
        second, also = folder_of_a_run(tmp_path)
        # Of this process, whose number an earlier one had, nothing is in the way; nor is what lives.
        assert {one.name for one in tmp_path.iterdir() if one.is_dir() and not one.is_symlink()} == {
            "of-somebody", living.name, first.name, second.name
        }  # fmt: skip
        assert (living / "file").is_file()
        other.stdin.close()
    third, last = folder_of_a_run(tmp_path)
    assert not living.exists() and first.is_dir() and second.is_dir() and third.is_dir()
    for one in (held, also, last):
        os.close(one)
