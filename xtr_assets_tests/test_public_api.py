"""`import xtr_assets` is cheap, and everything it promises is there."""

import subprocess
import sys

import pytest

import xtr_assets as xa


def test_every_public_name_can_be_taken() -> None:
    for name in xa.__all__:
        assert getattr(xa, name).__name__.split(".")[-1] == name
    assert set(xa.__all__) <= set(dir(xa))


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Sercher'"):
        xa.Sercher  # noqa: B018


def test_importing_the_package_imports_nothing_heavy() -> None:
    script = "import sys, xtr_assets; print([m for m in ('numpy', 'pyarrow', 'faiss', 'torch') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_opening_a_searcher_needs_no_torch_and_no_dagster() -> None:
    script = "import sys, xtr_assets; xtr_assets.open; print([m for m in ('torch', 'dagster') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_what_a_build_imports_needs_no_http() -> None:
    script = "import sys, xtr_assets.defs.recorded_runs, xtr_assets.defs.in_process; print('httpx' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


@pytest.mark.parametrize("platform", ["win32", "cygwin"])
@pytest.mark.parametrize("module", ["xtr_assets", "xtr_assets.cli"])
def test_another_platform_is_refused_in_one_sentence(platform: str, module: str) -> None:
    script = f"import sys; sys.platform = {platform!r}; import {module}"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    wanted = f"ImportError: xtr-assets runs on Linux and macOS; this is {platform!r}."
    assert done.returncode == 1 and done.stderr.splitlines()[-1].startswith(wanted)


def test_macos_is_not_refused() -> None:
    script = "import sys; sys.platform = 'darwin'; import xtr_assets; print('imported')"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "imported\n"
