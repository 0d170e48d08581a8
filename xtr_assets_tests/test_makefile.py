"""An install is renewed where the list of modules changes, and only there: an editable one knows what it found."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="no make here")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The Makefile, one module, and an environment whose interpreter only writes down what it is asked."""
    for folder in (".ci", "native", "xtr_assets", ".venv/bin"):
        (tmp_path / folder).mkdir(parents=True)
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    for name in (".ci/minilm.txt", "native/CMakeLists.txt", "xtr_assets/one.py"):
        (tmp_path / name).touch()
    for tool in ("python", "mypy"):
        (tmp_path / ".venv/bin" / tool).write_text('#!/bin/sh\necho "$0 $*" >> asked\n')
        (tmp_path / ".venv/bin" / tool).chmod(0o755)
    assert installs(tmp_path), "a new environment is filled"
    return tmp_path


def make(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["make", "-C", str(folder), *arguments], capture_output=True, text=True, check=True)
    return done.stdout


def installs(folder: Path) -> bool:
    """Whether `make type` installs before it looks at the types."""
    (folder / "asked").unlink(missing_ok=True)
    make(folder, "type")
    asked = (folder / "asked").read_text()
    assert "mypy" in asked
    return "pip" in asked


def test_an_edited_module_installs_nothing(checkout: Path) -> None:
    (checkout / "xtr_assets" / "one.py").write_text("x = 1\n")
    assert not installs(checkout)


def test_a_module_that_was_added_or_moved_installs_again(checkout: Path) -> None:
    (checkout / "xtr_assets" / "one.py").rename(checkout / "xtr_assets" / "two.py")
    assert installs(checkout)


def test_help_names_every_target(checkout: Path) -> None:
    said = make(checkout, "help")
    wanted = "help lint format type test-fast test suite native-test sanitize bench docs demo clean"
    wanted += " mutants faults healthy damage fuzz test-long test-stores test-cluster test-front test-ray"
    assert {line.split()[1] for line in said.splitlines() if line.startswith("make ")} == set(wanted.split())
