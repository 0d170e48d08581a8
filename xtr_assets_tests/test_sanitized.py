"""`make sanitize` puts every extension in place, and runs every test that asks one by name."""

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SCRIPT = (ROOT / "native/test/sanitized.sh").read_text("utf-8")
# What Python asks an extension by.
FACES = r"native|native_backend|native_pass|native_scores|tree_stamp"
# They borrow a name, and run whole models or repositories.
ELSEWHERE = {"test_git.py", "test_canary.py", "test_long_texts.py", "test_published_model.py"}


def test_every_extension_is_put_in_place() -> None:
    recipe = (ROOT / "native/CMakeLists.txt").read_text("utf-8")
    built = re.findall(r"install\(TARGETS (_\w+) LIBRARY DESTINATION xtr_assets/(\w+)\)", recipe)
    (named,) = re.findall(r'^modules="(.+)"$', SCRIPT, re.MULTILINE)
    assert len(built) == 3 and set(named.split()) == {f"{folder}/{name}" for name, folder in built}


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


PYTHON = """#!/bin/sh
# Modules lie in installed/; what the tests would import is written down.
case "$*" in
  *find_spec*) echo "$PWD/installed/${3##*.}.abi3.so" ;;
  *import*_kernels*) grep -q "$LOADS" installed/_kernels.abi3.so ;;
  *pytest*) cat installed/*.so > tested; exit 3 ;;
esac
"""
CMAKE = """#!/bin/sh
mkdir -p build/native-sanitized
for name in _kernels _forward _listing; do echo sanitized > build/native-sanitized/$name.abi3.so; done
"""


@pytest.mark.parametrize(("loads", "status", "tested"), [("sanitized", 3, "sanitized\n" * 3), ("nothing", 1, "")])
def test_the_sanitized_modules_lie_where_python_takes_them_from_and_the_usual_ones_come_back(
    loads: str, status: int, tested: str, tmp_path: Path
) -> None:
    """An editable install imported the usual ones beside sanitized ones that lay by the sources. Where one cannot be
    loaded its tests would be skipped: that is no success either."""
    (tmp_path / "native" / "test").mkdir(parents=True)
    (tmp_path / "native" / "test" / "sanitized.sh").write_text(SCRIPT)
    (tmp_path / "installed").mkdir()
    for name, text in (("python", PYTHON), ("cmake", CMAKE), ("c++", "#!/bin/sh\n")):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    modules = [tmp_path / "installed" / f"{name}.abi3.so" for name in ("_kernels", "_forward", "_listing")]
    for module in modules:
        module.write_text("usual\n")
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "LOADS": loads}
    command: list[str | Path] = ["sh", tmp_path / "native/test/sanitized.sh", tmp_path / "python"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    (tmp_path / "tested").touch()
    assert (done.returncode, (tmp_path / "tested").read_text()) == (status, tested), done.stderr
    assert [module.read_text() for module in modules] == ["usual\n"] * 3
