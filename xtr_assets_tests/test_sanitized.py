"""`make sanitize` puts every extension in place, and runs every test that asks one by name."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]
SCRIPT = (ROOT / "native/test/sanitized.sh").read_text("utf-8")
# What Python asks an extension by.
FACES = r"native|native_backend|native_pass|native_scores|tree_stamp"
# They borrow a name, and run whole models or repositories.
ELSEWHERE = {"test_git.py", "test_canary.py", "test_long_texts.py", "test_published_model.py"}


def test_every_extension_is_put_in_place() -> None:
    recipe = (ROOT / "native/CMakeLists.txt").read_text("utf-8")
    built = re.findall(r"install\(TARGETS (_\w+) LIBRARY DESTINATION xtr_assets/(\w+)\)", recipe)
    loops = re.findall(r"^ *for module in (.+); do$", SCRIPT, re.MULTILINE)
    assert len(built) == 3 and len(loops) == 2
    for named in loops:
        assert set(named.split()) == {f"{folder}/{name}" for name, folder in built}


def test_every_test_of_an_extension_is_run() -> None:
    run = [ROOT / path for path in re.findall(r"xtr_assets_tests/[\w/.]+", SCRIPT)]
    assert all(path.exists() for path in run)
    asks = re.compile(rf"^(from|import) .*\b({FACES})\b", re.MULTILINE)
    tests = [path for path in (ROOT / "xtr_assets_tests").rglob("test_*.py") if asks.search(path.read_text("utf-8"))]
    assert len(tests) > 12
    assert {path.name for path in tests if not any(path.is_relative_to(one) for one in run)} == ELSEWHERE


def test_what_cannot_be_built_is_no_success(tmp_path: Path) -> None:
    """An environment without nanobind ended well, and no test of Python had run."""
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nexit 1\n")
    python.chmod(0o755)
    done = subprocess.run(
        ["sh", ROOT / "native/test/sanitized.sh", python], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1 and "nanobind is not installed" in done.stdout
